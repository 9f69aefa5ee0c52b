"""What the models state and what follows from it, against numpy references: networks, relabelling, classification."""

import math

import numpy as np
import pytest
import torch
from scipy import special
from torch import Tensor

from dgm_engine.config import LikelihoodName, ModelName
from dgm_engine.distributions import Bernoulli
from dgm_engine.models.base import N_DRAWS, DeepGenerativeModel
from dgm_engine.nn import InputMap
from dgm_engine.objective import Sampling, bound, consistency, marginal_divergence, neighbour_agreement, restrict
from tests.reference import Normal, Reference
from tests.small import CASES, Case, generator, small_model

B, D, K, Z, A = 6, 5, 7, 3, 2
"""K differs from every other length, so that an axis of length K is the components'."""
WITH_A = [case for case in CASES if case.auxiliary]
UNIFORM = np.full(K, -math.log(K))


@pytest.fixture(params=CASES, ids=str)
def case(request) -> Case:
    return request.param


@pytest.fixture
def model(case) -> DeepGenerativeModel:
    """It sees three of five raw features, moved and scaled."""
    kept = torch.tensor([0, 2, 4])
    scale, shift = (1.0, 0.0) if case.likelihood is LikelihoodName.BERNOULLI else (0.3, 0.5)
    inputs = InputMap(kept, torch.full((3,), shift), torch.full((3,), scale), torch.arange(5.0))
    return small_model(case.config(D, K, Z, A), inputs)


@pytest.fixture
def raw(case) -> Tensor:
    return case.items(B, D)


def draws_of_a(case: Case, n: int) -> Tensor | None:
    if case.auxiliary is None:
        return None
    a = torch.randn(n, B, A, dtype=torch.float64, generator=generator(3))
    return (a > 0).double() if case.auxiliary is LikelihoodName.BERNOULLI else a


# Networks


def test_every_distribution_is_that_of_the_paper(case, model, raw):
    """An MLP on concatenated inputs and a one-hot y gives all six of them: q and p of a, of y, of z and x."""
    reference, x, a = Reference(model, UNIFORM), model.inputs(raw), draws_of_a(case, 4)
    z = torch.randn(4, 1, B, Z, dtype=torch.float64, generator=generator(4))
    x_, z_ = x.numpy(), z.numpy()[:, 0]
    a_ = None if a is None else a.numpy()
    same = np.testing.assert_allclose
    with torch.no_grad():
        same(model.q_y(x, a).log_p, reference.log_q_y(x_, a_), atol=1e-12)
        for k in range(K):
            index = torch.full((1, B), k)
            q_z = model.q_z(x, None if a is None else a[:, None], index)
            expected = reference.q_z(x_, a_, k)
            same(q_z.mean.reshape(expected.mean.shape), expected.mean, atol=1e-12)
            same(q_z.log_var.reshape(expected.log_var.shape), expected.log_var, atol=1e-12)
            same(model.p_z(torch.tensor(k)).log_prob(z)[:, 0], reference.p_z(k).log_density(z_), atol=1e-10)
            same(model.p_x(z, index).log_prob(x)[:, 0], reference.p_x(z_, k).log_density(x_), atol=1e-10)
            if a is not None:
                log_p_a = model.p_a(x, z, index).log_prob(a[:, None])[:, 0]
                same(log_p_a, reference.p_a(x_, z_, k).log_density(a_), atol=1e-10)
        if a is not None:
            same(model.q_a(x).log_prob(a), reference.q_a(x_).log_density(a_), atol=1e-10)


def test_components_differ_and_so_do_items(model, raw):
    """Else the other tests here would prove little."""
    with torch.no_grad():
        q = model.classify(raw)
        each = model.terms(model.encode(model.inputs(raw), 1, generator()), every_component(), 1, generator())
    assert q.std(0).max() > 0.005
    assert q.std(1).min() > 0.01
    assert (each.log_px - each.kl_z).std(0).min() > 0.05


