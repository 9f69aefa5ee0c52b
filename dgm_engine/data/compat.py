"""The import of torchvision where its wheel was built for another torch."""

import importlib
from types import ModuleType

_MISSING = {
    "nms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}


def import_torchvision() -> ModuleType:
    """The package torchvision; every use of it goes through here.

    Beside a CPU build of torch, its wheel (built for CUDA) cannot load its compiled operators, and the import fails at
    the first of them. Declaring those lets the rest work: datasets, transforms and models, but not ``ops.nms``. Where
    the wheels match, this is a plain import.
    """
    try:
        return importlib.import_module("torchvision")
    except RuntimeError as error:
        if "torchvision::nms does not exist" not in str(error):
            raise
    import torch

    for name, schema in _MISSING.items():
        torch.library.define(f"torchvision::{name}", schema)
    return importlib.import_module("torchvision")
