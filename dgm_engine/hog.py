"""Histograms of oriented gradients (Dalal & Triggs 2005): what an image shows, told by its edges.

Two images of the same thing differ in brightness and by a pixel here and there; the directions of their edges within
small cells hardly change. So neighbours by these are more often of one class than neighbours by pixels, and clusters
among them follow classes more closely.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

VERSION = 1
"""Of the features; a project's stored ones of another version are found anew."""
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
"""Images described at a time: their edges just fit a core's cache, and those of a batch take five times as long."""


def n_hog_features(n_channels: int) -> int:
    """F, the length of `hog` of images with so many channels."""
    return (SIDE // CELL) ** 2 * (N_ORIENTATIONS + n_channels)


def hog(images: Tensor) -> Tensor:
    """(B, F) features of images (B, C, H, W) in [0, 1], each of them from 0 to about 1.

    In each of the 8 x 8 cells: the strength of the edges in each of 8 orientations, relative to the edges of the cells
    around it, as a square root (distances between histograms are then Hellinger's); and the mean of each channel, for
    brightness and colour. F = 64 (8 + C).
    """
    if torch.compiler.is_exporting():  # a graph has no loop over the batch
        return _described(images)
    with torch.autocast(images.device.type, enabled=False):
        return torch.cat(
            [_described(piece) for piece in images.split(_PIECE if images.device.type == "cpu" else len(images))]
        )


def _described(images: Tensor) -> Tensor:
    if images.shape[-2:] != (SIDE, SIDE):
        images = functional.interpolate(images, size=(SIDE, SIDE), mode="bilinear", antialias=True)
    strength = functional.conv2d(_edges(images), _tent(images), stride=CELL, padding=CELL // 2, groups=N_ORIENTATIONS)
    energy = functional.avg_pool2d(strength.square().sum(1, keepdim=True), 3, 1, 1, count_include_pad=False)
    relative = strength / (energy.sqrt() + _FLOOR)
    return torch.cat([(relative + _ROUNDING).sqrt(), functional.avg_pool2d(images, CELL)], dim=1).flatten(1)


def _edges(images: Tensor) -> Tensor:
    """(B, 8, H, W) strength of the gradient in each orientation, shared between the two nearest ones."""
    across, down = _gradient(images)
    strength = (across.square() + down.square()).sqrt()
    if images.shape[1] > 1:  # the channel in which the edge is clearest
        strength, clearest = strength.max(1, keepdim=True)
        across, down = across.gather(1, clearest), down.gather(1, clearest)
    angle = torch.arange(N_ORIENTATIONS, device=images.device, dtype=images.dtype) * (math.pi / N_ORIENTATIONS)
    along = torch.addcmul(across * angle.cos().view(1, -1, 1, 1), down, angle.sin().view(1, -1, 1, 1))
    nearest = math.cos(math.pi / N_ORIENTATIONS)  # an edge in the direction of one orientation has no part in the next
    return along.abs_().sub_(strength * nearest).relu_()  # in place: memory is what this waits for


def _gradient(images: Tensor) -> tuple[Tensor, Tensor]:
    """Differences of the two neighbours of each pixel, across and down."""
    padded = functional.pad(images, (1, 1, 1, 1), mode="replicate")
    return padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2], padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]


def _tent(images: Tensor) -> Tensor:
    """(8, 1, 2 CELL, 2 CELL) weights with which a pixel's edge counts in the cells around it."""
    distance = torch.arange(2 * CELL, device=images.device, dtype=images.dtype) + 0.5 - CELL
    line = (1 - distance.abs() / CELL) / CELL
    line = line / math.sqrt(1 - math.cos(math.pi / N_ORIENTATIONS))  # so that an edge of full contrast counts as one
    return (line[:, None] * line).expand(N_ORIENTATIONS, 1, -1, -1)
