"""The engine as a scikit-learn estimator."""

from dgm_engine.estimator.classifier import SemiUnsupervisedClassifier

__all__ = ["SemiUnsupervisedClassifier"]
