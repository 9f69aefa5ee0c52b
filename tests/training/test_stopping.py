"""Training that is stopped, killed or broken off, and taken up."""

import os
import signal
import time
from dataclasses import replace

import numpy as np
import pytest
import torch

import dgm_engine
from dgm_engine import jobs
from dgm_engine.config import LikelihoodName, ModelName
from dgm_engine.errors import StateError
from dgm_engine.jobs import JobState
from dgm_engine.training import planning, run_results, runs, worker
from dgm_engine.training.checkpoint import read_checkpoint
from dgm_engine.training.planning import TrainRequest
from dgm_engine.training.results import load_results
from dgm_engine.training.setting import Setting
from dgm_engine.training.worker import Worker
from tests.training.processes import PLAIN, start, stop_at, training, wait


def test_stop_keeps_what_was_learned_and_resume_goes_on_from_there(few):
    run = start(few, TrainRequest(epochs=5000, n_components=8))
    wait(run, training)
    with pytest.raises(StateError, match="still at work"):
        planning.create_run(few.paths, few.pool, TrainRequest())
    runs.request_stop(run)
    stopped = wait(run)
    assert stopped.state is JobState.STOPPED
    checkpoint = read_checkpoint(run)
    assert checkpoint is not None
    runs.resume(run)
    resumed = wait(run, lambda s: s.details.get("epoch", 0) > stopped.details["epoch"] + 1)
    assert resumed.seconds > stopped.seconds
    runs.request_stop(run)
    assert wait(run).state is JobState.STOPPED
    again = read_checkpoint(run)
    assert again is not None
    assert again.about["step"] > checkpoint.about["step"]
    epochs = [r["epoch"] for r in runs.metrics(run) if r["phase"] == "train"]
    assert epochs == sorted(epochs)


def test_a_stop_is_heard_while_the_edges_are_found(few):
    run = planning.create_run(few.paths, few.pool, TrainRequest(epochs=3, n_components=8))
    runs.request_stop(run)
    Worker(Setting.of(run)).work()
    assert runs.status(run).state is JobState.STOPPED
    assert not run_results.has_results(run)
    assert not list(few.paths.images.glob("edges-*"))


def test_a_stop_is_heard_while_neighbours_are_sought_and_the_first_clusters_stay(few, monkeypatch):
    run = planning.create_run(few.paths, few.pool, TrainRequest(epochs=3, n_components=8))

    def endless(*_):
        runs.request_stop(run)
        time.sleep(3600)

    monkeypatch.setattr(worker, "nearest_rows", endless)
    Worker(Setting.of(run)).work()
    assert runs.status(run).state is JobState.STOPPED
    assert len(np.unique(load_results(run).q_y.argmax(1))) == 8
    assert not Setting.of(run).neighbours.exists()


def test_a_failure_of_the_search_for_neighbours_is_the_runs(few, monkeypatch):
    def fails(*_):
        raise MemoryError("too many images")

    run = planning.create_run(few.paths, few.pool, TrainRequest(epochs=3, n_components=8))
    monkeypatch.setattr(worker, "nearest_rows", fails)
    with pytest.raises(MemoryError, match="too many images"):
        Worker(Setting.of(run)).work()


@pytest.mark.slow
def test_neighbours_that_were_cut_short_are_found_anew(copied):
    run = start(copied, TrainRequest(epochs=1))
    setting = Setting.of(run)
    wait(run)
    whole = setting.neighbours.read_bytes()
    setting.neighbours.write_bytes(whole[:-100])
    assert wait(start(copied, TrainRequest(epochs=1))).state is JobState.FINISHED
    assert setting.neighbours.read_bytes() == whole


@pytest.mark.slow
def test_a_stop_before_the_first_clusters_leaves_none_and_the_run_begins_anew(copied):
    run = start(copied, TrainRequest(epochs=3, fresh=True, n_components=8))
    wait(run, lambda status: status.phase.startswith("Learning what"))
    runs.request_stop(run)
    assert wait(run).state is JobState.STOPPED
    assert not run_results.has_results(run)
    assert read_checkpoint(run) is None
    runs.resume(run)
    assert wait(run).state is JobState.FINISHED, jobs.tail(run.log)
    component = load_results(run).q_y.argmax(1)
    assert len(np.unique(component)) == 8


