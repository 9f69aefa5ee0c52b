"""The objective against independent float64 references: enumeration, Monte Carlo, exact integrals, known evidence."""

import itertools
import math
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor

from dgm_engine.config import LikelihoodName, ModelConfig
from dgm_engine.distributions import Bernoulli, Categorical, DiagonalGaussian, Likelihood
from dgm_engine.models.base import N_DRAWS, DeepGenerativeModel
from dgm_engine.nn import InputMap
from dgm_engine.objective import (
    Sampling,
    bound,
    component_prior,
    consistency,
    fixed_bound,
    marginal_divergence,
    neighbour_agreement,
    restrict,
)
from tests.reference import Normal, Reference, normal_kl
from tests.small import CASES, Case, generator, small_model

B, D, K, Z, A = 2, 5, 4, 2, 2
PRIOR = torch.tensor([0.1, 0.2, 0.3, 0.4], dtype=torch.float64)
SIGMAS = 5
"""Standard errors that two estimates of one number may be apart."""


def allowed_sets() -> dict[str, Tensor]:
    every = torch.ones(B, K, dtype=torch.bool)
    one = torch.zeros(B, K, dtype=torch.bool)
    one[torch.arange(B), torch.arange(B) % K] = True
    return {"unknown": every, "labelled": one, "class of two components": one | one.roll(1, 1), "not this": ~one}


@dataclass(frozen=True)
class Setting:
    """A model, its reference and the items that both are asked about."""

    case: Case
    model: DeepGenerativeModel
    reference: Reference
    x: Tensor

    def draws(self, allowed: Tensor, n: int, n_samples: int, exact: int = 0, seed: int = 0) -> Tensor:
        """(n, B) independent draws of the engine's L_A(x)."""
        encoded = self.model.encode(self.x.repeat(n, 1), n_samples, random := generator(seed))
        log_q_a, _ = restrict(encoded.log_q_y, allowed.repeat(n, 1))
        return bound(self.model, encoded, log_q_a, PRIOR.log(), Sampling(random, n_samples, exact)).value.view(n, -1)

    def estimate(self, allowed: Tensor, n: int, n_samples: int) -> tuple[np.ndarray, np.ndarray]:
        """(B,) the engine's L_A(x) and the standard error."""
        with torch.no_grad():
            draws = self.draws(allowed, n, n_samples)
        return draws.mean(0).numpy(), (draws.std(0) / math.sqrt(n)).numpy()


def setting_of(case: Case, n_latent: int, n_auxiliary: int) -> Setting:
    model = small_model(case.config(D, K, n_latent, n_auxiliary))
    return Setting(case, model, Reference(model, PRIOR.log().numpy()), case.items(B, D))


@pytest.fixture(params=CASES, ids=str)
def setting(request) -> Setting:
    return setting_of(request.param, Z, A)


@pytest.fixture(params=CASES, ids=str)
def line(request) -> Setting:
    """With a z of one dimension, and an a of one (of two, where it is binary): integrals are exact."""
    return setting_of(request.param, 1, 2 if request.param.auxiliary is LikelihoodName.BERNOULLI else 1)


def assert_close(ours, error, expected, expected_error=0.0, precision=0.025):
    """Agreement within standard errors that are small enough to mean something."""
    total = np.hypot(error, expected_error)
    assert (total < precision * np.maximum(1, np.abs(expected))).all()
    assert (np.abs(ours - expected) < SIGMAS * total + 1e-9).all()


def per_item(compute) -> tuple[np.ndarray, np.ndarray]:
    """(B,) values and standard errors of a reference that takes the items one by one."""
    values, errors = zip(*(compute(i) for i in range(B)), strict=True)
    return np.array(values), np.array(errors)


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


# Gradients


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


# A model whose posterior is known


