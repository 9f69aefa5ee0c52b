"""A project with one short finished run, which a real worker trained."""

import shutil
from pathlib import Path

import pytest

from dgm_engine import jobs
from dgm_engine.data.sources import SourceRequest
from dgm_engine.jobs import JobState
from dgm_engine.services.projects import Project, create_project, open_project
from dgm_engine.training.planning import TrainRequest
from tests.once import made_once
from tests.training.processes import start, wait


@pytest.fixture(scope="session")
def finished(digits_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A digits project with one short finished run of 12 components. Tests that change it must copy it."""

    def train(root: Path) -> None:
        project = open_project(Path(shutil.copytree(digits_template, root)))
        run = start(project, TrainRequest(n_components=12, epochs=8))
        assert wait(run).state is JobState.FINISHED, jobs.tail(run.log)

    return open_project(made_once(tmp_path_factory, "finished", train))


@pytest.fixture
def few(tmp_path: Path) -> Project:
    """A project of 300 digits, never trained, for tests in which a fresh run takes its first steps."""
    return create_project(tmp_path / "few", SourceRequest("digits", limit=300)).project


@pytest.fixture
def copied(finished: Project, tmp_path: Path) -> Project:
    return open_project(Path(shutil.copytree(finished.paths.root, tmp_path / "digits")))
