"""Labels that somebody should look at once more."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from dgm_engine.discovery.contradictions import contradicted
from dgm_engine.paths import load_array
from dgm_engine.services import exploring
from dgm_engine.services.exploring import ItemState, View
from dgm_engine.services.latest import results_of
from dgm_engine.services.projects import Project
from dgm_engine.training.ownership import class_probabilities

LEAST_AGAINST = 2
"""A name is suspected once so many more answers speak against it than for it."""


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


def suspects(project: Project) -> tuple[Suspect, ...]:
    """The labelled items whose label the newest results contradict, the most suspicious first; see `contradicted`.

    Whoever gives a suspect the class that it has once more (see `LabelState.confirmed`), or says that it is not what is
    expected, confirms it, and it is suspected no longer. Labels of classes that own no cluster yet contradict nothing,
    nor do those that speak against a name which is suspected itself: there the name is in question, and not the labels.
    Runs that looked for no neighbours (preset `paper`) have only their predictions to go by. Cached as `exploring.view`
    is.

    Raises:
        StateError: nothing was trained yet.
    """
    return _suspects(project, exploring.view(project))


@dataclass(frozen=True)
class SuspectName:
    """A cluster whose name answers about its images speak against.

    Attributes:
        component: its number.
        name: its class.
        expected: the class that most of these answers give; "" where they only say that it is not the name's.
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


def suspect_names(project: Project) -> tuple[SuspectName, ...]:
    """The named clusters of the results in use whose name answers contradict, by two more than agree with it.

    Answers that were given before the name count neither here nor in training, which follows the others where they
    agree, see `training.settling`; a person sees them before. Cached as `exploring.view` is.

    Raises:
        StateError: nothing was trained yet.
    """
    return _suspect_names(project, exploring.view(project))


@lru_cache(maxsize=4)
def _suspect_names(project: Project, seen: View) -> tuple[SuspectName, ...]:
    labels = project.labels.state(results_of(project.paths.run(seen.run)).config.lineage)
    rejected, refused = seen.state == ItemState.NONE, labels.rejected
    refused_rows = project.pool.rows(list(refused))
    places = np.searchsorted(seen.rows, refused_rows).tolist()  # they ascend
    for row, at, classes in zip(refused_rows.tolist(), places, refused.values(), strict=True):
        if at < len(seen.rows) and seen.rows[at] == row:
            rejected[at] |= seen.owner[seen.component[at]] in classes
    owner = np.array([name or "" for name in seen.owner])[seen.component]
    against = (owner != "") & ((seen.label != "") & (seen.label != owner) | rejected)
    found: list[SuspectName] = []
    for k in np.unique(seen.component[against]).tolist():
        here = seen.component == k
        support = int((here & (seen.label == owner) & ~rejected).sum())
        spoken = np.flatnonzero(here & against)
        spoken = spoken[[labels.said.get(item, 0) > seen.clusters[k].named for item in seen.items[spoken].tolist()]]
        if len(spoken) >= support + LEAST_AGAINST:
            said = np.where(seen.label[spoken] == owner[spoken], "", seen.label[spoken])
            names, counts = np.unique(said, return_counts=True)
            most = len(counts) - 1 - int(counts[::-1].argmax())  # of as many, one that is a class
            first = np.argsort(said != names[most], kind="stable")
            rows = tuple(seen.rows[spoken[first]].tolist())
            found.append(SuspectName(k, str(seen.owner[k]), str(names[most]), rows, int(counts[most]), support))
    return tuple(sorted(found, key=lambda one: one.support - len(one.rows)))


@lru_cache(maxsize=4)
def _suspects(project: Project, seen: View) -> tuple[Suspect, ...]:
    known = [name for name in seen.owner if name is not None]
    state = project.labels.state()
    labelled = np.flatnonzero(np.isin(seen.label, known))
    labelled = labelled[[item not in state.confirmed for item in seen.items[labelled].tolist()]]
    rows, label = seen.rows[labelled], seen.label[labelled]
    posterior = class_probabilities(exploring.shown_q_y(project, seen)[labelled], seen.owner)
    certainty = posterior.probability.max(axis=1, initial=0.0)
    found = contradicted(label, posterior.predicted(), certainty, _nearest(project, seen, rows))
    made = (
        Suspect(str(seen.items[labelled[c.row]]), int(rows[c.row]), str(label[c.row]), c.expected, c.reason)
        for c in found
    )
    doubted = {(row, name.name) for name in _suspect_names(project, seen) for row in name.rows}
    return tuple(
        one
        for one in made
        if one.expected not in state.rejected.get(one.item, ()) and (one.row, one.expected) not in doubted
    )


def _nearest(project: Project, seen: View, rows: NDArray[np.int64]) -> NDArray[np.str_]:
    """(L, n) what the nearest neighbours of pool rows (L,) count as; n is 0 where the lineage looked for none."""
    counts_as = np.zeros(project.pool.n_items, dtype=seen.class_name.dtype)
    counts_as[seen.rows] = seen.class_name
    path = project.paths.run(results_of(project.paths.run(seen.run)).config.lineage).neighbours
    return counts_as[load_array(path)[rows] if path.exists() else np.zeros((len(rows), 0), dtype=np.int64)]
