"""Projects to test with: digits, untrained, and with a run whose results were made up."""

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

# Test processes side by side, with as many threads each as there are cores, would wait for each other at every step.
# torch looks at it when it is imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# pynndescent is compiled in every process anew: 17 s of a core without optimisation, 25 s with it.
os.environ.setdefault("NUMBA_OPT", "0")

import pytest

from dgm_engine import jobs
from dgm_engine.data.sources import SourceRequest
from dgm_engine.services.jobs import stop_training
from dgm_engine.services.projects import Project, create_project, open_project
from tests.fabricated import fabricate_run


@pytest.fixture(scope="session", autouse=True)
def children() -> Iterator[None]:
    """No process that a test started, such as a layout that nobody waits for, outlives the tests."""
    yield
    for child in (*jobs._children, *jobs._ready.values()):
        child.kill()
        child.wait()
        if child.stdin is not None:
            child.stdin.close()


@pytest.fixture(autouse=True)
def _own_main(monkeypatch: pytest.MonkeyPatch) -> None:
    """Streamlit's AppTest leaves its page as `__main__`, which a process that is spawned later would run again."""
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])


@pytest.fixture(scope="session")
def digits_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return create_project(tmp_path_factory.mktemp("template") / "digits", SourceRequest("digits")).project.paths.root


@pytest.fixture
def project(digits_template: Path, tmp_path: Path) -> Iterator[Project]:
    """Digits, never trained; a run that a test leaves at work is stopped."""
    project = open_project(Path(shutil.copytree(digits_template, tmp_path / "digits")))
    yield project
    stop_training(project)


@pytest.fixture
def trained(project: Project) -> Project:
    """Digits with run 1, as `fabricate_run` makes it."""
    fabricate_run(project, 1)
    return project
