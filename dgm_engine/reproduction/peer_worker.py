"""The process that runs one peer: ``python -m dgm_engine.reproduction.peer_worker PROJECT``.

It reads ``peer/task.json`` in a project's folder, fits the peer to the project's images and labels, and writes its
status and answers beside the task. The status is like that of a training run, so the same code follows both.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dgm_engine import jobs, machine
from dgm_engine.child import Reporter, run_job
from dgm_engine.data.pool import Pool, load_pool
from dgm_engine.jobs import JobStatus
from dgm_engine.json_files import read_json, write_json
from dgm_engine.labels.store import LabelStore
from dgm_engine.npy import load_array, save_array
from dgm_engine.paths import PeerPaths, ProjectPaths
from dgm_engine.reproduction.peers import PeerTask, run_on_pool
from dgm_engine.reproduction.tables import CLASSIFIERS, PeerName
from dgm_engine.training.ownership import Owner, class_evidence, give_components


def launch(paths: PeerPaths, task: PeerTask) -> JobStatus:
    """Starts a peer in a process of its own."""
    write_json(paths.task, asdict(task))
    return jobs.spawn(__name__, [str(paths.project.root)], paths.status, paths.log)


def answers(paths: PeerPaths) -> tuple[NDArray[np.float32], Owner]:
    """The answers of a finished peer.

    Returns:
        q(y | x) (N, K), which is 1 at the component of each image and 0 elsewhere, and the owners (K,).

    Raises:
        CorruptError: a file of the answers is missing or damaged.
    """
    owner: Owner = tuple(read_json(paths.owner))
    return np.eye(len(owner), dtype=np.float32)[load_array(paths.component)], owner


def work(paths: PeerPaths) -> None:
    """Reads the task, runs the peer and writes its answers."""
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


def main(arguments: Sequence[str]) -> int:
    """Runs the peer of the project whose folder is the first argument; returns 0, or 1 if the peer failed."""
    import torch

    paths = ProjectPaths(Path(arguments[0])).peer
    jobs.give_way(10)
    torch.set_num_threads(1)  # `run_on_pool` does too, but only after the status has recorded it
    reporter = Reporter(paths.status, paths.stop_request)

    def run() -> None:
        reporter.phase("Running", 0.0, **machine.describe())
        work(paths)

    return run_job(reporter, run)


def _read_task(path: Path) -> PeerTask:
    value = read_json(path)
    return PeerTask(PeerName(value["peer"]), value["n_components"], value["seed"], tuple(value["epochs"]))


def _owner(
    task: PeerTask, pool: Pool, component: NDArray[np.int64], positive: Mapping[str, str], classes: list[str]
) -> Owner:
    """(K,) the owners: each class of a classifier owns itself; a cluster goes to the class with most labels in it."""
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
    sys.exit(main(sys.argv[1:]))
