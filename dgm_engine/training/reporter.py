"""What a training run tells of itself: its status, and its curves."""

import time

from dgm_engine import child
from dgm_engine.paths import RunPaths
from dgm_engine.training.results import append_metrics

CURVES_TIME_SHARE = 0.02
"""Writing the curves, which grow long, takes at most this share of the time."""


class Reporter(child.Reporter):
    """A reporter that writes curves as well.

    Args:
        run: whose status and curves they are.
        began: when the run began, by `time.monotonic`; None is now.
    """

    def __init__(self, run: RunPaths, began: float | None = None) -> None:
        super().__init__(run.status, run.stop_request, began)
        self._run = run
        self._records: list[dict[str, object]] = []
        self._curves_again = 0.0

    def record(self, values: dict[str, object]) -> None:
        """One record of the curves; written with one of the next statuses."""
        self._records.append({**values, "seconds": round(self.seconds, 2)})

    def flush(self) -> None:
        """Writes the records that wait, if it is time, and then the status."""
        began = time.monotonic()
        if self._records and (began >= self._curves_again or self.ended):
            append_metrics(self._run, self._records)
            self._records = []
            self._curves_again = time.monotonic() + (time.monotonic() - began) / CURVES_TIME_SHARE
        super().flush()