class LinearGaussian(DeepGenerativeModel):
    """p(z | y) = N(m_y, V_y), p(x | y, z) = N(W z + b_y, I s): the posterior is Gaussian, and here q is that posterior.

    W has orthogonal columns, so that the posterior's covariance is diagonal. With b alike and m different for all
    components it is a GM-DGM, the other way round an M2. With an auxiliary latent, p(a | x, y, z) is
    N(c (z - E[z | x, y]), T - c^2 Var[z | x, y]): a depends on x, y and z, and yet q(a | x) = N(0, T) exactly.

    `distance` moves every part of q away from the posterior.
    """

    SCALE, SPREAD, WIDTH = 0.7, 0.8, 1.5
    """The noise variance s, the weight c and the variance T."""

    def __init__(self, *, auxiliary: bool, mixture: bool) -> None:
        n_x, n_z, n_y = 4, 2, 3
        identity = InputMap(torch.arange(n_x), torch.zeros(n_x), torch.ones(n_x), torch.zeros(n_x))
        config = ModelConfig(n_x, n_y, LikelihoodName.GAUSSIAN, n_latent=n_z, n_auxiliary=n_z)
        super().__init__(config, identity, output_scale=0.01)
        random = np.random.default_rng(5)
        self.auxiliary, self.distance = auxiliary, 0.0
        self.w = torch.tensor(np.linalg.qr(random.normal(size=(n_x, n_z)))[0] * [1.5, 0.8])
        self.m = torch.tensor(random.normal(size=(n_y, n_z)) if mixture else np.zeros((n_y, n_z)))
        self.v = torch.tensor(random.uniform(0.5, 1.5, (n_y, n_z)) if mixture else np.ones((n_y, n_z)))
        self.b = torch.tensor(
            random.normal(size=(1, n_x)).repeat(n_y, 0) if mixture else random.normal(size=(n_y, n_x))
        )

    def evidence(self, x: Tensor) -> np.ndarray:
        """(B, K) log p(x, y): x given y is N(W m_y + b_y, W V_y W' + I s)."""
        from scipy import stats

        w, columns = self.w.numpy(), []
        for k, (m, v, b) in enumerate(zip(self.m.numpy(), self.v.numpy(), self.b.numpy(), strict=True)):
            covariance = w @ np.diag(v) @ w.T + self.SCALE * np.eye(len(w))
            columns.append(math.log(THIRDS[k]) + stats.multivariate_normal(w @ m + b, covariance).logpdf(x.numpy()))
        return np.stack(columns, axis=-1)

    def posterior_of_z(self, x: Tensor, k: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance (..., Z) of p(z | x, y)."""
        variance = 1 / (1 / self.v[k] + (self.w**2).sum(0) / self.SCALE)
        return variance * (self.m[k] / self.v[k] + (x - self.b[k]) @ self.w / self.SCALE), variance

    def q_y(self, x: Tensor, a: Tensor | None, features: Tensor | None = None) -> Categorical:
        assert features is None
        logits = (1 - 0.7 * self.distance) * torch.tensor(self.evidence(x))
        return Categorical(logits if a is None else logits + self.distance * a @ torch.ones(2, 3, dtype=a.dtype).tril())

    def q_z(self, x: Tensor, a: Tensor | None, k: Tensor | None) -> DiagonalGaussian:
        assert k is not None
        mean, variance = self.posterior_of_z(x, k)
        if a is not None:
            noise = self.WIDTH - self.SPREAD**2 * variance
            gain = variance * self.SPREAD / self.WIDTH
            mean, variance = mean + gain * a, variance * noise / self.WIDTH
        return DiagonalGaussian(mean + 0.6 * self.distance, variance.log() + 0.8 * self.distance)

    def p_z(self, k: Tensor) -> DiagonalGaussian:
        return DiagonalGaussian(self.m[k], self.v[k].log())

    def p_x(self, z: Tensor, k: Tensor | None) -> Likelihood:
        mean = z @ self.w.T + self.b[k]
        return DiagonalGaussian(mean, torch.full_like(mean, math.log(self.SCALE)))

    def q_a(self, x: Tensor) -> Likelihood | None:
        if not self.auxiliary:
            return None
        mean = torch.full((len(x), 2), self.distance, dtype=x.dtype)
        return DiagonalGaussian(mean, torch.full_like(mean, math.log(self.WIDTH)) - 0.5 * self.distance)

    def p_a(self, x: Tensor, z: Tensor, k: Tensor) -> Likelihood:
        mean, variance = self.posterior_of_z(x, k)
        noise = (self.WIDTH - self.SPREAD**2 * variance).log()
        return DiagonalGaussian(self.SPREAD * (z - mean), noise.expand_as(z))


THIRDS = (0.2, 0.3, 0.5)


def linear_bound(model: LinearGaussian, x: Tensor, allowed: Tensor, n_samples: int, n: int = 8_000) -> Tensor:
    """(n, B) draws of the engine's bound, the same random numbers for every `distance`."""
    encoded = model.encode(x.repeat(n, 1), n_samples, random := generator())
    log_q_a, _ = restrict(encoded.log_q_y, allowed.repeat(n, 1))
    log_prior = torch.tensor(THIRDS, dtype=torch.float64).log()
    return bound(model, encoded, log_q_a, log_prior, Sampling(random, n_samples)).value.view(n, -1)


LINEAR = list(itertools.product([False, True], [False, True]))


@pytest.mark.parametrize("n_samples", [1, 2])
@pytest.mark.parametrize(("auxiliary", "mixture"), LINEAR)
def test_bound_is_the_known_evidence_where_q_is_the_posterior(auxiliary, mixture, n_samples):
    model, x = LinearGaussian(auxiliary=auxiliary, mixture=mixture), torch.randn(2, 4, generator=generator(7)).double()
    for allowed in ([True, True, True], [False, True, True], [False, False, True]):
        draws = linear_bound(model, x, torch.tensor([allowed] * 2), n_samples)
        expected = np.logaddexp.reduce(model.evidence(x)[:, allowed], axis=1)  # log p(x, y in A)
        assert_close(draws.mean(0).numpy(), (draws.std(0) / math.sqrt(len(draws))).numpy(), expected)


@pytest.mark.parametrize(("auxiliary", "mixture"), LINEAR)
def test_gap_to_the_known_evidence_shrinks_as_q_moves_to_the_posterior(auxiliary, mixture):
    model, x = LinearGaussian(auxiliary=auxiliary, mixture=mixture), torch.randn(2, 4, generator=generator(7)).double()
    log_px = np.logaddexp.reduce(model.evidence(x), axis=1)
    gaps = []
    for model.distance in (1.0, 0.75, 0.5, 0.25, 0.0):
        draws = linear_bound(model, x, torch.ones(2, 3, dtype=torch.bool), 1)
        gap, error = log_px - draws.mean(0).numpy(), (draws.std(0) / math.sqrt(len(draws))).numpy()
        gaps.append(gap)
        if not auxiliary:
            assert_close(gap, error, gap_of(model, x))
    assert (np.diff(np.stack(gaps), axis=0) < 0).all()
    assert (gaps[0] > 0.5).all()


def gap_of(model: LinearGaussian, x: Tensor) -> np.ndarray:
    """(B,) KL(q(y, z | x) || p(y, z | x)), from textbook divergences."""
    log_q = model.q_y(x, None).logits.log_softmax(-1).numpy()
    log_p = model.evidence(x) - np.logaddexp.reduce(model.evidence(x), axis=1)[:, None]
    kl_z = []
    for k in range(3):
        index = torch.full((len(x),), k)
        q, (mean, variance) = model.q_z(x, None, index), model.posterior_of_z(x, index)
        kl_z.append(normal_kl(Normal(q.mean.numpy(), q.log_var.numpy()), Normal(mean.numpy(), variance.log().numpy())))
    return (np.exp(log_q) * (log_q - log_p + np.stack(kl_z, axis=-1))).sum(-1)


# Allowed sets and priors


def test_restrict_renormalises_on_the_allowed_set():
    log_q = torch.tensor([[0.1, 0.2, 0.3, 0.4]], dtype=torch.float64).log()
    log_q_a, log_mass = restrict(log_q, torch.tensor([[True, False, True, False]]))
    torch.testing.assert_close(log_q_a.exp(), torch.tensor([[0.25, 0, 0.75, 0]], dtype=torch.float64))
    assert float(log_mass.exp()) == pytest.approx(0.4)


def test_restrict_to_everything_changes_nothing():
    log_q = torch.tensor([[0.1, 0.2, 0.3, 0.4]], dtype=torch.float64).log()
    for allowed in (None, torch.ones(1, 4, dtype=torch.bool)):
        log_q_a, log_mass = restrict(log_q, allowed)
        torch.testing.assert_close(log_q_a, log_q)
        assert float(log_mass) == pytest.approx(0, abs=1e-12)


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


def test_prior_gives_a_labelled_class_its_share_however_many_components_it_owns():
    prior = component_prior(("a", None, None, "b", "b", None), 3)
    torch.testing.assert_close(prior, torch.tensor([1 / 3, 1 / 9, 1 / 9, 1 / 6, 1 / 6, 1 / 9]))


def test_prior_is_uniform_where_no_label_exists():
    torch.testing.assert_close(component_prior((None,) * 4, 3), torch.full((4,), 0.25))


def test_components_share_the_prior_in_proportion_to_their_mass():
    prior = component_prior(("a", None, None, "b", None), 3, (1, 1, 0, 1, 0))
    torch.testing.assert_close(prior, torch.tensor([1 / 3, 1 / 3, 0, 1 / 3, 0]))
    prior = component_prior(("a", None, None, "a", None), 4, (1, 3, 0, 2, 1))
    torch.testing.assert_close(prior, torch.tensor([1 / 12, 9 / 16, 0, 1 / 6, 3 / 16]))
    torch.testing.assert_close(component_prior((None,) * 4, None, (1, 0, 2, 1)), torch.tensor([1, 0, 2, 1]) / 4)
    torch.testing.assert_close(component_prior(("a", "b", None), 5, (1, 1, 0)), torch.tensor([1, 1, 0]) / 2)


# Errata of the paper


@pytest.mark.parametrize("n_aug", [5, 20])
def test_erratum_equation_35_does_not_sum_to_one_and_its_correction_does(n_aug):
    """10 classes, 5 of them labelled: 1/10 for each labelled class, the rest shared by masked and added components."""
    n_gt, n_mask = 10, 5
    n_free = n_aug + n_mask
    prior = component_prior(("5", "6", "7", "8", "9") + (None,) * n_free, n_gt)
    torch.testing.assert_close(prior[:5], torch.full((5,), 1 / n_gt))  # Eq. 34
    torch.testing.assert_close(prior[5:], torch.full((n_free,), n_mask / (n_gt * n_free)))
    as_printed = ((n_gt + n_aug) + n_gt - n_aug - n_mask) / (n_gt * n_free)
    assert 5 / n_gt + n_free * as_printed == pytest.approx(2)


def test_erratum_the_classification_term_of_equation_8_has_the_wrong_sign():
    """Maximised with the plus of `restrict`'s log mass q goes to the label; as printed, away from it."""
    allowed = torch.tensor([[True, False, False]])
    logits = torch.zeros(1, 3, dtype=torch.float64, requires_grad=True)
    _, log_mass = restrict(logits.log_softmax(-1), allowed)
    (uphill,) = torch.autograd.grad(log_mass.sum(), logits)
    torch.testing.assert_close(uphill, torch.tensor([[2 / 3, -1 / 3, -1 / 3]], dtype=torch.float64))
    assert (logits + uphill).softmax(-1)[0, 0] > 1 / 3 > (logits - uphill).softmax(-1)[0, 0]


def test_erratum_a_bernoulli_p_of_a_gaussian_a_is_no_density_and_leaves_the_bound_unbounded():
    """Eq. 16's second form with Eq. 18: "E log p(a) - log q(a)" grows without end, so it bounds nothing."""
    p_a = Bernoulli(torch.tensor([2.0], dtype=torch.float64))
    wide = [torch.linspace(-end, end, 20_001, dtype=torch.float64)[:, None] for end in (2.0, 20.0, 40.0)]
    masses = [float(torch.trapezoid(p_a.log_prob(a).exp(), a[:, 0])) for a in wide]
    assert masses[0] > 1  # a density integrates to one
    assert masses[2] > 1e10 * masses[1]
    gains = []
    for mean in (0.0, 10.0, 100.0, 1_000.0):
        q_a = DiagonalGaussian(torch.tensor([mean], dtype=torch.float64), torch.zeros(1, dtype=torch.float64))
        a = q_a.sample(2_000, generator())
        gains.append(float((p_a.log_prob(a) - q_a.log_prob(a)).mean()))
    assert np.allclose(np.diff(gains), [20, 180, 1_800])  # the logit for every unit that q moves


def test_of_one_family_the_auxiliary_term_costs_and_never_gains():
    """E log q(a) - log p(a), over any q and p of one family, is a divergence."""
    random = generator()
    for family, n_parameters in ((Bernoulli, 1), (DiagonalGaussian, 2)):
        q, p = (family(*torch.randn(n_parameters, 50, 2, dtype=torch.float64, generator=random)) for _ in range(2))
        a = q.sample(4_000, random)
        difference = q.log_prob(a) - p.log_prob(a)
        assert (difference.mean(0) > -SIGMAS * difference.std(0) / math.sqrt(4_000)).all()
        assert difference.mean() > 0.1


@pytest.mark.parametrize("case", [case for case in CASES if case.auxiliary], ids=str)
def test_models_take_q_and_p_of_a_from_one_family(case):
    setting = setting_of(case, Z, A)
    family = {LikelihoodName.BERNOULLI: Bernoulli, LikelihoodName.GAUSSIAN: DiagonalGaussian}[case.auxiliary]
    k, z = torch.zeros(1, B, dtype=torch.long), torch.zeros(1, 1, B, Z, dtype=torch.float64)
    assert type(setting.model.q_a(setting.x)) is family
    assert type(setting.model.p_a(setting.x, z, k)) is family


# The terms that the paper does not have


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


def test_neighbour_agreement_is_the_log_probability_of_one_component_for_both():
    p = torch.tensor([[0.5, 0.5], [0.9, 0.1]], dtype=torch.float64)
    q = torch.tensor([[0.25, 0.75], [0.2, 0.8]], dtype=torch.float64)
    expected = (math.log(0.5) + math.log(0.9 * 0.2 + 0.1 * 0.8)) / 2
    assert float(neighbour_agreement(p.log(), q.log())) == pytest.approx(expected)
