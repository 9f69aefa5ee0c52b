"""Networks: each is a conditional distribution."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from dgm_engine.config import LikelihoodName
from dgm_engine.distributions import Bernoulli, Categorical, DiagonalGaussian, full

_LOG_VAR_LIMIT = 8.0
"""Variances stay within exp(-8) and exp(8): beyond, one outlier decides a step."""


def hidden_layers(widths: Sequence[int]) -> nn.Sequential:
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


class Body(nn.Module):
    """The hidden layers of a network of several inputs and, where `n_categories` is given, of a category.

    The first layer is relu(sum_i W_i v_i + W_y[k] + b): every product is taken once, at its own input's shape, and the
    sum broadcasts. An input or category of None is left out, as if its weights were zero.

    Args:
        widths: lengths of the inputs.
        hidden: units of the hidden layers, at least one.
        n_categories: K, or 0.
    """

    def __init__(self, widths: Sequence[int], hidden: Sequence[int], n_categories: int = 0) -> None:
        super().__init__()
        self.inputs = nn.ModuleList(
            _glorot(nn.Linear(width, hidden[0], bias=position == 0)) for position, width in enumerate(widths)
        )
        self.category = nn.Parameter(torch.empty(n_categories, hidden[0])) if n_categories else None
        if self.category is not None:
            nn.init.xavier_uniform_(self.category)
        self.rest = hidden_layers(hidden)
        self.n_out = hidden[-1]

    def forward(self, values: Sequence[Tensor | None], k: Tensor | None) -> Tensor:
        """(..., hidden[-1]) at inputs (..., width) and categories k (...) whose batch shapes broadcast."""
        parts = [layer(value) for layer, value in zip(self.inputs, values, strict=True) if value is not None]
        if k is not None and self.category is not None:
            parts.append(functional.embedding(k, self.category))  # its backward pass is fast, that of category[k] not
        h = parts[0]
        for part in parts[1:]:
            h = h + part
        return self.rest(h.relu())

    @torch.no_grad()
    def copy_category(self, source: int, target: int) -> None:
        """Makes one category what another is."""
        if self.category is not None:
            self.category[target] = self.category[source]


class CategoricalNet(nn.Module):
    """p(k | inputs) over `n_out` categories."""

    def __init__(self, body: Body, n_out: int, scale: float) -> None:
        super().__init__()
        self.body = body
        self.output = output_layer(body.n_out, n_out, scale)

    def forward(self, *values: Tensor | None) -> Categorical:
        """The distribution at inputs (..., width)."""
        return Categorical(full(self.output(self.body(values, None))))

    @torch.no_grad()
    def copy_category(self, source: int, target: int) -> None:
        """Makes one category as probable as another."""
        self.output.weight[target] = self.output.weight[source]
        self.output.bias[target] = self.output.bias[source]


class GaussianNet(nn.Module):
    """N(mean, diag(var)); mean and log variance share all hidden layers (Appendix B)."""

    family = DiagonalGaussian

    def __init__(self, body: Body, n_out: int, scale: float) -> None:
        super().__init__()
        self.body = body
        self.mean = output_layer(body.n_out, n_out, scale)
        self.log_var = output_layer(body.n_out, n_out, scale)

    def forward(self, *values: Tensor | None, k: Tensor | None = None) -> DiagonalGaussian:
        """The distribution at inputs (..., width) and categories (...)."""
        h = self.body(values, k)
        return DiagonalGaussian(full(self.mean(h)), _limited(self.log_var(h)))


class BernoulliNet(nn.Module):
    """Independent Bernoulli variables."""

    family = Bernoulli

    def __init__(self, body: Body, n_out: int, scale: float) -> None:
        super().__init__()
        self.body = body
        self.logits = output_layer(body.n_out, n_out, scale)

    def forward(self, *values: Tensor | None, k: Tensor | None = None) -> Bernoulli:
        """The distribution at inputs (..., width) and categories (...)."""
        return Bernoulli(self.logits(self.body(values, k)))


def likelihood_net(family: LikelihoodName, body: Body, n_out: int, scale: float) -> BernoulliNet | GaussianNet:
    """A network of the family that suits its values: Bernoulli for pixels, Gaussian for features."""
    return (BernoulliNet if family is LikelihoodName.BERNOULLI else GaussianNet)(body, n_out, scale)


class GaussianTable(nn.Module):
    """N(mean[k], diag(var[k])): p(z | y), which has no hidden layer."""

    def __init__(self, n_categories: int, n_out: int, scale: float) -> None:
        super().__init__()
        self.mean = nn.Parameter(scale * torch.randn(n_categories, n_out))
        self.log_var = nn.Parameter(torch.zeros(n_categories, n_out))

    def forward(self, k: Tensor) -> DiagonalGaussian:
        """The distributions (..., n_out) of categories k (...)."""
        return DiagonalGaussian(functional.embedding(k, self.mean), _limited(functional.embedding(k, self.log_var)))

    @torch.no_grad()
    def set(self, mean: Tensor, log_var: Tensor, k: Tensor | None = None) -> None:
        """Sets the parameters of categories k (M,), (M, n_out) each; of all of them where k is None."""
        which = slice(None) if k is None else k
        self.mean[which] = mean.to(self.mean)
        self.log_var[which] = log_var.to(self.log_var)

    @torch.no_grad()
    def copy_category(self, source: int, target: int) -> None:
        """Makes one category what another is."""
        self.mean[target], self.log_var[target] = self.mean[source], self.log_var[source]


class StandardGaussian(nn.Module):
    """N(0, I) for every category."""

    mean: Tensor

    def __init__(self, n_out: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(n_out), persistent=False)

    def forward(self, k: Tensor) -> DiagonalGaussian:
        """The same distribution (..., n_out) for all categories k (...)."""
        mean = self.mean.expand(*k.shape, -1)
        return DiagonalGaussian(mean, mean)  # a log variance of zero


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
        if self.n_kept == self.fill.numel():
            return x * self.scale + self.shift
        raw = self.fill.expand(*x.shape[:-1], -1).clone()
        raw[..., self.kept] = x * self.scale + self.shift
        return raw


def _glorot(layer: nn.Linear) -> nn.Linear:
    nn.init.xavier_uniform_(layer.weight)
    if layer.bias is not None:  # pyright: ignore[reportUnnecessaryComparison] - torch's types say that there is one
        nn.init.zeros_(layer.bias)
    return layer


def _limited(log_var: Tensor) -> Tensor:
    return full(log_var).clamp(-_LOG_VAR_LIMIT, _LOG_VAR_LIMIT)
