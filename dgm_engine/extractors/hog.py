"""Histograms of oriented gradients (Dalal & Triggs 2005): features of the edges in an image.

Two images of the same thing differ in brightness and by shifts of a pixel or so, but the directions of their edges
within small cells hardly change. So neighbours by these features are more often of one class than neighbours by pixels,
and clusters of them follow classes more closely.
"""

import math
from functools import lru_cache
from typing import Generic, NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dgm_engine.extractors.base import Extractor

Array = TypeVar("Array")
SIDE_PIXELS = 32
"""Images are resized to this many pixels a side."""
CELL_PIXELS = 4
"""The side of a cell in pixels."""
N_ORIENTATIONS = 8
_CONTRAST_FLOOR = 0.05
"""Gradients well below this share of full contrast count as flat, so that noise in an empty corner is not amplified."""
_ROOT_OFFSET = 1e-4
"""Added before the square root, which would amplify a rounding error at zero."""
_IMAGES_PER_PIECE = 32
"""Images described at a time: their edges just fit in a core's cache. Four times as many take 1.5 times as long."""


class Hog:
    """Oriented gradients as an `Extractor`."""

    version = 1
    stored_as = "edges"  # the name from before there were other features, so that files of old projects stay valid
    doing = "Looking at the edges"
    exportable = True

    def n_features(self, shape: tuple[int, ...]) -> int:
        """F = 64 (8 + C), for images (H, W, C) of any size."""
        return n_hog_features(shape[-1])

    def describe(self, images: Tensor) -> Tensor:
        """(B, F) `hog` of images (B, C, H, W)."""
        return hog(images)


EXTRACTOR: Extractor = Hog()


def n_hog_features(n_channels: int) -> int:
    """F, the number of features that `hog` gives for images with `n_channels` channels."""
    return (SIDE_PIXELS // CELL_PIXELS) ** 2 * (N_ORIENTATIONS + n_channels)


def hog(images: Tensor) -> Tensor:
    """(B, F) features of images (B, C, H, W) in [0, 1], each from 0 to about 1.

    Each of the 8 x 8 cells has the strength of its edges in each of 8 orientations, relative to the edges of the cells
    around it, as a square root (so that distances are Hellinger's); and the mean of each channel, for brightness and
    colour. F = 64 (8 + C).
    """
    height, width = images.shape[-2:]
    maps = _Maps(*(torch.tensor(value, device=images.device, dtype=images.dtype) for value in _maps(height, width)))
    if torch.compiler.is_exporting():  # a graph has no loop over the batch
        return _described(images, maps)
    with torch.autocast(images.device.type, enabled=False):
        pieces = images.split(_IMAGES_PER_PIECE if images.device.type == "cpu" else len(images))
        return torch.cat([_described(piece, maps) for piece in pieces])


class _Maps(NamedTuple, Generic[Array]):
    """The linear steps along an axis as matrices, several times as fast as convolutions for such small images.

    S below is `SIDE_PIXELS`.

    Attributes:
        rows: (S, H) resizing of rows.
        columns: (S, W) resizing of columns.
        step: (S, S) difference of the two neighbours of each pixel; beyond the border, the border pixel counts.
        cell: (cells, S) weights of a pixel's edge in the cells around it; an edge of full contrast counts as one.
        mean: (cells, S) mean of a cell's pixels.
        around: (cells, cells) mean of a cell and its neighbours.
    """

    rows: Array
    columns: Array
    step: Array
    cell: Array
    mean: Array
    around: Array


@lru_cache
def _maps(height: int, width: int) -> _Maps[NDArray[np.float64]]:
    cells = SIDE_PIXELS // CELL_PIXELS
    pixel = np.eye(SIDE_PIXELS)
    last = SIDE_PIXELS - 1
    step = pixel[np.arange(1, SIDE_PIXELS + 1).clip(max=last)] - pixel[np.arange(-1, last).clip(min=0)]
    cell = _tent(SIDE_PIXELS, cells, CELL_PIXELS) / CELL_PIXELS / math.sqrt(1 - math.cos(math.pi / N_ORIENTATIONS))
    mean, around = np.kron(np.eye(cells), np.ones(CELL_PIXELS)), _tent(cells, cells, 2) > 0
    return _Maps(_resizing(height), _resizing(width), step, cell, _shares(mean), _shares(around))


def _resizing(size: int) -> NDArray[np.float64]:
    """(SIDE_PIXELS, size) bilinear resizing; where an axis shrinks, it averages all pixels that fall onto one."""
    return _shares(_tent(size, SIDE_PIXELS, max(size / SIDE_PIXELS, 1)))


def _tent(n_in: int, n_out: int, reach: float) -> NDArray[np.float64]:
    """(n_out, n_in) weights that fall from 1 at the middle of each of n_out parts of an axis to 0 at `reach` pixels."""
    middle, pixel = (np.arange(n_out) + 0.5) * n_in / n_out, np.arange(n_in) + 0.5
    return (1 - np.abs(pixel - middle[:, None]) / reach).clip(min=0)


def _shares(weights: NDArray[np.generic]) -> NDArray[np.float64]:
    """The weights with each row scaled to a sum of one."""
    return weights / weights.sum(1, keepdims=True)


def _described(images: Tensor, maps: _Maps[Tensor]) -> Tensor:
    image = maps.rows @ images @ maps.columns.T  # (B, C, SIDE_PIXELS, SIDE_PIXELS)
    strength = maps.cell @ _edges(image @ maps.step.T, maps.step @ image) @ maps.cell.T  # (B, 8, cells, cells)
    energy = maps.around @ strength.square().sum(1, keepdim=True) @ maps.around.T
    relative = strength / (energy.sqrt() + _CONTRAST_FLOOR)
    return torch.cat([(relative + _ROOT_OFFSET).sqrt(), maps.mean @ image @ maps.mean.T], dim=1).flatten(1)


def _edges(across: Tensor, down: Tensor) -> Tensor:
    """(B, 8, H, W) strength of a gradient (B, C, H, W) in each orientation, shared between the two nearest ones."""
    strength = (across.square() + down.square()).sqrt()
    if across.shape[1] > 1:  # take the channel with the strongest edge
        strength, clearest = strength.max(1, keepdim=True)
        across, down = across.gather(1, clearest), down.gather(1, clearest)
    angle = torch.arange(N_ORIENTATIONS, device=across.device, dtype=across.dtype) * (math.pi / N_ORIENTATIONS)
    along = torch.addcmul(across * angle.cos().view(1, -1, 1, 1), down, angle.sin().view(1, -1, 1, 1))
    nearest = math.cos(math.pi / N_ORIENTATIONS)  # an edge along one orientation counts nothing in the next
    return along.abs_().sub_(strength * nearest).relu_()  # in place, because memory bandwidth is the limit
