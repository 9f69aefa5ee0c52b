"""Projects to measure the app with: MNIST, trained and laid out, and a synthetic pile of any size."""

import argparse
import shutil
import tempfile
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import numpy as np
from playwright.sync_api import Page

from dgm_engine import jobs as processes
from dgm_engine.config import LikelihoodName, ModelConfig, TrainingConfig
from dgm_engine.data.sources import SourceRequest
from dgm_engine.discovery.layout_worker import layout_path, layout_status_path
from dgm_engine.discovery.projections import default_method
from dgm_engine.paths import save_array, write_json
from dgm_engine.services import jobs
from dgm_engine.services.labelling import name_component
from dgm_engine.services.latest import latest_run, results_of, results_stamp
from dgm_engine.services.projects import Project, create_project, open_project
from dgm_engine.training import runs
from dgm_engine.training.results import Results, save_results
from dgm_engine.training.runs import RunConfig, TrainRequest

MNIST = 70_000
N_COMPONENTS = 20
WHO = "benchmark"
SETTLING = 15_000
"""Milliseconds after which a run that was started trains."""
Found = TypeVar("Found")


def measured(
    doc: str | None, sizes: Sequence[int], measure: Callable[[Project, int], Found]
) -> tuple[int, dict[int, Found]]:
    """Reads the command line of a benchmark and measures projects; the number of turns, and by size what was found."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-root", type=Path, required=True)
    parser.add_argument("--sizes", type=int, nargs="+", default=sizes)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--home", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        home = (given.home or Path(folder)).resolve()
        return given.repeats, {n: measure(opened(home, n, given.data_root), given.repeats) for n in given.sizes}


@contextmanager
def training(project: Project, page: Page) -> Generator[None]:
    """A run is at work from before its body to the end of it, and leaves nothing behind.

    Args:
        project: what is trained.
        page: its clock is waited by.
    """
    run = jobs.start_training(project, TrainRequest(minutes=30))
    try:
        page.wait_for_timeout(SETTLING)
        yield
        if not runs.status(run).alive:
            raise SystemExit("the training run ended too early")
    finally:
        jobs.stop_training(project)
        jobs.follow(run)
        shutil.rmtree(run.root)


def opened(home: Path, n: int, data_root: Path) -> Project:
    """The project of n images in a folder, made where it is missing, with its labels as they were when it was made."""
    root = home / f"{'mnist' if n <= MNIST else 'synthetic'}-{n}"
    kept = home / f"{root.name}.labels.db"
    if not kept.exists():
        shutil.rmtree(root, ignore_errors=True)
        project = _mnist(root, n, data_root) if n <= MNIST else _synthetic(root, n)
        _name_clusters(project)
        project.labels.close()
        shutil.copy(project.paths.labels, kept)
    shutil.copy(kept, root / "labels.db")
    return open_project(root)


def _mnist(root: Path, n: int, data_root: Path) -> Project:
    """Digits of both of MNIST's files, all of them shown; trained for a minute and laid out."""
    raw = data_root / "MNIST" / "raw"
    parts = ("train", "t10k")
    x = [np.fromfile(raw / f"{part}-images-idx3-ubyte", np.uint8)[16:].reshape(-1, 28, 28) for part in parts]
    y = [np.fromfile(raw / f"{part}-labels-idx1-ubyte", np.uint8)[8:] for part in parts]
    project = _created(root, np.concatenate(x), np.concatenate(y), n)
    jobs.follow(jobs.start_training(project, TrainRequest(n_components=N_COMPONENTS, minutes=1)))
    jobs.follow_job(lambda: jobs.ensure_layout(project).status or processes.JobStatus(processes.JobState.FINISHED))
    return project


def _synthetic(root: Path, n: int) -> Project:
    """Images of 8 x 8 pixels around prototypes, with results and a layout that no model ever gave."""
    rng = np.random.default_rng(0)
    prototypes = rng.integers(256, size=(N_COMPONENTS, 8, 8, 1), dtype=np.uint8)
    truth = rng.integers(N_COMPONENTS, size=n, dtype=np.uint8)
    x = np.empty((n, 8, 8), np.uint8)
    for part in np.array_split(np.arange(n), -(-n // 50_000)):
        noise = rng.integers(-50, 50, size=(len(part), 8, 8))
        x[part] = (prototypes[truth[part], ..., 0] + noise).clip(0, 255)
    project = _created(root, x, truth, n)
    sure = rng.beta(6, 1, size=n) * 0.8 + 0.2
    q_y = np.repeat(((1 - sure) / (N_COMPONENTS - 1))[:, None], N_COMPONENTS, axis=1).astype(np.float16)
    q_y[np.arange(n), truth] = sure
    z = rng.standard_normal((n, ModelConfig.n_latent), dtype=np.float32) + 5 * prototypes[truth, :, 0, 0][:, :1] / 255
    config = RunConfig(
        ModelConfig(64, N_COMPONENTS, LikelihoodName.BERNOULLI, image_shape=(8, 8, 1)), TrainingConfig(), None, 1
    )
    run, owner = project.paths.run(1), (None,) * N_COMPONENTS
    write_json(run.config, config.to_json())
    save_results(run, Results(q_y, z.astype(np.float16), project.pool.shown, prototypes, owner, 0, config, 0))
    finished = processes.JobStatus(processes.JobState.FINISHED, "Done", 1.0, details={"epoch": 1})
    processes.write_status(run.status, finished)
    angle = 2 * np.pi * truth / N_COMPONENTS
    middle = np.stack([np.cos(angle), np.sin(angle)], axis=1) * rng.choice([4, 8], size=N_COMPONENTS)[truth, None]
    layout = layout_path(run, default_method(n))
    save_array(layout, (middle + rng.standard_normal((n, 2)) * 0.6).astype(np.float32))
    layout.with_suffix(".basis").write_text(str(results_stamp(run)))
    processes.write_status(layout_status_path(run, default_method(n)), finished)
    return project


def _created(root: Path, x: np.ndarray, y: np.ndarray, limit: int) -> Project:
    file = root.with_suffix(".npz")
    file.parent.mkdir(parents=True, exist_ok=True)
    np.savez(file, x=x, y=y)
    try:
        return create_project(root, SourceRequest(str(file), limit=limit)).project
    finally:
        file.unlink()


def _name_clusters(project: Project) -> None:
    """Names each cluster after the class that most of its images are of, as somebody would."""
    shown, truth = project.pool.shown, project.pool.truth
    component = results_of(latest_run(project)).q_y[shown].argmax(axis=1)
    for k in range(N_COMPONENTS):
        if (component == k).any():
            number = np.bincount(truth[shown][component == k]).argmax()
            name_component(project, k, str(int(project.pool.classes[number]) % 10), WHO)
