"""How the process of a job says how it ended: `run_job`, in this process and in one that is killed."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dgm_engine import child, jobs
from dgm_engine.child import Reporter, StopRequested, run_job
from dgm_engine.errors import CorruptError
from dgm_engine.jobs import JobState, JobStatus, read_status


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "status.json"


def ended(path: Path) -> JobStatus:
    status = read_status(path)
    assert status is not None
    assert not status.alive
    return status


def test_work_that_returns_is_finished(path):
    reporter = Reporter(path)
    assert run_job(reporter, lambda: reporter.phase("Half of it", 0.5, items=3)) == 0
    status = ended(path)
    assert (status.state, status.phase, status.progress, status.error) == (JobState.FINISHED, "Finished", 1.0, "")
    assert status.details == {"items": 3}
    assert status.pid == os.getpid()


def test_the_last_word_of_the_work_itself_stands_and_is_said_once(path, monkeypatch):
    said = []
    monkeypatch.setattr(jobs, "write_status", lambda _path, status: said.append((status.state, status.phase)))
    reporter = Reporter(path)
    assert run_job(reporter, lambda: reporter.end(JobState.STOPPED, "Stopped before the end")) == 0
    assert said == [(JobState.RUNNING, "Starting"), (JobState.STOPPED, "Stopped before the end")]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (CorruptError("run 3 is\ndamaged; train again"), "run 3 is damaged; train again"),
        (
            OSError(28, "No space left on device", "z.npy"),
            "z.npy: No space left on device; see that there is room on the disk and leave to write, and try again",
        ),
        (
            MemoryError(),
            "there is not enough memory; close other programs, or take fewer or smaller images, and try again",
        ),
        (KeyError("z"), "KeyError: 'z'"),
        (RuntimeError("first\nsecond"), "RuntimeError: first"),
        (RuntimeError(), "RuntimeError: "),
    ],
)
def test_a_failure_is_told_in_one_line_and_keeps_what_was_told_before(path, capfd, error, said):
    reporter = Reporter(path)

    def work():
        reporter.phase("Half of it", 0.5, items=3)
        raise error

    assert run_job(reporter, work) == 1
    status = ended(path)
    assert (status.state, status.error) == (JobState.FAILED, said)
    assert (status.phase, status.progress, status.details) == ("Half of it", 0.5, {"items": 3})
    assert "Traceback" in capfd.readouterr().err


def test_a_request_to_stop_ends_the_work_at_its_next_report(path, tmp_path):
    reporter, stop, reports = Reporter(path, tmp_path / "stop"), tmp_path / "stop", []

    def work():
        for share in (0.1, 0.2, 0.3):
            reports.append(share)
            if share == 0.2:
                stop.touch()
            reporter(share, "Counting")

    assert run_job(reporter, work) == 0
    assert reports == [0.1, 0.2]
    status = ended(path)
    assert (status.state, status.phase, status.progress) == (JobState.STOPPED, "Stopped", 0.2)


def test_a_job_without_a_file_to_stop_it_is_not_stopped(path, tmp_path):
    (tmp_path / "stop").touch()
    Reporter(path).check_stop()
    with pytest.raises(StopRequested):
        Reporter(path, tmp_path / "stop").check_stop()


def test_reports_are_written_when_the_phase_changes_or_after_a_while(path):
    reporter = Reporter(path)
    for share in (0.1, 0.2, 0.3):
        reporter(share, "Counting")
        assert jobs.read_status(path).progress == 0.1
    time.sleep(child.STATUS_SECONDS)
    reporter(0.4, "Counting")
    assert jobs.read_status(path).progress == 0.4
    reporter(0.5, "Weighing")
    assert jobs.read_status(path).progress == 0.5


def test_what_cannot_be_written_at_the_end_is_a_failure(path):
    class Full(Reporter):
        def flush(self):
            if self.ended:
                raise OSError(28, "No space left on device")
            super().flush()

    assert run_job(Full(path), lambda: None) == 1
    assert ended(path).error.startswith("No space left on device; see that there is room")


def test_the_time_of_earlier_tries_counts(path):
    reporter = Reporter(path)
    reporter.count_in(100)
    run_job(reporter, lambda: None)
    assert 100 <= ended(path).seconds < 110


def test_a_killed_process_reads_as_interrupted(path):
    script = (
        "import sys, time; from pathlib import Path; from dgm_engine.child import Reporter, run_job;"
        "reporter = Reporter(Path(sys.argv[1])); run_job(reporter, lambda: time.sleep(60))"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(path)]) as process:
        until = time.monotonic() + 30
        while not path.exists():
            assert time.monotonic() < until
            time.sleep(0.02)
        assert read_status(path).state is JobState.RUNNING
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert read_status(path).state is JobState.INTERRUPTED
    assert json.loads(path.read_text())["state"] == "running"
