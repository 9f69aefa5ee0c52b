"""Densities and divergences against integrals and torch's own distributions, in float64."""

import numpy as np
import pytest
import torch
from scipy import integrate, stats

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


def test_bernoulli_at_a_grey_value_is_the_expectation_over_draws():
    p = Bernoulli(torch.tensor([1.5, -0.3], dtype=torch.float64))
    grey = torch.tensor([0.2, 0.7], dtype=torch.float64)
    outcomes = torch.tensor([[0.0, 0], [0, 1], [1, 0], [1, 1]], dtype=torch.float64)
    weights = (outcomes * grey + (1 - outcomes) * (1 - grey)).prod(-1)
    assert float(p.log_prob(grey)) == pytest.approx(float((weights * p.log_prob(outcomes)).sum()), abs=1e-12)


def test_categorical_is_normalised():
    log_p = Categorical(torch.randn(5, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(0))).log_p
    torch.testing.assert_close(log_p.exp().sum(-1), torch.ones(5, dtype=torch.float64))
