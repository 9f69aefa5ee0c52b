"""The objective against independent float64 references: enumeration of y, Monte Carlo of z, hand-derived gradients."""

import itertools
import math

import numpy as np
import pytest
import torch

from dgm_engine.config import LikelihoodName, ModelConfig
from dgm_engine.models.registry import build_model
from dgm_engine.nn import InputMap
from dgm_engine.objective import (
    Sampling,
    bound,
    component_prior,
    consistency,
    marginal_divergence,
    restrict,
)

B, D, K, Z = 6, 5, 4, 3


@pytest.fixture(params=list(LikelihoodName))
def model(request):
    torch.manual_seed(0)
    config = ModelConfig(D, K, request.param, n_latent=Z, n_hidden=8)
    inputs = InputMap(torch.arange(D), torch.zeros(D), torch.ones(D), torch.zeros(D))
    # Output weights of ordinary size: with tiny ones every component would explain x alike and prove nothing.
    return build_model(config, inputs, output_scale=0.7).double()


@pytest.fixture
def x():
    return torch.rand(B, D, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).round()


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def log_prior():
    return torch.tensor([0.1, 0.2, 0.3, 0.4], dtype=torch.float64).log()


def monte_carlo_bound(model, x, allowed, prior, n):
    """L_A(x) as its definition says: an explicit loop over k in A and `n` draws of log p(x,z,k) - log q_A(z,k)."""
    values, errors = [], []
    q = model.q_y(x).logits.detach().numpy()
    for i in range(len(x)):
        q_i = np.exp(q[i]) * allowed[i].numpy()
        q_i /= q_i.sum()
        total, variance = 0.0, 0.0
        for k in np.flatnonzero(allowed[i].numpy()):
            index = torch.full((1, 1), int(k))
            q_z = model.q_z(x[i : i + 1], index)
            z = q_z.sample(n, generator(100 + i))
            log_joint = model.p_x(z, index).log_prob(x[i]) + model.p_z(index).log_prob(z) + prior[k]
            draws = (log_joint - q_z.log_prob(z) - math.log(q_i[k])).detach().numpy().ravel()
            total += q_i[k] * draws.mean()
            variance += q_i[k] ** 2 * draws.var() / n
        values.append(total)
        errors.append(math.sqrt(variance))
    return np.array(values), np.array(errors)


def allowed_sets():
    every = torch.ones(B, K, dtype=torch.bool)
    one = torch.zeros(B, K, dtype=torch.bool)
    one[torch.arange(B), torch.arange(B) % K] = True
    two = one | one.roll(1, dims=1)
    return {"unknown": every, "labelled": one, "class of two components": two, "not this": ~one}


@pytest.mark.parametrize("name", allowed_sets())
def test_bound_agrees_with_its_definition_within_standard_errors(model, x, name):
    allowed = allowed_sets()[name]
    log_q_a, _ = restrict(model.q_y(x).log_p, allowed)
    n = 20_000
    ours = bound(model, x, log_q_a, log_prior(), Sampling(generator(), n_samples=n)).value.detach().numpy()
    expected, error = monte_carlo_bound(model, x, allowed, log_prior(), n)
    # Both sides carry Monte Carlo error; ours has a closed-form KL and so the smaller one.
    assert (np.abs(ours - expected) < 6 * error + 1e-9).all()


def component_bounds(model, x, repeats=20, n=1_000):
    """(K, B) L(x, k) of Eq. 3, one component at a time, and the standard error of that mean."""
    tries = torch.empty(repeats, K, B, dtype=torch.float64)
    for i, k in itertools.product(range(repeats), range(K)):
        terms = model.terms(x, torch.full((1, B), k), n, generator(1000 * i + k))
        tries[i, k] = ((terms.log_px - terms.kl_z)[0] + log_prior()[k]).detach()
    return tries.mean(0), tries.std(0) / math.sqrt(repeats)


