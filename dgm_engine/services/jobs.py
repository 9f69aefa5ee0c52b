"""Training runs: a page or a command starts one and watches it."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dgm_engine import jobs
from dgm_engine.config import ModelConfig, TrainingConfig
from dgm_engine.discovery.projections import Method, default_method
from dgm_engine.errors import CorruptError, StateError
from dgm_engine.jobs import JobStatus
from dgm_engine.paths import RunPaths
from dgm_engine.progress import Progress
from dgm_engine.services.latest import choice, latest_run, results_stamp, run_in_use, run_of
from dgm_engine.services.layouts import LAYOUT_WORKER
from dgm_engine.services.outcomes import turned_down
from dgm_engine.services.projects import Project
from dgm_engine.services.starting import starting
from dgm_engine.training import planning, run_results
from dgm_engine.training import runs as training_runs
from dgm_engine.training.planning import TrainRequest
from dgm_engine.training.results import LiveMap, load_live_map

if TYPE_CHECKING:
    import pandas as pd

POLL_SECONDS = 0.2


@dataclass(frozen=True)
class RunSummary:
    """One line of the list of runs.

    Attributes:
        number: of the run.
        status: its status; `details` hold epoch, elbo, components_used, labels_version.
        model: its factorisation and sizes, as its results have them.
        training: how it was, or is, trained.
        parent: the run that it continued from, or None.
        lineage: the fresh run that it descends from.
        goes_on: whether it continued its parent's stopped schedule; its passes then include the parent's.
        has_results: whether its clusters can be shown.
        accuracy_held_out: share of the images under a cluster's name, and of the held-out labels, that its results
            predict as people said; None if that was not measured.
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


def start_training(project: Project, request: TrainRequest) -> RunPaths:
    """Starts a run in its own process, from the results in use if their shape is the same and not `fresh`.

    Raises:
        StateError: another run is at work.
        InputError: a setting is not allowed.
    """
    with starting(project):
        run = planning.create_run(project.paths, project.pool, request, choice(project))
        training_runs.launch(run)
    return run


def retrain(project: Project) -> RunPaths:
    """Goes on from the results in use, with the settings they were trained with; else a first run.

    A schedule that is unfinished is continued to its end; else it takes `training.planning.RETRAIN_STEPS`.

    Raises:
        StateError: another run is at work.
    """
    return start_training(project, as_before(project))


def as_before(project: Project) -> TrainRequest:
    """To go on from the results in use, with the settings of their run; else a first run."""
    return planning.as_before(project.paths, choice(project))


def use_run(project: Project, number: int, annotator: str) -> None:
    """Shows the results of this run from now on; one step for `undo`.

    A later run takes its place as it would have taken that of any other. The run in use may be chosen where a later one
    was turned down: then that is settled.

    Raises:
        StateError: a run is at work, the run is in use already, or nothing was trained yet.
        NotFoundError: there is no such run, or it has no results.
        CorruptError: its results are damaged.
    """
    with starting(project):
        active = training_runs.active_run(project.paths)
        if active is not None:
            raise StateError(f"run {active.number} is still at work; stop it or wait for it, and then go back")
        wanted = run_of(project, number, choice(project))
        if run_results.is_damaged(wanted):
            raise CorruptError(
                f"the results of run {number} are damaged; restore {wanted.arrays} from a copy, or choose another run"
            )
        if wanted == latest_run(project) and turned_down(project) is None:
            raise StateError(f"run {number} is in use already; choose another one")
        newest = max(n for n in project.paths.run_numbers() if run_results.has_results(project.paths.run(n)))
        project.labels.use_run(number, newest, annotator=annotator)


def be_ready(project: Project) -> None:
    """Has a process wait for what comes next: a training run or, while one is at work, the layout of its results.

    A run then begins some seconds earlier. So does a layout by UMAP, which imports and compiles for 5 to 8 seconds; the
    other methods do not.
    """
    found = active_status(project)
    if found is None or not found[1].alive:
        jobs.keep_ready(training_runs.TRAINING_WORKER)
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
    return planning.continues(project.paths, project.pool, request, choice(project))


def stop_training(project: Project) -> None:
    """Asks the run at work to stop; it ends soon and keeps what it has learned. No effect if none is at work."""
    run = training_runs.active_run(project.paths)
    if run is not None:
        training_runs.request_stop(run)


def resume_training(project: Project) -> RunPaths:
    """Continues the last run from its last checkpoint.

    Raises:
        StateError: there is no run, it is at work, or it finished.
    """
    with starting(project):
        last = active_status(project)
        if last is None:
            raise StateError(f"project {project.name} has no run to continue; start one")
        training_runs.resume(last[0])
    return last[0]


def active_status(project: Project) -> tuple[RunPaths, JobStatus] | None:
    """The run at work, or else the last run, with its status; None if nothing was ever trained."""
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


def _summary(run: RunPaths, in_use: RunPaths | None) -> RunSummary:
    config, damaged = training_runs.read_config(run), run_results.is_damaged(run)
    compared = None if damaged else run_results.comparison(run)
    has_results = run_results.has_results(run)
    return RunSummary(
        number=run.number,
        status=training_runs.status(run),
        model=config.model if damaged else run_results.model_now(run),
        training=config.training,
        parent=config.parent,
        lineage=config.lineage,
        goes_on=config.goes_on,
        has_results=has_results and not damaged,
        accuracy_held_out=None if compared is None else compared.after.agreement,
        in_use=run == in_use,
        kept=run_results.is_kept(run) or not has_results,
        damaged=damaged,
    )
