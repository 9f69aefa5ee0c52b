"""Answers for images of any kind from an export folder: onnxruntime and Pillow, no torch."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dgm_engine.data.arrays import BYTE_RANGE, ArrayFeatures
from dgm_engine.data.catalogue import Catalogue, read_rows
from dgm_engine.data.pool import Quarantined
from dgm_engine.data.readers import open_images
from dgm_engine.errors import InputError
from dgm_engine.export.answers import write_predictions
from dgm_engine.export.folder import MODEL_FILE, Classifier, read_classifier, read_verified
from dgm_engine.export.runtime import OnnxClassifier
from dgm_engine.progress import Progress, silent


@dataclass(frozen=True)
class PredictReport:
    """What was written, and what could not be read."""

    rows: int
    path: Path
    quarantined: tuple[Quarantined, ...]


def predict(export_dir: Path, images: Path, out: Path, progress: Progress | None = None) -> PredictReport:
    """Classifies images, or feature vectors, with an exported classifier and writes a CSV.

    Args:
        export_dir: the export folder.
        images: all that `open_images` takes, with the ids that a project gives them.
        out: the CSV; its columns are those of `dgm_engine.export.answers`.
        progress: told how far it is.

    Raises:
        InputError: there is no such export, or the images are of another kind, or none can be read.
        CorruptError: a file of the export is damaged.
    """
    report = progress or silent
    report(0.0, "Checking the classifier")
    contents = read_verified(export_dir)
    classifier = read_classifier(contents)
    model = OnnxClassifier(contents[MODEL_FILE], classifier)
    # The range of bytes says nothing of an array of floats, which brings its own.
    value_range = None if classifier.value_range == BYTE_RANGE else classifier.value_range
    with open_images(images, value_range) as catalogue:
        _check_kind(images, catalogue, classifier)
        quarantined = list(catalogue.quarantined)
        batches = _batches(catalogue, classifier.shape, model.batch_size, quarantined, report)
        rows = write_predictions(out, ((items, model(values)) for items, values in batches))
    report(1.0, f"Classified {rows} items")
    return PredictReport(rows, out, tuple(quarantined))


def _batches(
    catalogue: Catalogue, shape: tuple[int, ...], size: int, quarantined: list[Quarantined], report: Progress
) -> Iterator[tuple[list[str], NDArray[Any]]]:
    """The readable items with their values, up to ``size`` at a time; the others are added to ``quarantined``."""
    n, readable, done = len(catalogue.items), 0, 0
    decoded = read_rows(catalogue, range(n), shape)
    while chunk := list(islice(decoded, size)):
        good = [(catalogue.items[row], values) for row, values in chunk if not isinstance(values, str)]
        quarantined += [Quarantined(catalogue.items[row], why) for row, why in chunk if isinstance(why, str)]
        if good:
            yield [item for item, _ in good], np.stack([values for _, values in good])
        readable, done = readable + len(good), done + len(chunk)
        report(done / n, "Classifying")
    if not readable:
        first = quarantined[0]
        raise InputError(f"none of {n} items can be read; the first of the problems is {first.path}: {first.reason}")


def _check_kind(images: Path, catalogue: Catalogue, classifier: Classifier) -> None:
    """Raises InputError where the source holds images and the classifier takes features, or the reverse."""
    got = catalogue.content.look(0) if isinstance(catalogue.content, ArrayFeatures) else None
    wanted = None if classifier.is_images else classifier.shape
    if got != wanted:
        names = [f"feature vectors of length {s[0]}" if s else "images" for s in (got, wanted)]
        raise InputError(f"{images} holds {names[0]}; this classifier takes {names[1]}")
