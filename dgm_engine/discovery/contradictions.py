"""Labels that the model or the nearest images contradict, with the reason as a sentence for people.

A model learns wrong labels by heart: after half a minute of training it predicted every label that it was given,
including the wrong ones. The nearest images by edges (HOG) were not labelled, and the model still predicts their true
classes. So the nearest images reveal a wrong label that the model has learned, and the model's own prediction reveals
one that it has not learned yet.

On MNIST (60,000 images, K = 20, three draws of labels of which 5 % were wrong, 30 s of training), "first k" is how many
of the first k suspects were wrong, k being the number of wrong ones (15 of 300, 3 of 60):

| labels | by 1 - q(label): first k | by neighbours in z | by edges | this: first k | precision | recall |
|---|---|---|---|---|---|---|
| 300, learned | 0.82 | 0.84 | 0.89 | 0.89 | 0.76 | 0.91 |
| 60, learned | 0.44 | 0.67 | 0.67 | 0.67 | 0.89 | 0.67 |
| 300, given since | 0.96 | 0.80 | 0.82 | 0.91 | 0.70 | 0.98 |
| 60, given since | 0.67 | 0.56 | 0.56 | 0.56 | 0.48 | 0.67 |

Only a named class contradicts a label. If the prediction "none of the named classes" did so too, 14 of the 60 labels
given since would be suspected in order to find the third wrong one: most belong to clusters that nobody has named yet.
Two to three more minutes of training changed little: 14 of 15 and 3 of 3 wrong labels were suspected, in one draw each.
"""

from dataclasses import dataclass

import numpy as np

from dgm_engine.errors import InputError

MIN_NEIGHBOUR_SHARE = 0.5
"""A label is suspected if at least this share of its nearest images counts as one other class."""


@dataclass(frozen=True)
class Contradiction:
    """A label that is probably wrong.

    Attributes:
        row: the item's row in the arrays.
        expected: the class that the item probably belongs to instead.
        score: 0 to 2, the share of the nearest images that count as another class plus the model's certainty of one.
        reason: why, as a sentence without a full stop.
    """

    row: int
    expected: str
    score: float
    reason: str


def contradicted(
    label: np.ndarray, predicted: np.ndarray, certainty: np.ndarray, nearest: np.ndarray
) -> list[Contradiction]:
    """The labels that are probably wrong, the most suspicious first.

    Args:
        label: (L,) str the classes that people gave, none of them "".
        predicted: (L,) str the classes that the model predicts; "" = none of the named ones, which contradicts nothing.
        certainty: (L,) the probabilities of the predicted classes.
        nearest: (L, n) str the classes that the items' nearest neighbours count as, "" as above; n may be 0.

    Raises:
        InputError: the shapes do not match.
    """
    if not len(label) == len(predicted) == len(certainty) == len(nearest) or nearest.ndim != 2:
        raise InputError(
            f"got {len(label)} labels, {len(predicted)} predictions, {len(certainty)} certainties and neighbours "
            f"{nearest.shape}; expected one entry, and one row, for each label"
        )
    if not len(label):
        return []
    doubt = np.where((predicted != label) & (predicted != ""), certainty, 0.0)
    other, count = _others(label, nearest)
    share = count / max(1, nearest.shape[1])
    score = doubt + share
    suspected = np.flatnonzero((doubt > 0) | (share >= MIN_NEIGHBOUR_SHARE))
    found: list[Contradiction] = []
    for row in suspected[np.argsort(-score[suspected], kind="stable")].tolist():
        reasons: list[str] = []
        if doubt[row]:
            reasons.append(f"The model says {predicted[row]} ({doubt[row]:.0%} sure)")
        if share[row] >= MIN_NEIGHBOUR_SHARE:
            reasons.append(f"{count[row]} of its {nearest.shape[1]} nearest images count as {other[row]}")
        expected = predicted[row] if doubt[row] > share[row] else other[row]
        found.append(Contradiction(row, str(expected), float(score[row]), "; ".join(reasons)))
    return found


def _others(label: np.ndarray, nearest: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(L,) the named class other than its own that most of an item's neighbours (L, n) count as, and (L,) how many."""
    names, number = np.unique(np.column_stack([label, nearest]), return_inverse=True)
    rows = np.arange(len(label))[:, None]
    cells = rows * len(names) + number[:, 1:]  # (L, n)
    counts = np.bincount(cells.ravel(), minlength=len(label) * len(names)).reshape(len(label), len(names))
    counts[rows, number[:, :1]] = 0
    counts[:, names == ""] = 0
    most = counts.argmax(axis=1)
    return names[most], counts[rows[:, 0], most]
