"""Networks: each is a conditional distribution."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from dgm_engine.config import LikelihoodName
from dgm_engine.distributions import Bernoulli, Categorical, DiagonalGaussian, Likelihood

_LOG_VAR_LIMIT = 8.0
"""Variances stay within exp(-8) and exp(8): beyond, one outlier decides a step."""


def hidden_layers(widths: list[int]) -> nn.Sequential:
    """Linear layers with a ReLU after each, Glorot weights and zero biases; empty for one width."""
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(widths):
        layers += [_glorot(nn.Linear(n_in, n_out)), nn.ReLU()]
    return nn.Sequential(*layers)


def output_layer(n_in: int, n_out: int, scale: float) -> nn.Linear:
    """A linear layer with weights drawn from N(0, scale^2) and zero biases."""
    layer = nn.Linear(n_in, n_out)
    nn.init.normal_(layer.weight, std=scale)
    nn.init.zeros_(layer.bias)
    return layer


class CategoricalNet(nn.Module):
    """p(k | x), x (..., n_in), over `n_out` categories."""

    def __init__(self, n_in: int, hidden: list[int], n_out: int, scale: float) -> None:
        super().__init__()
        self.hidden = hidden_layers([n_in, *hidden])
        self.output = output_layer(([n_in, *hidden])[-1], n_out, scale)

    def forward(self, x: Tensor) -> Categorical:
        """The distribution at x."""
        return Categorical(_full(self.output(self.hidden(x))))


class GaussianNet(nn.Module):
    """N(mean(x), diag(var(x))); mean and log variance share all hidden layers (Appendix B)."""

    def __init__(self, hidden: list[int], n_out: int, scale: float) -> None:
        super().__init__()
        self.hidden = hidden_layers(hidden)
        self.mean = output_layer(hidden[-1], n_out, scale)
        self.log_var = output_layer(hidden[-1], n_out, scale)

    def forward(self, x: Tensor) -> DiagonalGaussian:
        """The distribution at x (..., hidden[0])."""
        h = self.hidden(x)
        return DiagonalGaussian(_full(self.mean(h)), _limited(self.log_var(h)))


class JointFirstLayer(nn.Module):
    """relu(W_x x + W_y[y] + b): the first layer of a network of x and one-hot y, its first product taken once per x."""

    def __init__(self, n_in: int, n_categories: int, n_out: int) -> None:
        super().__init__()
        self.x = _glorot(nn.Linear(n_in, n_out))
        self.y = nn.Parameter(torch.empty(n_categories, n_out))
        nn.init.xavier_uniform_(self.y)

    def forward(self, x: Tensor, k: Tensor | None) -> Tensor:
        """(M, B, n_out) from x (B, n_in) and categories k (M, B); (B, n_out) with the y-row at zero where k is None."""
        h = self.x(x)  # (B, n_out)
        if k is not None:
            h = h + functional.embedding(k, self.y)  # (M, B, n_out): its backward pass is fast, that of self.y[k] not
        return h.relu()


class GaussianTable(nn.Module):
    """N(mean[k], diag(var[k])): p(z | y), which has no hidden layer."""

    def __init__(self, n_categories: int, n_out: int) -> None:
        super().__init__()
        self.mean = nn.Parameter(torch.randn(n_categories, n_out))
        self.log_var = nn.Parameter(torch.zeros(n_categories, n_out))

    def forward(self, k: Tensor) -> DiagonalGaussian:
        """The distributions (..., n_out) of categories k (...)."""
        return DiagonalGaussian(functional.embedding(k, self.mean), _limited(functional.embedding(k, self.log_var)))

    @torch.no_grad()
    def set(self, mean: Tensor, log_var: Tensor) -> None:
        """Sets the parameters, (n_categories, n_out) each."""
        self.mean.copy_(mean)
        self.log_var.copy_(log_var)


class LikelihoodNet(nn.Module):
    """p(x | h) of the family that suits x: Bernoulli for pixels, Gaussian for features."""

    def __init__(self, hidden: list[int], n_out: int, family: LikelihoodName, scale: float) -> None:
        super().__init__()
        self.hidden = hidden_layers(hidden)
        self.location = output_layer(hidden[-1], n_out, scale)
        self.log_var = output_layer(hidden[-1], n_out, scale) if family is LikelihoodName.GAUSSIAN else None

    def forward(self, h: Tensor) -> Likelihood:
        """The distribution at h (..., hidden[0])."""
        h = self.hidden(h)
        if self.log_var is None:
            return Bernoulli(_full(self.location(h)))
        return DiagonalGaussian(_full(self.location(h)), _limited(self.log_var(h)))


class InputMap(nn.Module):
    """Brings raw values to the model's scale and back: x' = (x[kept] - shift) / scale.

    Args:
        kept: (n_kept,) int64, the features that the model sees.
        shift: (n_kept,) subtracted.
        scale: (n_kept,) divided by.
        fill: (D,) what a feature that the model does not see is shown as.
    """

    kept: Tensor
    shift: Tensor
    scale: Tensor
    fill: Tensor

    def __init__(self, kept: Tensor, shift: Tensor, scale: Tensor, fill: Tensor) -> None:
        super().__init__()
        for name, value in (("kept", kept), ("shift", shift), ("scale", scale), ("fill", fill)):
            self.register_buffer(name, value)

    @property
    def n_kept(self) -> int:
        """How many features the model sees."""
        return self.kept.numel()

    def forward(self, x: Tensor) -> Tensor:
        """(B, n_kept) from raw x (B, D)."""
        if self.n_kept < self.fill.numel():
            x = x.index_select(-1, self.kept)
        return (x - self.shift) / self.scale

    def inverse(self, x: Tensor) -> Tensor:
        """(B, D) raw values from x (B, n_kept)."""
        raw = self.fill.expand(*x.shape[:-1], -1).clone()
        raw[..., self.kept] = x * self.scale + self.shift
        return raw


def _glorot(layer: nn.Linear) -> nn.Linear:
    nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def _limited(log_var: Tensor) -> Tensor:
    return _full(log_var).clamp(-_LOG_VAR_LIMIT, _LOG_VAR_LIMIT)


def _full(value: Tensor) -> Tensor:
    """Out of bfloat16, in which matrix products may be taken but sums of many terms must not."""
    return value.float() if value.dtype == torch.bfloat16 else value
