"""What a source holds, before it is decoded, and the parallel decoding of its rows."""

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

MAX_WORKERS = 8
CHUNK = 16  # rows per task: enough to make the cost of handing them over small


class Content(Protocol):
    """The values of a source. Rows are positions in its catalogue; calls come from several threads at once."""

    def look(self, row: int) -> Shape:
        """The item's own shape; C is 1 where the image is grey. Raises InputError with the reason if unreadable."""
        ...

    def read(self, row: int, shape: Shape) -> np.ndarray:
        """The item brought to ``shape``: uint8 images, float32 features. Raises InputError as `look` does."""
        ...


@dataclass(frozen=True)
class Catalogue:
    """The N items that a source offers.

    Attributes:
        items: N ids, all different.
        truth: (N,) int32 index into `classes`, -1 where unknown.
        classes: class names that the source brings along.
        split: (N,) str, as in `Pool`.
        content: where the values come from.
        quarantined: what is known to be unusable without having been decoded.
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
    """At most ``limit`` rows, ascending int64, the same each time; a test split comes on top, whole.

    One row of every class, then one drawn from each of as many equal stretches of the rest, in the order of classes,
    as there is room for. Where the limit is below the number of classes, one row each of classes evenly spread.
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
    """Each row, in order, with its values brought to ``shape`` or with the reason why it cannot be read."""

    def read(row: int) -> np.ndarray | str:
        try:
            return catalogue.content.read(row, shape)
        except InputError as error:
            return str(error)

    return parallel_map(read, rows)


def parallel_map(function: Callable[[int], R], rows: Iterable[int]) -> Iterator[tuple[int, R]]:
    """``(row, function(row))`` in order, computed in threads a few chunks ahead, so that memory stays bounded.

    Threads suffice: Pillow decodes and resizes without holding Python's lock. Pillow's warnings, about metadata mostly,
    are silenced meanwhile; what makes an image unusable is an error, or checked by `decode`.
    """
    workers = min(os.cpu_count() or 1, MAX_WORKERS)
    remaining = iter(rows)
    chunks = iter(lambda: list(islice(remaining, CHUNK)), [])

    def run(chunk: list[int]) -> list[tuple[int, R]]:
        return [(row, function(row)) for row in chunk]

    with warnings.catch_warnings(), ThreadPoolExecutor(workers) as executor:
        warnings.filterwarnings("ignore", module=r"PIL\.")
        pending = deque(executor.submit(run, chunk) for chunk in islice(chunks, 2 * workers))
        while pending:
            yield from pending.popleft().result()
            pending.extend(executor.submit(run, chunk) for chunk in islice(chunks, 1))


def _spread(rows: np.ndarray, n: int) -> np.ndarray:
    """One of each of ``n`` equal stretches of ``rows``, drawn so that no regular pattern in them is met each time."""
    edges = np.linspace(0, len(rows), n + 1).astype(np.int64)
    return rows[np.random.default_rng(0).integers(edges[:-1], edges[1:])]


def _natural(name: str) -> tuple[bool, int, str]:
    """Numbers first and by value, then the rest by letter."""
    number = name.isascii() and name.isdecimal()
    return not number, int(name) if number else 0, name