def test_variances_stay_within_bounds():
    """Beyond exp(8), one outlier would decide a step."""
    model = small_model(CASES[1].config(D, K, Z, A))
    with torch.no_grad():
        model.get_parameter("_p_x.log_var.bias").fill_(100.0)
        model.get_parameter("_q_z.log_var.bias").fill_(-100.0)
        assert (model.p_x(torch.zeros(2, Z, dtype=torch.float64), torch.zeros(2, dtype=torch.long)).log_var == 8).all()
        assert (model.vae_posterior(torch.zeros(2, D, dtype=torch.float64)).log_var == -8).all()


def test_vae_bound_is_section_3_1_with_y_and_a_left_out(model, raw):
    reference, x, n = Reference(model, UNIFORM), model.inputs(raw[:2]), 10_000
    with torch.no_grad():
        draws = model.vae_bound(x.repeat(n, 1), generator()).view(n, -1).numpy()
        posterior = model.vae_posterior(x)
    for i in range(2):
        expected, expected_error = reference.vae_bound(x[i].numpy(), n, np.random.default_rng(i))
        error = math.hypot(draws[:, i].std() / math.sqrt(n), expected_error)
        assert error < 0.2
        assert abs(draws[:, i].mean() - expected) < 5 * error
        np.testing.assert_allclose(posterior.mean[i], reference.q_z(x[i].numpy(), None, None).mean, atol=1e-12)


# The components' numbers mean nothing


def every_component() -> Tensor:
    return torch.arange(K)[:, None].expand(K, B)


@torch.no_grad()
def relabelled(model: DeepGenerativeModel, case: Case, order: Tensor) -> tuple[DeepGenerativeModel, set[str]]:
    """A copy in which component i is the old component order[i], and the parameters that had to be permuted."""
    copy = small_model(case.config(D, K, Z, A), model.inputs)
    copy.load_state_dict(model.state_dict())
    permuted = set()
    for name, parameter in copy.named_parameters():
        if parameter.shape[0] == K:
            parameter.copy_(parameter[order])
            permuted.add(name)
    return copy, permuted


def test_relabelling_components_permutes_outputs_and_nothing_else(case, model, raw):
    order = torch.tensor([2, 0, 3, 1, 6, 4, 5])
    other, permuted = relabelled(model, case, order)
    assert {"_q_y.output.weight", "_q_y.output.bias", "_q_z.body.category"} <= permuted
    x = model.inputs(raw)
    close = torch.testing.assert_close
    with torch.no_grad():
        close(other.classify(raw), model.classify(raw)[:, order])
        before, after = model.encode(x, 3, generator()), other.encode(x, 3, generator())
        close(after.log_q_y, before.log_q_y[:, order])
        # New component i and old component order[i], with the same noise of z.
        new, old = every_component(), order[:, None].expand(K, B)
        for part in ("log_px", "kl_z", "kl_a"):
            values = [
                getattr(m.terms(e, k, 3, generator(1)), part) for m, e, k in ((other, after, new), (model, before, old))
            ]
            if values[0] is not None:
                close(values[0], values[1])
        (q, q_z), (other_q, other_q_z) = model.posterior(raw), other.posterior(raw)
        close(other_q, q[:, order])
        close(other_q_z.mean, q_z.mean)
        close(other_q_z.log_var, q_z.log_var)
        close(other.prototypes(), model.prototypes()[order])
        close(other.vae_bound(x, generator()), model.vae_bound(x, generator()))
        # The bound itself, with prior and allowed set renamed too; the exact part of it needs no draws of z.
        log_prior = torch.linspace(1, 2, K, dtype=torch.float64).log_softmax(0)
        allowed = torch.rand(B, K, generator=generator(5)) < 0.5
        allowed[:, 0] = True
        sides = [(model, before, allowed, log_prior), (other, after, allowed[:, order], log_prior[order])]
        kl_y = [bound(m, e, restrict(e.log_q_y, s)[0], p, Sampling(generator())).kl_y for m, e, s, p in sides]
        close(*kl_y)


