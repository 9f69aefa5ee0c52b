"""The base class of the models: what each of them defines, and what follows from it."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from dgm_engine.config import ModelConfig
from dgm_engine.distributions import Categorical, DiagonalGaussian, Likelihood
from dgm_engine.extractors.registry import extractor
from dgm_engine.nn import Body, CategoricalNet, GaussianNet, GaussianTable, InputMap, likelihood_net

N_DRAWS = 8
"""The number of draws of a and z that a trained model averages over (Eq. 33).

The draws are always the same, so that the model always gives the same answer for an item."""

CLOSED_LOGIT = -1e4
"""The logit of a closed component. It makes the probability exactly zero and, unlike -inf, gives no NaN in p log p."""


@dataclass(frozen=True)
class Encoded:
    """B items with their q(y | x), and the draws of the auxiliary latent from which it was computed.

    Attributes:
        x: (B, n_kept) the input of the networks.
        log_q_y: (B, K) log q(y | x); for models with a, log of the mean of q(y | a, x) over the draws (Eq. 33).
        a: (S, B, A) draws from q(a | x); None for models without a.
        log_q_a: (S, B) log q(a | x) at the draws; None for models without a.
    """

    x: Tensor
    log_q_y: Tensor
    a: Tensor | None = None
    log_q_a: Tensor | None = None


@dataclass(frozen=True)
class Terms:
    """The parts of L(x, k) = log_px - kl_z - kl_a + log p(k), for each item and component asked for (Eq. 3, Eq. 22).

    Attributes:
        log_px: (M, B), the Monte Carlo mean of log p(x | ...) over z ~ q(z | ..., x, k) (and a ~ q(a | x)).
        kl_z: (M, B), KL(q(z | ..., x, k) || p(z | k)), in closed form.
        kl_a: (M, B), the Monte Carlo mean of log q(a | x) - log p(a | x, k, z); None for models without a.
    """

    log_px: Tensor
    kl_z: Tensor
    kl_a: Tensor | None = None


class DeepGenerativeModel(nn.Module, ABC):
    """A generative model of x with a mixture component y and a continuous latent z, and its inference model.

    The inference model and p(a | x, y, z) are the same in all models, and are defined here. A subclass defines p(z | y)
    and p(x | ...), and sets `auxiliary` if it has the latent a. In models without it, a is None everywhere.

    Args:
        config: the shape of the model.
        inputs: maps raw values to the input of the networks.
        output_scale: standard deviation of the initial weights of output layers.
    """

    auxiliary: ClassVar[bool] = False
    """Whether there is an auxiliary latent a."""
    draws: Tensor | None
    """(N_DRAWS, 1, A) the noise of the fixed draws of a; None for models without a."""
    open: Tensor
    """(K,) bool: the components that items may belong to; q(y | x) of the others is zero."""

    def __init__(self, config: ModelConfig, inputs: InputMap, output_scale: float) -> None:
        super().__init__()
        self.config = config
        self.inputs = inputs
        n_x, n_y, n_z, hidden = inputs.n_kept, config.n_components, config.n_latent, config.hidden
        n_a = [config.n_auxiliary] if self.auxiliary else []
        self.extractor = None if config.extractor is None else extractor(config.extractor)
        shape = config.image_shape or ()
        n_features = [] if self.extractor is None else [self.extractor.n_features(shape)]
        self._q_y = CategoricalNet(Body([n_x, *n_features, *n_a], hidden), n_y, output_scale)
        self._q_z = GaussianNet(Body([n_x, *n_a], hidden, n_y), n_z, output_scale)
        self.register_buffer("open", torch.ones(n_y, dtype=torch.bool))
        self.register_buffer("draws", None)
        if self.auxiliary:
            self._q_a = likelihood_net(config.auxiliary, Body([n_x], hidden), config.n_auxiliary, output_scale)
            self._p_a = likelihood_net(
                config.auxiliary, Body([n_x, n_z], hidden, n_y), config.n_auxiliary, output_scale
            )
            blank = torch.empty(1, config.n_auxiliary)
            self.draws = self._q_a.family.noise(blank, N_DRAWS, torch.Generator().manual_seed(0))

    @abstractmethod
    def p_z(self, k: Tensor) -> DiagonalGaussian:
        """p(z | y): (..., Z) at components k (...)."""

    @abstractmethod
    def p_x(self, z: Tensor, k: Tensor | None) -> Likelihood:
        """p(x | ...): (..., n_kept) at z (..., Z) and components k that broadcast against z's batch."""

    def q_y(self, x: Tensor, a: Tensor | None, features: Tensor | None = None) -> Categorical:
        """q(y | a, x) at x (B, n_kept) and a (S, B, A) (Eq. 19), or q(y | x) (Eq. 6); `features` as in `encode`."""
        q_y = self._q_y(*(value for value in (x, features, a) if value is not None))
        return Categorical(q_y.logits.masked_fill(~self.open, CLOSED_LOGIT))

    def q_z(self, x: Tensor, a: Tensor | None, k: Tensor | None) -> DiagonalGaussian:
        """q(z | a, x, y) at x (B, n_kept), a (S, 1, B, A) and k (M, B) (Eq. 20, Eq. 7), without those that are None."""
        return self._q_z(*((x, a) if self.auxiliary else (x,)), k=k)

    def q_a(self, x: Tensor) -> Likelihood | None:
        """q(a | x) at x (B, n_kept) (Eq. 18); None for a model without a."""
        return self._q_a(x) if self.auxiliary else None

    def p_a(self, x: Tensor, z: Tensor, k: Tensor) -> Likelihood:
        """p(a | x, y, z): (S, M, B, A) at x (B, n_kept), z (S, M, B, Z), k (M, B) (Eq. 16); only for models with a."""
        return self._p_a(x, z, k=k)

    def features(self, raw: Tensor) -> Tensor | None:
        """(B, F) the extractor's features of raw values (B, D); None for a model without an extractor."""
        if self.extractor is None or self.config.image_shape is None:
            return None
        return self.extractor.describe(raw.view(-1, *self.config.image_shape).permute(0, 3, 1, 2))

    def set_p_z(self, mean: Tensor, log_var: Tensor, k: Tensor | None = None) -> None:
        """Sets the means and log variances (M, Z) of p(z | y) at components k (M,), or at all components.

        In models whose p(z) does not depend on y this does nothing.
        """

    def copy_component(self, source: int, target: int) -> None:
        """Copies the parameters of component `source` to `target`, in every network that depends on y."""
        for module in self.modules():
            if isinstance(module, Body | CategoricalNet | GaussianTable):
                module.copy_category(source, target)

    def encode(self, x: Tensor, n_samples: int, generator: torch.Generator, features: Tensor | None = None) -> Encoded:
        """q(y | x) at x (B, n_kept), from `n_samples` new draws of a if the model has a.

        `features` (B, F) are those of the raw values of x (`self.features`); a model without an extractor has none.
        """
        q_a = self.q_a(x)
        return self._encode_at(x, features, q_a, None if q_a is None else q_a.sample(n_samples, generator))

    def encode_fixed(self, x: Tensor, features: Tensor | None = None) -> Encoded:
        """`encode` with the fixed draws of a, so that nothing is random."""
        q_a = self.q_a(x)
        a = None if q_a is None or self.draws is None else q_a.transform(self.draws)
        return self._encode_at(x, features, q_a, a)

    def terms(self, encoded: Encoded, k: Tensor, n_samples: int, generator: torch.Generator) -> Terms:
        """The parts of L(x, k) at components k (M, B), from `n_samples` draws of z, or one draw for each draw of a."""
        q_z = self._q_z_at(encoded, k)
        z = q_z.sample(n_samples, generator) if encoded.a is None else q_z.sample(1, generator)[0]
        return self._terms_at(encoded, k, q_z, z)

    def terms_fixed(self, encoded: Encoded, k: Tensor) -> Terms:
        """`terms` for items of `encode_fixed`, with fixed draws of z for all items, so that nothing is random."""
        q_z = self._q_z_at(encoded, k)
        blank = torch.empty(1, 1, self.config.n_latent)
        noise = DiagonalGaussian.noise(blank, N_DRAWS, torch.Generator().manual_seed(1))  # not the draws of a
        return self._terms_at(encoded, k, q_z, q_z.transform(noise.to(q_z.mean)))

    def vae_posterior(self, x: Tensor) -> DiagonalGaussian:
        """q(z | x) (B, Z) of the plain VAE inside the model: its networks with a and y left out."""
        return self.q_z(x, None, None)

    def vae_bound(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """(B,) the bound of the VAE of `vae_posterior`, whose p(z) is N(0, I), from one draw of z (Section 3.1)."""
        q_z = self.vae_posterior(x)
        p_z = DiagonalGaussian(torch.zeros_like(q_z.mean), torch.zeros_like(q_z.log_var))
        return self.p_x(q_z.sample(1, generator)[0], None).log_prob(x) - q_z.kl(p_z)

    def classify(self, x: Tensor) -> Tensor:
        """(B, K) q(y | x) at raw x (B, D)."""
        return self.encode_fixed(self.inputs(x), self.features(x)).log_q_y.exp()

    def posterior(self, x: Tensor, features: Tensor | None = None) -> tuple[Tensor, DiagonalGaussian]:
        """q(y | x) (B, K), and q(z | x, y*) (B, Z) at y* = argmax q(y | x), at raw x (B, D).

        In models with a, q(z | x, y*) is a mixture over the draws of a; the Gaussian has its mean and variances.
        `features` (B, F) are the stored features of x; None computes them.
        """
        encoded = self.encode_fixed(self.inputs(x), self.features(x) if features is None else features)
        y = encoded.log_q_y.argmax(-1)[None]
        q_z = self._q_z_at(encoded, y)  # (1, B, Z), or (S, 1, B, Z)
        if encoded.a is None:
            return encoded.log_q_y.exp(), DiagonalGaussian(q_z.mean[0], q_z.log_var[0])
        variance = q_z.log_var.exp().mean((0, 1)) + q_z.mean.var((0, 1), correction=0)
        return encoded.log_q_y.exp(), DiagonalGaussian(q_z.mean.mean((0, 1)), variance.log())

    def decode(self, z: Tensor, k: Tensor) -> Tensor:
        """(..., D) raw values: the mean of p(x | ...) at z (..., Z) and components k (...)."""
        return self.inputs.inverse(self.p_x(z, k).mean)

    def prototypes(self) -> Tensor:
        """(K, D) raw values: the mean of p(x | ...) at the mean of p(z | y), for each component."""
        k = torch.arange(self.config.n_components, device=self.inputs.fill.device)
        return self.decode(self.p_z(k).mean, k)

    def _q_z_at(self, encoded: Encoded, k: Tensor) -> DiagonalGaussian:
        """q(z | ..., x, y): (M, B, Z) at components k (M, B), or (S, M, B, Z) for the draws of a."""
        return self.q_z(encoded.x, None if encoded.a is None else encoded.a[:, None], k)

    def _terms_at(self, encoded: Encoded, k: Tensor, q_z: DiagonalGaussian, z: Tensor) -> Terms:
        """The parts of L(x, k) at z (S, M, B, Z)."""
        log_px = self.p_x(z, k).log_prob(encoded.x).mean(0)
        kl_z = q_z.kl(self.p_z(k))
        if encoded.a is None or encoded.log_q_a is None:
            return Terms(log_px, kl_z)
        p_a = self.p_a(encoded.x, z, k)
        kl_a = encoded.log_q_a[:, None] - p_a.log_prob(encoded.a[:, None])  # (S, M, B)
        return Terms(log_px, kl_z.mean(0), kl_a.mean(0))

    def _encode_at(self, x: Tensor, features: Tensor | None, q_a: Likelihood | None, a: Tensor | None) -> Encoded:
        if q_a is None or a is None:
            return Encoded(x, self.q_y(x, None, features).log_p)
        log_q_y = self.q_y(x, a, features).log_p  # (S, B, K)
        return Encoded(x, log_q_y.logsumexp(0) - math.log(len(a)), a, q_a.log_prob(a))
