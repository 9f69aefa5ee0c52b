"""Densities and divergences against integrals and torch's own distributions, in float64."""

import itertools

import numpy as np
import pytest
import torch
from scipy import integrate, special, stats

from dgm_engine.distributions import Bernoulli, Categorical, DiagonalGaussian


def gaussian(seed, *shape):
    generator = torch.Generator().manual_seed(seed)
    mean, log_var = torch.randn((2, *shape), generator=generator, dtype=torch.float64)
    return DiagonalGaussian(mean, log_var)


def test_gaussian_density_is_that_of_scipy():
    q = gaussian(0, 4, 3)
    value = torch.randn(4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(9))
    expected = stats.norm.logpdf(value, q.mean, (0.5 * q.log_var).exp()).sum(-1)
    np.testing.assert_allclose(q.log_prob(value), expected, rtol=1e-12)


def test_gaussian_density_integrates_to_one():
    q = gaussian(7, 2)
    axes = [np.linspace(-12, 12, 401) for _ in range(2)]
    points = torch.tensor(np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1))  # (401, 401, 2)
    density = q.log_prob(points).exp().numpy()
    assert np.trapezoid(np.trapezoid(density, axes[1]), axes[0]) == pytest.approx(1, abs=1e-9)


def test_gaussian_kl_of_many_dimensions_is_that_of_full_covariances():
    """The textbook formula with matrices, of which the closed form is the diagonal case."""
    q, p = gaussian(4, 5, 3), gaussian(5, 5, 3)
    for i in range(5):
        s, t = (np.diag(d.log_var[i].exp().numpy()) for d in (q, p))
        step = (p.mean[i] - q.mean[i]).numpy()
        log_ratio = np.linalg.slogdet(t)[1] - np.linalg.slogdet(s)[1]
        expected = 0.5 * (np.trace(np.linalg.solve(t, s)) + step @ np.linalg.solve(t, step) - 3 + log_ratio)
        assert float(q.kl(p)[i]) == pytest.approx(expected, rel=1e-12)


def test_gaussian_kl_is_the_mean_log_ratio_of_samples():
    q, p = gaussian(4, 3), gaussian(5, 3)
    draws = q.sample(50_000, torch.Generator().manual_seed(0))
    ratio = q.log_prob(draws) - p.log_prob(draws)
    assert float((ratio.mean() - q.kl(p)).abs()) < 5 * float(ratio.std()) / np.sqrt(50_000)
    assert float(ratio.std()) / np.sqrt(50_000) < 0.05


def test_gaussian_kl_is_the_integral_of_its_definition():
    q, p = gaussian(1, 1), gaussian(2, 1)

    def integrand(value):
        point = torch.tensor([value], dtype=torch.float64)
        log_q = q.log_prob(point)
        return float(log_q.exp() * (log_q - p.log_prob(point)))

    expected, _ = integrate.quad(integrand, -40, 40, limit=400)
    assert float(q.kl(p)) == pytest.approx(expected, abs=1e-7)
    assert float(q.kl(q)) == pytest.approx(0, abs=1e-12)


def test_gaussian_samples_have_its_moments():
    q = gaussian(3, 2)
    draws = q.sample(200_000, torch.Generator().manual_seed(0))
    error = (0.5 * q.log_var).exp() / np.sqrt(200_000)
    assert ((draws.mean(0) - q.mean).abs() < 5 * error).all()
    torch.testing.assert_close(draws.var(0), q.log_var.exp(), rtol=0.02, atol=0)


def test_gaussian_samples_carry_gradients_to_both_parameters():
    mean, log_var = torch.zeros(3, requires_grad=True), torch.zeros(3, requires_grad=True)
    DiagonalGaussian(mean, log_var).sample(2, torch.Generator().manual_seed(0)).square().sum().backward()
    for parameter in (mean, log_var):
        assert parameter.grad is not None
        assert parameter.grad.abs().sum() > 0


def test_bernoulli_probabilities_of_all_outcomes_sum_to_one():
    p = Bernoulli(torch.randn(3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)))
    outcomes = torch.tensor([[i >> b & 1 for b in range(3)] for i in range(8)], dtype=torch.float64)
    assert float(p.log_prob(outcomes).exp().sum()) == pytest.approx(1, abs=1e-12)


def test_bernoulli_probabilities_are_those_of_scipy():
    p = Bernoulli(torch.randn(20, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1)))
    for outcome in itertools.product([0, 1], repeat=3):
        expected = stats.bernoulli.logpmf(outcome, special.expit(p.logits.numpy())).sum(-1)
        np.testing.assert_allclose(p.log_prob(torch.tensor(outcome, dtype=torch.float64)), expected, rtol=1e-12)


