"""Predictions as a CSV: item, class, confidence, is_new."""

import codecs
import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from dgm_engine.errors import InputError
from dgm_engine.labels.csv_labels import csv_cell
from dgm_engine.training.ownership import ClassPosterior
from dgm_engine.whole import written_atomically

ANSWER_COLUMNS = ("item", "class", "confidence", "is_new")


def write_predictions(path: Path, batches: Iterable[tuple[Sequence[str], ClassPosterior]]) -> int:
    """Writes the most probable answer for each item, batch by batch; the file appears whole or not at all.

    The class is empty and `is_new` true where "none of the classes" is the most probable answer; the confidence is the
    probability of the answer given. Cells that a spreadsheet would run as a formula get an apostrophe before them.

    Returns:
        How many rows were written.

    Raises:
        InputError: the file cannot be written.
    """
    rows = 0
    try:
        with written_atomically(path) as file:
            writer = csv.writer(codecs.getwriter("utf-8")(file), lineterminator="\n")
            writer.writerow(ANSWER_COLUMNS)
            for items, posterior in batches:
                writer.writerows(_rows(items, posterior))
                rows += len(items)
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror}); choose another file") from error
    return rows


def _rows(items: Sequence[str], posterior: ClassPosterior) -> Iterable[tuple[object, ...]]:
    confidence = np.column_stack([posterior.probability, posterior.p_new]).max(axis=1)
    for item, name, share in zip(items, posterior.predicted().tolist(), confidence.tolist(), strict=True):
        yield csv_cell(item), csv_cell(name), f"{share:.6f}", "false" if name else "true"
