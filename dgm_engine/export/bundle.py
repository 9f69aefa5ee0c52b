"""A trained classifier as a folder that runs anywhere; checked against the engine before it is there."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray

from dgm_engine.data.pool import ValueRange
from dgm_engine.errors import JobError, StateError
from dgm_engine.export.card import About, model_card
from dgm_engine.export.folder import (
    CARD_FILE,
    CONFIG_FILE,
    EXPORT_FILES,
    LABELS_FILE,
    MODEL_FILE,
    WEIGHTS_FILE,
    Classifier,
    building,
    write_file,
    write_sums,
)
from dgm_engine.export.graph import to_onnx
from dgm_engine.export.runtime import OnnxClassifier
from dgm_engine.models.base import DeepGenerativeModel
from dgm_engine.progress import Progress, silent
from dgm_engine.training.ownership import ClassPosterior, Owner, class_probabilities

MAX_PARITY_ERROR = 1e-4
"""How much a class's probability may differ between the export and the engine."""


@dataclass(frozen=True)
class ExportSpec:
    """What to export.

    Attributes:
        owner: (K,) the class of each component, None if it has none.
        shape: of one item, (H, W, C) or (D,).
        value_range: the pool's, for arrays of images.
        about: for the model card.
    """

    owner: Owner
    shape: tuple[int, ...]
    value_range: ValueRange | None = None
    about: About = field(default_factory=About)


@dataclass(frozen=True)
class ExportReport:
    """What was written: the folder, the names of its files, and the classes in the order of the outputs."""

    path: Path
    files: tuple[str, ...]
    classes: tuple[str, ...]


def export_classifier(
    model: DeepGenerativeModel, spec: ExportSpec, out: Path, check: NDArray[Any], progress: Progress | None = None
) -> ExportReport:
    """Writes a classifier to the folder ``out``, which appears whole and checked, or not at all.

    Args:
        model: a trained model, on the CPU.
        spec: what to export.
        out: a new folder, or an earlier export, which is replaced.
        check: (n, *shape) items of the pool, at least one, on which the export must agree with the model.
        progress: told how far it is.

    Raises:
        StateError: no component has a class, or the model sees features that a graph cannot make.
        InputError: ``out`` is something else than an earlier export, or cannot be written.
        JobError: the export and the model disagree.
    """
    report = progress or silent
    classifier = Classifier(model.config, spec.shape, spec.owner, spec.value_range)
    if not classifier.classes:
        raise StateError("no cluster has a class yet; name a cluster, or label images and train again")
    if model.extractor is not None and not model.extractor.exportable:
        raise StateError(
            f"the model sees features that an exported file cannot make ({model.config.extractor}); train from scratch "
            "with another extractor, then export"
        )
    report(0.0, "Translating the model")
    with building(out.expanduser().resolve()) as folder:
        graph = to_onnx(model, classifier)
        report(0.7, "Checking it on images of the project")
        check_parity(graph, model, classifier, check)
        report(0.9, "Writing the folder")
        for name, data in {MODEL_FILE: graph, **_contents(model, classifier, spec.about)}.items():
            write_file(folder / name, data)
        write_sums(folder)
    report(1.0, "Exported")
    return ExportReport(out, EXPORT_FILES, classifier.classes)


def check_parity(graph: bytes, model: DeepGenerativeModel, classifier: Classifier, check: NDArray[Any]) -> None:
    """Raises JobError unless the ONNX graph and the engine agree on all items of ``check``, (n, *shape)."""
    onnx = OnnxClassifier(graph, classifier)
    for batch in np.array_split(check, -(-len(check) // onnx.batch_size)):
        difference = float(np.abs(_all(onnx(batch)) - _all(_by_engine(model, classifier, batch))).max())
        if not difference <= MAX_PARITY_ERROR:  # NaN is no agreement either
            raise JobError(
                f"the exported classifier differs from the model by {difference:.2g} in a class's probability, more "
                f"than {MAX_PARITY_ERROR:g}; nothing was written: train again, and report it if it stays"
            )


@torch.no_grad()
def _by_engine(model: DeepGenerativeModel, classifier: Classifier, items: NDArray[Any]) -> ClassPosterior:
    x = torch.from_numpy(np.array(items)).flatten(1).float()
    return class_probabilities(model.classify(x / 255 if classifier.is_images else x).numpy(), classifier.owner)


def _all(posterior: ClassPosterior) -> NDArray[np.float32]:
    """(n, C + 1) probabilities, the last that of none of the classes."""
    return np.column_stack([posterior.probability, posterior.p_new])


def _contents(model: DeepGenerativeModel, classifier: Classifier, about: About) -> dict[str, bytes]:
    """The files beside the graph."""
    weights = {name: value.detach().contiguous() for name, value in model.state_dict().items()}
    labelled = {name: about.labelled.get(name, 0) for name in classifier.classes}
    labels = {"classes": list(classifier.classes), "owner": list(classifier.owner), "labelled": labelled}
    return {
        WEIGHTS_FILE: safetensors.torch.save(weights, {"format": "pt"}),
        CONFIG_FILE: _json(classifier.to_json()),
        LABELS_FILE: _json(labels),
        CARD_FILE: model_card(classifier, about).encode(),
    }


def _json(value: object) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()
