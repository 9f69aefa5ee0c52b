"""People's edits of clusters, applied to the results of a model that has not learned them yet.

Edits are undone from the last one backwards, so the edits that results contain and those in force now agree up to some
point. Edits that only the results contain are taken back, newest first; then those that are only in force now are done:

- Taking back a split is a merge. Taking back a merge or a dissolving returns the images that the component contained
  when it was closed, wherever they are now.
- A split divides the component's images in two by `halves`, which is deterministic.
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
        contents: for each edit, by event, the images of its component just before it, as from `members`.
    """

    edits: tuple[Edit, ...]
    contents: Mapping[int, np.ndarray]


def members(rows: np.ndarray, moved: np.ndarray) -> np.ndarray:
    """(n,) images of a component: "row" is the pool row, "moved" whether the edit gave the image to another one."""
    result = np.empty(len(rows), dtype=[("row", "<i8"), ("moved", "?")])
    result["row"], result["moved"] = rows, moved
    return result


NO_EDITS = Contained((), {})
"""The edits of a model whose clusters nobody has edited."""
_ALL_ROWS = slice(None)
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
    """q(y | x) as if the model had learned the edits in force now.

    Args:
        q_y: (N, K) of a model; not changed.
        z: (N, Z) its latent means.
        shown: (M,) the rows that the model was trained on; splits are fitted to these alone.
        contained: the edits that the model has learned.
        wanted: the edits in force now.

    Returns:
        (N, K) probabilities, `q_y` itself if there is nothing to do and else float32; and the contents, as in
        `Contained.contents`, of the components whose edits were done here.
    """
    undone, done = difference(contained.edits, wanted)
    if not undone and not done:
        return q_y, {}
    q = q_y.astype(np.float32)
    for edit in undone:
        if edit.opens is not None:
            _give(q, edit.opens, edit.component)
        else:
            _give_back(q, contained.contents.get(edit.event, _NO_IMAGES)["row"], edit.component)
    contents: dict[int, np.ndarray] = {}
    for edit in done:
        rows = np.flatnonzero(q.argmax(axis=1) == edit.component)
        parted = edit.opens is not None
        moved = _second(z[rows], np.isin(rows, shown)) if parted else np.ones(len(rows), dtype=bool)
        contents[edit.event] = members(rows, moved)
        if edit.other is None:
            _dissolve(q, z, edit.component)
        else:
            _give(q, edit.component, edit.other, rows[moved] if parted else _ALL_ROWS)
    return q, contents


def _give(q: np.ndarray, component: int, other: int, rows: np.ndarray | slice = _ALL_ROWS) -> None:
    """Adds the component's probability to the other's."""
    q[rows, other] += q[rows, component]
    q[rows, component] = 0


def _give_back(q: np.ndarray, rows: np.ndarray, component: int) -> None:
    """Moves the probability of each row's most probable component to this component."""
    best = q[rows].argmax(axis=1)
    probability = q[rows, best]
    q[rows, best] = 0
    q[rows, component] += probability


def _second(z: np.ndarray, known: np.ndarray) -> np.ndarray:
    """(n,) bool, the smaller half of points (n, Z), fitted to the known ones; all False if fewer than two are known."""
    return halves(z, np.flatnonzero(known)).second if known.sum() > 1 else np.zeros(len(z), dtype=bool)


def _dissolve(q: np.ndarray, z: np.ndarray, component: int) -> None:
    """Renormalises q(y | x) over the other components, as the model would with this component closed.

    If the others' probabilities are 0 in half precision, the image goes to the component with the nearest mean in z.
    """
    q[:, component] = 0
    rest = q.sum(axis=1, keepdims=True)
    q /= np.where(rest > 0, rest, 1)
    lost = np.flatnonzero(rest[:, 0] == 0)
    if not len(lost):
        return
    component_of = q.argmax(axis=1)
    component_of[lost] = -1
    used = [k for k in np.unique(component_of).tolist() if k >= 0]
    if not used:
        return
    means = np.stack([z[component_of == k].astype(np.float32).mean(axis=0) for k in used])
    points = z[lost].astype(np.float32)
    distance = (means**2).sum(axis=1) - 2 * points @ means.T
    q[lost, np.array(used)[distance.argmin(axis=1)]] = 1
