"""Lets only one tab or terminal at a time start something in a project."""

from collections.abc import Generator
from contextlib import contextmanager

from filelock import FileLock, Timeout

from dgm_engine.errors import StateError
from dgm_engine.paths import lock_of
from dgm_engine.services.projects import Project


@contextmanager
def starting(project: Project) -> Generator[None]:
    """Held while looking whether something is at work and starting it, so that two tabs, or terminals, do not both.

    Raises:
        StateError: another one has held it for half a minute.
    """
    project.paths.runs.mkdir(exist_ok=True)
    try:
        with FileLock(lock_of(project.paths.runs), timeout=30):
            yield
    except Timeout as error:
        raise StateError(f"something else is being started in {project.name}; try again in a moment") from error
