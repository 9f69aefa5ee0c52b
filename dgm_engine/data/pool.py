"""The pool: every item of a project, decoded once, memory-mapped.

A pool is a folder of three files: ``pool.npy`` (the values), ``items.parquet`` (one row per item: id, split, truth)
and ``pool.json`` (shape, class names, source, and the files that could not be read).
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from dgm_engine.errors import CorruptError, NotFoundError
from dgm_engine.json_files import read_json, write_json
from dgm_engine.npy import map_array, write_header
from dgm_engine.paths import PoolPaths
from dgm_engine.whole import flush_to_disk

POOL_FORMAT = 1
"""The version of a pool's files."""

ValueRange = tuple[float, float]
"""The values of black and white in an array of images."""


@dataclass(frozen=True)
class Quarantined:
    """A file of the source that did not become an item, and the reason, as people read it."""

    path: str
    reason: str


@dataclass(frozen=True, eq=False)
class Pool:
    """The N items of a project.

    Attributes:
        x: (N, H, W, C) uint8 images with C 1 or 3, or (N, D) float32 features; read-only.
        items: (N,) str, the stable ids.
        split: (N,) str, "train" or "test"; "" if the source has no split.
        truth: (N,) int32 index into `classes`, -1 if unknown. Training never sees it.
        classes: names of the ground-truth classes.
        source: the source that the pool was made from.
        value_range: for arrays of images, the values that became 0 and 255; None for files and features.
        quarantined: the files that could not be read.
    """

    x: np.ndarray
    items: np.ndarray
    split: np.ndarray
    truth: np.ndarray
    classes: tuple[str, ...]
    source: str = ""
    value_range: ValueRange | None = None
    quarantined: tuple[Quarantined, ...] = ()

    @property
    def is_images(self) -> bool:
        """Whether the items are images rather than feature vectors."""
        return self.x.ndim == 4

    @property
    def n_items(self) -> int:
        """N."""
        return len(self.items)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one item: (H, W, C) or (D,)."""
        return self.x.shape[1:]

    @cached_property
    def shown(self) -> np.ndarray:
        """(M,) int64 rows that are trained on and shown: all but the test split."""
        return np.flatnonzero(self.split != "test")

    @cached_property
    def scored(self) -> np.ndarray:
        """Int64 rows with known truth that `evaluate` scores: the test split, or all if there is none."""
        known = self.truth >= 0
        return np.flatnonzero(known & (self.split == "test") if (self.split != "").any() else known)

    def rows(self, items: Sequence[str]) -> np.ndarray:
        """The rows of item ids, (len(items),) int64.

        Raises:
            NotFoundError: an id is not in the pool; the message names the first one.
        """
        try:
            return np.fromiter((self._row_of[item] for item in items), dtype=np.int64, count=len(items))
        except KeyError as error:
            example = f"such as {self.items[0]}" if self.n_items else "of which there are none"
            raise NotFoundError(f"there is no item {error.args[0]!r}; use an id of this project, {example}") from error

    @cached_property
    def _row_of(self) -> dict[str, int]:
        return {item: row for row, item in enumerate(self.items.tolist())}


def load_pool(images_dir: Path) -> Pool:
    """Opens the pool in ``images_dir``; the values stay on disk until they are used.

    Raises:
        CorruptError: a file is missing, damaged or of another version.
    """
    paths = PoolPaths(images_dir)
    about = read_json(paths.about)
    try:
        if about["format"] != POOL_FORMAT:
            raise CorruptError(f"{images_dir} has pool format {about['format']}, not {POOL_FORMAT}; update the program")
        x = map_array(paths.values)
        columns = _read_columns(paths.items)
        if list(x.shape) != [len(columns["item"]), *about["shape"]]:
            raise CorruptError(
                f"{paths.values} holds {x.shape}, but {paths.about.name} says {len(columns['item'])} items of "
                f"{tuple(about['shape'])}; restore the folder from a copy or create the project again"
            )
        return Pool(
            x=x,
            items=columns["item"],
            split=columns["split"].astype("U5"),
            truth=columns["truth"].astype(np.int32),
            classes=tuple(about["classes"]),
            source=about["source"],
            value_range=None if about["value_range"] is None else (about["value_range"][0], about["value_range"][1]),
            quarantined=tuple(Quarantined(**entry) for entry in about["quarantined"]),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CorruptError(
            f"the pool in {images_dir} cannot be read ({error}); restore it from a copy or create the project again"
        ) from error


class PoolWriter:
    """Writes a pool item by item, in constant memory, into an existing empty folder.

    The number of items is not known in advance: the header of ``pool.npy`` is written again at the end, in the space
    that the .npy format reserves for a growing first axis.
    """

    def __init__(self, folder: Path, shape: tuple[int, ...]) -> None:
        self._paths = PoolPaths(folder)
        self._shape = shape
        self._dtype = np.dtype(np.uint8 if len(shape) == 3 else np.float32)
        self._n = 0
        self._file = self._paths.values.open("wb")
        self._write_header()

    def append(self, values: np.ndarray) -> None:
        """Adds one item of the pool's shape and dtype."""
        if values.shape != self._shape or values.dtype != self._dtype:
            raise ValueError(f"got {values.dtype} {values.shape}; expected {self._dtype} {self._shape}")
        self._file.write(values.tobytes())
        self._n += 1

    def finish(self, items: Sequence[str], split: np.ndarray, truth: np.ndarray, about: dict[str, Any]) -> None:
        """Completes the pool; ``about`` holds the remaining keys of ``pool.json``."""
        if not len(items) == len(split) == len(truth) == self._n:
            raise ValueError(f"got {len(items)} items, {len(split)} splits, {len(truth)} truths; expected {self._n}")
        self._file.seek(0)
        self._write_header()
        flush_to_disk(self._file)
        self.close()
        _write_columns(self._paths.items, {"item": list(items), "split": split, "truth": truth})
        write_json(self._paths.about, {"format": POOL_FORMAT, "shape": list(self._shape), **about})

    def close(self) -> None:
        """Closes the file; without `finish` the folder is no valid pool."""
        self._file.close()

    def _write_header(self) -> None:
        write_header(self._file, self._dtype, (self._n, *self._shape))


def quarantine_json(quarantined: Sequence[Quarantined]) -> list[dict[str, str]]:
    """The list as plain JSON values: ``[{"path": ..., "reason": ...}]``."""
    return [asdict(entry) for entry in quarantined]


def _read_columns(path: Path) -> dict[str, np.ndarray]:
    from pyarrow import parquet

    table = parquet.read_table(path)
    return {name: table[name].to_numpy() for name in ("item", "split", "truth")}


def _write_columns(path: Path, columns: dict[str, Any]) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    parquet.write_table(pa.table(columns), path)
