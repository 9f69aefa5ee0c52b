"""The child process that lays out the map of a run.

``python -m dgm_engine.discovery.layout_worker RUN_DIR METHOD PREVIOUS_FILE_OR_-`` reads the newest means of
z and the rows shown of the run, and writes ``layouts/METHOD.npy``: (shown items, 2) float32, in their order. How it
stands is in ``layouts/METHOD.json`` (`dgm_engine.jobs.JobStatus`; details: `n`, and `fitted`, the number of items that
the layout was fitted on). An earlier layout is refined where it is of the same method and still fits, and otherwise
aligned to.
"""

import io
import logging
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from dgm_engine.discovery.projections import Method, n_fitted, project, refine, still_fits
from dgm_engine.errors import CorruptError, DgmError
from dgm_engine.jobs import JobState, JobStatus, give_way, this_process, write_status
from dgm_engine.paths import RunPaths, read_json, write_atomic

_log = logging.getLogger(__name__)
_STEPS = 10  # below normal priority: the page comes first


def layout_status_path(run: RunPaths, method: Method) -> Path:
    """Where the worker says how it stands."""
    return run.root / "layouts" / f"{method}.json"


def layout_path(run: RunPaths, method: Method) -> Path:
    """Where the worker puts the layout."""
    return run.root / "layouts" / f"{method}.npy"


def main(arguments: Sequence[str]) -> int:
    """Runs the worker; 0 where the layout was written."""
    run, method = RunPaths(Path(arguments[0])), Method(arguments[1])
    previous = None if arguments[2] == "-" else Path(arguments[2])
    logging.basicConfig(level=logging.INFO)
    give_way(_STEPS)
    reporter = _Reporter(layout_status_path(run, method))
    try:
        with threadpool_limits(1):
            _lay_out(run, method, previous, reporter)
    except Exception as error:
        _log.exception("The layout failed")
        message = str(error) if isinstance(error, DgmError) else f"{type(error).__name__}: {error}"
        reporter.write(JobState.FAILED, "Failed", error=" ".join(message.split()))
        return 1
    return 0


def get_ready() -> None:
    """Has UMAP imported and compiled, which takes longer than most layouts."""
    give_way(_STEPS)
    with threadpool_limits(1):
        project(np.random.default_rng(0).normal(size=(64, 8)), Method.UMAP)


class _Reporter:
    """Keeps the status file up to date."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._begun = time.monotonic()
        self._status: JobStatus = this_process()

    def __call__(self, share: float, what: str) -> None:
        self.write(JobState.RUNNING, what, progress=share)

    def write(self, state: JobState, phase: str, **changes: object) -> None:
        """Replaces the status by one that keeps whatever is not in `changes`."""
        seconds = time.monotonic() - self._begun
        self._status = replace(self._status, state=state, phase=phase, seconds=seconds, **changes)
        write_status(self._path, self._status)


def _lay_out(run: RunPaths, method: Method, previous: Path | None, reporter: _Reporter) -> None:
    reporter(0.0, "Reading the run")
    step = read_json(run.results)["step"]
    shown = _read(run.array("shown", step))
    z = _read(run.array("z", step))[shown].astype(np.float32)
    earlier = None if previous is None else _read(previous)
    if earlier is not None and earlier.shape != (len(z), 2):
        _log.warning("%s has shape %s for %d items: starting afresh", previous, earlier.shape, len(z))
        earlier = None
    same = previous is not None and previous.stem == method
    if earlier is not None and same and still_fits(z, earlier):
        xy = refine(z, earlier, method, progress=reporter)
    else:
        xy = project(z, method, previous=earlier, progress=reporter)
    buffer = io.BytesIO()
    np.save(buffer, xy, allow_pickle=False)
    write_atomic(layout_path(run, method), buffer.getvalue())
    details = {"n": len(z), "fitted": n_fitted(len(z), method)}
    reporter.write(JobState.FINISHED, "Map laid out", progress=1.0, details=details)


def _read(path: Path) -> np.ndarray:
    try:
        return np.load(path, allow_pickle=False)
    except FileNotFoundError as error:
        raise CorruptError(f"{path} is missing; train the run again") from error
    except (OSError, ValueError, EOFError) as error:
        raise CorruptError(f"{path} cannot be read ({error}); train the run again") from error


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
