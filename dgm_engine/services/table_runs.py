"""One run of a row of the paper's tables: its project and labels, its training or its peer, up to its predictions."""

import contextlib
import csv
import os
import signal
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dgm_engine.config import BOUND_ALONE, Preset
from dgm_engine.data.pool import Pool
from dgm_engine.data.sources import SourceRequest
from dgm_engine.errors import InputError, JobError
from dgm_engine.jobs import JobState, JobStatus, read_status, tail
from dgm_engine.progress import Progress
from dgm_engine.reproduction import peers
from dgm_engine.reproduction.peer_worker import answers, launch
from dgm_engine.reproduction.peers import PeerTask
from dgm_engine.reproduction.results import Variant
from dgm_engine.reproduction.tables import N_CLASSES, ModelRow, PeerRow, Table
from dgm_engine.services import jobs, labelling, projects
from dgm_engine.services.projects import Project
from dgm_engine.services.snapshot import take
from dgm_engine.training.ownership import Owner
from dgm_engine.training.planning import TrainRequest

REPRODUCE_ANNOTATOR = "reproduce"


@dataclass(frozen=True)
class Done:
    """A finished run, ours or a peer's, before it is scored."""

    q_y: Any
    owner: Owner
    seconds: float
    epochs: str
    device: str
    version: str


def project_of(table: Table, data_root: Path | None, variant: Variant, root: Path, progress: Progress) -> Project:
    """The run's project, made where it is not there yet."""
    if not root.exists():
        source = SourceRequest(table.source, data_root=data_root, limit=variant.limit)
        projects.create_project(root, source, lambda _share, doing: progress(0.0, doing))
    project = projects.open_project(root)
    if len(project.pool.classes) != N_CLASSES:
        raise InputError(f"{table.source} has {len(project.pool.classes)} classes, not {N_CLASSES}; check --data-root")
    return project


def label(project: Project, table: Table, variant: Variant, seed: int) -> None:
    """Labels some images of each labelled class, chosen by the seed, as a person's file of labels would."""
    items = labelled_rows(project.pool, table.labelled, variant.labels or 0, seed)
    path = project.paths.given_labels
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["item", "class"])
        writer.writerows((project.pool.items[row], project.pool.classes[project.pool.truth[row]]) for row in items)
    taken = labelling.import_labels(project, path, REPRODUCE_ANNOTATOR)
    if taken.rejected:
        raise JobError(f"{path} row {taken.rejected[0].row}: {taken.rejected[0].reason}")


def labelled_rows(pool: Pool, classes: Sequence[int], per_class: int, seed: int) -> list[int]:
    """Pool rows to label: `per_class` random training images of each class.

    Raises:
        InputError: a class has fewer.
    """
    generator = np.random.default_rng(seed)
    found: list[int] = []
    for number in classes:
        mine = pool.shown[pool.truth[pool.shown] == number]
        if len(mine) < per_class:
            raise InputError(
                f"{per_class} labels per class were asked for and {pool.classes[number]!r} has {len(mine)} training "
                "images; give fewer --labels or a higher --limit"
            )
        found += np.sort(generator.choice(mine, per_class, replace=False)).tolist()
    return found


def train(project: Project, row: ModelRow, variant: Variant, seed: int, progress: Progress) -> Done:
    """Trains the row's model to the end of its schedule."""
    last = jobs.active_status(project)
    if last is None:
        request = TrainRequest(
            model=row.model,
            n_components=row.n_components,
            preset=variant.preset or Preset.FAST,
            epochs=variant.epochs,
            seed=seed,
            fresh=True,
            n_latent=row.n_latent,
            n_classes=N_CLASSES,
            overrides=dict(BOUND_ALONE) if variant.bound_alone else {},
        )
        run = jobs.start_training(project, request)
    elif last[1].alive or last[1].state is JobState.FINISHED:
        run = last[0]
    else:
        run = jobs.resume_training(project)
    status = jobs.follow(run, progress)
    _check(status, run.log)
    done = take(project)
    about, epochs = status.details, f"{status.details['epoch']:g}"
    return Done(done.results.q_y, done.owner, status.seconds, epochs, about["device"], about["version"])


def run_peer(project: Project, row: PeerRow, variant: Variant, seed: int, progress: Progress) -> Done:
    """Runs the row's peer; an interrupted one starts again."""
    paths = project.paths.peer
    task = PeerTask(row.peer, row.n_components, seed, peers.deep_epochs(variant.preset or Preset.FAST, variant.epochs))
    status = read_status(paths.status)
    if status is None or not (status.alive or status.state is JobState.FINISHED):
        status = launch(paths, task)
    started = status
    status = jobs.follow_job(lambda: read_status(paths.status) or started, progress)
    _check(status, paths.log)
    q_y, owner = answers(paths)
    return Done(q_y, owner, status.seconds, task.stages, status.details["device"], status.details["version"])


@contextlib.contextmanager
def ended_with_us(root: Path) -> Generator[None]:
    """Ctrl-C ends the process at work in a project: a training run keeps what it learned, a peer cannot."""
    try:
        yield
    except KeyboardInterrupt:
        if root.exists():
            project = projects.open_project(root)
            jobs.stop_training(project)
            if (last := jobs.active_status(project)) is not None:
                jobs.follow(last[0])
            if (peer := read_status(project.paths.peer.status)) is not None and peer.alive:
                os.kill(peer.pid, signal.SIGTERM)
        raise


def _check(status: JobStatus, log: Path) -> None:
    if status.state is not JobState.FINISHED:
        reason = status.error or tail(log) or "its process is gone"
        raise JobError(f"{status.state}: {reason}; see {log} and run the command again")
