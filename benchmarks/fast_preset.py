"""What preset `fast` reaches, in which time, and what each of its terms brings.

    python -m benchmarks.fast_preset targets --data-root DIR --out DIR [--seeds 0 1 2 3 4] [--tasks mnist-10 ...]
    python -m benchmarks.fast_preset ablation --data-root DIR --out DIR [--seeds 0] [--tasks ...] [--variants ...]

Every run is a project of its own, trained by the real worker on the 60,000 training images and scored on all 10,000
test images after the last epoch; no test label is seen before. *First clusters* are the results that the worker leaves
after the clustering start, when a person sees them for the first time. Every run is told that there are ten classes,
which matters to the prior of the labelled task alone. k-means on 50 principal components with as many clusters stands
beside. Finished runs are files under --out: the same command goes on where it was stopped.
"""

import argparse
import shutil
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pandas as pd

from dgm_engine import machine
from dgm_engine.config import BOUND_ALONE, HOG
from dgm_engine.data.pool import Pool
from dgm_engine.data.sources import SourceRequest
from dgm_engine.extractors.registry import extractor
from dgm_engine.jobs import JobState
from dgm_engine.json_files import read_json, write_json
from dgm_engine.reproduction.peers import PeerTask, run_on_pool
from dgm_engine.reproduction.scores import score
from dgm_engine.reproduction.tables import N_CLASSES, TABLES, PeerName, TableName
from dgm_engine.services import jobs, projects
from dgm_engine.services.latest import results_of
from dgm_engine.services.projects import Project
from dgm_engine.services.reproducing import DEFAULT_LABELS
from dgm_engine.services.table_runs import ended_with_us, labelled_rows
from dgm_engine.training import run_results
from dgm_engine.training.features import make_features
from dgm_engine.training.planning import TrainRequest

LABELLED = TABLES[TableName.TABLE_1].labelled


@dataclass(frozen=True)
class Task:
    """Something that is asked of the preset.

    Attributes:
        source: the data set.
        n_components: K.
        measure: the accuracy that counts: "hungarian" is one-to-one, "overall" many-to-one.
        target: what it should reach, in percent.
        labels: for each class that has labels in the paper's table 1.
    """

    source: str
    n_components: int
    measure: str
    target: float
    labels: int = 0

    @property
    def labelled(self) -> tuple[int, ...]:
        """The classes that have labels."""
        return LABELLED if self.labels else ()


TASKS = {
    "mnist-10": Task("mnist", 10, "hungarian", 98.4),
    "mnist-30": Task("mnist", 30, "overall", 98.4),
    "fashion-30": Task("fashion-mnist", 30, "overall", 80.0),
    "fashion-10": Task("fashion-mnist", 10, "hungarian", 70.0),
    "fashion-labels-30": Task("fashion-mnist", 30, "overall", 82.0, DEFAULT_LABELS),
}
NAMES = {"hungarian": "one-to-one", "overall": "many-to-one"}
ABLATION: dict[str, dict[str, Any]] = {
    "preset fast": {},
    "without consistency": {"consistency_weight": 0.0},
    "without neighbours": {"neighbour_weight": 0.0},
    "without mutual information": {"mutual_information_weight": 0.0},
    "the bound alone": BOUND_ALONE,
    "without edges": {"extractor": None},
    "without the clustering start": {"clustering_start": False},
    "one component for a labelled class": {"several_components": False},
    "all K summed exactly": {"exact_components": 0},
    "float32": {"bfloat16": False},
}


@dataclass
class Found:
    """What one run came to: shares of 1, and seconds."""

    accuracy: float
    seconds: float
    first_accuracy: float | None
    first_seconds: float | None
    measures: dict[str, float | None]
    device: str
    version: str
    changes: dict[str, Any] = field(default_factory=dict[str, Any])


def measured(task: Task, pool: Pool, run: Any) -> dict[str, float | None]:
    """The accuracies of a run's results as they stand."""
    results = results_of(run)
    return score(pool, results.q_y, results.owner, task.labelled).measures


def train(project: Project, task: Task, seed: int, changes: dict[str, Any]) -> Found:
    """Trains a project to the end of the preset's schedule."""
    if task.labels:
        rows = labelled_rows(project.pool, task.labelled, task.labels, seed)
        for number in task.labelled:
            items = [project.pool.items[row] for row in rows if project.pool.truth[row] == number]
            project.labels.label(items, project.pool.classes[number], annotator="benchmark")
    request = TrainRequest(n_components=task.n_components, seed=seed, n_classes=N_CLASSES, overrides=changes)
    began, first = time.monotonic(), list[tuple[float, float | None]]()
    run = jobs.start_training(project, request)

    def look(_share: float, _doing: str) -> None:
        if not first and run_results.has_results(run):
            first.append((time.monotonic() - began, measured(task, project.pool, run)[task.measure]))

    with ended_with_us(project.paths.root):
        status = jobs.follow(run, look)
    if status.state is not JobState.FINISHED:
        raise SystemExit(f"{run.root}: {status.state} {status.error}")
    seconds, measures = time.monotonic() - began, measured(task, project.pool, run)
    at, early = first[0]
    accuracy = measures[task.measure]
    if accuracy is None:
        raise SystemExit(f"{run.root} has no ground truth")
    details = status.details
    return Found(accuracy, seconds, early, at, measures, details["device"], details["version"], changes)


