"""Accuracies of a clustering or of a named classifier against ground truth.

Every function scores the items it is given and nothing else. Ground truth is never used for training, and only
`accuracy_cluster_and_label` and the Hungarian figures look at it to decide what a group means.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from dgm_engine.errors import InputError

CONFIDENCE_LEVEL = 0.95
"""The confidence level of the intervals."""

NEW_CLASS = ""
"""The predicted class name of an item that belongs to no named class."""


@dataclass(frozen=True)
class AllOldNew:
    """Accuracies (0 to 1) as the category-discovery field reports them; None if no item is scored.

    Attributes:
        all: over all items.
        old: over the items whose true class has labels.
        new: over the items whose true class has none.
    """

    all: float | None
    old: float | None
    new: float | None


@dataclass(frozen=True)
class Confusion:
    """How often the items of each true class were predicted as each class.

    Attributes:
        truth: R true class names, sorted.
        predicted: C predicted names: first the true classes, then other names, then `NEW_CLASS` if it occurs.
        counts: (R, C) int64 numbers of items.
    """

    truth: tuple[str, ...]
    predicted: tuple[str, ...]
    counts: np.ndarray

    @property
    def right(self) -> float:
        """Share of the items that are predicted as their true class."""
        # The first columns are the true classes, in the order of the rows.
        return float(np.diagonal(self.counts).sum() / self.counts.sum())


@dataclass(frozen=True)
class ClassFigures:
    """How well one class is recognised (0 to 1); a ratio with an empty denominator is 0.

    Attributes:
        class_name: the class.
        precision: share of the items predicted as this class that belong to it.
        recall: share of this class's items that are predicted as it.
        f1: harmonic mean of the two.
        n: number of items of this class.
    """

    class_name: str
    precision: float
    recall: float
    f1: float
    n: int


@dataclass(frozen=True)
class Proportion:
    """A share of items, estimated from a random sample of them.

    Attributes:
        right: number of right items in the sample.
        n: size of the sample.
        low: lower end of the interval at `CONFIDENCE_LEVEL`.
        high: upper end of that interval.
    """

    right: int
    n: int
    low: float
    high: float

    @property
    def share(self) -> float | None:
        """Share of the sample that is right, 0 to 1; None if the sample is empty."""
        return self.right / self.n if self.n else None


def proportion(right: int, n: int) -> Proportion:
    """A share with its Clopper-Pearson interval, which covers the truth in *at least* 95 % of samples.

    Wilson's interval is shorter, but near 0 and 1, where good models are, it may cover less. Without items the interval
    is 0 to 1.
    """
    if not n:
        return Proportion(0, 0, 0.0, 1.0)
    from scipy.stats import binomtest  # imported here because it takes a second

    interval = binomtest(right, n).proportion_ci(CONFIDENCE_LEVEL, method="exact")
    return Proportion(right, n, float(interval.low), float(interval.high))


def accuracy_cluster_and_label(component: np.ndarray, truth: np.ndarray) -> float:
    """Many-to-one accuracy: each component takes the majority true class of the items scored here.

    This is the paper's accuracy. It is optimistic: it uses the truth that it is scored on, and grows with the number
    of components.

    Args:
        component: (n,) the component of each item.
        truth: (n,) the true class of each item.

    Raises:
        InputError: there are no items, or the lengths differ.
    """
    return float(np.mean(majority(component, truth) == truth))


def majority(group: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(n,) the majority true class of each item's group; of equally frequent classes, the first.

    Args:
        group: (n,) the group of each item.
        truth: (n,) the true class of each item.

    Raises:
        InputError: there are no items, or the lengths differ.
    """
    counts = _counts(group, truth)
    return np.unique(truth)[counts.argmax(axis=1)][np.unique(group, return_inverse=True)[1]]


def accuracy_hungarian(component: np.ndarray, truth: np.ndarray) -> float:
    """One-to-one accuracy under the best matching of components and classes.

    The numbers of components and classes may differ; items of an unmatched component count as wrong.

    Args:
        component: (n,) the component of each item.
        truth: (n,) the true class of each item.

    Raises:
        InputError: there are no items, or the lengths differ.
    """
    return float(_matched(component, truth).mean())


def accuracy_named(predicted: np.ndarray, truth: np.ndarray) -> float:
    """Share of the items whose predicted class name is the true one; `NEW_CLASS` is never right.

    Args:
        predicted: (n,) class names, `NEW_CLASS` for none.
        truth: (n,) true class names.

    Raises:
        InputError: there are no items, or the lengths differ.
    """
    _check(predicted, truth)
    return float(np.mean((predicted == truth) & (predicted != NEW_CLASS)))


