"""What leaves a project: the classifier, and its predictions for all images."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dgm_engine.errors import StateError
from dgm_engine.export import answers, card
from dgm_engine.export.card import About
from dgm_engine.export.folder import zipped
from dgm_engine.export.predict import PredictReport
from dgm_engine.export.predict import predict as predict_with
from dgm_engine.progress import Progress
from dgm_engine.services import evaluating
from dgm_engine.services.projects import Project
from dgm_engine.services.snapshot import Snapshot
from dgm_engine.training import runs
from dgm_engine.training.ownership import class_probabilities

if TYPE_CHECKING:
    from dgm_engine.export.bundle import ExportReport

__all__ = ["export_classifier", "predict", "usage", "write_predictions", "zipped"]

PARITY_ITEMS = 256
"""Items of the pool, evenly spread, on which the export must agree with the model."""


def export_classifier(seen: Snapshot, out: Path, progress: Progress | None = None) -> "ExportReport":
    """Writes the classifier of a snapshot as a folder that needs onnxruntime and Pillow only.

    Raises:
        StateError: training is at work, no cluster has a class, or clusters were split, merged or dissolved since the
            model was trained.
        InputError: ``out`` is something else than an earlier export, or cannot be written.
        JobError: the export and the model disagree; nothing was written.
    """
    from dgm_engine.export import bundle  # torch: not where pages import
    from dgm_engine.training.checkpoint import load_model

    run, results, pool = seen.run, seen.results, seen.project.pool
    if runs.status(run).alive:
        raise StateError(f"run {run.number} is still at work; wait for it, or stop it, and export what it has learned")
    if seen.labels.within(len(results.owner)).edits != results.contained.edits:
        raise StateError(
            "clusters were split, merged or dissolved, or that was undone, and the model does not know it yet; "
            "train again, then export"
        )
    scores = evaluating.evaluate(seen)
    about = About(
        name=seen.project.name,
        n_items=len(results.shown),
        labelled=Counter(seen.labels.positive.values()),
        accuracies={what: share for what, share in _accuracies(scores).items() if share is not None},
        training=results.config.training,
    )
    checked = np.unique(np.linspace(0, pool.n_items - 1, PARITY_ITEMS).astype(np.int64))
    spec = bundle.ExportSpec(seen.owner, pool.shape, pool.value_range, about)
    return bundle.export_classifier(load_model(run, results.step)[0], spec, out, pool.x[checked], progress)


def predict(export: Path, images: Path, out: Path, progress: Progress | None = None) -> PredictReport:
    """Classifies all that `open_images` takes with an exported classifier; writes a CSV.

    Raises:
        InputError: the export or the images cannot be used.
        CorruptError: a file of the export is damaged.
    """
    return predict_with(export, images, out, progress)


def write_predictions(seen: Snapshot, path: Path) -> int:
    """Writes item,class,confidence,is_new for all items of the project as CSV, as `predict` does.

    Returns:
        How many rows were written.

    Raises:
        InputError: the file cannot be written.
    """
    posterior = class_probabilities(seen.q_y, seen.owner)
    return answers.write_predictions(path, [(seen.project.pool.items.tolist(), posterior)])


def usage(project: Project) -> str:
    """Lines of Python that classify one item of the project's kind, run inside an export folder."""
    return card.usage(project.pool.shape)


def _accuracies(scores: evaluating.Evaluation) -> dict[str, float | None]:
    """The accuracies on the model card, by their descriptions."""
    where = "the test split" if scores.split == "test" else "all items whose class is known"
    return {
        f"Accuracy of the predicted classes, on {where} ({scores.n} items)": scores.accuracy_named,
        f"Accuracy if each cluster had its most frequent class, on {where}": scores.accuracy_cluster_and_label,
        **{
            f"Agreement of run {a.run} with {a.n} labels that it never saw": a.agreement
            for a in scores.held_out_agreement
        },
    }
