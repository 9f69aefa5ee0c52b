"""What a run writes: checkpoints, results, curves and its last word."""

import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from dgm_engine import jobs
from dgm_engine.errors import CorruptError
from dgm_engine.jobs import JobState
from dgm_engine.training import reporter as reporting
from dgm_engine.training import run_results, runs
from dgm_engine.training.checkpoint import load_model, read_checkpoint, restore_state, save_checkpoint
from dgm_engine.training.reporter import Reporter
from dgm_engine.training.results import load_results, save_results


def test_a_damaged_checkpoint_is_passed_over_and_two_are_an_error(copied):
    run = run_results.latest_results(copied.paths)
    newest = sorted(run.checkpoints.glob("*.safetensors"))[-1]
    newest.write_bytes(newest.read_bytes()[:-100] + bytes(100))
    older = read_checkpoint(run)
    assert older is not None
    assert older.about["step"] < int(newest.stem)
    for path in run.checkpoints.glob("*.safetensors"):
        path.write_bytes(b"damaged")
    with pytest.raises(CorruptError, match="damaged"):
        read_checkpoint(run)


def test_the_model_is_that_of_the_results_whatever_checkpoints_an_interrupted_run_wrote_since(copied):
    run = run_results.latest_results(copied.paths)
    results = load_results(run)
    state = restore_state(read_checkpoint(run), results.config, len(copied.pool.shown), torch.device("cpu"))
    with torch.no_grad():
        for parameter in state.model.parameters():
            parameter.zero_()
    for _ in range(3):
        state.step += 1
        save_checkpoint(run, state, results.owner)
    x = torch.from_numpy(copied.pool.x[:50].reshape(50, -1) / np.float32(255))
    np.testing.assert_allclose(load_model(run)[0].classify(x).detach(), results.q_y[:50], atol=0.01)
    assert read_checkpoint(run).about["step"] == state.step  # training goes on from the newest
    assert len(list(run.checkpoints.glob("*.safetensors"))) == 3


def test_curves_that_take_long_to_write_are_written_seldom_and_none_is_lost(copied, monkeypatch):
    written = []

    def slow(_run, records):
        time.sleep(0.02)
        written.append([record["step"] for record in records])

    monkeypatch.setattr(reporting, "append_metrics", slow)
    reporter = Reporter(run_results.latest_results(copied.paths), time.monotonic())
    for step in range(5):
        reporter.record({"step": step})
        reporter.flush()
    assert written == [[0]]  # the next comes after a second
    reporter.end(JobState.FINISHED, "Finished")
    assert written == [[0], [1, 2, 3, 4]]


def test_the_last_word_is_said_once_because_the_run_may_be_continued_upon_it(copied, monkeypatch):
    run, said = run_results.latest_results(copied.paths), []
    monkeypatch.setattr(jobs, "write_status", lambda _path, status: said.append((status.state, status.phase)))
    reporter = Reporter(run, time.monotonic())
    reporter.phase("Saving", 0.5)
    reporter.end(JobState.STOPPED, "Stopped")
    assert said == [(JobState.RUNNING, "Saving"), (JobState.STOPPED, "Stopped")]


def test_a_kill_while_results_are_written_leaves_those_before(copied, monkeypatch):
    run = run_results.latest_results(copied.paths)
    before = load_results(run)
    changed = replace(before, q_y=np.roll(before.q_y, 1, axis=1), step=before.step + 5, owner=("new",) * 12)

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("dgm_engine.training.results.write_json", killed)
        with pytest.raises(KeyboardInterrupt):
            save_results(run, changed)
    after = load_results(run)
    assert (after.step, after.owner) == (before.step, before.owner)
    np.testing.assert_array_equal(after.q_y, before.q_y)

    for step in (before.step + 7, before.step + 9):
        save_results(run, replace(changed, step=step))
    np.testing.assert_array_equal(load_results(run).q_y, changed.q_y)
    steps = {int(path.stem.split("-")[1]) for path in run.arrays.glob("q_y-*.npy")}
    assert steps == {before.step + 7, before.step + 9}  # somebody may be about to read those before


def test_the_checkpoint_that_was_just_written_stays_whatever_damaged_ones_are_newer(copied):
    run = run_results.latest_results(copied.paths)
    state = restore_state(read_checkpoint(run), runs.read_config(run), len(copied.pool.shown), torch.device("cpu"))
    shown = state.step
    for path in run.checkpoints.glob("*.safetensors"):
        path.write_bytes(b"damaged")
    for step in (5, 6, 7):
        state.step = step
        save_checkpoint(run, state, (None,) * 12)
        assert read_checkpoint(run).about["step"] == step
    assert {int(path.stem) for path in run.checkpoints.glob("*.json")} == {6, 7, shown}


def test_files_of_other_programs_among_the_checkpoints_are_passed_over(copied):
    """Such as those that macOS leaves on shared disks, or a copy by hand."""
    run = run_results.latest_results(copied.paths)
    steps = run.checkpoint_steps()
    for name in ("._000000001.json", "000000006 (copy).json"):
        (run.checkpoints / name).write_text("{}")
    assert run.checkpoint_steps() == steps
    assert read_checkpoint(run).about["step"] == steps[-1]
