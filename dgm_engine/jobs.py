"""Long work in child processes that outlive the page and the server that started them.

A job is a folder with ``status.json``, which its process replaces atomically, and a file ``stop`` whose existence asks
it to end. Any process can read the status of a job without a handle on its process.
"""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import IO, Any

import psutil

import dgm_engine
from dgm_engine.errors import CorruptError
from dgm_engine.json_files import read_json, write_json


class JobState(StrEnum):
    """The state of a job."""

    STARTING = "starting"
    RUNNING = "running"
    FINISHED = "finished"
    STOPPED = "stopped"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


ALIVE_STATES = frozenset({JobState.STARTING, JobState.RUNNING})


@dataclass(frozen=True)
class JobStatus:
    """What a job last said of itself.

    Attributes:
        state: `INTERRUPTED` where the process is gone without a last word.
        phase: what it is doing, in the person's words.
        progress: share done, 0 to 1.
        seconds: wall-clock time spent so far, earlier tries included.
        details: figures of the kind of job (epoch, elbo, ...).
        error: why it failed, for the person.
        pid: the process that does it.
        started_at: that process's start, seconds since 1970, so that a reused pid is not taken for it.
        updated_at: when this status was written, seconds since 1970.
    """

    state: JobState
    phase: str = ""
    progress: float = 0.0
    seconds: float = 0.0
    details: dict[str, Any] = field(default_factory=dict[str, Any])
    error: str = ""
    pid: int = 0
    started_at: float = 0.0
    updated_at: float = 0.0

    @property
    def alive(self) -> bool:
        """Whether the job is still at work."""
        return self.state in ALIVE_STATES


def write_status(path: Path, status: JobStatus) -> None:
    """Replaces the status file, stamped with the time."""
    write_json(path, asdict(replace(status, updated_at=time.time())))


def read_status(path: Path) -> JobStatus | None:
    """The status of the job, or None if no job was ever started there.

    Raises:
        CorruptError: the file exists but is not a status.
    """
    if not path.exists():
        return None
    value = read_json(path)
    try:
        status = replace(JobStatus(**value), state=JobState(value["state"]))
    except (KeyError, TypeError, ValueError) as error:
        raise CorruptError(f"{path} is not a job's status ({error}); delete it and start the job again") from error
    if status.alive and not _is_running(status):
        return replace(status, state=JobState.INTERRUPTED)
    return status


def spawn(module: str, arguments: Sequence[str], status_path: Path, log_path: Path) -> JobStatus:
    """Starts ``python -m module arguments`` on its own, with a status that says so, and returns that status.

    The child runs in a session of its own: closing the terminal, the page or the server does not end it.
    """
    status_path.parent.mkdir(parents=True, exist_ok=True)
    with _handing_over:
        waiting = _ready.pop(module, None)
    if waiting is not None:
        status = _starting(waiting)
        write_status(status_path, status)  # before it begins: it may have its last word to say at once
        if _hand_over(waiting, arguments, log_path):
            return status
    with log_path.open("ab") as log:
        process = _start([module, *arguments], stdin=subprocess.DEVNULL, output=log)
    status = _starting(process)
    if not status_path.exists() or (read_json(status_path).get("pid") != process.pid):
        write_status(status_path, status)
    return status


def keep_ready(module: str) -> int:
    """Has a process wait, all imports behind it, for the next `spawn` of a module; it ends when this process does.

    Returns:
        The id of the process that waits: the same until it has taken work or has ended.
    """
    with _handing_over:
        waiting = _ready.get(module)
        if waiting is None or waiting.poll() is not None:
            waiting = _start(["dgm_engine.standby", module], stdin=subprocess.PIPE, output=subprocess.DEVNULL)
            _ready[module] = waiting
        return waiting.pid


def python() -> list[str]:
    """The command that starts this Python for a module of ours.

    A person works in any folder, and a ``random.py`` there must not be taken for the library's. Python looks there for
    modules only where the program itself is in that folder.
    """
    safe = not Path(dgm_engine.__file__).parents[1].samefile(os.curdir)
    return [sys.executable, *(["-P"] if safe else [])]


def this_process(state: JobState = JobState.RUNNING, phase: str = "") -> JobStatus:
    """A first status for the process that calls it."""
    return JobStatus(state, phase, pid=os.getpid(), started_at=_started_at(os.getpid()))


def give_way(steps: int) -> None:
    """Lowers the calling process's priority to `steps` below normal, if the system has priorities."""
    if hasattr(os, "setpriority"):
        os.setpriority(os.PRIO_PROCESS, 0, max(steps, os.getpriority(os.PRIO_PROCESS, 0)))


def tail(path: Path, lines: int = 5) -> str:
    """The last lines of a log, on one line; empty if there is none."""
    if not path.exists():
        return ""
    return " | ".join(path.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-lines:])


_children: list[subprocess.Popen[bytes]] = []
_ready: dict[str, subprocess.Popen[bytes]] = {}
"""Module to the process that waits for the next work of it."""
_handing_over = threading.Lock()


def _start(arguments: Sequence[str], stdin: int, output: int | IO[bytes]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 - our own modules, no shell
        [*python(), "-m", *arguments],
        stdin=stdin,
        stdout=output,
        stderr=output,
        start_new_session=True,
        close_fds=True,
    )


def _hand_over(process: subprocess.Popen[bytes], arguments: Sequence[str], log_path: Path) -> bool:
    """Gives a process the work that it waited for; whether it was still there to take it."""
    if process.stdin is None:
        return False
    try:
        process.stdin.write(json.dumps({"arguments": list(arguments), "log": str(log_path)}).encode() + b"\n")
        process.stdin.close()
    except BrokenPipeError:  # it has ended meanwhile
        return False
    return True


def _starting(process: subprocess.Popen[bytes]) -> JobStatus:
    """The first status of a child, whose handle is kept so that none stays a zombie; those that ended are collected."""
    _children.append(process)
    _children[:] = [child for child in _children if child.poll() is None]
    return JobStatus(JobState.STARTING, "Starting", pid=process.pid, started_at=_started_at(process.pid))


def _started_at(pid: int) -> float:
    try:
        return psutil.Process(pid).create_time()
    except psutil.NoSuchProcess:
        return 0.0


def _is_running(status: JobStatus) -> bool:
    for child in _children:
        child.poll()
    try:
        process = psutil.Process(status.pid)
        return abs(process.create_time() - status.started_at) < 2 and process.status() != psutil.STATUS_ZOMBIE
    except (psutil.NoSuchProcess, ValueError):
        return False
