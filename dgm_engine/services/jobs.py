"""Long work that a page starts and watches: training runs and layouts of the map."""

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from dgm_engine import jobs
from dgm_engine.config import ModelConfig, TrainingConfig
from dgm_engine.discovery.layout_worker import layout_path, layout_status_path
from dgm_engine.discovery.projections import Method, default_method
from dgm_engine.errors import CorruptError, StateError
from dgm_engine.jobs import JobState, JobStatus
from dgm_engine.paths import RunPaths, write_atomic
from dgm_engine.progress import Progress
from dgm_engine.services.latest import choice, latest_run, results_of, results_stamp, run_in_use, run_of
from dgm_engine.services.outcomes import turned_down
from dgm_engine.services.projects import Project
from dgm_engine.training import runs as training_runs
from dgm_engine.training.results import LiveMap, load_live_map
from dgm_engine.training.runs import TrainRequest

if TYPE_CHECKING:
    import pandas as pd

POLL_SECONDS = 0.2

LAYOUT_WORKER = "dgm_engine.discovery.layout_worker"


@contextmanager
def _starting(project: Project) -> Generator[None]:
    """Held while looking whether something is at work and starting it, so that two tabs, or terminals, do not both.

    Raises:
        StateError: another one has held it for half a minute.
    """
    project.paths.runs.mkdir(exist_ok=True)
    try:
        with FileLock(project.paths.runs / ".lock", timeout=30):
            yield
    except Timeout as error:
        raise StateError(f"something else is being started in {project.name}; try again in a moment") from error


@dataclass(frozen=True)
class RunSummary:
    """One line of the list of runs.

    Attributes:
        number: of the run.
        status: how it stands; `details` hold epoch, elbo, components_used, labels_version.
        model: its factorisation and sizes, as its results have them.
        training: how it was, or is, trained.
        parent: the run that it continued from, or None.
        lineage: the fresh run that it descends from.
        goes_on: whether it took up its parent's schedule where that was stopped; its passes are of both then.
        has_results: whether its clusters can be shown.
        accuracy_held_out: share of the images under a cluster's name, and of the labels kept aside, that its results
            predict as people said; None where that was not measured.
        in_use: whether its results are those that every screen shows.
        kept: whether its results took the place of those before; so do the first ones, and so may those to come.
        damaged: whether its results cannot be read.
    """

    number: int
    status: JobStatus
    model: ModelConfig
    training: TrainingConfig
    parent: int | None
    lineage: int
    goes_on: bool
    has_results: bool
    accuracy_held_out: float | None
    in_use: bool
    kept: bool
    damaged: bool = False


@dataclass(frozen=True)
class LayoutState:
    """The map's positions, as far as they are computed.

    Attributes:
        method: how `xy` was made, which is not as asked for while that is under way for the first time.
        xy: (M, 2) float32 positions of `shown_rows`, or None while the first layout is under way.
        shown_rows: (M,) pool rows, in the order of `View.rows`.
        from_run: the run that `xy` shows, or None.
        token: changes with `xy`.
        stale: `xy` is of an earlier run, and the newest run's layout is under way (or failed: see `status`).
        status: of the layout job of the newest run; None where none is needed, or the run's training has to end first.
    """

    method: Method
    xy: NDArray[np.float32] | None
    shown_rows: NDArray[np.int64]
    from_run: int | None
    token: str
    stale: bool
    status: JobStatus | None


def start_training(project: Project, request: TrainRequest) -> RunPaths:
    """Starts a run in a process of its own: from the results in use where the shape is the same and not `fresh`.

    Raises:
        StateError: another run is at work.
        InputError: a setting is not allowed.
    """
    with _starting(project):
        run = training_runs.create_run(project.paths, project.pool, request, choice(project))
        training_runs.launch(run)
    return run


def retrain(project: Project) -> RunPaths:
    """Goes on from the results in use, with the settings they were trained with; else a first run.

    A schedule that is unfinished is continued to its end; else it takes `training.runs.WARM_STEPS`.

    Raises:
        StateError: another run is at work.
    """
    return start_training(project, as_before(project))


def as_before(project: Project) -> TrainRequest:
    """To go on from the results in use, with the settings of their run; else a first run."""
    return training_runs.as_before(project.paths, choice(project))


