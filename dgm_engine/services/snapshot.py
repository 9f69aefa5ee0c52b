"""What a screen or a command looks at: the results of a run and what people said, read once.

Whatever is derived from the two takes a snapshot as its one argument, so that what stands side by side belongs
together. While nobody writes, every snapshot of a run is the same object, and caches hang on its identity. So no cache
can hold, under the key of earlier results or labels, what another process wrote a moment later.
"""

import threading
from collections import deque
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dgm_engine.labels.schema import Edit
from dgm_engine.labels.state import LabelState
from dgm_engine.paths import RunPaths
from dgm_engine.services import latest
from dgm_engine.services.projects import Project
from dgm_engine.training.ownership import Owner
from dgm_engine.training.results import Results

if TYPE_CHECKING:
    from dgm_engine.models.base import DeepGenerativeModel

SNAPSHOTS_KEPT = 8
"""Snapshots that are kept, the last ones used: several projects and runs may be looked at by turns."""


@dataclass(frozen=True, eq=False)
class Snapshot:
    """The results of one run under what people said of them.

    Attributes:
        project: whose run it is.
        run: the run.
        stamp: of these results; see `latest.results_stamp`.
        results: what the run left.
        labels: what people said, with the names and edits of the run's lineage.
    """

    project: Project
    run: RunPaths
    stamp: int
    results: Results
    labels: LabelState

    @property
    def lineage(self) -> int:
        """The fresh run that the run descends from; clusters of one lineage have the same numbers."""
        return self.results.config.lineage

    @property
    def q_y(self) -> NDArray[np.floating]:
        """q(y | x) (N, K) as people see it: under what they did with the clusters."""
        return edited_q_y(self.results, self.labels.edits)

    @cached_property
    def owner(self) -> Owner:
        """(K,) the classes of the components."""
        return self.results.owners(self.labels, self.q_y, self.project.pool.rows)

    @property
    def model(self) -> "DeepGenerativeModel":
        """The model that the results are of. Raises as `latest.model_of`."""
        return latest.model_of(self.run, self.results)

    @property
    def results_key(self) -> tuple[str, str, int, int]:
        """Plain values that change with the results, for caches that outlive objects.

        The project's creation is among them, since another project may stand at the same place later.
        """
        return str(self.project.paths.root), self.project.manifest.created, self.run.number, self.stamp

    @property
    def key(self) -> tuple[str, str, int, int, int]:
        """Plain values that change with the results or the labels."""
        return *self.results_key, self.labels.version


def take(project: Project, number: int | None = None) -> Snapshot:
    """What there is to look at now: the same object as before while nobody has written results or labels.

    Args:
        project: whose results.
        number: of the run; None is the one in use.

    Raises:
        StateError: nothing was trained yet.
        NotFoundError: there is no such run, or it has no results.
        CorruptError: its results are damaged.
    """
    use = latest.choice(project)
    while True:
        run = latest.run_of(project, number, use)
        stamp, results = latest.stamped_results(run)
        labels = project.labels.state(results.config.lineage)
        if labels.use == use:
            return _kept(Snapshot(project, run, stamp, results, labels))
        use = labels.use  # somebody chose another run in between


def take_if_any(project: Project) -> Snapshot | None:
    """What `take` gives; None if nothing was trained yet."""
    return None if latest.run_in_use(project) is None else take(project)


_last_used: deque[Snapshot] = deque(maxlen=SNAPSHOTS_KEPT)
_keeping = threading.Lock()


def _kept(taken: Snapshot) -> Snapshot:
    """The snapshot that was taken of the same results and labels before, else this one."""
    with _keeping:
        for known in _last_used:
            if known.results is taken.results and known.labels is taken.labels:
                _last_used.remove(known)
                _last_used.append(known)
                return known
        _last_used.append(taken)
        return taken


@lru_cache(maxsize=2)  # large, unless nothing was edited
def edited_q_y(results: Results, edits: tuple[Edit, ...]) -> NDArray[np.floating]:
    """q(y | x) (N, K) of results under what people did with their clusters."""
    return results.edited(edits)[0]
