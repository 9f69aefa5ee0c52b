"""Which run of a project is in use, and what runs left: results and models, each read once."""

from functools import lru_cache
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from dgm_engine.errors import CorruptError, DgmError, NotFoundError, StateError
from dgm_engine.labels.schema import Use
from dgm_engine.paths import RunPaths
from dgm_engine.services.projects import Project
from dgm_engine.stamped import kept_by_stamp
from dgm_engine.training import run_results
from dgm_engine.training.results import Results, load_results

if TYPE_CHECKING:
    from dgm_engine.models.base import DeepGenerativeModel

_in_memory: WeakValueDictionary[tuple[RunPaths, int], Results] = WeakValueDictionary()


def choice(project: Project) -> Use | None:
    """Which run a person chose to see; None if that is left to the program."""
    return project.labels.state().use


def run_in_use(project: Project) -> RunPaths | None:
    """The run whose results all screens show and from which training continues; None before the first.

    It is the newest whose results were kept, or the one that a person chose since.
    """
    return run_results.latest_results(project.paths, choice(project))


def latest_run(project: Project) -> RunPaths:
    """`run_in_use`, where there has to be one.

    Raises:
        StateError: nothing was trained yet.
        CorruptError: something was, and nothing of it can be read.
    """
    return run_of(project, None, choice(project))


def run_of(project: Project, number: int | None, use: Use | None) -> RunPaths:
    """A run that has results.

    Args:
        project: whose run it is.
        number: of the run; None asks for the one in use.
        use: the person's choice.

    Raises:
        StateError: nothing was trained yet.
        CorruptError: something was, and none of it can be read.
        NotFoundError: there is no such run, or it has no results.
    """
    in_use = run_results.latest_results(project.paths, use)
    if in_use is None:
        raise _nothing_to_see(project)
    if number is None or number == in_use.number:
        return in_use
    with_results = [n for n in project.paths.run_numbers() if run_results.has_results(project.paths.run(n))]
    if number not in with_results:
        known = ", ".join(map(str, with_results))
        raise NotFoundError(f"project {project.name} has no run {number} with results; it has {known}")
    return project.paths.run(number)


def _nothing_to_see(project: Project) -> DgmError:
    """Why no run is in use."""
    damaged = [run for n in project.paths.run_numbers() if run_results.is_damaged(run := project.paths.run(n))]
    if damaged:
        return CorruptError(
            f"the results of run {damaged[-1].number} of {project.name} are damaged; restore {damaged[-1].arrays} "
            f"from a copy, or train again (dgm train {project.paths.root})"
        )
    return StateError(f"project {project.name} has no clusters yet; train it first (dgm train {project.paths.root})")


def stamped_results(run: RunPaths) -> tuple[int, Results]:
    """The stamp and the results of a run that has some, which belong together even while the run writes others.

    The results are the same object until the run writes others.
    """
    stamp, results = _load(run)
    return stamp, _in_memory.setdefault((run, stamp), results)


def results_of(run: RunPaths) -> Results:
    """The results of a run that has some; the same object until the run writes others."""
    return stamped_results(run)[1]


def results_stamp(run: RunPaths) -> int:
    """Changes whenever a run writes results."""
    return run.results.stat().st_mtime_ns


def model_of(run: RunPaths, results: Results) -> "DeepGenerativeModel":
    """The model of a run's results; cached until the run writes new results.

    Raises:
        StateError: the run has no checkpoint yet.
        CorruptError: its checkpoints are damaged.
    """
    return _load_model(run, results)


def check_component(results: Results, component: int) -> None:
    """Raises NotFoundError unless the model has that component."""
    n_components = len(results.owner)
    if not 0 <= component < n_components:
        raise NotFoundError(
            f"there is no cluster {component}; the clusters of this model are numbered 0 to {n_components - 1}"
        )


@kept_by_stamp(results_stamp, maxsize=8)
def _load(run: RunPaths, stamp: int) -> tuple[int, Results]:
    """The results with their stamp. As long as anything holds them they are the same object: caches know them by it."""
    found = _in_memory.get((run, stamp))
    return stamp, load_results(run) if found is None else found


@lru_cache(maxsize=2)
def _load_model(run: RunPaths, results: Results) -> "DeepGenerativeModel":
    from dgm_engine.training.checkpoint import load_model  # here, so that pages start without torch

    return load_model(run, results.step)[0]
