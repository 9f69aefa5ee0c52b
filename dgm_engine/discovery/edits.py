"""What people did with clusters, seen through the results of a model that does not know of it yet.

Edits are undone from the last one backwards, so the edits that results contain and those that hold now are alike up to
some point. What results contain beyond it is taken back, newest first, and what holds beyond it is done:

- a split that is taken back is a merge; a merge or a dissolved cluster that is taken back gets the images again that it
  held when it was closed, whatever became of them since;
- a split parts the component's images in two by `halves`, which knows no randomness.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dgm_engine.discovery.halves import halves
from dgm_engine.labels.schema import Edit


@dataclass(frozen=True)
class Contained:
    """The edits that a model knows of.

    Attributes:
        edits: in the order in which they were done.
        held: of each edit, by event, the images that its component held, as `members` has them.
    """

    edits: tuple[Edit, ...]
    held: Mapping[int, np.ndarray]


def members(rows: np.ndarray, moved: np.ndarray) -> np.ndarray:
    """(n,) images of a component: pool rows as the field "row", and as "moved" whether an edit gave them to another."""
    result = np.empty(len(rows), dtype=[("row", "<i8"), ("moved", "?")])
    result["row"], result["moved"] = rows, moved
    return result


NOTHING = Contained((), {})
"""What a model contains when nobody has done anything with its clusters."""
_ALL = slice(None)
_NO_IMAGES = members(np.empty(0, np.int64), np.empty(0, bool))


def difference(contained: Sequence[Edit], wanted: Sequence[Edit]) -> tuple[list[Edit], list[Edit]]:
    """The edits to take back, newest first, and those to do, oldest first, to get from some edits to others."""
    alike = 0
    for one, other in zip(contained, wanted, strict=False):
        if one != other:
            break
        alike += 1
    return list(contained[alike:])[::-1], list(wanted[alike:])


def edited(
    q_y: np.ndarray, z: np.ndarray, shown: np.ndarray, contained: Contained, wanted: Sequence[Edit]
) -> tuple[np.ndarray, Mapping[int, np.ndarray]]:
    """q(y | x) as if the model knew the edits that hold now.

    Args:
        q_y: (N, K) of a model; it stays as it is.
        z: (N, Z) its latent means.
        shown: (M,) the rows that the model was trained on; splits look at no others.
        contained: the edits that the model knows of.
        wanted: the edits that hold now.

    Returns:
        (N, K), `q_y` itself where there is nothing to do and float32 otherwise; and, as `Contained.held`, what the
        components of the edits that were done here held.
    """
    undone, done = difference(contained.edits, wanted)
    if not undone and not done:
        return q_y, {}
    q = q_y.astype(np.float32)
    for edit in undone:
        if edit.opens is not None:
            _give(q, edit.opens, edit.component)
        else:
            _give_back(q, contained.held.get(edit.event, _NO_IMAGES)["row"], edit.component)
    held: dict[int, np.ndarray] = {}
    for edit in done:
        rows = np.flatnonzero(q.argmax(axis=1) == edit.component)
        parted = edit.opens is not None
        moved = _second(z[rows], np.isin(rows, shown)) if parted else np.ones(len(rows), dtype=bool)
        held[edit.event] = members(rows, moved)
        if edit.other is None:
            _dissolve(q, z, edit.component)
        else:
            _give(q, edit.component, edit.other, rows[moved] if parted else _ALL)
    return q, held


def _give(q: np.ndarray, component: int, other: int, rows: np.ndarray | slice = _ALL) -> None:
    """Makes the other as probable as both were."""
    q[rows, other] += q[rows, component]
    q[rows, component] = 0


def _give_back(q: np.ndarray, rows: np.ndarray, component: int) -> None:
    """Makes the component as probable as the most probable one was, which gets nothing."""
    best = q[rows].argmax(axis=1)
    probability = q[rows, best]
    q[rows, best] = 0
    q[rows, component] += probability


def _second(z: np.ndarray, known: np.ndarray) -> np.ndarray:
    """(n,) bool, the smaller half of points (n, Z), found on those that are known; none of them where too few are."""
    return halves(z, np.flatnonzero(known)).second if known.sum() > 1 else np.zeros(len(z), dtype=bool)


def _dissolve(q: np.ndarray, z: np.ndarray, component: int) -> None:
    """Shares the rest of q(y | x) as the model would with that component closed.

    Where half precision left no rest, an image goes to the component whose images have the nearest mean in z.
    """
    q[:, component] = 0
    rest = q.sum(axis=1, keepdims=True)
    q /= np.where(rest > 0, rest, 1)
    lost = np.flatnonzero(rest[:, 0] == 0)
    if not len(lost):
        return
    holds = q.argmax(axis=1)
    holds[lost] = -1
    used = [k for k in np.unique(holds).tolist() if k >= 0]
    if not used:
        return
    means = np.stack([z[holds == k].astype(np.float32).mean(axis=0) for k in used])
    points = z[lost].astype(np.float32)
    distance = (means**2).sum(axis=1) - 2 * points @ means.T
    q[lost, np.array(used)[distance.argmin(axis=1)]] = 1