def test_one_allowed_component_is_equation_3(model, x):
    log_q_a, _ = restrict(model.q_y(x).log_p, allowed_sets()["labelled"])
    ours = bound(model, x, log_q_a, log_prior(), Sampling(generator(), 20_000)).value
    expected, error = (values[torch.arange(B) % K, torch.arange(B)] for values in component_bounds(model, x))
    assert ((ours - expected).abs() < 6 * error).all()


def test_everything_allowed_is_equation_2(model, x):
    log_q = model.q_y(x).log_p
    ours = bound(model, x, log_q, log_prior(), Sampling(generator(), 20_000)).value
    each, error = component_bounds(model, x)
    expected = (log_q.exp().T * each).sum(0) - (log_q.exp() * log_q).sum(-1)
    assert ((ours - expected).abs() < 6 * error.amax(0)).all()


def test_bound_stays_below_the_importance_sampled_evidence(model, x):
    log_q_a, _ = restrict(model.q_y(x).log_p, None)
    ours = bound(model, x, log_q_a, log_prior(), Sampling(generator(), 20_000)).value
    evidence = []
    for k in range(K):
        index = torch.full((1, B), k)
        q_z = model.q_z(x, index)
        z = q_z.sample(20_000, generator(k))
        weights = model.p_x(z, index).log_prob(x) + model.p_z(index).log_prob(z) - q_z.log_prob(z)
        evidence.append(weights.logsumexp(0)[0] - math.log(20_000) + log_prior()[k])
    log_px = torch.stack(evidence).logsumexp(0)
    assert (ours < log_px + 0.02).all()
    assert (log_px - ours).mean() > 0.01  # an untrained q is not the posterior: the gap is real


@pytest.mark.parametrize("exact", [1, 2])
def test_sparse_sum_is_unbiased_in_value_and_gradient(model, x, exact):
    """Averaged over many draws of the sampled component, with z's noise averaged out too."""
    allowed = allowed_sets()["unknown"]

    def value_and_gradient(sampling):
        model.zero_grad()
        value = bound(model, x, restrict(model.q_y(x).log_p, allowed)[0], log_prior(), sampling).value.sum()
        value.backward()
        weight = next(p for name, p in model.named_parameters() if name == "_q_y.output.bias")
        return torch.cat([value.detach()[None], weight.grad.clone()])

    full = torch.stack([value_and_gradient(Sampling(generator(i), 40)) for i in range(60)])
    sparse = torch.stack([value_and_gradient(Sampling(generator(500 + i), 40, exact)) for i in range(1_000)])
    error = (full.var(0) / len(full) + sparse.var(0) / len(sparse)).sqrt()
    assert ((full.mean(0) - sparse.mean(0)).abs() < 5 * error).all()
    assert (sparse.var(0) > full.var(0)).any()  # it really sampled


def test_as_many_exact_components_as_there_are_is_the_full_sum(model, x):
    """Also where the most probable ones are not allowed, and with one component beside the exact ones."""
    log_q_a, _ = restrict(model.q_y(x).log_p, allowed_sets()["labelled"])
    full = bound(model, x, log_q_a, log_prior(), Sampling(generator(), 2)).value
    for exact in (K - 1, K, K + 1):
        sparse = bound(model, x, log_q_a, log_prior(), Sampling(generator(), 2, exact)).value
        torch.testing.assert_close(sparse, full)


def test_every_parameter_receives_a_gradient(model, x):
    log_q_a, _ = restrict(model.q_y(x).log_p, None)
    bound(model, x, log_q_a, log_prior(), Sampling(generator())).value.mean().backward()
    without = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert without == []


def test_gradient_of_the_classification_term_raises_the_allowed_mass():
    """Eq. 8 has the wrong sign: maximised as printed, it would drive q away from the labels."""
    logits = torch.zeros(1, 3, dtype=torch.float64, requires_grad=True)
    allowed = torch.tensor([[True, False, False]])
    _, log_mass = restrict(logits.log_softmax(-1), allowed)
    log_mass.sum().backward()
    torch.testing.assert_close(logits.grad, torch.tensor([[2 / 3, -1 / 3, -1 / 3]], dtype=torch.float64))


