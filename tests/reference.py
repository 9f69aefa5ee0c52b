"""The equations of the paper in numpy and scipy, in float64: what the engine is compared with.

Nothing here calls the engine's networks, distributions or objective; only the weights are read. A network is what
Appendix B says: an MLP on the concatenation of its inputs and a one-hot y. Latents are integrated by Monte Carlo with
a standard error, or, where z (and a) has one dimension or a is binary, on a grid and so exactly.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from dgm_engine.config import LikelihoodName, ModelName
from dgm_engine.models.base import DeepGenerativeModel

Array = NDArray[np.float64]

REACH, FINE, COARSE = 12.0, 301, 121
"""A grid over one latent spans -12 to 12; it is coarser where grids multiply."""


@dataclass(frozen=True)
class Normal:
    """N(mean, diag(exp(log_var))), over the last axis."""

    mean: Array
    log_var: Array

    @property
    def sd(self) -> Array:
        return np.exp(self.log_var / 2)

    def log_density(self, value: Array) -> Array:
        standard = (value - self.mean) / self.sd
        return -(standard**2 / 2 + np.log(self.sd) + np.log(2 * np.pi) / 2).sum(-1)  # many times faster than scipy's

    def draw(self, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
        return rng.normal(self.mean, self.sd, (*shape, self.mean.shape[-1]))

    def nodes(self, n: int) -> tuple[Array, Array]:
        """(n, 1..., 1) points and the (n, ...) probabilities that stand for this one-dimensional density.

        The points stay where they are when the distribution moves: so finite differences see a smooth function,
        whatever kinks the networks have.
        """
        assert self.mean.shape[-1] == 1
        points = np.linspace(-REACH, REACH, n).reshape(n, *[1] * self.mean.ndim)
        weight = np.exp(self.log_density(points)) * (2 * REACH / (n - 1))
        assert np.abs(weight.sum(0) - 1).max() < 1e-5, "the grid is too narrow or too coarse"
        return points, weight


@dataclass(frozen=True)
class Bits:
    """Independent Bernoulli variables, over the last axis."""

    logits: Array

    def log_density(self, value: Array) -> Array:
        return np.where(value == 1, special.log_expit(self.logits), special.log_expit(-self.logits)).sum(-1)

    def draw(self, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
        return (rng.random((*shape, self.logits.shape[-1])) < special.expit(self.logits)).astype(np.float64)

    def nodes(self, n: int) -> tuple[Array, Array]:
        """(2^A, A) all outcomes and their (2^A,) probabilities."""
        del n
        outcomes = np.array(list(itertools.product([0.0, 1.0], repeat=self.logits.shape[-1])))
        return outcomes, np.exp(self.log_density(outcomes))


class Network:
    """An MLP on the concatenation of its inputs and a one-hot y; parts that are None are zero."""

    def __init__(self, weights: dict[str, Array], name: str) -> None:
        self.weights = {k.removeprefix(f"{name}."): v for k, v in weights.items() if k.startswith(f"{name}.")}
        first = [v for k, v in sorted(self.weights.items()) if k.startswith("body.inputs.") and k.endswith("weight")]
        self.widths = [part.shape[1] for part in first]
        category = self.weights.get("body.category")
        self.n_categories = 0 if category is None else len(category)
        self.first = np.concatenate([*first, *([category.T] if category is not None else [])], axis=1)

    def __call__(self, values: Sequence[Array | None], k: int | None = None) -> Array:
        one_hot = np.zeros(self.n_categories)
        if k is not None:
            one_hot[k] = 1
        parts = [np.zeros(width) if v is None else v for width, v in zip(self.widths, values, strict=True)]
        shape = np.broadcast_shapes(*(part.shape[:-1] for part in parts))
        wide = [np.broadcast_to(part, (*shape, part.shape[-1])) for part in (*parts, one_hot)]
        h = np.maximum(np.concatenate(wide, axis=-1) @ self.first.T + self.weights["body.inputs.0.bias"], 0)
        layer = 0
        while f"body.rest.{layer}.weight" in self.weights:
            h = np.maximum(self._linear(h, f"body.rest.{layer}"), 0)
            layer += 2  # a ReLU stands between
        return h

    def normal(self, values: Sequence[Array | None], k: int | None = None) -> Normal:
        h = self(values, k)
        return Normal(self._linear(h, "mean"), self._linear(h, "log_var"))

    def bits(self, values: Sequence[Array | None], k: int | None = None) -> Bits:
        return Bits(self._linear(self(values, k), "logits"))

    def log_softmax(self, values: Sequence[Array | None]) -> Array:
        return special.log_softmax(self._linear(self(values), "output"), axis=-1)

    def _linear(self, h: Array, name: str) -> Array:
        return h @ self.weights[f"{name}.weight"].T + self.weights[f"{name}.bias"]


class Reference:
    """The distributions of one model (docs/architecture.md, Models), and the quantities that the engine computes."""

    def __init__(self, model: DeepGenerativeModel, log_prior: Array) -> None:
        self.config = model.config
        self.log_prior = log_prior
        weights = {name: value.detach().numpy() for name, value in model.state_dict().items()}
        self.has_a = self.config.name in (ModelName.ADGM, ModelName.AGM_DGM)
        self.is_mixture = self.config.name in (ModelName.GM_DGM, ModelName.AGM_DGM)
        names = ["_q_y", "_q_z", "_p_x", *(["_q_a", "_p_a"] if self.has_a else [])]
        self.networks = {name: Network(weights, name) for name in names}
        if self.is_mixture:
            self.table = Normal(weights["_p_z.mean"], weights["_p_z.log_var"])
        else:
            zeros = np.zeros((self.config.n_components, self.config.n_latent))
            self.table = Normal(zeros, zeros)

    def q_a(self, x: Array) -> Normal | Bits:
        return self._family("_q_a", self.config.auxiliary, [x])

    def log_q_y(self, x: Array, a: Array | None) -> Array:
        """log q(y | a, x), or log q(y | x): (..., K)."""
        return self.networks["_q_y"].log_softmax([x, a] if self.has_a else [x])

    def q_z(self, x: Array, a: Array | None, k: int | None) -> Normal:
        return self.networks["_q_z"].normal([x, a] if self.has_a else [x], k)

    def p_z(self, k: int) -> Normal:
        return Normal(self.table.mean[k], self.table.log_var[k])

    def p_x(self, z: Array, k: int | None) -> Normal | Bits:
        return self._family("_p_x", self.config.likelihood, [z], None if self.is_mixture else k)

    def p_a(self, x: Array, z: Array, k: int) -> Normal | Bits:
        return self._family("_p_a", self.config.auxiliary, [x, z], k)

    def log_joint(self, x: Array, k: int, z: Array, a: Array | None) -> Array:
        """log p(x, k, z) or log p(x, k, z, a): Eq. 4, 12, 28 and 32."""
        value = self.log_prior[k] + self.p_z(k).log_density(z) + self.p_x(z, k).log_density(x)
        return value if a is None else value + self.p_a(x, z, k).log_density(a)

    def equation_3(self, x: Array, k: int, n: int, rng: np.random.Generator) -> tuple[float, float]:
        """L(x, y) of Eq. 3 (Eq. 22 with a), from `n` draws, and its standard error."""
        a = self.q_a(x).draw((n,), rng) if self.has_a else None
        return _mean(self._log_ratio(x, k, a, (n,), rng))

    def equation_2(self, x: Array, n: int, rng: np.random.Generator) -> tuple[float, float]:
        """L(x) of Eq. 2 (Eq. 21 with a) read literally: a, y and z are drawn from q, nothing is summed."""
        a = self.q_a(x).draw((n,), rng) if self.has_a else None
        log_q = np.broadcast_to(self.log_q_y(x, a), (n, self.config.n_components))
        y = (rng.random((n, 1)) > np.exp(log_q).cumsum(-1)).sum(-1).clip(max=self.config.n_components - 1)
        ratios = np.stack([self._log_ratio(x, k, a, (n,), rng) for k in range(self.config.n_components)], axis=-1)
        return _mean((ratios - log_q)[np.arange(n), y])

    def bound(
        self, x: Array, allowed: NDArray[np.bool_], n_samples: int, n: int, rng: np.random.Generator
    ) -> tuple[float, float]:
        """L_A(x) by enumeration of y, `n` times from S draws of z (and of a, with q(y | x) of Eq. 33)."""
        a = self.q_a(x).draw((n, n_samples), rng) if self.has_a else None
        q_y = np.exp(self.log_q_y(x, a))
        q_y = np.broadcast_to(q_y.mean(1) if self.has_a else q_y, (n, self.config.n_components)) * allowed
        q_y = q_y / q_y.sum(-1, keepdims=True)
        total = np.zeros(n)
        for k in np.flatnonzero(allowed):
            ratio = self._log_ratio(x, int(k), a, (n, n_samples), rng).mean(1)
            total += q_y[:, k] * (ratio - np.log(q_y[:, k]))
        return _mean(total)

    def evidence(self, x: Array, allowed: NDArray[np.bool_], n: int, rng: np.random.Generator) -> tuple[float, float]:
        """log p(x, y in A), importance-sampled with draws of a and z from q for each y; and its standard error."""
        total = np.zeros(n)
        for k in np.flatnonzero(allowed):
            a = self.q_a(x).draw((n,), rng) if self.has_a else None
            total += np.exp(self._log_ratio(x, int(k), a, (n,), rng))
        mean, error = _mean(total)
        return float(np.log(mean)), error / mean

    def exact_evidence(self, x: Array, allowed: NDArray[np.bool_]) -> float:
        """log p(x, y in A) for a one-dimensional z; a integrates out (Section 3.3)."""
        parts = []
        for k in np.flatnonzero(allowed):
            z, weight = self.p_z(int(k)).nodes(4 * FINE)
            log_px = self.p_x(z, int(k)).log_density(x)
            parts.append(self.log_prior[k] + special.logsumexp(log_px, b=weight))
        return float(special.logsumexp(parts))

    def exact_bound(self, x: Array, allowed: NDArray[np.bool_], n_samples: int) -> float:
        """The expectation of L_A(x) over all draws, for a one-dimensional z and a binary or one-dimensional a."""
        if not self.has_a:
            q_y = np.exp(self.log_q_y(x, None))
            return float(_combine(q_y, self._exact_ratios(x, None), allowed))
        a, weight = self.q_a(x).nodes(COARSE)  # (n, A), (n,)
        q_y, ratios = np.exp(self.log_q_y(x, a)), self._exact_ratios(x, a)  # (n, K) both
        draws = np.array(list(itertools.product(range(len(a)), repeat=n_samples)))  # (n^S, S)
        values = _combine(q_y[draws].mean(1), ratios[draws].mean(1), allowed)
        return float((weight[draws].prod(1) * values).sum())

    def vae_bound(self, x: Array, n: int, rng: np.random.Generator) -> tuple[float, float]:
        """Section 3.1's bound of the networks with y and a left out and p(z) = N(0, I), and its standard error."""
        q_z = self.q_z(x, None, None)
        z = q_z.draw((n,), rng)
        log_pz = Normal(np.zeros_like(q_z.mean), np.zeros_like(q_z.mean)).log_density(z)
        return _mean(self.p_x(z, None).log_density(x) + log_pz - q_z.log_density(z))

    def _log_ratio(self, x: Array, k: int, a: Array | None, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
        """log p(x, k, z, a) - log q(z, a | x, k), `shape`, at fresh draws of z."""
        q_z = self.q_z(x, a, k)
        z = q_z.draw(shape, rng)
        ratio = self.log_joint(x, k, z, a) - q_z.log_density(z)
        return ratio if a is None else ratio - self.q_a(x).log_density(a)

    def _exact_ratios(self, x: Array, a: Array | None) -> Array:
        """(..., K) expectations over z of log p(x, k, z, a) - log q(z, a | x, k) at a (..., A)."""
        columns = []
        for k in range(self.config.n_components):
            q_z = self.q_z(x, a, k)
            z, weight = q_z.nodes(FINE)
            value = self.log_joint(x, k, z, a) - q_z.log_density(z)
            columns.append((weight * value).sum(0))
        ratios = np.stack(columns, axis=-1)
        return ratios if a is None else ratios - self.q_a(x).log_density(a)[:, None]

    def _family(self, name: str, family: LikelihoodName, values: list[Array], k: int | None = None) -> Normal | Bits:
        network = self.networks[name]
        return network.bits(values, k) if family is LikelihoodName.BERNOULLI else network.normal(values, k)


def normal_kl(q: Normal, p: Normal) -> Array:
    """KL(q || p), as textbooks have it."""
    return (np.log(p.sd / q.sd) + (q.sd**2 + (q.mean - p.mean) ** 2) / (2 * p.sd**2) - 0.5).sum(-1)


def _combine(q_y: Array, ratios: Array, allowed: NDArray[np.bool_]) -> Array:
    """(...,) sum_{k in A} q_A(k) [ratio(k) - log q_A(k)] of (..., K)."""
    q = q_y[..., allowed] / q_y[..., allowed].sum(-1, keepdims=True)
    return (q * (ratios[..., allowed] - np.log(q))).sum(-1)


def _mean(draws: Array) -> tuple[float, float]:
    """The mean of independent draws and its standard error."""
    return float(draws.mean()), float(draws.std(ddof=1) / np.sqrt(len(draws)))
