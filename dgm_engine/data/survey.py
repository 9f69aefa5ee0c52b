"""The size and the number of channels of a pool, chosen from a look at its images."""

import numpy as np

from dgm_engine.data.catalogue import Catalogue, Shape, parallel_map
from dgm_engine.errors import InputError

SAMPLE = 256
"""How many images are looked at, evenly spread over the source."""

SMALL = 64
"""Images of one size with no side above this keep it, in pixels."""

FEW, SIDE_OF_FEW, SIDE_OF_MANY = 20_000, 64, 32
"""Others get this longer side, in pixels: the first up to so many items, the second beyond."""


def choose_shape(catalogue: Catalogue, rows: np.ndarray, size: tuple[int, int] | None, channels: int | None) -> Shape:
    """The shape of the items of the pool: (H, W, C) for images, (D,) for feature vectors.

    Images that all have one size of at most `SMALL` pixels a side keep it. Otherwise the size has their median aspect
    and their median longer side, but at most 64 pixels for up to 20,000 items, or 32 for more. One channel where no
    image has any colour, else three. ``size`` (H, W) and ``channels`` overrule this.

    Raises:
        InputError: none of the images looked at can be read, or a size is asked for feature vectors.
    """
    shapes = _look(catalogue, rows[np.unique(np.linspace(0, len(rows) - 1, SAMPLE).astype(np.int64))])
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
    if (sizes == sizes[0]).all() and sizes[0].max() <= SMALL:
        return int(sizes[0, 0]), int(sizes[0, 1])
    longer = min(SIDE_OF_FEW if n_items <= FEW else SIDE_OF_MANY, float(np.median(sizes.max(axis=1))))
    aspect = float(np.median(sizes[:, 1] / sizes[:, 0]))
    height, width = (longer, longer * aspect) if aspect <= 1 else (longer / aspect, longer)
    return max(1, round(height)), max(1, round(width))
