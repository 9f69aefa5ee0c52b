"""The bound of a model whose posterior, and so whose evidence, is known."""

import itertools
import math

import numpy as np
import pytest
import torch
from torch import Tensor

from dgm_engine.config import LikelihoodName, ModelConfig
from dgm_engine.distributions import Categorical, DiagonalGaussian, Likelihood
from dgm_engine.models.base import DeepGenerativeModel
from dgm_engine.nn import InputMap
from dgm_engine.objective import Sampling, bound, restrict
from tests.objective.settings import assert_close
from tests.reference import Normal, normal_kl
from tests.small import generator


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
