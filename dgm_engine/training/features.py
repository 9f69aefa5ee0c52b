"""Computes the features of a whole pool (`dgm_engine.extractors`) once, for all steps and predictions."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.lib.format import dtype_to_descr, write_array_header_1_0
from numpy.typing import NDArray

from dgm_engine.errors import CorruptError
from dgm_engine.extractors.base import Extractor
from dgm_engine.npy import load_array
from dgm_engine.paths import PoolPaths
from dgm_engine.progress import Progress
from dgm_engine.training.batches import Table
from dgm_engine.whole import written_atomically

FEATURE_BATCH = 2048


def make_features(extractor: Extractor, x: NDArray[np.generic]) -> NDArray[np.float16]:
    """(N, F) features of images (N, H, W, C), in memory."""
    return np.concatenate(list(_parts(extractor, x)))


def stored_features(
    extractor: Extractor, folder: Path, x: NDArray[np.generic], progress: Progress
) -> NDArray[np.float16]:
    """(N, F) the same, memory-mapped from a file in the pool's `folder`, which is written if missing or damaged.

    Raises:
        OSError: the file cannot be written, say because the disk is full.
    """
    path = PoolPaths(folder).features(extractor.stored_as, extractor.version)
    with suppress(CorruptError):
        return load_array(path)
    # Not written through a memory map: on a full disk that would kill the process without an error.
    with written_atomically(path) as file:
        shape = (len(x), extractor.n_features(x.shape[1:]))
        header = {"descr": dtype_to_descr(np.dtype(np.float16)), "fortran_order": False, "shape": shape}
        write_array_header_1_0(file, header)
        done = 0
        for part in _parts(extractor, x):
            file.write(part.tobytes())
            done += len(part)
            progress(done / len(x), extractor.doing)
    return load_array(path)


def _parts(extractor: Extractor, x: NDArray[np.generic]) -> Iterator[NDArray[np.float16]]:
    """(at most FEATURE_BATCH, F) the features of x, batch by batch."""
    table = Table(x, np.arange(len(x)))
    for begin in range(0, len(x), FEATURE_BATCH):
        rows = table.rows[begin : begin + FEATURE_BATCH]
        images = table.values(rows).view(len(rows), *x.shape[1:])
        yield extractor.describe(images.permute(0, 3, 1, 2)).numpy().astype(np.float16)
