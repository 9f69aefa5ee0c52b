"""The results and models of a project's runs, those of the run in use above all, read once."""

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dgm_engine.errors import CorruptError, NotFoundError, StateError
from dgm_engine.labels.schema import Edit, Use
from dgm_engine.labels.state import LabelState
from dgm_engine.paths import RunPaths
from dgm_engine.services.projects import Project
from dgm_engine.training import runs
from dgm_engine.training.ownership import Owner
from dgm_engine.training.results import Results, load_results

if TYPE_CHECKING:
    from dgm_engine.models.base import DeepGenerativeModel


def choice(project: Project) -> Use | None:
    """Which run a person chose to see; None where that is left to the program."""
    return project.labels.state().use


def run_in_use(project: Project) -> RunPaths | None:
    """The run whose results every screen shows and training goes on from; None before the first.

    It is the newest whose results were kept, or the one that a person chose since.
    """
    return runs.latest_results(project.paths, choice(project))


def latest_run(project: Project) -> RunPaths:
    """`run_in_use`, where there has to be one.

    Raises:
        StateError: nothing was trained yet.
        CorruptError: something was, and nothing of it can be read.
    """
    run = run_in_use(project)
    if run is None and (damaged := [n for n in project.paths.run_numbers() if runs.is_damaged(project.paths.run(n))]):
        raise CorruptError(
            f"the results of run {damaged[-1]} of {project.name} are damaged; restore "
            f"{project.paths.run(damaged[-1]).arrays} from a copy, or train again (dgm train {project.paths.root})"
        )
    if run is None:
        raise StateError(f"project {project.name} has no clusters yet; train it first (dgm train {project.paths.root})")
    return run


def run_of(project: Project, number: int | None = None) -> RunPaths:
    """A run that has results, by its number; None asks for the one in use.

    Raises:
        StateError: nothing was trained yet.
        NotFoundError: there is no such run, or it has no results.
    """
    in_use = latest_run(project)
    if number is None or number == in_use.number:
        return in_use
    with_results = [n for n in project.paths.run_numbers() if runs.has_results(project.paths.run(n))]
    if number not in with_results:
        known = ", ".join(map(str, with_results))
        raise NotFoundError(f"project {project.name} has no run {number} with results; it has {known}")
    return project.paths.run(number)


def results_of(run: RunPaths) -> Results:
    """The results of a run that has some; cached until the run writes new ones."""
    return _load(run, results_stamp(run))


def model_of(run: RunPaths) -> "DeepGenerativeModel":
    """The model that a run's results are of; cached until the run writes new ones.

    Raises:
        StateError: the run has no checkpoint yet.
        CorruptError: its checkpoints are damaged.
    """
    return _load_model(run, results_stamp(run))


def results_stamp(run: RunPaths) -> int:
    """Changes whenever a run writes results."""
    return run.results.stat().st_mtime_ns


def q_y_of(run: RunPaths, edits: tuple[Edit, ...]) -> NDArray[np.floating]:
    """q(y | x) (N, K) of a run that has results, as people see it: under what they did with its clusters; cached."""
    return _q_y(run, results_stamp(run), edits)


def owners_of(project: Project, run: RunPaths, labels: LabelState) -> Owner:
    """(K,) the classes of the components of a run that has results, after labels with the names of its lineage."""
    return results_of(run).owners(labels, q_y_of(run, labels.edits), project.pool.rows)


def check_component(results: Results, component: int) -> None:
    """Raises NotFoundError unless the model has that component."""
    n_components = len(results.owner)
    if not 0 <= component < n_components:
        raise NotFoundError(
            f"there is no cluster {component}; the clusters of this model are numbered 0 to {n_components - 1}"
        )


@lru_cache(maxsize=2)  # large, unless nothing was edited
def _q_y(run: RunPaths, stamp: int, edits: tuple[Edit, ...]) -> NDArray[np.floating]:
    return results_of(run).edited(edits)[0]


@lru_cache(maxsize=8)
def _load(run: RunPaths, stamp: int) -> Results:
    return load_results(run)


@lru_cache(maxsize=2)
def _load_model(run: RunPaths, stamp: int) -> "DeepGenerativeModel":
    from dgm_engine.training.checkpoint import load_model  # here, so that pages start without torch

    return load_model(run)[0]
