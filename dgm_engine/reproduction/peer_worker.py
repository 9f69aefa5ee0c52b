"""The process that runs one peer: ``python -m dgm_engine.reproduction.peer_worker PROJECT``.

It reads ``peer/task.json`` in a project, works on the project's images and labels, and leaves there ``status.json`` and
the arrays that are scored: everything as a training run does, so that both are followed and scored alike.
"""

import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dgm_engine import jobs, machine
from dgm_engine.data.pool import Pool, load_pool
from dgm_engine.jobs import JobState, JobStatus
from dgm_engine.labels.store import LabelStore
from dgm_engine.paths import ProjectPaths, load_array, read_json, save_array, write_json
from dgm_engine.reproduction.peers import PeerTask, run_on_pool
from dgm_engine.reproduction.tables import CLASSIFIERS, PeerName
from dgm_engine.training.ownership import Owner, class_evidence, give_components


@dataclass(frozen=True)
class PeerPaths:
    """The files of a peer's run in a project."""

    project: ProjectPaths

    @property
    def root(self) -> Path:
        """Their folder."""
        return self.project.root / "peer"

    @property
    def task(self) -> Path:
        """What is asked of the peer."""
        return self.root / "task.json"

    @property
    def status(self) -> Path:
        """How it stands."""
        return self.root / "status.json"

    @property
    def log(self) -> Path:
        """What the peer's libraries said."""
        return self.root / "worker.log"

    @property
    def component(self) -> Path:
        """(N,) the cluster or class of every image."""
        return self.root / "component.npy"

    @property
    def owner(self) -> Path:
        """The class that owns each component."""
        return self.root / "owner.json"


def launch(paths: PeerPaths, task: PeerTask) -> JobStatus:
    """Starts a peer in a process of its own."""
    write_json(paths.task, asdict(task))
    return jobs.spawn(__name__, [str(paths.project.root)], paths.status, paths.log)


def answers(paths: PeerPaths) -> tuple[NDArray[np.float32], Owner]:
    """What a finished peer says: q(y | x) (N, K), one at the component of each image, and the owners (K,)."""
    owner: Owner = tuple(read_json(paths.owner))
    return np.eye(len(owner), dtype=np.float32)[load_array(paths.component)], owner


def work(paths: PeerPaths) -> None:
    """Runs the peer from its task to its answers."""
    task = _read_task(paths.task)
    pool = load_pool(paths.project.images)
    labels = LabelStore(paths.project.labels)
    positive = labels.state().positive
    labels.close()
    classes = sorted(set(positive.values()))
    known = np.full(pool.n_items, -1, dtype=np.int64)
    known[pool.rows(list(positive))] = [classes.index(name) for name in positive.values()]
    component = run_on_pool(task, pool, known)
    save_array(paths.component, component)
    write_json(paths.owner, _owner(task, pool, component, positive, classes))


def main(arguments: Sequence[str]) -> None:
    """Runs the peer of the project that the first argument names, and reports whatever becomes of it."""
    import torch

    paths = PeerPaths(ProjectPaths(Path(arguments[0])))
    jobs.give_way(10)
    torch.set_num_threads(1)  # as in `run_on_pool`: the status says it
    status, began = replace(jobs.this_process(phase="Running"), details=machine.describe()), time.monotonic()
    jobs.write_status(paths.status, status)
    try:
        work(paths)
    except Exception as error:
        traceback.print_exc()
        said = f"{type(error).__name__}: {error}".splitlines()[0]
        jobs.write_status(paths.status, replace(status, state=JobState.FAILED, error=said))
        sys.exit(1)
    seconds = round(time.monotonic() - began, 2)
    jobs.write_status(paths.status, replace(status, state=JobState.FINISHED, phase="Finished", seconds=seconds))


def _read_task(path: Path) -> PeerTask:
    value = read_json(path)
    return PeerTask(PeerName(value["peer"]), value["n_components"], value["seed"], tuple(value["epochs"]))


def _owner(
    task: PeerTask, pool: Pool, component: NDArray[np.int64], positive: Mapping[str, str], classes: list[str]
) -> Owner:
    """Who owns what: a classifier's classes themselves; of clusters, whoever has most of the labelled images there."""
    if task.peer in CLASSIFIERS:
        return tuple(classes)
    n_components = max(task.n_components or 0, int(component.max()) + 1)
    free: Owner = (None,) * n_components
    if not positive:
        return free
    rows = pool.rows(list(positive))
    evidence = class_evidence(np.eye(n_components)[component[rows]], list(positive.values()))
    return give_components(free, evidence, size=np.bincount(component[pool.shown], minlength=n_components))


if __name__ == "__main__":
    main(sys.argv[1:])