def one_run(given: argparse.Namespace, name: str, seed: int, variant: str) -> Found:
    """A run, or its file where it was done before."""
    task = TASKS[name]
    path = given.out / "runs" / variant.replace(" ", "-") / f"{name}-seed{seed}.json"
    if not path.exists():
        root = given.out / "work" / f"{variant.replace(' ', '-')}-{name}-seed{seed}"
        shutil.rmtree(root, ignore_errors=True)
        project = projects.create_project(root, SourceRequest(task.source, data_root=given.data_root)).project
        write_json(path, asdict(train(project, task, seed, dict(ABLATION[variant]))))
        projects.delete_project(root)
    return Found(**read_json(path))


def peer_run(
    given: argparse.Namespace, name: str, peer: PeerName, epochs: tuple[int, int] = (0, 0), edges: bool = False
) -> dict[str, Any]:
    """The seconds and accuracies of another method on a task's images, or their edges; once for all seeds."""
    task = TASKS[name]
    stages = "".join(f"-{n}" for n in epochs if n) + ("-edges" if edges else "")
    path = given.out / "runs" / f"{peer}{stages}" / f"{task.source}-{task.n_components}.json"
    if not path.exists():
        root = given.out / "work" / f"{peer}-{name}"
        shutil.rmtree(root, ignore_errors=True)
        pool = projects.create_project(root, SourceRequest(task.source, data_root=given.data_root)).project.pool
        began = time.monotonic()
        features = make_features(extractor(HOG), pool.x) if edges else None
        peer_task = PeerTask(peer, task.n_components, 0, epochs)
        component = run_on_pool(peer_task, pool, np.full(pool.n_items, -1), features)
        seconds = time.monotonic() - began
        q_y = np.eye(component.max() + 1, dtype=np.float32)[component]
        about = {"seconds": seconds, "version": machine.version()}
        write_json(path, {**about, **score(pool, q_y, (None,) * q_y.shape[1], ()).measures})
        projects.delete_project(root)
    return read_json(path)


def versions(found: list[Found]) -> str:
    """Of the program, that made some runs."""
    return ", ".join(sorted({one.version for one in found}))


def targets(given: argparse.Namespace) -> pd.DataFrame:
    """Each task: the median and the worst of its seeds beside the target."""
    lines: dict[str, dict[str, Any]] = {}
    for name in given.tasks or TASKS:
        task, found = TASKS[name], [one_run(given, name, seed, "preset fast") for seed in given.seeds]
        worst = min(found, key=lambda one: one.accuracy)
        lines[name] = {
            "accuracy": NAMES[task.measure],
            "target": task.target,
            "median": 100 * median(one.accuracy for one in found),
            "worst": 100 * worst.accuracy,
            "k-means": 100 * peer_run(given, name, PeerName.K_MEANS)[task.measure],
            "minutes": median(one.seconds for one in found) / 60,
            "first clusters": 100 * median(one.first_accuracy or 0.0 for one in found),
            "after s": median(one.first_seconds or 0.0 for one in found),
            "seeds": len(found),
            "version": versions(found),
        }
    return pd.DataFrame(lines).T


def ablation(given: argparse.Namespace) -> pd.DataFrame:
    """Each term left out: the median accuracy of every task."""
    lines: dict[str, dict[str, Any]] = {}
    for variant in given.variants or ABLATION:
        line = lines[variant] = {}
        for name in given.tasks or TASKS:
            found = [one_run(given, name, seed, variant) for seed in given.seeds]
            line[name] = 100 * median(one.accuracy for one in found)
            line[f"{name}, min"] = median(one.seconds for one in found) / 60
            line[f"{name}, version"] = versions(found)
    return pd.DataFrame(lines).T


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["targets", "ablation"])
    parser.add_argument("--data-root", type=Path)
    parser.add_argument("--out", type=Path, default=Path("fast-preset"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--tasks", nargs="+", choices=list(TASKS))
    parser.add_argument("--variants", nargs="+", choices=list(ABLATION))
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    table = {"targets": targets, "ablation": ablation}[given.what](given)
    print(f"{machine.describe()['device']}, seeds {', '.join(map(str, given.seeds))}; accuracies in percent\n")
    print(table.to_string(float_format="{:.1f}".format))


if __name__ == "__main__":
    main()
