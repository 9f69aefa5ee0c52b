"""Reports the status and the curves of a training run."""

import time

from dgm_engine import child
from dgm_engine.paths import RunPaths
from dgm_engine.training.results import append_metrics

CURVES_TIME_SHARE = 0.02
"""The largest share of the time spent on writing the curves, which grow long."""


class Reporter(child.Reporter):
    """A reporter that also writes curves.

    Args:
        run: the run that it reports on.
        began: when the run began, by `time.monotonic`; None is now.
    """

    def __init__(self, run: RunPaths, began: float | None = None) -> None:
        super().__init__(run.status, run.stop_request, began)
        self._run = run
        self._records: list[dict[str, object]] = []
        self._curves_again = 0.0

    def record(self, values: dict[str, object]) -> None:
        """Adds a record to the curves; it is written with one of the next statuses."""
        self._records.append({**values, "seconds": round(self.seconds, 2)})

    def flush(self) -> None:
        """Writes the waiting records, if it is time, and then the status."""
        began = time.monotonic()
        if self._records and (began >= self._curves_again or self.ended):
            append_metrics(self._run, self._records)
            self._records = []
            self._curves_again = time.monotonic() + (time.monotonic() - began) / CURVES_TIME_SHARE
        super().flush()
