"""Imports torchvision even if its wheel was built for another torch."""

import importlib
from types import ModuleType

_COMPILED_OPERATORS = {
    "nms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}


def import_torchvision() -> ModuleType:
    """The package torchvision; every use of it goes through here.

    With a CPU build of torch, a wheel of torchvision built for CUDA cannot load its compiled operators, and the import
    fails at the first of them. Declaring them lets the rest work: datasets, transforms and models, but not ``ops.nms``.
    If the wheels match, this is a plain import.
    """
    try:
        return importlib.import_module("torchvision")
    except RuntimeError as error:
        if "torchvision::nms does not exist" not in str(error):
            raise
    import torch

    for name, schema in _COMPILED_OPERATORS.items():
        torch.library.define(f"torchvision::{name}", schema)
    return importlib.import_module("torchvision")
