"""Layouts of the map: a job computes one for each run and method, and meanwhile an earlier one is shown."""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dgm_engine import jobs
from dgm_engine.discovery.projections import Method, default_method
from dgm_engine.jobs import JobState, JobStatus
from dgm_engine.npy import load_array
from dgm_engine.paths import RunPaths
from dgm_engine.services.latest import results_stamp
from dgm_engine.services.projects import Project
from dgm_engine.services.snapshot import Snapshot
from dgm_engine.services.starting import starting
from dgm_engine.training import runs
from dgm_engine.whole import write_atomic

LAYOUT_WORKER = "dgm_engine.services.layout_worker"


@dataclass(frozen=True)
class LayoutState:
    """The map's positions, as far as they are computed.

    Attributes:
        method: how `xy` was made, which is not as asked for while that is under way for the first time.
        xy: (M, 2) float32 positions of `shown_rows`, or None while the first layout is under way.
        shown_rows: (M,) pool rows, in the order of `View.rows`.
        from_run: the run that `xy` shows, or None.
        token: changes with `xy`.
        stale: `xy` is of an earlier run, and the newest run's layout is under way (or failed: see `status`).
        status: of the layout job of the newest run; None if none is needed, or the run's training has to end first.
    """

    method: Method
    xy: NDArray[np.float32] | None
    shown_rows: NDArray[np.int64]
    from_run: int | None
    token: str
    stale: bool
    status: JobStatus | None


def ensure_layout(seen: Snapshot, method: Method | None = None, *, retry: bool = False) -> LayoutState:
    """The map of a snapshot's results; starts the job that computes it if nobody did, and never waits for it.

    Args:
        seen: whose map.
        method: None takes the one that suits the number of items.
        retry: start again a job that failed or was interrupted.
    """
    project, run = seen.project, seen.run
    shown = np.asarray(seen.results.shown)
    method = method or default_method(len(shown))
    earlier = _earlier_layout(project, run, method)  # of another method where it has none
    with starting(project):
        status = _layout_status(seen, method)
        if _is_current(status, run, method):
            return _laid_out(_Layout(run, method), shown, stale=False, status=None)
        # A run at work will soon replace its results: where there is something to look at, its layout can wait.
        waits = earlier is not None and earlier.method is method and runs.status(run).alive
        waits |= results_stamp(run) != seen.stamp  # or has replaced them already: the job would lay out the others
        if not waits and _may_start(status, retry=retry):
            status = _start_layout(seen, method, earlier)
    if earlier is None:
        return LayoutState(method, None, shown, None, "", stale=False, status=status)
    own = earlier.run == run and _is_current(_layout_status(seen, earlier.method), run, earlier.method)
    return _laid_out(earlier, shown, stale=not own, status=status)


class _Layout(NamedTuple):
    """A run and a method by which it was laid out."""

    run: RunPaths
    method: Method

    @property
    def path(self) -> Path:
        return self.run.layout(self.method).positions


def _laid_out(layout: _Layout, shown: NDArray[np.int64], *, stale: bool, status: JobStatus | None) -> LayoutState:
    number, method = layout.run.number, layout.method
    while True:  # until the positions are those of the token: a job may replace them in between
        stamp = layout.path.stat().st_mtime_ns
        xy: NDArray[np.float32] = load_array(layout.path)
        if layout.path.stat().st_mtime_ns == stamp:
            return LayoutState(method, xy, shown, number, f"{number} {method} {stamp}", stale, status)


def _earlier_layout(project: Project, run: RunPaths, method: Method) -> _Layout | None:
    """The newest layout up to ``run``, current or not: by the method, or else by another one."""
    numbers = [n for n in reversed(project.paths.run_numbers()) if n <= run.number]
    methods = sorted(Method, key=lambda other: other is not method)
    candidates = (_Layout(project.paths.run(n), by) for by in methods for n in numbers)
    return next((layout for layout in candidates if layout.path.exists()), None)


def _layout_status(seen: Snapshot, method: Method) -> JobStatus | None:
    """The status of the layout job that was started on these results, which a resumed run replaces.

    None if none was; a job that is still busy with earlier results counts until it is done.
    """
    layout = seen.run.layout(method)
    status, basis = jobs.read_status(layout.status), layout.basis
    if status is None or status.alive or (basis.exists() and basis.read_text() == str(seen.stamp)):
        return status
    return None


def _is_current(status: JobStatus | None, run: RunPaths, method: Method) -> bool:
    return status is not None and status.state is JobState.FINISHED and run.layout(method).positions.exists()


def _may_start(status: JobStatus | None, *, retry: bool) -> bool:
    """Whether to start a layout job: not twice, and not again by itself after it failed."""
    return status is None or (not status.alive and (retry or status.state is JobState.FINISHED))


def _start_layout(seen: Snapshot, method: Method, earlier: _Layout | None) -> JobStatus:
    layout = seen.run.layout(method)
    previous = "-" if earlier is None else str(earlier.path)
    arguments = [str(seen.run.root), method.value, previous]
    status = jobs.spawn(LAYOUT_WORKER, arguments, layout.status, layout.log)
    write_atomic(layout.basis, str(seen.stamp).encode())
    return status
