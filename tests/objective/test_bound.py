"""The bound against independent float64 references: enumeration, Monte Carlo, exact integrals."""

import numpy as np
import pytest
import torch

from dgm_engine.config import LikelihoodName
from dgm_engine.models.base import N_DRAWS
from dgm_engine.objective import Sampling, bound, fixed_bound
from tests.objective.settings import PRIOR, SIGMAS, B, D, K, allowed_sets, assert_close, per_item
from tests.small import generator


@pytest.mark.parametrize("name", allowed_sets())
def test_bound_is_the_enumeration_of_y_with_monte_carlo_of_z_and_a(setting, name):
    allowed = allowed_sets()[name]
    ours, error = setting.estimate(allowed, 1_500, 3)
    x, rng, sets = setting.x.numpy(), np.random.default_rng(0), allowed.numpy()
    assert_close(ours, error, *per_item(lambda i: setting.reference.bound(x[i], sets[i], 3, 2_000, rng)))


def test_one_allowed_component_is_equation_3_and_22(setting):
    ours, error = setting.estimate(allowed_sets()["labelled"], 2_500, 2)
    x, rng = setting.x.numpy(), np.random.default_rng(1)
    assert_close(ours, error, *per_item(lambda i: setting.reference.equation_3(x[i], i % K, 8_000, rng)))


def test_everything_allowed_is_equation_2_and_21(setting):
    ours, error = setting.estimate(allowed_sets()["unknown"], 5_000, 1)
    x, rng = setting.x.numpy(), np.random.default_rng(2)
    assert_close(ours, error, *per_item(lambda i: setting.reference.equation_2(x[i], 8_000, rng)))


@pytest.mark.parametrize("name", ["unknown", "class of two components"])
def test_bound_stays_below_the_importance_sampled_evidence(setting, name):
    """With a, the importance weights are over a, y and z. The gap is real: an untrained q is not the posterior."""
    allowed = allowed_sets()[name]
    ours, error = setting.estimate(allowed, 1_000, 2)
    x, rng, sets = setting.x.numpy(), np.random.default_rng(3), allowed.numpy()
    log_px, log_px_error = per_item(lambda i: setting.reference.evidence(x[i], sets[i], 8_000, rng))
    assert log_px_error.max() < 0.5
    assert (ours < log_px + SIGMAS * np.hypot(error, log_px_error)).all()
    assert (log_px - ours).mean() > 0.1


@pytest.mark.parametrize("name", ["unknown", "class of two components"])
def test_bound_is_exactly_what_integrals_give_and_below_the_exact_evidence_for_every_s(line, name):
    """The claim of `bound`: averaging q(y | x) over S draws of a keeps a lower bound, at any S (S = 1 is Eq. 21)."""
    allowed = allowed_sets()[name]
    x, sets = line.x.numpy(), allowed.numpy()
    evidence = np.array([line.reference.exact_evidence(x[i], sets[i]) for i in range(B)])
    for n_samples in (1, 2, 3) if line.case.auxiliary is LikelihoodName.BERNOULLI else (1, 2):
        exact = np.array([line.reference.exact_bound(x[i], sets[i], n_samples) for i in range(B)])
        assert_close(*line.estimate(allowed, 3_000, n_samples), exact)
        assert (exact < evidence).all()


def test_the_two_references_of_the_evidence_agree(line):
    x, every, rng = line.x.numpy(), np.ones(K, dtype=bool), np.random.default_rng(4)
    sampled, error = per_item(lambda i: line.reference.evidence(x[i], every, 10_000, rng))
    exact = np.array([line.reference.exact_evidence(x[i], every) for i in range(B)])
    assert_close(sampled, error, exact, precision=0.05)


def test_parts_add_up_to_the_value(setting):
    encoded = setting.model.encode(setting.x, 2, random := generator())
    parts = bound(setting.model, encoded, encoded.log_q_y, PRIOR.log(), Sampling(random, 2))
    kl_a = 0.0 if parts.kl_a is None else parts.kl_a
    torch.testing.assert_close(parts.value, parts.log_px - parts.kl_z - parts.kl_y - kl_a)
    assert (parts.kl_a is None) == (setting.case.auxiliary is None)
    assert (parts.kl_z > 0).all()
    assert (parts.kl_y > 0).all()


def test_fixed_bound_is_one_of_the_draws_of_equation_2_and_always_the_same(setting):
    """Its 8 draws are such as `bound`'s could be: within their spread, for each item and overall."""
    x, n = setting.case.items(20, D), 100
    with torch.no_grad():
        fixed = fixed_bound(setting.model, x, PRIOR.log()).value
        encoded = setting.model.encode(x.repeat(n, 1), N_DRAWS, random := generator())
        sampling = Sampling(random, N_DRAWS)
        draws = bound(setting.model, encoded, encoded.log_q_y, PRIOR.log(), sampling).value.view(n, -1)
        torch.rand(1)  # whoever draws meanwhile
        alone = torch.cat([fixed_bound(setting.model, row, PRIOR.log()).value for row in x.split(1)])
    torch.testing.assert_close(alone, fixed)
    assert ((fixed - draws.mean(0)).abs() < 6 * draws.std(0)).all()
    assert float((fixed - draws.mean(0)).mean().abs()) < 4 * float(draws.std(0).mean())


def test_fixed_bound_leaves_out_only_what_is_negligible(setting):
    """With a confident q(y | x): the same as the sum over all components, at the same draws."""
    with torch.no_grad():
        setting.model.get_parameter("_q_y.output.bias").copy_(torch.tensor([0.0, 30.0, 28.0, -5.0]))
        fixed = fixed_bound(setting.model, setting.x, PRIOR.log())
        encoded = setting.model.encode_fixed(setting.x)
        every = setting.model.terms_fixed(encoded, torch.arange(K)[:, None].expand(K, B))
    kl_a = 0.0 if every.kl_a is None else every.kl_a
    log_q = encoded.log_q_y.T
    full = (log_q.exp() * (every.log_px - every.kl_z - kl_a + PRIOR.log()[:, None] - log_q)).sum(0)
    torch.testing.assert_close(fixed.value, full, atol=1e-3, rtol=0)
