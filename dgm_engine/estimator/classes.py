"""Maps components to the classes of an estimator: the given classes, and the new ones that training found."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dgm_engine.estimator.labels import Labels
from dgm_engine.training.ownership import Owner

MIN_PROBABILITY = 1e-300
"""Smaller probabilities are raised to this, so that no divisor is zero."""


def class_of_component(
    q_y: NDArray[np.floating], owner: Owner, labels: Labels, in_use: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """The class of each component, as a position among the sorted given classes and, after them, the new ones.

    A component that no class owns is a new class if it is the most probable answer for a row without a label. If all
    rows have labels, none can show this, and the components that were classes before stay so.

    Args:
        q_y: (N, K) q(y | x) of the rows.
        owner: (K,) the owners, as strings of positions in `labels.classes`; None for a free component.
        labels: the labels of the rows.
        in_use: (K,) bool, whether the component had a class before.

    Returns:
        (K,) int64 positions; -1 for a component without a class.
    """
    n_known = len(labels.classes)
    rank = np.argsort(np.argsort(labels.classes))
    position = np.array([-1 if name is None else rank[int(name)] for name in owner])
    free = np.flatnonzero(position < 0)
    unlabelled = q_y[labels.position < 0]
    if len(unlabelled):
        each = position.copy()
        each[free] = n_known + np.arange(len(free))
        answers = class_probabilities(unlabelled, each, n_known + len(free)).argmax(axis=1)
        new = free[np.isin(each[free], answers)]
    else:
        new = free[in_use[free]]
    position[new] = n_known + np.arange(len(new))
    return position


def class_probabilities(q_y: NDArray[np.floating], position: NDArray[np.int64], n_classes: int) -> NDArray[np.float64]:
    """(N, C) q(y | x) (N, K), summed over the components of each class by their `position` (K,), and normalised."""
    owned = np.flatnonzero(position >= 0)
    members = np.zeros((len(position), n_classes))
    members[owned, position[owned]] = 1
    total = np.maximum(q_y, MIN_PROBABILITY) @ members
    return total / total.sum(axis=1, keepdims=True)


def with_new(classes: NDArray[Any], n_new: int) -> NDArray[Any]:
    """(C + n_new,) the sorted classes (C,), followed by labels for `n_new` new ones."""
    if n_new == 0:
        return classes
    if classes.dtype.kind == "U":
        taken = set(classes.tolist())
        names = [name for i in range(n_new + len(taken)) if (name := f"new_{i}") not in taken]
        return np.concatenate([classes, names[:n_new]])
    first = max(int(classes.max()) + 1, 0) if len(classes) else 0
    return np.concatenate([classes, np.arange(first, first + n_new)])
