"""Makes a pool from a source: `ingest`."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np

from dgm_engine.data.builtin import BUILT_IN, open_built_in
from dgm_engine.data.catalogue import Catalogue, read_rows, sample
from dgm_engine.data.image_readers import is_image_suffix
from dgm_engine.data.pool import PoolWriter, Quarantined, quarantine_json
from dgm_engine.data.readers import open_source_path
from dgm_engine.data.survey import choose_shape
from dgm_engine.errors import InputError, StateError
from dgm_engine.progress import Progress, silent
from dgm_engine.whole import made_whole

MAX_SIDE = 1024
"""The longest side that a request may ask for, in pixels."""


class ClassFolders(StrEnum):
    """The use of the class names in a source: ground truth to evaluate against, labels to learn from, or none."""

    TRUTH = "truth"
    LABELS = "labels"
    IGNORE = "ignore"


@dataclass(frozen=True)
class SourceRequest:
    """Where the items come from and how they are read.

    Attributes:
        source: one of `BUILT_IN`, or the path of a folder, or of a file of a kind in `READERS`.
        data_root: folder that holds ``MNIST/raw`` and ``FashionMNIST/raw``; None takes the environment variable
            DGM_DATA_ROOT, or else torchvision's own download.
        class_folders: the use of class folders, and of labels inside a file. The built-in sets always bring ground
            truth.
        limit: the number of items at most: a sample that is the same each time, spread evenly over the source, with
            every class if the limit allows. If there is a test split, only the train split is sampled. Files that turn
            out to be unreadable count.
        size: (height, width) in pixels; None chooses it from the data.
        channels: 1 (grey) or 3 (colour); None chooses it from the data.
    """

    source: str
    data_root: Path | None = None
    class_folders: ClassFolders = ClassFolders.TRUTH
    limit: int | None = None
    size: tuple[int, int] | None = None
    channels: int | None = None

    def __post_init__(self) -> None:
        if self.class_folders not in tuple(ClassFolders):
            raise InputError(f"class folders are {self.class_folders!r}; choose {', '.join(ClassFolders)}")
        object.__setattr__(self, "class_folders", ClassFolders(self.class_folders))
        if self.limit is not None and self.limit < 1:
            raise InputError(f"the limit is {self.limit} items; it must be at least 1, or left out")
        if self.size is not None and not all(1 <= side <= MAX_SIDE for side in self.size):
            raise InputError(f"the size is {self.size}; height and width must be 1 to {MAX_SIDE} pixels, or left out")
        if self.channels not in (None, 1, 3):
            raise InputError(f"channels is {self.channels}; it must be 1 (grey) or 3 (colour), or left out")


@dataclass(frozen=True)
class IngestReport:
    """The outcome of `ingest`.

    Attributes:
        items: number of items in the pool.
        classes: the classes in the source, as ground truth or as labels.
        quarantined: the files that could not be read, with the reasons.
        labels: (item, class) to write to the label store; empty unless class folders are labels.
    """

    items: int
    classes: tuple[str, ...]
    quarantined: list[Quarantined]
    labels: list[tuple[str, str]]


def ingest(request: SourceRequest, images_dir: Path, progress: Progress | None = None) -> IngestReport:
    """Decodes a source into a new pool at ``images_dir``, which appears whole or not at all.

    Raises:
        InputError: the source does not exist, is of no known kind, or holds nothing readable.
        StateError: ``images_dir`` exists already.
    """
    if images_dir.exists():
        raise StateError(f"{images_dir} exists already; choose another project folder, or delete that one first")
    report = progress or silent
    report(0.0, "Looking through the source")
    with open_source(request) as catalogue:
        try:
            with made_whole(images_dir) as folder:
                return _fill(request, catalogue, folder, report)
        except OSError as error:
            raise InputError(
                f"{images_dir} cannot be written ({error}); free some space, or choose another folder"
            ) from error


def open_source(request: SourceRequest) -> AbstractContextManager[Catalogue]:
    """The items of a source, not decoded yet; the catalogue can read until the context is left.

    Raises:
        InputError: the source does not exist, is of no known kind, or holds no images.
    """
    if request.source in BUILT_IN:
        return open_built_in(request.source, request.data_root)
    path = Path(request.source).expanduser()
    if is_image_suffix(path.suffix.lower()) and path.is_file():
        raise InputError(f"{path} is a single image; give the folder that holds the images")
    return open_source_path(path)


def _fill(request: SourceRequest, catalogue: Catalogue, folder: Path, report: Progress) -> IngestReport:
    """Decodes the sampled rows of the catalogue into a pool in ``folder``."""
    wanted = sample(catalogue, request.limit)
    report(0.0, "Choosing a size")
    shape = choose_shape(catalogue, wanted, request.size, request.channels)
    quarantined, kept = list(catalogue.quarantined), list[int]()
    step = max(1, len(wanted) // 1000)
    writer = PoolWriter(folder, shape)
    try:
        for done, (row, values) in enumerate(read_rows(catalogue, wanted, shape)):
            if isinstance(values, str):
                quarantined.append(Quarantined(catalogue.items[row], values))
            else:
                writer.append(values)
                kept.append(row)
            if done % step == 0:
                report(done / len(wanted), "Decoding")
        if not kept:
            raise InputError(f"nothing in {request.source} can be read; {_first(quarantined)}")
        items = [catalogue.items[row] for row in kept]
        truth, classes, labels = _sort_out_classes(request.class_folders, catalogue, kept)
        about = {
            "source": request.source,
            "class_folders": str(request.class_folders),
            "classes": [] if labels else list(classes),
            "value_range": catalogue.value_range,
            "quarantined": quarantine_json(quarantined),
        }
        writer.finish(items, catalogue.split[kept], truth, about)
    finally:
        writer.close()
    report(1.0, f"Decoded {len(items)} items")
    return IngestReport(len(items), classes, quarantined, labels)


def _sort_out_classes(
    use: ClassFolders, catalogue: Catalogue, kept: list[int]
) -> tuple[np.ndarray, tuple[str, ...], list[tuple[str, str]]]:
    """Truth (N,), the names of the classes that occur, and labels (item, class) if classes are used as labels."""
    index = catalogue.truth[kept]
    used = np.unique(index[index >= 0])
    truth = np.where(index >= 0, np.searchsorted(used, index), -1).astype(np.int32)
    classes = tuple(catalogue.classes[i] for i in used)
    if use is ClassFolders.TRUTH or catalogue.has_split:
        return truth, classes, []
    unknown = np.full_like(truth, -1)
    if use is ClassFolders.IGNORE:
        return unknown, (), []
    labels = [(catalogue.items[row], classes[c]) for row, c in zip(kept, truth, strict=True) if c >= 0]
    return unknown, classes, labels


def _first(quarantined: list[Quarantined]) -> str:
    return f"the first of {len(quarantined)} problems is {quarantined[0].path}: {quarantined[0].reason}"