def all_old_new(group: np.ndarray, truth: np.ndarray, old: Sequence[bool] | np.ndarray) -> AllOldNew:
    """Accuracy over all items, and over those of labelled (old) and unlabelled (new) true classes.

    As the category-discovery field does it (Vaze et al. 2022, "Generalized Category Discovery"): *one* Hungarian
    assignment of groups to true classes over all items scored, then the share of right items in each subset. Matching
    each subset on its own would give higher figures that mean less.

    Args:
        group: (n,) the group of each item: its component, or its predicted class.
        truth: (n,) int, the true class of each item.
        old: (C,) for each true class, whether it has labels.

    Raises:
        InputError: the lengths differ, or `old` does not cover a true class.
    """
    if truth.size == 0:
        return AllOldNew(None, None, None)
    if truth.min() < 0 or truth.max() >= len(old):
        raise InputError(
            f"true classes run from {truth.min()} to {truth.max()}, but old covers 0 to {len(old) - 1}; "
            "score only items whose truth is known and give one entry for each class"
        )
    right = _matched(group, truth)
    is_old = np.asarray(old, dtype=bool)[truth]
    return AllOldNew(_mean(right), _mean(right[is_old]), _mean(right[~is_old]))


def confusion_matrix(truth: np.ndarray, predicted: np.ndarray) -> Confusion:
    """Counts of items by true and predicted class name, with every name that occurs.

    Args:
        truth: (n,) true class names.
        predicted: (n,) predicted class names, `NEW_CLASS` for none.

    Raises:
        InputError: there are no items, or the lengths differ.
    """
    _check(predicted, truth)
    rows, row = np.unique(truth, return_inverse=True)
    names = set(rows.tolist())
    columns = sorted(
        {*names, *np.unique(predicted).tolist()}, key=lambda name: (name not in names, name == NEW_CLASS, name)
    )
    column_of = {name: index for index, name in enumerate(columns)}
    column = np.array([column_of[name] for name in predicted.tolist()])
    counts = _tally(row, column, (len(rows), len(columns)))
    return Confusion(tuple(rows.tolist()), tuple(columns), counts)


def per_class(truth: np.ndarray, predicted: np.ndarray) -> list[ClassFigures]:
    """Precision, recall and F1 of every true class, in the order of `Confusion.truth`.

    Args:
        truth: (n,) true class names.
        predicted: (n,) predicted class names, `NEW_CLASS` for none.

    Raises:
        InputError: there are no items, or the lengths differ.
    """
    confusion = confusion_matrix(truth, predicted)
    counts = confusion.counts
    n = counts.sum(axis=1)
    n_predicted = counts.sum(axis=0)[: len(n)]  # the first columns are the true classes, in the order of the rows
    hits = np.diagonal(counts)
    precision = hits / np.maximum(n_predicted, 1)
    f1 = 2 * hits / (n + n_predicted)
    return [
        ClassFigures(name, float(precision[i]), float(hits[i] / n[i]), float(f1[i]), int(n[i]))
        for i, name in enumerate(confusion.truth)
    ]


def _matched(group: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(n,) bool: whether the best one-to-one matching pairs the item's group with its true class."""
    counts = _counts(group, truth)
    match = np.full(counts.shape[0], -1)
    rows, columns = linear_sum_assignment(counts, maximize=True)
    match[rows] = columns
    return match[np.unique(group, return_inverse=True)[1]] == np.unique(truth, return_inverse=True)[1]


def _counts(group: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(groups that occur, classes that occur) number of items."""
    _check(group, truth)
    groups, row = np.unique(group, return_inverse=True)
    classes, column = np.unique(truth, return_inverse=True)
    return _tally(row, column, (len(groups), len(classes)))


def _tally(row: np.ndarray, column: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    return np.bincount(row * shape[1] + column, minlength=shape[0] * shape[1]).reshape(shape)


def _check(predicted: np.ndarray, truth: np.ndarray) -> None:
    if predicted.shape != truth.shape or truth.ndim != 1:
        raise InputError(
            f"predictions have shape {predicted.shape} and truth {truth.shape}; give one of each for every scored item"
        )
    if truth.size == 0:
        raise InputError("no item with known truth to score; import ground truth with the pool")


def _mean(right: np.ndarray) -> float | None:
    return float(right.mean()) if right.size else None