def use_run(project: Project, number: int, annotator: str) -> None:
    """Shows the results of this run from now on; one step for `undo`.

    A later run takes its place as it would have taken that of any other. The run in use may be chosen where a later one
    was turned down: then that is settled.

    Raises:
        StateError: a run is at work, the run is in use already, or nothing was trained yet.
        NotFoundError: there is no such run, or it has no results.
        CorruptError: its results are damaged.
    """
    with _starting(project):
        active = training_runs.active_run(project.paths)
        if active is not None:
            raise StateError(f"run {active.number} is still at work; stop it or wait for it, and then go back")
        wanted = run_of(project, number)
        if training_runs.is_damaged(wanted):
            raise CorruptError(
                f"the results of run {number} are damaged; restore {wanted.arrays} from a copy, or choose another run"
            )
        if wanted == latest_run(project) and turned_down(project) is None:
            raise StateError(f"run {number} is in use already; choose another one")
        newest = max(n for n in project.paths.run_numbers() if training_runs.has_results(project.paths.run(n)))
        project.labels.use_run(number, newest, annotator=annotator)


def be_ready(project: Project) -> None:
    """Has a process wait for what comes next: a training run or, while one is at work, the layout of its results.

    A run then begins some seconds earlier. So does a layout by UMAP, which imports and compiles for 5 to 8 seconds; the
    other methods do not.
    """
    found = active_status(project)
    if found is None or not found[1].alive:
        jobs.keep_ready(training_runs.WORKER)
    elif default_method(project.manifest.items) is Method.UMAP:
        jobs.keep_ready(LAYOUT_WORKER)


def newest_results(project: Project) -> tuple[int, int] | None:
    """Changes whenever other results come into use; None before the first."""
    run = run_in_use(project)
    return None if run is None else (run.number, results_stamp(run))


def continues(project: Project, request: TrainRequest) -> bool:
    """Whether training as asked for would go on from the results in use, and not from nothing.

    Raises:
        InputError: a setting is not allowed.
    """
    return training_runs.continues(project.paths, project.pool, request, choice(project))


def stop_training(project: Project) -> None:
    """Asks the run at work to stop; it ends soon and keeps what it has learned. No effect where none is at work."""
    run = training_runs.active_run(project.paths)
    if run is not None:
        training_runs.request_stop(run)


def resume_training(project: Project) -> RunPaths:
    """Continues the last run from its last checkpoint.

    Raises:
        StateError: there is no run, it is at work, or it finished.
    """
    with _starting(project):
        last = active_status(project)
        if last is None:
            raise StateError(f"project {project.name} has no run to continue; start one")
        training_runs.resume(last[0])
    return last[0]


def active_status(project: Project) -> tuple[RunPaths, JobStatus] | None:
    """The run at work and how it stands; otherwise the last run; None where nothing was ever trained."""
    numbers = project.paths.run_numbers()
    if not numbers:
        return None
    run = training_runs.active_run(project.paths) or project.paths.run(numbers[-1])
    return run, training_runs.status(run)


def follow(run: RunPaths, progress: Progress | None = None) -> JobStatus:
    """Waits until a run has ended, reporting its progress, and returns its last status."""
    return follow_job(lambda: training_runs.status(run), progress)


def follow_job(read: Callable[[], JobStatus], progress: Progress | None = None) -> JobStatus:
    """The same for any job whose status can be read."""
    while (status := read()).alive:
        if progress is not None:
            progress(status.progress, status.phase)
        time.sleep(POLL_SECONDS)
    if progress is not None:
        progress(status.progress, status.phase)
    return status


def curves(run: RunPaths) -> "pd.DataFrame":
    """The run's metrics, one row per record: epoch, step, seconds, phase, elbo, log_px, ... (empty at first)."""
    import pandas as pd  # slow to import, and the command line does without

    return pd.DataFrame(training_runs.metrics(run))


def live_map(run: RunPaths) -> LiveMap | None:
    """A sample of the pool as the model sees it now (rows, xy, component, epoch); None before the first."""
    return load_live_map(run)


def runs(project: Project) -> list[RunSummary]:
    """The project's runs, newest first."""
    in_use = run_in_use(project)
    return [_summary(project.paths.run(number), in_use) for number in reversed(project.paths.run_numbers())]