# A trained classifier


def test_classify_and_posterior_are_deterministic(model, raw):
    with torch.no_grad():
        first, (q, q_z) = model.classify(raw), model.posterior(raw)
        torch.rand(1)  # whoever draws meanwhile
        second, (q_again, q_z_again) = model.classify(raw), model.posterior(raw)
        alone = torch.cat([model.classify(row) for row in raw.split(1)])
    assert torch.equal(first, second)
    assert torch.equal(q, q_again)
    assert torch.equal(q_z.mean, q_z_again.mean)
    torch.testing.assert_close(alone, first)  # an image's answer does not depend on its batch
    torch.testing.assert_close(q, first)
    torch.testing.assert_close(first.sum(-1), torch.ones(B, dtype=torch.float64))


def test_classify_agrees_with_many_draws_of_a(case, model, raw):
    """Eq. 33: within the Monte Carlo error of its few fixed draws; without a, exactly."""
    x, n = model.inputs(raw), 4_000
    with torch.no_grad():
        fixed = model.classify(raw)
        many = model.encode(x, n, generator(6))
        if case.auxiliary is None:
            torch.testing.assert_close(fixed, many.log_q_y.exp())
            return
        each = model.q_y(x, many.a).log_p.exp()  # (n, B, K)
    torch.testing.assert_close(many.log_q_y.exp(), each.mean(0))
    assert ((fixed - each.mean(0)).abs() < 4.5 * each.std(0) / math.sqrt(N_DRAWS) + 1e-9).all()
    assert (fixed - each.mean(0)).abs().max() < (each - each.mean(0)).abs().max()  # an average, no single draw


def test_posterior_has_the_moments_of_q_of_z_at_the_most_probable_component(case, model, raw):
    reference, x = Reference(model, UNIFORM), model.inputs(raw).numpy()
    with torch.no_grad():
        q, found = model.posterior(raw)
    for i in range(B):
        a = fixed_a(reference, model, x[i])
        log_q_y = reference.log_q_y(x[i], a)
        log_q_y = log_q_y if a is None else special.logsumexp(log_q_y, axis=0) - math.log(len(a))
        np.testing.assert_allclose(q[i], np.exp(log_q_y), atol=1e-12)
        q_z = reference.q_z(x[i], a, int(log_q_y.argmax()))
        mean, second = np.atleast_2d(q_z.mean).mean(0), np.atleast_2d(q_z.mean**2 + q_z.sd**2).mean(0)
        np.testing.assert_allclose(found.mean[i], mean, atol=1e-12)
        np.testing.assert_allclose(found.log_var[i].exp(), second - mean**2, atol=1e-10)


def fixed_a(reference: Reference, model: DeepGenerativeModel, x: np.ndarray) -> np.ndarray | None:
    """(8, A) what the model's fixed noise makes of q(a | x), computed anew."""
    if not reference.has_a:
        return None
    noise, q_a = model.draws.numpy()[:, 0], reference.q_a(x)
    return q_a.mean + q_a.sd * noise if isinstance(q_a, Normal) else (noise < special.expit(q_a.logits)).astype(float)


def test_fixed_terms_take_the_same_standard_normal_noise_of_z_for_all(model, raw, monkeypatch):
    seen, p_x = [], model.p_x
    monkeypatch.setattr(model, "p_x", lambda z, k: (seen.append(z), p_x(z, k))[1])
    with torch.no_grad():
        encoded = model.encode_fixed(model.inputs(raw))
        model.terms_fixed(encoded, every_component())
        q_z = model.q_z(encoded.x, None if encoded.a is None else encoded.a[:, None], every_component())
    noise = (seen[0] - q_z.mean) / (0.5 * q_z.log_var).exp()  # (S, K, B, Z)
    assert noise.shape == (N_DRAWS, K, B, Z)
    torch.testing.assert_close(noise, noise[:, :1, :1].expand_as(noise))
    each = noise[:, 0, 0].flatten()
    assert len(each.unique()) == N_DRAWS * Z
    assert abs(float(each.mean())) < 3 / math.sqrt(N_DRAWS * Z)
    assert 0.5 < float(each.std()) < 1.5


