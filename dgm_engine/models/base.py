"""What every model of the family states, and what follows from it."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dgm_engine.config import ModelConfig
from dgm_engine.distributions import Categorical, DiagonalGaussian, Likelihood
from dgm_engine.nn import InputMap


@dataclass(frozen=True)
class Terms:
    """The parts of L(x, k) = log_px - kl_z + log p(k), for each item and component asked for (Eq. 3).

    Attributes:
        log_px: (M, B), the Monte Carlo mean of log p(x | z, ...) over z ~ q(z | x, k).
        kl_z: (M, B), KL(q(z | x, k) || p(z | k)), in closed form.
    """

    log_px: Tensor
    kl_z: Tensor


class DeepGenerativeModel(nn.Module, ABC):
    """A generative model of x with a mixture component y and a continuous latent z, and its inference model.

    Args:
        config: the shape.
        inputs: from raw values to what the networks see.
    """

    def __init__(self, config: ModelConfig, inputs: InputMap) -> None:
        super().__init__()
        self.config = config
        self.inputs = inputs

    @abstractmethod
    def q_y(self, x: Tensor) -> Categorical:
        """q(y | x) at x (B, n_kept)."""

    @abstractmethod
    def q_z(self, x: Tensor, k: Tensor | None) -> DiagonalGaussian:
        """q(z | x, y): (M, B, Z) at x (B, n_kept) and k (M, B); (B, Z) without y where k is None."""

    @abstractmethod
    def p_z(self, k: Tensor) -> DiagonalGaussian:
        """p(z | y): (..., Z) at components k (...)."""

    @abstractmethod
    def set_p_z(self, mean: Tensor, log_var: Tensor) -> None:
        """Gives p(z | y) the means and log variances (K, Z) of a clustering, where it depends on y."""

    @abstractmethod
    def p_x(self, z: Tensor, k: Tensor) -> Likelihood:
        """p(x | ...): (..., n_kept) at z (..., Z) and components k that broadcast against z's batch."""

    def terms(self, x: Tensor, k: Tensor, n_samples: int, generator: torch.Generator) -> Terms:
        """The parts of L(x, k) at x (B, n_kept) and components k (M, B), from `n_samples` draws of z."""
        q_z = self.q_z(x, k)
        z = q_z.sample(n_samples, generator)  # (S, M, B, Z)
        return Terms(log_px=self.p_x(z, k).log_prob(x).mean(0), kl_z=q_z.kl(self.p_z(k)))

    def classify(self, x: Tensor) -> Tensor:
        """(B, K) q(y | x) at raw x (B, D)."""
        return self.q_y(self.inputs(x)).log_p.exp()

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """q(y | x) (B, K), and the mean of q(z | x, y*) (B, Z) at y* = argmax q(y | x), at raw x (B, D)."""
        x = self.inputs(x)
        q_y = self.q_y(x).log_p.exp()
        return q_y, self.q_z(x, q_y.argmax(-1)[None]).mean[0]

    def prototypes(self) -> Tensor:
        """(K, D) raw values: the mean of p(x | z) at the mean of p(z | y), for each component."""
        k = torch.arange(self.config.n_components, device=self.inputs.fill.device)
        return self.inputs.inverse(self.p_x(self.p_z(k).mean, k).mean)
