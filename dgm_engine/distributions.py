"""The distributions that networks return. The last dimension is the event; all others are batch dimensions."""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional


@dataclass(frozen=True)
class DiagonalGaussian:
    """N(mean, diag(exp(log_var))).

    Attributes:
        mean: (..., D).
        log_var: (..., D).
    """

    mean: Tensor
    log_var: Tensor

    @staticmethod
    def noise(like: Tensor, n_samples: int, generator: torch.Generator) -> Tensor:
        """(S, ...) noise that `transform` turns into draws, for a tensor `like` (...): N(0, 1)."""
        return torch.randn((n_samples, *like.shape), generator=generator, device=like.device, dtype=like.dtype)

    def transform(self, noise: Tensor) -> Tensor:
        """Draws (S, ..., D) from noise that broadcasts to this shape, reparameterised (Eq. 1)."""
        return self.mean + noise * (0.5 * self.log_var).exp()

    def sample(self, n_samples: int, generator: torch.Generator) -> Tensor:
        """(S, ..., D) reparameterised draws."""
        return self.transform(self.noise(self.mean, n_samples, generator))

    def log_prob(self, value: Tensor) -> Tensor:
        """(...,) the log density at `value` (..., D)."""
        squares = (value - self.mean) ** 2 * (-self.log_var).exp()
        return -0.5 * (squares + self.log_var + math.log(2 * math.pi)).sum(-1)

    def kl(self, other: "DiagonalGaussian") -> Tensor:
        """(...,) KL(self || other), in closed form."""
        return self.kl_by_unit(other).sum(-1)

    def kl_by_unit(self, other: "DiagonalGaussian") -> Tensor:
        """(..., D) the KL divergence of each unit, of which `kl` is the sum."""
        ratio = self.log_var - other.log_var
        squares = (self.mean - other.mean) ** 2 * (-other.log_var).exp()
        return 0.5 * (ratio.exp() + squares - 1 - ratio)


@dataclass(frozen=True)
class Bernoulli:
    """Independent Bernoulli variables.

    Attributes:
        logits: (..., D), in single precision or, within autocast, half.
    """

    logits: Tensor

    @property
    def mean(self) -> Tensor:
        """(..., D) the probabilities."""
        return full(self.logits).sigmoid()

    @staticmethod
    def noise(like: Tensor, n_samples: int, generator: torch.Generator) -> Tensor:
        """(S, ...) noise that `transform` turns into draws, for a tensor `like` (...): uniform in [0, 1)."""
        return torch.rand((n_samples, *like.shape), generator=generator, device=like.device, dtype=full(like).dtype)

    def transform(self, noise: Tensor) -> Tensor:
        """Binary draws (S, ..., D) from noise that broadcasts to this shape.

        Their gradient is that of the mean: biased, but of low variance ("straight-through", Bengio et al. 2013).
        """
        mean = self.mean
        return (noise < mean).to(mean.dtype) + (mean - mean.detach())

    def sample(self, n_samples: int, generator: torch.Generator) -> Tensor:
        """(S, ..., D) binary draws with straight-through gradients."""
        return self.transform(self.noise(self.logits, n_samples, generator))

    def log_prob(self, value: Tensor) -> Tensor:
        """(...,) the log probability of `value` (..., D) in [0, 1].

        A value between 0 and 1 is the probability of a one: the result is then the expectation over binary draws.
        """
        return _BernoulliLogProb.apply(value, self.logits)


@dataclass(frozen=True)
class Categorical:
    """A choice of one of K values.

    Attributes:
        logits: (..., K), the log probabilities up to a constant.
    """

    logits: Tensor

    @property
    def log_p(self) -> Tensor:
        """(..., K) normalised log probabilities."""
        return self.logits.log_softmax(-1)


Likelihood = Bernoulli | DiagonalGaussian
"""What p(x | ...) and, for models with an auxiliary latent, q(a | x) and p(a | x, y, z) return."""


class _BernoulliLogProb(torch.autograd.Function):
    """x l - log(1 + e^l), summed over the last axis, of x (..., D) and logits l (..., D) that broadcast.

    Apart from matrix products, a training step spends much of its time here. Without this class, autograd would keep
    half-precision logits in both precisions, and take twice as long.
    """

    @staticmethod
    def forward(ctx: Any, value: Tensor, logits: Tensor) -> Tensor:  # noqa: ANN401 - torch names no type for it
        ctx.save_for_backward(value, logits)
        wide = full(logits)
        return (value * wide).sub_(functional.softplus(wide)).sum(-1)

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride] - `once_differentiable` has this form
        ctx: Any,  # noqa: ANN401
        *gradients: Tensor,
    ) -> tuple[Tensor | None, Tensor]:
        value, logits = ctx.saved_tensors
        wide, gradient = full(logits), gradients[0].unsqueeze(-1)
        by_value = (wide * gradient).sum_to_size(value.shape) if ctx.needs_input_grad[0] else None
        by_logits = (value - wide.sigmoid()).mul_(gradient).sum_to_size(logits.shape)
        return by_value, by_logits.to(logits.dtype)


def full(values: Tensor) -> Tensor:
    """The values in single precision or better: half suffices for matrix products, but not for sums of many terms."""
    return values.to(torch.promote_types(values.dtype, torch.float32))
