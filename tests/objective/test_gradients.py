"""Gradients of the bound, and its sum over a few components, against the exact bound."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from dgm_engine.config import LikelihoodName
from dgm_engine.models.base import DeepGenerativeModel
from dgm_engine.objective import Sampling, bound, restrict
from tests.objective.settings import PRIOR, SIGMAS, B, K, Setting, allowed_sets, assert_close
from tests.reference import Reference
from tests.small import generator


def chunk_gradients(setting: Setting, n_chunks: int, exact: int, n_samples: int = 1, size: int = 80) -> Tensor:
    """(n_chunks, 1 + P) independent estimates of the bound's mean over items, and of its gradient."""
    rows = []
    for chunk in range(n_chunks):
        setting.model.zero_grad()
        value = setting.draws(allowed_sets()["unknown"], size, n_samples, exact, seed=100 * exact + chunk).mean()
        value.backward()
        gradients = [p.grad.flatten() for p in setting.model.parameters() if p.grad is not None]
        rows.append(torch.cat([value.detach()[None], *gradients]))
    return torch.stack(rows)


def test_gradients_are_those_of_the_exact_bound(line):
    """Along one direction in the weights of each network; differences of the exact bound are the reference.

    Of a binary a the network of q(a | x) is left out: its straight-through gradient is biased by design.
    """
    networks = sorted({name.split(".")[0] for name, _ in line.model.named_parameters()})
    if line.case.auxiliary is LikelihoodName.BERNOULLI:
        networks.remove("_q_a")
    gradients = chunk_gradients(line, 30, exact=0)[:, 1:]
    names = [(name, p) for name, p in line.model.named_parameters()]
    sizes = [p.numel() for _, p in names]
    for seed, network in enumerate(networks):
        random = generator(seed)
        direction = [
            torch.randn(p.shape, dtype=p.dtype, generator=random) * name.startswith(f"{network}.") for name, p in names
        ]
        along = sum((g * d.flatten()).sum(1) for g, d in zip(gradients.split(sizes, dim=1), direction, strict=True))
        expected = exact_derivative(line, direction)
        error = float(along.std() / math.sqrt(len(along)))
        assert error < 0.05 * float(torch.cat([d.flatten() for d in direction]).norm())
        assert abs(float(along.mean()) - expected) < SIGMAS * error + 1e-3, network


def exact_derivative(setting: Setting, direction: list[Tensor], step: float = 1e-6) -> float:
    """The derivative of the exact bound's mean over items along a direction; longer steps would meet a ReLU's kink."""
    ends = []
    for sign in (1, -1):
        shift_weights(setting.model, direction, sign * step)
        reference, every = Reference(setting.model, PRIOR.log().numpy()), np.ones(K, dtype=bool)
        ends.append(np.mean([reference.exact_bound(x, every, 1) for x in setting.x.numpy()]))
        shift_weights(setting.model, direction, -sign * step)
    return float(ends[0] - ends[1]) / (2 * step)


@torch.no_grad()
def shift_weights(model: DeepGenerativeModel, direction: list[Tensor], step: float) -> None:
    for parameter, along in zip(model.parameters(), direction, strict=True):
        parameter.add_(along, alpha=step)


def test_sparse_sum_is_unbiased_in_value_and_in_the_gradient_of_every_parameter(setting):
    full = chunk_gradients(setting, 30, 0)
    for exact in (1, 2):
        sparse = chunk_gradients(setting, 30, exact)
        error = (full.var(0) / len(full) + sparse.var(0) / len(sparse)).sqrt()
        difference = (full.mean(0) - sparse.mean(0)).abs()
        # A t-test with about 60 degrees of freedom for each of a few hundred parameters.
        assert (difference <= 6 * error + 1e-12).all()
        assert error[1:].norm() < 0.3 * full.mean(0)[1:].norm()


def test_as_many_exact_components_as_there_are_is_the_full_sum(setting):
    """Also where the most probable ones are not allowed, and with one component beside the exact ones."""
    for name, allowed in allowed_sets().items():
        full = setting.draws(allowed, 2, 2)
        for exact in (K - 1, K, K + 1):
            torch.testing.assert_close(setting.draws(allowed, 2, 2, exact), full, msg=name)


def test_sparse_sum_visits_one_component_beside_the_exact_ones(setting, monkeypatch):
    visited = []
    terms = setting.model.terms
    monkeypatch.setattr(setting.model, "terms", lambda e, k, *rest: (visited.append(k), terms(e, k, *rest))[1])
    setting.draws(allowed_sets()["unknown"], 50, 1, 2)
    (k,) = visited
    assert k.shape == (3, 50 * B)
    assert all(len(set(column.tolist())) == 3 for column in k.T)  # three different ones
    assert len(k[2].unique()) > 1  # not always the same third one


def test_a_sampled_component_that_is_not_allowed_has_no_weight(setting):
    """With one allowed component nothing is left to draw: the sum over the most probable one is already exact."""
    allowed = allowed_sets()["labelled"]
    ours, error = setting.estimate(allowed, 3_000, 1)
    sparse = setting.draws(allowed, 3_000, 1, 1).detach()
    assert_close(sparse.mean(0).numpy(), (sparse.std(0) / math.sqrt(3_000)).numpy(), ours, error)


def test_every_parameter_receives_a_gradient(setting):
    setting.draws(allowed_sets()["unknown"], 20, 1).mean().backward()
    without = [n for n, p in setting.model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert without == []
    assert all(p.grad.isfinite().all() for p in setting.model.parameters())


@pytest.mark.parametrize("exact", [0, 1])
def test_gradients_stay_finite_where_q_vanishes(setting, exact):
    """q(y | x) of exactly 0 and 1, and an allowed set that holds only what q rules out."""
    with torch.no_grad():
        setting.model.get_parameter("_q_y.output.bias").copy_(torch.tensor([0.0, -2_000.0, 2_000.0, 0.0]))
    encoded = setting.model.encode(setting.x, 2, random := generator())
    allowed = torch.tensor([[True] * 4, [True, True, False, False]])
    log_q_a, log_mass = restrict(encoded.log_q_y, allowed)
    value = bound(setting.model, encoded, log_q_a, PRIOR.log(), Sampling(random, 2, exact)).value
    (value + log_mass).sum().backward()
    assert value.isfinite().all()
    assert all(p.grad.isfinite().all() for p in setting.model.parameters())
