"""The labels y that an estimator is given."""

from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dgm_engine.errors import InputError
from dgm_engine.labels.state import LabelState

UNLABELLED = -1


@dataclass(frozen=True)
class Labels:
    """The labels of some rows.

    Attributes:
        classes: (C,) the given classes; those of earlier calls come first, so that each keeps its position.
        position: (N,) the position of each row's class in `classes`, -1 if it is not known.
    """

    classes: NDArray[Any]
    position: NDArray[np.int64]

    @classmethod
    def of(cls, y: NDArray[Any], earlier: NDArray[Any] | None = None) -> "Labels":
        """The labels y (N,), whose classes follow those of earlier calls (C',).

        Raises:
            ValueError: y holds values that are not classes, or some classes are strings and others are not.
        """
        known = ~is_unlabelled(y)
        given = _of_one_kind(y[known])
        parts = [part for part in (earlier, np.unique(given)) if part is not None and len(part)]
        if len({part.dtype.kind == "U" for part in parts}) > 1:
            raise InputError(
                f"y names classes {given[0]!r} and earlier ones are {parts[0][0]!r}; use one kind of label"
            )
        classes = np.concatenate([parts[0], np.setdiff1d(parts[-1], parts[0])]) if parts else np.empty(0, np.int64)
        position = np.full(len(y), -1)
        order = np.argsort(classes)
        position[known] = order[np.searchsorted(classes, given, sorter=order)] if len(given) else -1
        return cls(classes, position)

    def state(self) -> LabelState:
        """The labels as a `LabelState`: items are row numbers and classes are positions in `classes`, as strings."""
        rows = np.flatnonzero(self.position >= 0)
        return LabelState(
            version=0,
            known=0,
            positive={str(row): str(self.position[row]) for row in rows},
            rejected={},
            none_of_named=frozenset(),
            skipped=frozenset(),
            names={},
            edits=(),
            ignored=frozenset(),
            classes=tuple(str(position) for position in range(len(self.classes))),
            numbers={},
            annotators={},
        )


def is_unlabelled(y: NDArray[Any]) -> NDArray[np.bool_]:
    """(N,) bool, whether a label is -1, or "-1", into which NumPy turns -1 among strings."""
    if y.dtype.kind == "U":
        return y == str(UNLABELLED)
    if y.dtype == object:
        return np.array([label in (UNLABELLED, str(UNLABELLED)) for label in y.tolist()], dtype=bool)
    return y == UNLABELLED


def _of_one_kind(labels: NDArray[Any]) -> NDArray[Any]:
    """The labels as an array of strings or of whole numbers; `labels` may be an array of objects.

    Raises:
        InputError: they are fractions, of other types, or both strings and numbers.
    """
    if labels.dtype.kind in "biuU":
        return labels
    values = labels.tolist()
    if any(isinstance(value, float) and not value.is_integer() for value in values):
        raise InputError("Unknown label type: y holds fractions; give classes as strings or whole numbers")
    if not all(isinstance(value, str) for value in values) and not all(isinstance(value, Real) for value in values):
        kinds = sorted({type(value).__name__ for value in values})
        raise InputError(
            f"y holds labels of type {', '.join(kinds)}; give strings or whole numbers, and -1 where nothing is known"
        )
    return np.array(values)
