"""What leaves a project: the classifier, and its predictions for all images."""

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dgm_engine.errors import InputError, StateError
from dgm_engine.paths import write_atomic
from dgm_engine.services.latest import latest_run, results_of
from dgm_engine.services.projects import Progress, Project
from dgm_engine.training.ownership import class_probabilities, effective_owner

if TYPE_CHECKING:
    from dgm_engine.export.bundle import ExportReport
    from dgm_engine.export.predict import PredictReport

N_CHECK_IMAGES = 64
"""Images of the pool, evenly spread, on which the export must agree with the model."""


def export_classifier(project: Project, out: Path, progress: Progress | None = None) -> "ExportReport":
    """Writes the classifier of the newest results as a folder that needs onnxruntime and Pillow only.

    Raises:
        StateError: nothing was trained yet, or no cluster has a class.
        InputError: ``out`` exists already.
    """
    run = latest_run(project)
    results = results_of(run)
    owner = effective_owner(results.owner, project.labels.state(results.config.lineage))
    classes = tuple(sorted({name for name in owner if name is not None}))
    if not classes:
        raise StateError(f"no cluster of {project.name} has a class yet; name one, or label images and train again")
    if out.exists():
        raise InputError(f"{out} exists already; choose another folder, or delete that one first")
    report = progress or _silent
    report(0.0, "Loading the model")
    from dgm_engine.export import bundle  # torch: not where pages import
    from dgm_engine.training.checkpoint import load_model

    model, _ = load_model(run)
    report(0.2, "Writing the classifier and checking it on images of the project")
    check = project.pool.x[np.unique(np.linspace(0, project.pool.n_items - 1, N_CHECK_IMAGES).astype(np.int64))]
    done = bundle.export_classifier(
        model, bundle.ExportSpec(classes=classes, owner=owner, shape=project.pool.shape), out, check
    )
    report(1.0, "Exported")
    return done


def predict(export: Path, images: Path, out: Path, progress: Progress | None = None) -> "PredictReport":
    """Classifies a file, a folder, a zip or an array with an exported classifier; writes a CSV.

    Raises:
        InputError: the export or the images cannot be used.
    """
    from dgm_engine.export.predict import predict as run  # onnxruntime: not where pages import

    return run(export, images, out, progress)


def write_predictions(project: Project, path: Path) -> int:
    """Writes item,class,confidence,is_new for all items of the project as CSV; returns the rows written.

    Confidence is the probability of the class, or of being new. Cells are as `predict` writes them.

    Raises:
        StateError: nothing was trained yet.
        InputError: the file cannot be written.
    """
    results = results_of(latest_run(project))
    owner = effective_owner(results.owner, project.labels.state(results.config.lineage))
    posterior = class_probabilities(results.q_y, owner)
    confidence = np.column_stack([posterior.probability, posterior.p_new]).max(axis=1)
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["item", "class", "confidence", "is_new"])
    for item, name, share in zip(project.pool.items, posterior.predicted(), confidence, strict=True):
        writer.writerow([item, name, f"{share:.4f}", str(name == "").lower()])
    try:
        write_atomic(path, text.getvalue().encode())
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror}); choose another file") from error
    return len(posterior.p_new)


def _silent(share: float, what: str) -> None:
    """Progress that nobody follows."""
