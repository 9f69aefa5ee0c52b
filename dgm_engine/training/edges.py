"""The edges of a whole pool (`dgm_engine.hog`): found once, asked for in every step and every prediction."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from dgm_engine.errors import CorruptError
from dgm_engine.hog import VERSION, hog, n_hog_features
from dgm_engine.progress import Progress
from dgm_engine.training.batches import Table
from dgm_engine.training.results import load_array

BATCH = 2048


def find_edges(x: NDArray[np.generic]) -> NDArray[np.float16]:
    """(N, F) edges of images (N, H, W, C), in memory."""
    edges = np.empty(_shape(x), np.float16)
    for _ in _fill(edges, x):
        pass
    return edges


def stored_edges(folder: Path, x: NDArray[np.generic], progress: Progress) -> NDArray[np.float16]:
    """(N, F) the same, memory-mapped from a file in `folder`; found and written where none is there, or none whole."""
    path = folder / f"edges-{VERSION}.npy"
    with suppress(CorruptError):
        return load_array(path)
    unfinished = folder / f".{path.name}"
    edges = open_memmap(unfinished, "w+", np.float16, _shape(x))
    for share in _fill(edges, x):
        progress(share, "Looking at the edges")
    edges.flush()
    unfinished.replace(path)
    return load_array(path)


def _shape(x: NDArray[np.generic]) -> tuple[int, int]:
    return len(x), n_hog_features(x.shape[-1])


def _fill(edges: NDArray[np.float16], x: NDArray[np.generic]) -> Iterator[float]:
    """Writes the edges of x; yields the share done."""
    table = Table(x, np.arange(len(x)))
    for begin in range(0, len(x), BATCH):
        rows = table.rows[begin : begin + BATCH]
        images = table.values(rows).view(len(rows), *x.shape[1:])
        edges[rows] = hog(images.permute(0, 3, 1, 2)).numpy()
        yield (begin + len(rows)) / len(x)
