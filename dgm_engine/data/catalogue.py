"""The items of a source before they are decoded, and the parallel decoding of its rows."""

import os
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Protocol, TypeVar

import numpy as np

from dgm_engine.data.pool import Quarantined, ValueRange
from dgm_engine.errors import InputError

Shape = tuple[int, ...]
"""The shape of one item: (H, W, C) for images, (D,) for feature vectors."""

R = TypeVar("R")

MAX_THREADS = 8
ROWS_PER_TASK = 16  # enough that handing a task to a thread costs little beside its work


class Content(Protocol):
    """The values of a source. Rows are positions in its catalogue; calls come from several threads at once."""

    def look(self, row: int) -> Shape:
        """The item's own shape; C is 1 for a grey image. Raises InputError with the reason if it is unreadable."""
        ...

    def read(self, row: int, shape: Shape) -> np.ndarray:
        """The item brought to ``shape``: uint8 images, float32 features. Raises InputError as `look` does."""
        ...


@dataclass(frozen=True)
class Catalogue:
    """The N items that a source offers.

    Attributes:
        items: N ids, all different.
        truth: (N,) int32 index into `classes`, -1 if unknown.
        classes: the class names in the source.
        split: (N,) str, as in `Pool`.
        content: reads the values.
        quarantined: the files known to be unusable before they are decoded.
        value_range: as in `Pool`.
    """

    items: Sequence[str]
    truth: np.ndarray
    classes: tuple[str, ...]
    split: np.ndarray
    content: Content
    quarantined: tuple[Quarantined, ...] = ()
    value_range: ValueRange | None = None

    @property
    def has_split(self) -> bool:
        """Whether the items are split into "train" and "test"."""
        return bool((self.split != "").any())


def no_split(n: int) -> np.ndarray:
    """The `split` of a source that has none, (n,) str."""
    return np.full(n, "", dtype="U5")


def encode_classes(names: Sequence[str]) -> tuple[np.ndarray, tuple[str, ...]]:
    """Class indices (N,) int32 and the class names in natural order; an empty name is -1, unknown."""
    stripped = [name.strip() for name in names]
    classes = sorted(set(stripped) - {""}, key=_natural)
    index = {"": -1} | {name: i for i, name in enumerate(classes)}
    return np.array([index[name] for name in stripped], dtype=np.int32), tuple(classes)


def sample(catalogue: Catalogue, limit: int | None) -> np.ndarray:
    """At most ``limit`` rows, ascending int64, the same each time, plus all rows of a test split.

    The sample has one row of every class. The remaining rows, ordered by class, are cut into equal stretches, and one
    row is drawn from each, up to the limit. If the limit is below the number of classes, the sample has one row each
    of evenly spread classes.
    """
    test = np.flatnonzero(catalogue.split == "test")
    rows = np.flatnonzero(catalogue.split != "test")
    if limit is not None and limit < len(rows):
        truth = catalogue.truth[rows]
        _, first = np.unique(truth, return_index=True)
        rest = np.setdiff1d(np.arange(len(rows)), first)
        rest = rest[np.argsort(truth[rest], kind="stable")]
        chosen = [_spread(first, min(limit, len(first))), _spread(rest, max(limit - len(first), 0))]
        rows = rows[np.concatenate(chosen)]
    return np.sort(np.concatenate([rows, test]))


def read_rows(catalogue: Catalogue, rows: Iterable[int], shape: Shape) -> Iterator[tuple[int, np.ndarray | str]]:
    """Each row, in order, with its values brought to ``shape``, or with the reason why it cannot be read."""

    def read(row: int) -> np.ndarray | str:
        try:
            return catalogue.content.read(row, shape)
        except InputError as error:
            return str(error)

    return parallel_map(read, rows)


def parallel_map(function: Callable[[int], R], rows: Iterable[int]) -> Iterator[tuple[int, R]]:
    """``(row, function(row))`` in order, computed in threads only a few chunks ahead, so that memory stays bounded.

    Threads suffice because Pillow releases Python's lock while it decodes and resizes. Pillow's warnings, mostly about
    metadata, are silenced: anything that makes an image unusable is an error, or is checked by `decode`.
    """
    workers = min(os.cpu_count() or 1, MAX_THREADS)
    remaining = iter(rows)
    chunks = iter(lambda: list(islice(remaining, ROWS_PER_TASK)), [])

    def run(chunk: list[int]) -> list[tuple[int, R]]:
        return [(row, function(row)) for row in chunk]

    with warnings.catch_warnings(), ThreadPoolExecutor(workers) as executor:
        warnings.filterwarnings("ignore", module=r"PIL\.")
        pending = deque(executor.submit(run, chunk) for chunk in islice(chunks, 2 * workers))
        while pending:
            yield from pending.popleft().result()
            pending.extend(executor.submit(run, chunk) for chunk in islice(chunks, 1))


def _spread(rows: np.ndarray, n: int) -> np.ndarray:
    """One random row of each of ``n`` equal stretches of ``rows``; a fixed step might hit a regular pattern in them."""
    edges = np.linspace(0, len(rows), n + 1).astype(np.int64)
    return rows[np.random.default_rng(0).integers(edges[:-1], edges[1:])]


def _natural(name: str) -> tuple[bool, int, str]:
    """A sort key: numbers come first, by value, then other names by letter."""
    number = name.isascii() and name.isdecimal()
    return not number, int(name) if number else 0, name
