"""Making projects and exporting classifiers as real processes of their own."""

import time
from pathlib import Path

import numpy as np
import pytest

from dgm_engine.data.sources import SourceRequest
from dgm_engine.export.folder import EXPORT_FILES
from dgm_engine.jobs import JobState, JobStatus
from dgm_engine.paths import JobPaths
from dgm_engine.services import labelling, tasks
from dgm_engine.services.projects import Project, open_project


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DGM_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def ended(folder: Path) -> JobStatus:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        status = tasks.status(folder)
        if status is not None and not status.alive:
            return status
        time.sleep(0.05)
    raise AssertionError(f"still at work: {tasks.status(folder)}")


def test_a_project_is_made_from_an_upload_which_then_goes(home: Path, tmp_path: Path) -> None:
    upload = tmp_path / "upload.npy"
    np.save(upload, np.random.default_rng(0).integers(0, 255, (30, 9, 7), dtype=np.uint8))
    request = SourceRequest(str(upload), data_root=tmp_path, limit=20, size=(7, 9), channels=1)
    status = ended(tasks.start_creation(home / "made", request, delete_source=True))
    assert status.state is JobState.FINISHED, status.error
    assert status.details["items"] == 20
    assert open_project(Path(status.details["root"])).pool.shape == (7, 9, 1)
    assert not upload.exists()


def test_a_source_that_cannot_be_read_is_told_and_leaves_nothing(home: Path, tmp_path: Path) -> None:
    broken = tmp_path / "pile.zip"
    broken.write_bytes(b"no zip")
    status = ended(tasks.start_creation(home / "made", SourceRequest(str(broken))))
    assert status.state is JobState.FAILED
    assert "pile.zip" in status.error
    assert not (home / "made").exists()


def test_a_task_that_is_asked_to_stop_ends_and_leaves_nothing(home: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((30, 9, 7), dtype=np.uint8))
    folder = tasks.start_creation(home / "made", SourceRequest(str(tmp_path / "x.npy")))
    JobPaths(folder).stop_request.touch()  # long before its process has its imports behind it
    status = ended(folder)
    assert (status.state, status.error) == (JobState.STOPPED, "")
    assert not (home / "made").exists()
    assert [path.name for path in home.iterdir()] == [".tasks"]


def test_an_export_that_cannot_be_done_is_told(trained: Project) -> None:
    """A run whose results were made up has no model to export."""
    labelling.name_component(trained, 0, "zero", "tester")
    out = trained.paths.exports / "classifier"
    status = ended(tasks.start_export(trained, out))
    assert status.state is JobState.FAILED
    assert "has not saved a model" in status.error
    assert not (out / EXPORT_FILES[0]).exists()
    assert tasks.status(tasks.export_task(trained)) == status
