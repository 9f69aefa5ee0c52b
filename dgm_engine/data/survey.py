"""Chooses the size and the number of channels of a pool from a sample of its images."""

import numpy as np

from dgm_engine.data.catalogue import Catalogue, Shape, parallel_map
from dgm_engine.errors import InputError

IMAGES_SURVEYED = 256
"""The number of images in the sample, evenly spread over the source."""

MAX_SIDE_KEPT = 64
"""Images that all have one size keep it if no side is above this, in pixels."""

MAX_ITEMS_LARGE, SIDE_LARGE, SIDE_SMALL = 20_000, 64, 32
"""Other images get a longer side of `SIDE_LARGE` pixels at most if there are up to `MAX_ITEMS_LARGE` items, and of
`SIDE_SMALL` if there are more."""


def choose_shape(catalogue: Catalogue, rows: np.ndarray, size: tuple[int, int] | None, channels: int | None) -> Shape:
    """The shape of the items of the pool: (H, W, C) for images, (D,) for feature vectors.

    Images that all have one size of at most `MAX_SIDE_KEPT` pixels a side keep it. Otherwise the size has their median
    aspect and their median longer side, but at most 64 pixels for up to 20,000 items, or 32 for more. There is one
    channel if no image has any colour, and three if one has. ``size`` (H, W) and ``channels`` override this.

    Raises:
        InputError: no image of the sample can be read, or ``size`` or ``channels`` is given for feature vectors.
    """
    shapes = _look(catalogue, rows[np.unique(np.linspace(0, len(rows) - 1, IMAGES_SURVEYED).astype(np.int64))])
    if len(shapes[0]) == 1:
        if size is not None or channels is not None:
            raise InputError("the source holds feature vectors, which have no size and no channels; leave both out")
        return shapes[0]
    height, width = size or _choose_size(shapes, len(rows))
    return height, width, channels or max(shape[2] for shape in shapes)


def _look(catalogue: Catalogue, rows: np.ndarray) -> list[Shape]:
    """The shapes of the rows that can be read; at least one."""

    def look(row: int) -> Shape | str:
        try:
            return catalogue.content.look(row)
        except InputError as error:
            return str(error)

    looks = [(row, shape) for row, shape in parallel_map(look, rows)]
    shapes = [shape for _, shape in looks if not isinstance(shape, str)]
    if not shapes:
        row, reason = looks[0]
        raise InputError(f"none of {len(looks)} images tried can be read; the first, {catalogue.items[row]}: {reason}")
    return shapes


def _choose_size(shapes: list[Shape], n_items: int) -> tuple[int, int]:
    sizes = np.array([shape[:2] for shape in shapes])  # (n, 2): height, width
    if (sizes == sizes[0]).all() and sizes[0].max() <= MAX_SIDE_KEPT:
        return int(sizes[0, 0]), int(sizes[0, 1])
    longer = min(SIDE_LARGE if n_items <= MAX_ITEMS_LARGE else SIDE_SMALL, float(np.median(sizes.max(axis=1))))
    aspect = float(np.median(sizes[:, 1] / sizes[:, 0]))
    height, width = (longer, longer * aspect) if aspect <= 1 else (longer / aspect, longer)
    return max(1, round(height)), max(1, round(width))