def test_restrict_renormalises_on_the_allowed_set():
    log_q = torch.tensor([[0.1, 0.2, 0.3, 0.4]], dtype=torch.float64).log()
    log_q_a, log_mass = restrict(log_q, torch.tensor([[True, False, True, False]]))
    torch.testing.assert_close(log_q_a.exp(), torch.tensor([[0.25, 0, 0.75, 0]], dtype=torch.float64))
    assert float(log_mass.exp()) == pytest.approx(0.4)


def test_relabelling_components_permutes_outputs_and_nothing_else(model, x):
    order = torch.tensor([2, 0, 3, 1])
    log_q = model.q_y(x).log_p.detach()
    before = model.terms(x, torch.arange(K)[:, None].expand(K, B), 1, generator())
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name in ("_q_y.output.weight", "_q_y.output.bias", "_q_z_first.y", "_p_z.mean", "_p_z.log_var"):
                parameter.copy_(parameter[order])
    torch.testing.assert_close(model.q_y(x).log_p, log_q[:, order])
    after = model.terms(x, torch.arange(K)[:, None].expand(K, B), 1, generator())
    torch.testing.assert_close(after.kl_z, before.kl_z[order])


OWNERS = [
    (None,) * 10,
    ("a", None, None, "b", "b", None),
    ("a", "b", "c"),
    ("a", "a", None),
]


@pytest.mark.parametrize(("owner", "n_classes"), list(itertools.product(OWNERS, [None, 1, 3, 10])))
def test_priors_sum_to_one(owner, n_classes):
    prior = component_prior(owner, n_classes)
    assert float(prior.sum()) == pytest.approx(1, abs=1e-6)
    assert (prior > 0).all()


def test_prior_of_the_papers_setting_is_the_corrected_equation_35():
    """10 classes, 5 of them labelled, |y| = 30: 1/10 for each labelled class, the rest shared by 25 components."""
    owner = ("5", "6", "7", "8", "9") + (None,) * 25
    prior = component_prior(owner, 10)
    n_gt, n_aug, n_mask = 10, 20, 5
    torch.testing.assert_close(prior[:5], torch.full((5,), 0.1))
    torch.testing.assert_close(prior[5:], torch.full((25,), n_mask / (n_gt * (n_aug + n_mask))))
    as_printed = (30 + n_gt - n_aug - n_mask) / (n_gt * (n_aug + n_mask))
    assert 5 * 0.1 + 25 * as_printed != pytest.approx(1)


def test_prior_is_uniform_where_no_label_exists():
    torch.testing.assert_close(component_prior((None,) * 4, 3), torch.full((4,), 0.25))


def test_marginal_divergence_is_zero_for_balanced_components_and_log_k_for_a_single_one():
    balanced = torch.eye(4, dtype=torch.float64).clamp_min(1e-12).log()
    alone = balanced[:1].expand(4, 4)
    prior = torch.full((4,), 0.25, dtype=torch.float64).log()
    assert float(marginal_divergence(balanced, prior)) == pytest.approx(0, abs=1e-9)
    assert float(marginal_divergence(alone, prior)) == pytest.approx(math.log(4), abs=1e-6)


def test_consistency_is_the_mean_divergence_and_leaves_its_target_alone():
    p = torch.tensor([[0.5, 0.5], [0.9, 0.1]], dtype=torch.float64)
    q = torch.tensor([[0.25, 0.75], [0.9, 0.1]], dtype=torch.float64)
    log_p, log_q = p.log().requires_grad_(), q.log().requires_grad_()
    value = consistency(log_p, log_q)
    expected = float((0.5 * math.log(2) + 0.5 * math.log(2 / 3)) / 2)
    assert value.item() == pytest.approx(expected)
    value.backward()
    assert log_p.grad is None
    assert log_q.grad is not None