def test_state_dict_carries_all_that_a_classifier_is(case, model, raw):
    """The fixed draws of a too: other draws would be another classifier."""
    if model.draws is not None:
        model.draws = type(model.q_a(model.inputs(raw))).noise(model.draws[0], N_DRAWS, generator(99))
    torch.manual_seed(123)
    other = small_model(case.config(D, K, Z, A), InputMap(*(torch.zeros_like(b) for b in model.inputs.buffers())))
    other.load_state_dict({name: value.clone() for name, value in model.state_dict().items()})
    with torch.no_grad():
        assert torch.equal(other.classify(raw), model.classify(raw))
        assert torch.equal(other.posterior(raw)[1].mean, model.posterior(raw)[1].mean)
        assert torch.equal(other.prototypes(), model.prototypes())
    assert ("draws" in model.state_dict()) == (case.auxiliary is not None)


def test_a_models_name_says_whether_it_has_an_auxiliary_latent(case, model):
    assert case.name.auxiliary == model.auxiliary == (case.auxiliary is not None)


def test_prototypes_are_means_of_x_at_the_means_of_z_in_raw_values(model):
    reference = Reference(model, UNIFORM)
    with torch.no_grad():
        found = model.prototypes().numpy()
    for k in range(K):
        p_x = reference.p_x(reference.p_z(k).mean, k)
        mean = p_x.mean if isinstance(p_x, Normal) else special.expit(p_x.logits)
        expected = np.array([0.0, 1, 2, 3, 4])  # what the model does not see keeps its fill
        expected[[0, 2, 4]] = mean * model.inputs.scale.numpy() + model.inputs.shift.numpy()
        np.testing.assert_allclose(found[k], expected, atol=1e-12)


# The auxiliary latent


@pytest.mark.parametrize("case", WITH_A, ids=str)
def test_classification_teaches_q_of_a_through_its_draws(model, raw):
    """For a binary a that gradient exists only because it goes straight through the draws."""
    encoded = model.encode(model.inputs(raw), 4, generator())
    (encoded.log_q_y[:, 0].sum()).backward()
    gradients = {name: p.grad for name, p in model.named_parameters() if name.startswith("_q_a.")}
    assert all(g is not None and g.abs().sum() > 0 for g in gradients.values())


@pytest.mark.parametrize("case", WITH_A, ids=str)
def test_draws_of_a_come_from_q_of_a(model, raw):
    x, n = model.inputs(raw), 20_000
    with torch.no_grad():
        encoded, q_a = model.encode(x, n, generator()), model.q_a(x)
    variance = q_a.mean * (1 - q_a.mean) if isinstance(q_a, Bernoulli) else q_a.log_var.exp()
    assert ((encoded.a.mean(0) - q_a.mean).abs() < 5 * (variance / n).sqrt()).all()
    torch.testing.assert_close(encoded.log_q_a, q_a.log_prob(encoded.a))
    assert encoded.a.shape == (n, B, A)
    assert model.draws.shape == (N_DRAWS, 1, A)


# Closed components


@torch.no_grad()
def without(model: DeepGenerativeModel, case: Case, closed: int) -> DeepGenerativeModel:
    """The model of one component fewer."""
    smaller = small_model(case.config(D, K - 1, Z, A), model.inputs)
    state = {name: value.clone() for name, value in model.state_dict().items()}
    kept = [k for k in range(K) if k != closed]
    smaller.load_state_dict({name: v[kept] if v.ndim and v.shape[0] == K else v for name, v in state.items()})
    return smaller


