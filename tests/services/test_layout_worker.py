"""The layout worker as a real child process."""

import json
import time
from pathlib import Path

import numpy as np
import pytest

from dgm_engine.discovery.projections import Method, project
from dgm_engine.jobs import JobState, JobStatus, keep_ready, read_status, spawn
from dgm_engine.json_files import write_json
from dgm_engine.paths import RunPaths

MODULE = "dgm_engine.services.layout_worker"
STEP = 7


@pytest.fixture
def run(tmp_path: Path) -> RunPaths:
    """A run of 100 items of which the 80 with an odd place in a shuffled order are shown."""
    run = RunPaths(tmp_path / "0001")
    run.arrays.mkdir(parents=True)
    rng = np.random.default_rng(0)
    z = rng.normal(size=(100, 5)) + 8 * np.eye(5)[np.arange(100) % 3]
    np.save(run.array("z", STEP), z.astype(np.float16))
    np.save(run.array("shown", STEP), rng.permutation(100)[:80])
    write_json(run.results, {"step": STEP})
    return run


def lay_out(run: RunPaths, method: Method, previous: str = "-") -> JobStatus:
    """Runs the worker to its end."""
    status_path = run.layout(method).status
    spawn(MODULE, [str(run.root), method, previous], status_path, run.log)
    deadline = time.monotonic() + 60
    while (status := read_status(status_path)) is None or status.alive:
        assert time.monotonic() < deadline, run.log.read_text()
        time.sleep(0.05)
    return status


def shown_z(run: RunPaths) -> np.ndarray:
    return np.load(run.array("z", STEP))[np.load(run.array("shown", STEP))]


def test_it_lays_out_the_shown_items_in_their_order(run):
    status = lay_out(run, Method.PCA)
    assert (status.state, status.progress, status.error) == (JobState.FINISHED, 1.0, "")
    assert status.details == {"n": 80, "fitted": 80}
    assert status.seconds > 0
    xy = np.load(run.layout(Method.PCA).positions, allow_pickle=False)
    assert xy == pytest.approx(project(shown_z(run), Method.PCA), abs=1e-4)
    assert [p.name for p in run.layout(Method.PCA).positions.parent.iterdir() if p.name.startswith(".")] == []


def test_it_starts_from_an_earlier_layout_of_the_same_items(run, tmp_path):
    previous = tmp_path / "previous.npy"
    earlier = project(shown_z(run), Method.TSNE, seed=5) @ np.array([[0, -1], [1, 0]], dtype=np.float32) + 50
    np.save(previous, earlier)
    assert lay_out(run, Method.TSNE, str(previous)).state is JobState.FINISHED
    xy = np.load(run.layout(Method.TSNE).positions)
    assert np.linalg.norm(xy - earlier, axis=1).mean() < earlier.std() / 4


def test_an_earlier_layout_of_other_items_is_left_aside(run, tmp_path):
    previous = tmp_path / "previous.npy"
    np.save(previous, np.zeros((3, 2)))
    assert lay_out(run, Method.PCA, str(previous)).state is JobState.FINISHED
    assert "starting afresh" in run.log.read_text()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda z: z.unlink(), "z-000000007.npy is missing; train the run again"),
        (lambda z: z.write_bytes(b"\x93NUMPY\x01"), "z-000000007.npy cannot be read"),
        (lambda z: np.save(z, np.full((100, 5), np.nan)), "z holds numbers that are not finite"),
        (lambda z: np.save(z, np.zeros((10, 5))), "IndexError"),
    ],
)
def test_a_failure_is_said_in_one_line(run, damage, said):
    damage(run.array("z", STEP))
    status = lay_out(run, Method.PCA)
    assert status.state is JobState.FAILED
    assert said in status.error
    assert "\n" not in status.error
    assert not run.layout(Method.PCA).positions.exists()
    assert "Traceback" in run.log.read_text()
    assert json.loads(run.layout(Method.PCA).status.read_text())["state"] == "failed"


@pytest.mark.slow
def test_one_that_waited_has_umap_compiled(run):
    cold = lay_out(run, Method.UMAP)
    keep_ready(MODULE)
    time.sleep(3 * cold.seconds)
    warm = lay_out(run, Method.UMAP)
    assert warm.state is JobState.FINISHED
    assert warm.seconds < cold.seconds / 3  # 5 s and 0.1 s
