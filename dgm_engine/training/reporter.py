"""What a run says of itself while it is at work: its status and its curves."""

import time
from dataclasses import replace
from typing import Any

from dgm_engine import jobs
from dgm_engine.jobs import JobState
from dgm_engine.paths import RunPaths
from dgm_engine.training.results import append_metrics

STATUS_SECONDS = 0.5
CURVES_SHARE = 0.02
"""Writing the curves, which grow long, takes at most this share of the time."""


class Reporter:
    """Tells the outside how the run stands, not more often than anybody looks."""

    def __init__(self, run: RunPaths, began: float) -> None:
        self._run = run
        self._began = began
        self._status = jobs.this_process()
        self._records: list[dict[str, object]] = []
        self._last = 0.0
        self._curves_again = 0.0

    @property
    def progress(self) -> float:
        """The share done, as last told."""
        return self._status.progress

    @property
    def seconds(self) -> float:
        """Wall-clock time since second zero of the run."""
        return time.monotonic() - self._began

    def phase(self, phase: str, progress: float, **details: Any) -> None:  # noqa: ANN401 - figures of any kind
        """What is being done now."""
        changed = phase != self._status.phase
        self._now(phase=phase, progress=round(progress, 4), details={**self._status.details, **details})
        if changed or time.monotonic() - self._last > STATUS_SECONDS:
            self.flush()

    def record(self, values: dict[str, object]) -> None:
        """One record of the curves; written with one of the next statuses."""
        self._records.append({**values, "seconds": round(self.seconds, 2)})

    def flush(self) -> None:
        """Writes the status and, where it is time, the records that wait."""
        began = time.monotonic()
        if self._records and (began >= self._curves_again or not self._status.alive):
            append_metrics(self._run, self._records)
            self._records = []
            self._curves_again = time.monotonic() + (time.monotonic() - began) / CURVES_SHARE
        jobs.write_status(self._run.status, self._status)
        self._last = time.monotonic()

    def end(self, state: JobState, phase: str) -> None:
        """The last word, written once: whoever reads it may start another process on the run at once."""
        progress = 1.0 if state is JobState.FINISHED else self._status.progress
        self._now(state=state, phase=phase, progress=progress)
        self.flush()

    def _now(self, **changes: Any) -> None:  # noqa: ANN401 - fields of the status
        self._status = replace(self._status, seconds=round(self.seconds, 2), **changes)
