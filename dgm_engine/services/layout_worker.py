"""The child process that lays out the map of a run.

``python -m dgm_engine.services.layout_worker RUN_DIR METHOD PREVIOUS_FILE_OR_-`` reads the newest means of z and the
rows shown of the run, and writes ``layouts/METHOD.npy``: (shown items, 2) float32, in their order. How it stands is in
``layouts/METHOD.json`` (`dgm_engine.jobs.JobStatus`; details: `n`, and `fitted`, the number of items that the layout
was fitted on). An earlier layout is refined if it is of the same method and still fits, and otherwise aligned to.
"""

import logging
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from dgm_engine.child import Reporter, run_job
from dgm_engine.discovery.projections import Method, n_fitted, project, refine, still_fits
from dgm_engine.jobs import JobState, give_way
from dgm_engine.json_files import read_json
from dgm_engine.npy import load_array, save_array
from dgm_engine.paths import RunPaths

_log = logging.getLogger(__name__)
_PRIORITY_STEPS = 10  # below normal priority: the page comes first


def main(arguments: Sequence[str]) -> int:
    """Runs the worker; 0 if the layout was written."""
    run, method = RunPaths(Path(arguments[0])), Method(arguments[1])
    previous = None if arguments[2] == "-" else Path(arguments[2])
    logging.basicConfig(level=logging.INFO)
    give_way(_PRIORITY_STEPS)
    reporter = Reporter(run.layout(method).status)
    with threadpool_limits(1):
        return run_job(reporter, lambda: _lay_out(run, method, previous, reporter))


def get_ready() -> None:
    """Has UMAP imported and compiled, which takes longer than most layouts."""
    give_way(_PRIORITY_STEPS)
    with threadpool_limits(1):
        project(np.random.default_rng(0).normal(size=(64, 8)), Method.UMAP)


def _lay_out(run: RunPaths, method: Method, previous: Path | None, reporter: Reporter) -> None:
    reporter(0.0, "Reading the run")
    step = read_json(run.results)["step"]
    shown = load_array(run.array("shown", step))
    z = load_array(run.array("z", step))[shown].astype(np.float32)
    earlier = None if previous is None else load_array(previous)
    if earlier is not None and earlier.shape != (len(z), 2):
        _log.warning("%s has shape %s for %d items: starting afresh", previous, earlier.shape, len(z))
        earlier = None
    same = previous is not None and previous.stem == method
    if earlier is not None and same and still_fits(z, earlier):
        xy = refine(z, earlier, method, progress=reporter)
    else:
        xy = project(z, method, previous=earlier, progress=reporter)
    save_array(run.layout(method).positions, xy)
    reporter.end(JobState.FINISHED, "Map laid out", n=len(z), fitted=n_fitted(len(z), method))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