def test_bernoulli_log_probability_stays_exact_where_the_probability_rounds_to_one():
    p = Bernoulli(torch.tensor([800.0], dtype=torch.float64))
    assert float(p.log_prob(torch.ones(1, dtype=torch.float64))) == 0
    assert float(p.log_prob(torch.zeros(1, dtype=torch.float64))) == -800


@pytest.mark.parametrize("shapes", [((4, 3), (4, 3)), ((4, 3), (2, 4, 3)), ((2, 4, 3), (3,))])
def test_the_bernoulli_density_has_the_gradients_of_its_formula(shapes):
    generator = torch.Generator().manual_seed(0)
    value = torch.rand(shapes[0], dtype=torch.float64, generator=generator, requires_grad=True)
    logits = torch.randn(shapes[1], dtype=torch.float64, generator=generator, requires_grad=True)
    expected = (value * logits.sigmoid().log() + (1 - value) * (-logits).sigmoid().log()).sum(-1)
    found = Bernoulli(logits).log_prob(value)
    torch.testing.assert_close(found, expected)
    weight = torch.randn(expected.shape, dtype=torch.float64, generator=generator)
    torch.testing.assert_close(
        torch.autograd.grad((found * weight).sum(), (value, logits)),
        torch.autograd.grad((expected * weight).sum(), (value, logits)),
    )


def test_the_bernoulli_density_of_half_precision_logits_is_summed_in_single():
    generator = torch.Generator().manual_seed(0)
    value = torch.bernoulli(torch.rand(5, 2000, generator=generator), generator=generator)
    logits = torch.randn(5, 2000, generator=generator).bfloat16().requires_grad_()
    wide = logits.detach().float().requires_grad_()
    found, expected = Bernoulli(logits).log_prob(value), Bernoulli(wide).log_prob(value)
    torch.testing.assert_close(found, expected)
    found.sum().backward()
    expected.sum().backward()
    torch.testing.assert_close(logits.grad, wide.grad.bfloat16())  # the type too
    assert Bernoulli(logits).mean.dtype == Bernoulli.noise(logits, 1, generator).dtype == torch.float32


def test_bernoulli_samples_are_bits_with_its_moments():
    p, n = Bernoulli(torch.tensor([-2.0, 0.0, 3.0], dtype=torch.float64)), 200_000
    draws = p.sample(n, torch.Generator().manual_seed(0))
    assert set(draws.unique().tolist()) == {0.0, 1.0}
    assert ((draws.mean(0) - p.mean).abs() < 5 * (p.mean * (1 - p.mean) / n).sqrt()).all()
    pairs = np.corrcoef(draws.numpy().T)[np.triu_indices(3, 1)]
    assert (np.abs(pairs) < 5 / np.sqrt(n)).all()  # the bits are independent


def test_bernoulli_samples_pass_the_gradient_of_the_mean_straight_through():
    """Of a linear function it is the exact gradient of the expectation, w p (1 - p), at every draw."""
    logits = torch.tensor([-2.0, 0.0, 3.0], dtype=torch.float64, requires_grad=True)
    weight = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
    draws = Bernoulli(logits).sample(7, torch.Generator().manual_seed(0))
    (gradient,) = torch.autograd.grad((draws @ weight).mean(), logits)
    p = logits.detach().sigmoid()
    torch.testing.assert_close(gradient, weight * p * (1 - p))


def test_samples_are_the_transform_of_their_noise():
    """What lets a classifier keep its draws: fixed noise, whatever the distribution."""
    logits = torch.randn(4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for q, like in ((Bernoulli(logits), logits), (DiagonalGaussian(logits, 0.5 * logits), logits)):
        noise = q.noise(like, 5, torch.Generator().manual_seed(1))
        torch.testing.assert_close(q.transform(noise), q.sample(5, torch.Generator().manual_seed(1)))
        assert noise.shape == (5, 4, 3)


def test_bernoulli_at_a_grey_value_is_the_expectation_over_draws():
    p = Bernoulli(torch.tensor([1.5, -0.3], dtype=torch.float64))
    grey = torch.tensor([0.2, 0.7], dtype=torch.float64)
    outcomes = torch.tensor([[0.0, 0], [0, 1], [1, 0], [1, 1]], dtype=torch.float64)
    weights = (outcomes * grey + (1 - outcomes) * (1 - grey)).prod(-1)
    assert float(p.log_prob(grey)) == pytest.approx(float((weights * p.log_prob(outcomes)).sum()), abs=1e-12)


def test_categorical_is_normalised():
    log_p = Categorical(torch.randn(5, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(0))).log_p
    torch.testing.assert_close(log_p.exp().sum(-1), torch.ones(5, dtype=torch.float64))


def test_categorical_is_scipys_softmax():
    logits = 50 * torch.randn(5, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    np.testing.assert_allclose(Categorical(logits).log_p, special.log_softmax(logits.numpy(), axis=-1), rtol=1e-12)
