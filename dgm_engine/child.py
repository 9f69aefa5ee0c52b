"""The child's side of a job (`dgm_engine.jobs`): how its process reports, ends and fails."""

import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from dgm_engine import jobs
from dgm_engine.errors import in_words
from dgm_engine.jobs import JobState

STATUS_SECONDS = 0.5
"""The status is written again after this time, and whenever the phase changes; nobody looks more often."""


class StopRequested(Exception):  # noqa: N818 - not an error
    """The person asked the job to stop."""


class Reporter:
    """Reports the status of a job, and tells the job whether to stop. It can be passed on as a `Progress`.

    Args:
        status: the file to report in.
        stop: the file whose existence asks the job to stop; None for a job that cannot be stopped.
        began: when the job began, by `time.monotonic`; None is now.
    """

    def __init__(self, status: Path, stop: Path | None = None, began: float | None = None) -> None:
        self._path, self._stop = status, stop
        self._began = time.monotonic() if began is None else began
        self._status = jobs.this_process()
        self._last = 0.0

    def __call__(self, share: float, phase: str) -> None:
        """Reports, and obeys a request to stop."""
        self.phase(phase, share)
        self.check_stop()

    @property
    def progress(self) -> float:
        """The share done, as last told."""
        return self._status.progress

    @property
    def seconds(self) -> float:
        """Wall-clock time since second zero of the job, earlier tries included."""
        return time.monotonic() - self._began

    @property
    def ended(self) -> bool:
        """Whether the last word was said."""
        return not self._status.alive

    def count_in(self, seconds: float) -> None:
        """Adds the time that earlier tries took."""
        self._began -= seconds

    def phase(self, phase: str, progress: float, **details: Any) -> None:  # noqa: ANN401 - figures of any kind
        """What is being done now."""
        changed = phase != self._status.phase
        self._now(phase=phase, progress=round(progress, 4), details={**self._status.details, **details})
        if changed or time.monotonic() - self._last > STATUS_SECONDS:
            self.flush()

    def check_stop(self) -> None:
        """Raises StopRequested if the person asked the job to stop."""
        if self._stop is not None and self._stop.exists():
            raise StopRequested

    def flush(self) -> None:
        """Writes the status."""
        jobs.write_status(self._path, self._status)
        self._last = time.monotonic()

    def end(self, state: JobState, phase: str, **details: Any) -> None:  # noqa: ANN401 - figures of any kind
        """The last word, written once: whoever reads it may start another process on the job at once."""
        progress = 1.0 if state is JobState.FINISHED else self._status.progress
        self._now(state=state, phase=phase, progress=progress, details={**self._status.details, **details})
        self.flush()

    def fail(self, reason: str) -> None:
        """The last word of a job that failed. Nothing else is written: it may be what failed."""
        self._now(state=JobState.FAILED, error=reason)
        jobs.write_status(self._path, self._status)

    def _now(self, **changes: Any) -> None:  # noqa: ANN401 - fields of the status
        self._status = replace(self._status, seconds=round(self.seconds, 2), **changes)


def run_job(reporter: Reporter, work: Callable[[], None]) -> int:
    """Does the work of a child process, and sees to it that its status says how it ended.

    If the work reports its own end (`Reporter.end`), that report stays.

    Returns:
        The exit status of the process: 0, or 1 if the work failed. The traceback is in the log then.
    """
    try:
        reporter.phase("Starting", reporter.progress)
        _work_to_the_end(reporter, work)
    except Exception as error:  # of any kind: whoever waits for the job has to learn of it
        traceback.print_exc()
        reporter.fail(in_words(error))
        return 1
    return 0


def _work_to_the_end(reporter: Reporter, work: Callable[[], None]) -> None:
    try:
        work()
    except StopRequested:
        reporter.end(JobState.STOPPED, "Stopped")
    if not reporter.ended:
        reporter.end(JobState.FINISHED, "Finished")
