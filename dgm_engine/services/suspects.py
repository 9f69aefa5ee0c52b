"""Labels that somebody should look at once more."""

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
        expected: the class that it probably is of instead.
        reason: why, in the person's words.
    """

    item: str
    row: int
    label: str
    expected: str
    reason: str


@lru_cache(maxsize=4)
def suspects(seen: Snapshot) -> tuple[Suspect, ...]:
    """The labelled items whose label the results contradict, the most suspicious first; see `contradicted`.

    Whoever gives a suspect the class that it has once more (see `LabelState.confirmed`), or says that it is not what is
    expected, confirms it, and it is suspected no longer. Labels of classes that own no cluster yet contradict nothing,
    nor do those that speak against a name which is suspected itself: there the name is in question, and not the labels.
    Runs that looked for no neighbours (preset `paper`) have only their predictions to go by. Cached.
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
    """A cluster whose name answers about its images speak against.

    Attributes:
        component: its number.
        name: its class.
        expected: the class that most of these answers give; "" if they only say that it is not the name's.
        rows: pool rows of the images that they are about, those of `expected` first.
        agreed: how many of them give `expected`, or only say what the image is not.
        support: how many answers about its images agree with the name.
    """

    component: int
    name: str
    expected: str
    rows: tuple[int, ...]
    agreed: int
    support: int


@lru_cache(maxsize=4)
def suspect_names(seen: Snapshot) -> tuple[SuspectName, ...]:
    """The named clusters whose name answers contradict, by two more than agree with it.

    Answers that were given before the name count neither here nor in training, which follows the others where they
    agree, see `training.settling`; a person sees them before. Cached.
    """
    labels, shown = seen.labels, view(seen)
    rejected, refused = shown.state == ItemState.NONE, labels.rejected
    refused_rows = seen.project.pool.rows(list(refused))
    places = np.searchsorted(shown.rows, refused_rows).tolist()  # they ascend
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
            most = len(counts) - 1 - int(counts[::-1].argmax())  # of as many, one that is a class
            first = np.argsort(said != names[most], kind="stable")
            rows = tuple(shown.rows[spoken[first]].tolist())
            found.append(SuspectName(k, str(seen.owner[k]), str(names[most]), rows, int(counts[most]), support))
    return tuple(sorted(found, key=lambda one: one.support - len(one.rows)))


def _nearest(seen: Snapshot, rows: NDArray[np.int64]) -> NDArray[np.str_]:
    """(L, n) what the nearest neighbours of pool rows (L,) count as; n is 0 if the lineage looked for none."""
    shown = view(seen)
    counts_as = np.zeros(seen.project.pool.n_items, dtype=shown.class_name.dtype)
    counts_as[shown.rows] = shown.class_name
    path = seen.project.paths.run(seen.lineage).neighbours
    return counts_as[load_array(path)[rows] if path.exists() else np.zeros((len(rows), 0), dtype=np.int64)]
