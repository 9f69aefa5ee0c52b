"""The results and models of a project's runs, the newest above all, read once."""

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dgm_engine.errors import NotFoundError, StateError
from dgm_engine.labels.schema import Edit
from dgm_engine.paths import RunPaths
from dgm_engine.services.projects import Project
from dgm_engine.training import runs
from dgm_engine.training.results import Results, load_results

if TYPE_CHECKING:
    from dgm_engine.models.base import DeepGenerativeModel


def latest_run(project: Project) -> RunPaths:
    """The newest run that has results.

    Raises:
        StateError: nothing was trained yet.
    """
    run = runs.latest_results(project.paths)
    if run is None:
        raise StateError(f"project {project.name} has no clusters yet; train it first (dgm train {project.paths.root})")
    return run


def run_of(project: Project, number: int | None = None) -> RunPaths:
    """A run that has results, by its number; None asks for the newest.

    Raises:
        StateError: nothing was trained yet.
        NotFoundError: there is no such run, or it has no results.
    """
    newest = latest_run(project)
    if number is None or number == newest.number:
        return newest
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


def check_component(results: Results, component: int) -> None:
    """Raises NotFoundError unless the model has that component."""
    n_components = results.config.model.n_components
    if not 0 <= component < n_components:
        raise NotFoundError(f"there is no component {component}; this model's run from 0 to {n_components - 1}")


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
