"""Processes that wait for work with their imports behind them."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from dgm_engine import jobs
from dgm_engine.jobs import JobState

MODULE = "tests.standby_job"


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))


def wait_for(condition, seconds: float = 20.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def spawn(folder: Path, *arguments: str) -> jobs.JobStatus:
    return jobs.spawn(MODULE, [str(folder), *arguments], folder / "status.json", folder / "log")


def ended(folder: Path) -> bool:
    status = jobs.read_status(folder / "status.json")
    return status is not None and not status.alive


def has_ended(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def test_the_process_that_waits_does_the_next_job_and_another_one_the_one_after(tmp_path):
    waiting = jobs.keep_ready(MODULE)
    assert jobs.keep_ready(MODULE) == waiting  # one is enough
    first, second = tmp_path / "first", tmp_path / "second"
    assert spawn(first, "ä b").pid == waiting
    assert spawn(second, "c").pid != waiting
    wait_for(lambda: ended(first) and ended(second))
    for folder, said in ((first, "ä b"), (second, "c")):
        status = jobs.read_status(folder / "status.json")
        assert status.state is JobState.FINISHED
        assert status.details == {"said": said}
        assert jobs.tail(folder / "log") == f"heard {said}"


def test_the_last_word_of_a_process_that_is_quicker_than_its_parent_stands(tmp_path, monkeypatch):
    for turn in range(6):
        ready = tmp_path / f"ready{turn}"
        monkeypatch.setenv("STANDBY_READY", str(ready))
        jobs.keep_ready(MODULE)
        wait_for(ready.exists)
        time.sleep(0.1)
        spawn(tmp_path / str(turn), "a")
        wait_for(lambda folder=tmp_path / str(turn): ended(folder))
        assert jobs.read_status(tmp_path / str(turn) / "status.json").state is JobState.FINISHED


def test_one_that_died_is_replaced(tmp_path):
    died = jobs.keep_ready(MODULE)
    os.kill(died, signal.SIGKILL)
    wait_for(lambda: has_ended(psutil.Process(died)))
    status = spawn(tmp_path / "job", "a")  # by an ordinary process
    wait_for(lambda: ended(tmp_path / "job"))
    assert jobs.read_status(tmp_path / "job" / "status.json").state is JobState.FINISHED
    replaced = jobs.keep_ready(MODULE)
    assert replaced != status.pid
    assert psutil.pid_exists(replaced)
    assert spawn(tmp_path / "next", "b").pid == replaced
    wait_for(lambda: ended(tmp_path / "next"))


def test_it_ends_with_the_process_that_kept_it_ready():
    script = f"from dgm_engine import jobs; print(jobs.keep_ready({MODULE!r}), flush=True); input()"
    server = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with server:
        pid = int(server.stdout.readline())
        waiting = psutil.Process(pid)
        server.kill()
    wait_for(lambda: has_ended(waiting))


def test_a_job_takes_no_module_from_the_folder_where_the_person_works(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "json.py").write_text("raise RuntimeError('not the library')")
    spawn(tmp_path / "job", "a")
    wait_for(lambda: ended(tmp_path / "job"))
    assert jobs.read_status(tmp_path / "job" / "status.json").state is JobState.FINISHED