def ensure_layout(project: Project, method: Method | None = None, *, retry: bool = False) -> LayoutState:
    """The map of the results in use; starts the job that computes it where nobody did, and never waits for it.

    Args:
        project: whose map.
        method: None takes the one that suits the number of items.
        retry: start again a job that failed or was interrupted.

    Raises:
        StateError: nothing was trained yet.
    """
    run = latest_run(project)
    shown = np.asarray(results_of(run).shown)
    method = method or default_method(len(shown))
    earlier = _earlier_layout(project, run, method)  # of another method where it has none
    with _starting(project):
        status = _layout_status(run, method)
        if _is_current(status, run, method):
            return _laid_out(_Layout(run, method), shown, stale=False, status=None)
        # A run at work will soon replace its results: where there is something to look at, its layout can wait.
        waits = earlier is not None and earlier.method is method and training_runs.status(run).alive
        if not waits and _may_start(status, retry=retry):
            status = _start_layout(run, method, earlier)
    if earlier is None:
        return LayoutState(method, None, shown, None, "", stale=False, status=status)
    own = earlier.run == run and _is_current(_layout_status(run, earlier.method), run, earlier.method)
    return _laid_out(earlier, shown, stale=not own, status=status)


def _summary(run: RunPaths, in_use: RunPaths | None) -> RunSummary:
    config, damaged = training_runs.read_config(run), training_runs.is_damaged(run)
    compared = None if damaged else training_runs.comparison(run)
    has_results = training_runs.has_results(run)
    return RunSummary(
        number=run.number,
        status=training_runs.status(run),
        model=config.model if damaged else training_runs.model_now(run),
        training=config.training,
        parent=config.parent,
        lineage=config.lineage,
        goes_on=config.goes_on,
        has_results=has_results and not damaged,
        accuracy_held_out=None if compared is None else compared.after.agreement,
        in_use=run == in_use,
        kept=training_runs.is_kept(run) or not has_results,
        damaged=damaged,
    )


class _Layout(NamedTuple):
    """A run and a method by which it was laid out."""

    run: RunPaths
    method: Method

    @property
    def path(self) -> Path:
        return layout_path(self.run, self.method)


def _laid_out(layout: _Layout, shown: NDArray[np.int64], *, stale: bool, status: JobStatus | None) -> LayoutState:
    number, method = layout.run.number, layout.method
    token = f"{number} {method} {layout.path.stat().st_mtime_ns}"
    xy: NDArray[np.float32] = np.load(layout.path, mmap_mode="r", allow_pickle=False)
    return LayoutState(method, xy, shown, number, token, stale, status)


def _earlier_layout(project: Project, run: RunPaths, method: Method) -> _Layout | None:
    """The newest layout up to ``run``, current or not: by the method, or else by another one."""
    numbers = [n for n in reversed(project.paths.run_numbers()) if n <= run.number]
    methods = sorted(Method, key=lambda other: other is not method)
    candidates = (_Layout(project.paths.run(n), by) for by in methods for n in numbers)
    return next((layout for layout in candidates if layout.path.exists()), None)


def _layout_status(run: RunPaths, method: Method) -> JobStatus | None:
    """How the layout job stands that was started on the run's present results, which a resumed run replaces.

    None where none was; a job that is still busy with earlier results counts until it is done.
    """
    status = jobs.read_status(layout_status_path(run, method))
    basis = layout_path(run, method).with_suffix(".basis")
    if status is None or status.alive or (basis.exists() and basis.read_text() == str(results_stamp(run))):
        return status
    return None


def _is_current(status: JobStatus | None, run: RunPaths, method: Method) -> bool:
    return status is not None and status.state is JobState.FINISHED and layout_path(run, method).exists()


def _may_start(status: JobStatus | None, *, retry: bool) -> bool:
    """Whether to start a layout job: not twice, and not again by itself after it failed."""
    return status is None or (not status.alive and (retry or status.state is JobState.FINISHED))


def _start_layout(run: RunPaths, method: Method, earlier: _Layout | None) -> JobStatus:
    file = layout_path(run, method)
    previous = "-" if earlier is None else str(earlier.path)
    arguments = [str(run.root), method.value, previous]
    stamp = results_stamp(run)
    status = jobs.spawn(LAYOUT_WORKER, arguments, layout_status_path(run, method), file.with_suffix(".log"))
    write_atomic(file.with_suffix(".basis"), str(stamp).encode())
    return status