def test_a_model_with_a_closed_component_is_the_model_without_it(case, model, raw):
    closed, kept = 3, [0, 1, 2, 4, 5, 6]
    smaller = without(model, case, closed)
    model.open[closed] = False
    with torch.no_grad():
        q_y = model.classify(raw)
        assert (q_y[:, closed] == 0).all()
        torch.testing.assert_close(q_y[:, kept], smaller.classify(raw))
        torch.testing.assert_close(model.posterior(raw)[1].mean, smaller.posterior(raw)[1].mean)
    for n_exact in (0, 1, 2):
        values = []
        for one, prior in ((model, torch.tensor([1 / 6] * 7).index_fill(0, torch.tensor(closed), 0)), (smaller, None)):
            log_prior = torch.full((6,), 1 / 6).log() if prior is None else prior.log()
            encoded = one.encode(one.inputs(raw), 2, generator())
            log_q_a, _ = restrict(encoded.log_q_y, torch.ones_like(encoded.log_q_y, dtype=torch.bool))
            values.append(bound(one, encoded, log_q_a, log_prior, Sampling(generator(), 2, n_exact)))
        assert torch.isfinite(values[0].value).all()
        torch.testing.assert_close(values[0].kl_y, values[1].kl_y, check_dtype=False, atol=1e-6, rtol=1e-6)


def test_every_term_of_training_has_finite_gradients_with_a_closed_component(case, model, raw):
    model.open[3] = False
    log_prior = torch.full((K,), 1 / 6, dtype=torch.float64).index_fill(0, torch.tensor(3), 0).log()
    encoded = model.encode(model.inputs(raw), 2, generator())
    log_q_a, log_mass = restrict(encoded.log_q_y, torch.ones(B, K, dtype=torch.bool))
    parts = bound(model, encoded, log_q_a, log_prior, Sampling(generator(), 2, 1))
    near = model.encode(model.inputs(raw.flip(0)), 2, generator()).log_q_y
    value = (
        (parts.value + log_mass).mean()
        - consistency(encoded.log_q_y, near)
        + neighbour_agreement(encoded.log_q_y, near)
        - marginal_divergence(encoded.log_q_y, log_prior)
    )
    assert torch.isfinite(value)
    value.backward()
    for name, parameter in model.named_parameters():
        assert torch.isfinite(parameter.grad).all(), name
        if parameter.shape[0] == K:
            assert not parameter.grad[3].any(), name


def test_a_copied_component_is_as_probable_and_explains_alike(case, model, raw):
    with torch.no_grad():
        before = model.classify(raw)
        model.copy_component(2, 5)
        encoded = model.encode(model.inputs(raw), 2, generator())
        torch.testing.assert_close(encoded.log_q_y[:, 5], encoded.log_q_y[:, 2])
        for terms in (model.terms(encoded, torch.full((1, B), k), 2, generator()) for k in (2, 5)):
            torch.testing.assert_close(terms.log_px, model.terms(encoded, torch.full((1, B), 2), 2, generator()).log_px)
            torch.testing.assert_close(terms.kl_z, model.terms(encoded, torch.full((1, B), 2), 2, generator()).kl_z)
    others = [0, 1, 3, 4, 6]
    if case.auxiliary is None:  # the ratios of the others stay
        ratio = model.classify(raw)[:, others] / before[:, others]
        torch.testing.assert_close(ratio, ratio[:, :1].expand_as(ratio))


def test_some_components_can_be_given_moments(case, model):
    everything = torch.arange(K)
    before = model.p_z(everything).mean.clone()
    model.set_p_z(torch.full((2, Z), 7.0), torch.zeros(2, Z), torch.tensor([1, 4]))
    after = model.p_z(everything).mean
    is_mixture = not torch.equal(before, after)
    assert is_mixture == (case.name in (ModelName.GM_DGM, ModelName.AGM_DGM))
    assert torch.equal(before[[0, 2, 3, 5, 6]], after[[0, 2, 3, 5, 6]])
    assert not is_mixture or (after[[1, 4]] == 7).all()
