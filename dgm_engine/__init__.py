"""The engine of DGM Studio: semi-unsupervised learning with deep generative models."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dgm_engine.estimator import SemiUnsupervisedClassifier

__all__ = ["SemiUnsupervisedClassifier", "__version__"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:  # noqa: ANN401 - as modules have it
    """Imports the estimator, and torch with it, only where it is asked for."""
    if name == "SemiUnsupervisedClassifier":
        return import_module("dgm_engine.estimator").SemiUnsupervisedClassifier
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
