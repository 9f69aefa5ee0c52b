"""Histograms of oriented gradients (Dalal & Triggs 2005): what an image shows, told by its edges.

Two images of the same thing differ in brightness and by a pixel here and there; the directions of their edges within
small cells hardly change. So neighbours by these are more often of one class than neighbours by pixels, and clusters
among them follow classes more closely.
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
SIDE = 32
"""Images are brought to this many pixels a side."""
CELL = 4
"""Pixels a side of a cell."""
N_ORIENTATIONS = 8
_FLOOR = 0.05
"""Gradients well below this share of full contrast count as flat: noise in an empty corner is not made large."""
_ROUNDING = 1e-4
"""Added before the square root, which would make much of a rounding error at zero."""
_PIECE = 32
"""Images described at a time: their edges just fit a core's cache; four times as many take half as long again."""


class Hog:
    """Oriented gradients as an `Extractor`."""

    version = 1
    stored_as = "edges"  # the name of before there were other features: files of old projects keep their worth
    doing = "Looking at the edges"
    exportable = True

    def n_features(self, shape: tuple[int, ...]) -> int:
        """F = 64 (8 + C), whatever the size of an image (H, W, C)."""
        return n_hog_features(shape[-1])

    def describe(self, images: Tensor) -> Tensor:
        """(B, F) `hog` of images (B, C, H, W)."""
        return hog(images)


EXTRACTOR: Extractor = Hog()


def n_hog_features(n_channels: int) -> int:
    """F, the length of `hog` of images with so many channels."""
    return (SIDE // CELL) ** 2 * (N_ORIENTATIONS + n_channels)


def hog(images: Tensor) -> Tensor:
    """(B, F) features of images (B, C, H, W) in [0, 1], each of them from 0 to about 1.

    In each of the 8 x 8 cells: the strength of the edges in each of 8 orientations, relative to the edges of the cells
    around it, as a square root (distances between histograms are then Hellinger's); and the mean of each channel, for
    brightness and colour. F = 64 (8 + C).
    """
    height, width = images.shape[-2:]
    maps = _Maps(*(torch.tensor(value, device=images.device, dtype=images.dtype) for value in _maps(height, width)))
    if torch.compiler.is_exporting():  # a graph has no loop over the batch
        return _described(images, maps)
    with torch.autocast(images.device.type, enabled=False):
        pieces = images.split(_PIECE if images.device.type == "cpu" else len(images))
        return torch.cat([_described(piece, maps) for piece in pieces])


class _Maps(NamedTuple, Generic[Array]):
    """All that is linear along an axis, as matrices: several times as fast as convolutions of such small images.

    Attributes:
        rows: (SIDE, H) resizing.
        columns: (SIDE, W) resizing.
        step: (SIDE, SIDE) the difference of the two neighbours of each pixel; beyond the border, of the pixel at it.
        cell: (cells, SIDE) weights with which a pixel's edge counts in the cells around it, so that an edge of full
            contrast counts as one.
        mean: (cells, SIDE) the mean of a cell's pixels.
        around: (cells, cells) the mean of a cell and those beside it.
    """

    rows: Array
    columns: Array
    step: Array
    cell: Array
    mean: Array
    around: Array


@lru_cache
def _maps(height: int, width: int) -> _Maps[NDArray[np.float64]]:
    cells = SIDE // CELL
    pixel = np.eye(SIDE)
    last = SIDE - 1
    step = pixel[np.arange(1, SIDE + 1).clip(max=last)] - pixel[np.arange(-1, last).clip(min=0)]
    cell = _tent(SIDE, cells, CELL) / CELL / math.sqrt(1 - math.cos(math.pi / N_ORIENTATIONS))
    mean, around = np.kron(np.eye(cells), np.ones(CELL)), _tent(cells, cells, 2) > 0
    return _Maps(_resizing(height), _resizing(width), step, cell, _shares(mean), _shares(around))


def _resizing(size: int) -> NDArray[np.float64]:
    """(SIDE, size) bilinear, over all pixels that fall onto one where an axis shrinks."""
    return _shares(_tent(size, SIDE, max(size / SIDE, 1)))


def _tent(n_in: int, n_out: int, reach: float) -> NDArray[np.float64]:
    """(n_out, n_in) weights that fall from 1 at the middle of each of n_out parts of an axis to 0 at `reach` pixels."""
    middle, pixel = (np.arange(n_out) + 0.5) * n_in / n_out, np.arange(n_in) + 0.5
    return (1 - np.abs(pixel - middle[:, None]) / reach).clip(min=0)


def _shares(weights: NDArray[np.generic]) -> NDArray[np.float64]:
    """The weights of each row, brought to a sum of one."""
    return weights / weights.sum(1, keepdims=True)


def _described(images: Tensor, maps: _Maps[Tensor]) -> Tensor:
    image = maps.rows @ images @ maps.columns.T  # (B, C, SIDE, SIDE)
    strength = maps.cell @ _edges(image @ maps.step.T, maps.step @ image) @ maps.cell.T  # (B, 8, cells, cells)
    energy = maps.around @ strength.square().sum(1, keepdim=True) @ maps.around.T
    relative = strength / (energy.sqrt() + _FLOOR)
    return torch.cat([(relative + _ROUNDING).sqrt(), maps.mean @ image @ maps.mean.T], dim=1).flatten(1)


def _edges(across: Tensor, down: Tensor) -> Tensor:
    """(B, 8, H, W) strength of a gradient (B, C, H, W) in each orientation, shared between the two nearest ones."""
    strength = (across.square() + down.square()).sqrt()
    if across.shape[1] > 1:  # the channel in which the edge is clearest
        strength, clearest = strength.max(1, keepdim=True)
        across, down = across.gather(1, clearest), down.gather(1, clearest)
    angle = torch.arange(N_ORIENTATIONS, device=across.device, dtype=across.dtype) * (math.pi / N_ORIENTATIONS)
    along = torch.addcmul(across * angle.cos().view(1, -1, 1, 1), down, angle.sin().view(1, -1, 1, 1))
    nearest = math.cos(math.pi / N_ORIENTATIONS)  # an edge in the direction of one orientation has no part in the next
    return along.abs_().sub_(strength * nearest).relu_()  # in place: memory is what this waits for
