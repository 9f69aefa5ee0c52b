"""The edges of a whole pool (`dgm_engine.hog`): found once, asked for in every step and every prediction."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.lib.format import dtype_to_descr, write_array_header_1_0
from numpy.typing import NDArray

from dgm_engine.errors import CorruptError
from dgm_engine.hog import VERSION, hog, n_hog_features
from dgm_engine.paths import load_array, written_atomically
from dgm_engine.progress import Progress
from dgm_engine.training.batches import Table

BATCH = 2048


def find_edges(x: NDArray[np.generic]) -> NDArray[np.float16]:
    """(N, F) edges of images (N, H, W, C), in memory."""
    return np.concatenate(list(_parts(x)))


def stored_edges(folder: Path, x: NDArray[np.generic], progress: Progress) -> NDArray[np.float16]:
    """(N, F) the same, memory-mapped from a file in `folder`; found and written where none is there, or none whole.

    Raises:
        OSError: the file cannot be written, say because the disk is full.
    """
    path = folder / f"edges-{VERSION}.npy"
    with suppress(CorruptError):
        return load_array(path)
    # Not through a memory map: on a full disk that ends the process without a word.
    with written_atomically(path) as file:
        shape = (len(x), n_hog_features(x.shape[-1]))
        header = {"descr": dtype_to_descr(np.dtype(np.float16)), "fortran_order": False, "shape": shape}
        write_array_header_1_0(file, header)
        done = 0
        for part in _parts(x):
            file.write(part.tobytes())
            done += len(part)
            progress(done / len(x), "Looking at the edges")
    return load_array(path)


def _parts(x: NDArray[np.generic]) -> Iterator[NDArray[np.float16]]:
    """(at most BATCH, F) the edges of one stretch of x after the other."""
    table = Table(x, np.arange(len(x)))
    for begin in range(0, len(x), BATCH):
        rows = table.rows[begin : begin + BATCH]
        images = table.values(rows).view(len(rows), *x.shape[1:])
        yield hog(images.permute(0, 3, 1, 2)).numpy().astype(np.float16)
