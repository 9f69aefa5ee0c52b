"""A project with one short finished run, which a real worker trained."""

import shutil

import pytest

from dgm_engine import jobs
from dgm_engine.jobs import JobState
from dgm_engine.training.runs import TrainRequest
from tests.training.processes import start, wait


@pytest.fixture(scope="module")
def finished(digits_template, tmp_path_factory):
    """A digits project with one short finished run of 12 components. Tests that change it must copy it."""
    from dgm_engine.services.projects import open_project

    root = tmp_path_factory.mktemp("worker") / "digits"
    project = open_project(shutil.copytree(digits_template, root))
    run = start(project, TrainRequest(n_components=12, epochs=8))
    assert wait(run).state is JobState.FINISHED, jobs.tail(run.log)
    return project


@pytest.fixture
def copied(finished, tmp_path):
    from dgm_engine.services.projects import open_project

    return open_project(shutil.copytree(finished.paths.root, tmp_path / "digits"))
