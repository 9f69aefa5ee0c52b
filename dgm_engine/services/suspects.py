"""Labels that somebody should look at once more."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from dgm_engine.discovery.contradictions import contradicted
from dgm_engine.services import exploring
from dgm_engine.services.exploring import View
from dgm_engine.services.latest import results_of
from dgm_engine.services.projects import Project
from dgm_engine.training.ownership import class_probabilities
from dgm_engine.training.results import load_array


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
    expected, confirms it, and it is suspected no longer. Labels of classes that own no cluster yet contradict nothing.
    Runs that looked for no neighbours (preset `paper`) have only their predictions to go by. Cached as `exploring.view`
    is.

    Raises:
        StateError: nothing was trained yet.
    """
    return _suspects(project, exploring.view(project))


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
    return tuple(one for one in made if one.expected not in state.rejected.get(one.item, ()))


def _nearest(project: Project, seen: View, rows: NDArray[np.int64]) -> NDArray[np.str_]:
    """(L, n) what the nearest neighbours of pool rows (L,) count as; n is 0 where the lineage looked for none."""
    counts_as = np.zeros(project.pool.n_items, dtype=seen.class_name.dtype)
    counts_as[seen.rows] = seen.class_name
    path = project.paths.run(results_of(project.paths.run(seen.run)).config.lineage).neighbours
    return counts_as[load_array(path)[rows] if path.exists() else np.zeros((len(rows), 0), dtype=np.int64)]