def test_a_killed_worker_reads_as_interrupted_and_can_be_resumed(few):
    run = start(few, TrainRequest(epochs=5000, n_components=8))
    status = wait(run, training)
    os.kill(status.pid, signal.SIGKILL)
    assert wait(run).state is JobState.INTERRUPTED
    results = load_results(run)  # written after the start, whole
    assert results.q_y.shape[1] == 8
    runs.resume(run)
    assert wait(run, lambda s: s.details.get("epoch", 0) > 1).details["epoch"] > 1
    runs.request_stop(run)
    assert wait(run).state is JobState.STOPPED


def test_a_run_stopped_after_its_last_step_still_tells_what_it_did(copied):
    run = run_results.latest_results(copied.paths)
    runs.jobs.write_status(run.status, replace(runs.status(run), state=JobState.STOPPED, details={}))
    runs.resume(run)
    status = wait(run)
    assert status.state is JobState.FINISHED, jobs.tail(run.log)
    assert status.details["epoch"] == 8
    assert "thread" in status.details["device"]
    assert status.details["version"].startswith(dgm_engine.__version__)
    assert status.details["labels_version"] == load_results(run).labels_version


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in ModelName if name is not ModelName.GM_DGM])
def test_every_model_trains_stops_and_goes_on(copied, name):
    request = TrainRequest(model=name, auxiliary=LikelihoodName.BERNOULLI, epochs=12)
    run = start(copied, request)
    wait(run, training)
    runs.request_stop(run)
    assert wait(run).state is JobState.STOPPED
    runs.resume(run)
    assert wait(run).state is JobState.FINISHED, jobs.tail(run.log)
    assert runs.status(run).details["epoch"] == 12
    results, pool = load_results(run), copied.pool
    assert results.config.model.auxiliary is LikelihoodName.BERNOULLI
    truth, component = pool.truth[pool.shown], results.q_y[pool.shown].argmax(1)
    assert sum(np.bincount(truth[component == k]).max() for k in np.unique(component)) / len(truth) > 0.6
    assert planning.continues(copied.paths, pool, TrainRequest())
    assert not planning.continues(copied.paths, pool, TrainRequest(auxiliary=LikelihoodName.GAUSSIAN))
    assert not planning.continues(copied.paths, pool, TrainRequest(model=ModelName.GM_DGM))


@pytest.mark.slow
def test_a_stopped_run_is_continued_by_the_next_one_as_if_it_had_not_been_stopped(copied):
    def started():
        request = TrainRequest(epochs=6, fresh=True, n_components=8, overrides=PLAIN, seed=4)
        return planning.create_run(copied.paths, copied.pool, request)

    whole, stopped_at = started(), 17
    Worker(Setting.of(whole)).work()
    run = started()
    stop_at(run, stopped_at)
    before = runs.status(run)
    assert (before.state, before.details["of_epochs"]) == (JobState.STOPPED, 6)
    assert 0 < before.progress < 1
    assert run_results.unfinished(run)
    assert not run_results.unfinished(whole)
    steps = load_results(run).step
    assert stopped_at <= steps < load_results(whole).step

    after = planning.create_run(copied.paths, copied.pool, planning.as_before(copied.paths))
    config = runs.read_config(after)
    assert (config.goes_on, config.parent, config.lineage) == (True, run.number, run.number)
    assert (config.training.max_epochs, config.training.seed) == (6, 4)
    Worker(Setting.of(after)).work()
    status = runs.status(after)
    assert (status.state, status.details["epoch"], status.details["of_epochs"]) == (JobState.FINISHED, 6, 6)
    records = [record for record in runs.metrics(after) if record["phase"] == "train"]
    assert records[0]["step"] > steps
    assert records[0]["epoch"] > steps * 6 / load_results(whole).step
    assert records[-1]["progress"] == 1
    assert load_results(after).step == load_results(whole).step
    np.testing.assert_array_equal(load_results(after).q_y, load_results(whole).q_y)
    ours, theirs = read_checkpoint(after), read_checkpoint(whole)
    assert ours is not None
    assert theirs is not None
    assert ours.tensors.keys() == theirs.tensors.keys()
    assert float(ours.tensors["adam.0.step"]) == load_results(whole).step
    assert all(torch.equal(value, theirs.tensors[name]) for name, value in ours.tensors.items())

    runs.jobs.write_status(
        after.status, replace(status, state=JobState.STOPPED, details={**status.details, "epoch": 3})
    )
    for asked, goes_on in ((TrainRequest(), True), (TrainRequest(epochs=1), False), (TrainRequest(minutes=1), False)):
        assert runs.read_config(planning.create_run(copied.paths, copied.pool, asked)).goes_on == goes_on
