"""Batches of the pool as tensors, and small changes of images that keep their class."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from dgm_engine.config import LikelihoodName, batches_per_epoch
from dgm_engine.errors import InputError
from dgm_engine.nn import InputMap

MAX_TURN_RADIANS = math.radians(10)
MAX_ZOOM_SHARE = 0.1
MAX_SHIFT_SHARE = 0.08
"""The largest shift as a share of the side: about two pixels of 28 in either direction."""
STATISTICS_SAMPLE = 10_000
"""Items from which the mean and standard deviation of each value are computed, at most."""
FEATURE_NOISE = 0.1
"""The noise on feature vectors, in standard deviations of each feature."""


@dataclass(frozen=True)
class Table:
    """The pool's values and the rows to train on.

    Attributes:
        x: (N, H, W, C) images, uint8 or float32 in [0, 1], or (N, D) float32; it may be memory-mapped.
        rows: (M,) rows to train on.
        features: (N, F) features of the images by the model's extractor, if stored; they may be memory-mapped.
    """

    x: NDArray[np.generic]
    rows: NDArray[np.int64]
    features: NDArray[np.float16] | None = None

    @property
    def is_images(self) -> bool:
        """Whether x holds images."""
        return self.x.ndim == 4

    def values(self, rows: NDArray[np.int64]) -> Tensor:
        """(B, D) raw values of some pool rows: pixels in [0, 1] in the order H, W, C, or features."""
        batch = _gathered(self.x, rows).flatten(1).float()
        return batch / 255 if self.x.dtype == np.uint8 else batch

    def features_of(self, rows: NDArray[np.int64], like: Tensor) -> Tensor | None:
        """(B, F) features of some pool rows, of the type and on the device of `like`; None if none are stored."""
        return None if self.features is None else _gathered(self.features, rows).to(like)

    def items(self, values: NDArray[np.floating]) -> NDArray[np.generic]:
        """(..., *shape) items as in the pool, from raw values (..., D): the inverse of `values`."""
        raw = values.reshape(*values.shape[:-1], *self.x.shape[1:])
        return (255 * raw.clip(0, 1)).round().astype(np.uint8) if self.is_images else raw

    def shuffled(self, batch_size: int, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
        """The rows to train on, in random order, in batches; a last batch that is less than half full is left out."""
        order = rng.permutation(self.rows)
        for begin in range(0, len(order), batch_size):
            batch = order[begin : begin + batch_size]
            if begin == 0 or 2 * len(batch) >= batch_size:
                yield batch

    def batches_per_epoch(self, batch_size: int) -> int:
        """The number of batches that `shuffled` yields."""
        return batches_per_epoch(len(self.rows), batch_size)

    def sample(self, size: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Up to `size` rows to train on, without repetition, ascending."""
        return np.sort(rng.choice(self.rows, min(size, len(self.rows)), replace=False))


@dataclass(frozen=True)
class Augmentation:
    """Small turns, zooms and shifts of images; small noise on features.

    Attributes:
        inputs: maps raw values to the networks' input.
        shape: (H, W, C) of the images, or (D,).
        generator: source of every draw.
    """

    inputs: InputMap
    shape: tuple[int, ...]
    generator: torch.Generator

    def __call__(self, raw: Tensor) -> tuple[Tensor, Tensor]:
        """(B, n_kept) the networks' input for a changed copy of raw values (B, D), and, of images, the copy itself."""
        if len(self.shape) == 1:
            x = self.inputs(raw)
            return x + FEATURE_NOISE * torch.randn(x.shape, generator=self.generator, device=x.device), raw
        height, width, channels = self.shape
        images = raw.view(-1, height, width, channels).permute(0, 3, 1, 2)
        grid = functional.affine_grid(self._affine(len(raw), raw.device), list(images.shape), align_corners=False)
        changed = functional.grid_sample(images, grid, padding_mode="border", align_corners=False)
        changed = changed.permute(0, 2, 3, 1).reshape(raw.shape)
        return self.inputs(changed), changed

    def _affine(self, n: int, device: torch.device) -> Tensor:
        """(n, 2, 3) random affine maps."""
        draw = 2 * torch.rand((4, n), generator=self.generator, device=device) - 1
        turn, zoom = MAX_TURN_RADIANS * draw[0], 1 + MAX_ZOOM_SHARE * draw[1]
        shift = 2 * MAX_SHIFT_SHARE * draw[2:]  # the grid runs from -1 to 1
        cos, sin = zoom * turn.cos(), zoom * turn.sin()
        return torch.stack([torch.stack([cos, -sin, shift[0]], -1), torch.stack([sin, cos, shift[1]], -1)], 1)


def fit_inputs(table: Table, likelihood: LikelihoodName, min_std: float, rng: np.random.Generator) -> InputMap:
    """Fits the map from raw values to the networks' input on a sample of the table.

    Pixels (a Bernoulli likelihood) keep their values, and those whose standard deviation is at most `min_std` are left
    out (0 keeps all). Features (a Gaussian likelihood) are standardised, and constant ones are left out.

    Raises:
        InputError: no pixel or feature is left.
    """
    values = table.values(table.sample(STATISTICS_SAMPLE, rng)).double()
    mean, std = values.mean(0), values.std(0, correction=0)
    if likelihood is LikelihoodName.BERNOULLI:
        kept = std > min_std if min_std > 0 else torch.ones_like(std, dtype=torch.bool)
        shift, scale = torch.zeros_like(mean), torch.ones_like(std)
    else:
        kept = values.amax(0) > values.amin(0)  # rounding gives a constant feature a standard deviation
        shift, scale = mean, std
    if (values.amax(0) == values.amin(0)).all():
        raise InputError("all items are the same, so there is nothing to tell apart; add some that differ")
    if not kept.any():
        raise InputError(
            f"no pixel varies by more than {std.max():.3g}, and min_pixel_std is {min_std:g}; give a lower one, or "
            "brighter images"
        )
    return InputMap(kept.nonzero().squeeze(1), shift[kept].float(), scale[kept].float(), mean.float())


def _gathered(values: NDArray[np.generic], rows: NDArray[np.int64]) -> Tensor:
    """(B, ...) some rows. Sorted reads keep a memory-mapped array sequential; the order is restored afterwards."""
    order = np.argsort(rows)
    batch = torch.from_numpy(np.ascontiguousarray(values[rows[order]]))
    return batch[torch.from_numpy(np.argsort(order))]
