"""Labels, and names of clusters, that somebody should check."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from dgm_engine.discovery.contradictions import contradicted
from dgm_engine.npy import load_array
from dgm_engine.services.snapshot import Snapshot
from dgm_engine.services.viewing import ItemState, shown_q_y, view
from dgm_engine.training.ownership import class_probabilities

MIN_MORE_AGAINST = 2
"""A name is suspected once this many more answers speak against it than for it."""


@dataclass(frozen=True)
class Suspect:
    """An item whose label is probably wrong.

    Attributes:
        item: its id.
        row: its pool row.
        label: the class that a person gave it.
        expected: the class that the item probably has instead.
        reason: why the label is probably wrong, in words for the screen.
    """

    item: str
    row: int
    label: str
    expected: str
    reason: str


@lru_cache(maxsize=4)
def suspects(seen: Snapshot) -> tuple[Suspect, ...]:
    """The labelled items whose label the results contradict, the most suspicious first; see `contradicted`.

    A label is no longer suspected once somebody gives the item the same label again (`LabelState.confirmed`), or says
    that it is not of the expected class. Labels of classes that own no cluster yet are never suspected. Nor are labels
    that contradict a suspected name, because there the name is in question. In lineages without neighbours (preset
    `paper`) only predictions contradict labels. Cached.
    """
    known = [name for name in seen.owner if name is not None]
    state, shown = seen.labels, view(seen)
    labelled = np.flatnonzero(np.isin(shown.label, known))
    labelled = labelled[[item not in state.confirmed for item in shown.items[labelled].tolist()]]
    rows, label = shown.rows[labelled], shown.label[labelled]
    posterior = class_probabilities(shown_q_y(seen)[labelled], seen.owner)
    certainty = posterior.probability.max(axis=1, initial=0.0)
    found = contradicted(label, posterior.predicted(), certainty, _nearest(seen, rows))
    made = (
        Suspect(str(shown.items[labelled[c.row]]), int(rows[c.row]), str(label[c.row]), c.expected, c.reason)
        for c in found
    )
    doubted = {(row, name.name) for name in suspect_names(seen) for row in name.rows}
    return tuple(
        one
        for one in made
        if one.expected not in state.rejected.get(one.item, ()) and (one.row, one.expected) not in doubted
    )


@dataclass(frozen=True)
class SuspectName:
    """A cluster whose name is contradicted by answers about its images.

    Attributes:
        component: the number of the cluster.
        name: the name of the cluster.
        expected: the class that most of the contradicting answers give; "" if most of them only say that the image is
            not of the class `name`.
        rows: pool rows of the images of the contradicting answers, those with the answer `expected` first.
        agreed: the number of contradicting answers that are `expected`.
        support: the number of answers about images of the cluster that agree with the name.
    """

    component: int
    name: str
    expected: str
    rows: tuple[int, ...]
    agreed: int
    support: int


@lru_cache(maxsize=4)
def suspect_names(seen: Snapshot) -> tuple[SuspectName, ...]:
    """The clusters with a name that more answers contradict than agree with, by `MIN_MORE_AGAINST` or more.

    Answers that are older than the name do not count, neither here nor in training. Training follows the other answers
    if enough of them agree (`training.settling`); people see the cluster here before that. Cached.
    """
    labels, shown = seen.labels, view(seen)
    rejected, refused = shown.state == ItemState.NONE, labels.rejected
    refused_rows = seen.project.pool.rows(list(refused))
    places = np.searchsorted(shown.rows, refused_rows).tolist()  # `shown.rows` ascend
    for row, at, classes in zip(refused_rows.tolist(), places, refused.values(), strict=True):
        if at < len(shown.rows) and shown.rows[at] == row:
            rejected[at] |= seen.owner[shown.component[at]] in classes
    owner = np.array([name or "" for name in seen.owner])[shown.component]
    against = (owner != "") & ((shown.label != "") & (shown.label != owner) | rejected)
    found: list[SuspectName] = []
    for k in np.unique(shown.component[against]).tolist():
        here = shown.component == k
        support = int((here & (shown.label == owner) & ~rejected).sum())
        spoken = np.flatnonzero(here & against)
        spoken = spoken[[labels.said.get(item, 0) > shown.clusters[k].named for item in shown.items[spoken].tolist()]]
        if len(spoken) >= support + MIN_MORE_AGAINST:
            said = np.where(shown.label[spoken] == owner[spoken], "", shown.label[spoken])
            names, counts = np.unique(said, return_counts=True)
            most = len(counts) - 1 - int(counts[::-1].argmax())  # if counts are equal, the last: "" is first
            first = np.argsort(said != names[most], kind="stable")
            rows = tuple(shown.rows[spoken[first]].tolist())
            found.append(SuspectName(k, str(seen.owner[k]), str(names[most]), rows, int(counts[most]), support))
    return tuple(sorted(found, key=lambda one: one.support - len(one.rows)))


def _nearest(seen: Snapshot, rows: NDArray[np.int64]) -> NDArray[np.str_]:
    """(L, n) the classes that the nearest neighbours of pool rows (L,) count as; n is 0 if the lineage has none."""
    shown = view(seen)
    counts_as = np.zeros(seen.project.pool.n_items, dtype=shown.class_name.dtype)
    counts_as[shown.rows] = shown.class_name
    path = seen.project.paths.run(seen.lineage).neighbours
    return counts_as[load_array(path)[rows] if path.exists() else np.zeros((len(rows), 0), dtype=np.int64)]
