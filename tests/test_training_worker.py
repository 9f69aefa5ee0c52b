"""The training worker as a real process: results, labels taken up, stop, kill -9, resume, failure."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
import torch

import dgm_engine
from dgm_engine import jobs
from dgm_engine.config import LikelihoodName, ModelName, Preset
from dgm_engine.errors import CorruptError, InputError, StateError
from dgm_engine.jobs import JobState
from dgm_engine.labels.schema import Anchored, Kind
from dgm_engine.training import fitting, runs, worker
from dgm_engine.training.checkpoint import load_model, read_checkpoint, restore_state, save_checkpoint
from dgm_engine.training.ownership import class_probabilities, effective_owner
from dgm_engine.training.results import load_live_map, load_results, save_results
from dgm_engine.training.runs import TrainRequest
from dgm_engine.training.worker import Reporter, Setting, Worker


@pytest.fixture(scope="module")
def finished(digits_template, tmp_path_factory):
    """A digits project with one short finished run of 12 components. Tests that change it must copy it."""
    from dgm_engine.services.projects import open_project

    root = tmp_path_factory.mktemp("worker") / "digits"
    project = open_project(shutil.copytree(digits_template, root))
    run = start(project, TrainRequest(n_components=12, epochs=8))
    assert wait(run).state is JobState.FINISHED, jobs.tail(run.log)
    return project


@pytest.fixture
def copied(finished, tmp_path):
    from dgm_engine.services.projects import open_project

    return open_project(shutil.copytree(finished.paths.root, tmp_path / "digits"))


def start(project, request):
    run = runs.create_run(project.paths, project.pool, request)
    runs.launch(run)
    return run


def wait(run, until=lambda status: not status.alive, seconds=90):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        status = runs.status(run)
        if until(status) or not status.alive:
            return status
        time.sleep(0.05)
    raise AssertionError(f"waited {seconds} s: {runs.status(run)}, {jobs.tail(run.log)}")


def training(status):
    return status.details.get("epoch", 0) > 0


def test_a_run_leaves_results_curves_a_live_map_and_a_model(finished):
    run = runs.latest_results(finished.paths)
    results, pool = load_results(run), finished.pool
    assert results.q_y.shape == (pool.n_items, 12)
    np.testing.assert_allclose(results.q_y.astype(float).sum(1), 1, atol=0.01)
    assert results.z.shape == (pool.n_items, results.config.model.n_latent)
    assert results.prototypes.shape == (12, *pool.shape)
    assert results.prototypes.std(0).max() > 20  # they show different things
    truth, component = pool.truth[pool.shown], results.q_y[pool.shown].argmax(1)
    assert sum(np.bincount(truth[component == k]).max() for k in np.unique(component)) / len(truth) > 0.6
    records = runs.metrics(run)
    bounds = [record["elbo"] for record in records if record["phase"] == "train"]
    assert len(bounds) >= 4
    starts = [record["elbo"] for record in records if record["phase"] == "start"]
    assert starts[-1] > starts[0]
    live = load_live_map(run)
    assert live is not None
    assert live.xy.shape == (len(live.rows), 2)
    model, _ = load_model(run)
    probability = model.classify(_raw(pool, pool.shown[:5])).detach().numpy()
    np.testing.assert_allclose(probability, results.q_y[pool.shown[:5]].astype(float), atol=2e-3)


def _raw(pool, rows):
    from dgm_engine.training.batches import Table

    return Table(pool.x, pool.shown).values(rows)


def test_a_model_sees_edges_unless_it_is_told_not_to(copied):
    def seen(**settings):
        run = runs.create_run(copied.paths, copied.pool, TrainRequest(**settings))
        return runs.read_config(run).model.image_shape

    assert seen() == copied.pool.shape
    assert seen(overrides={"edges": False}) is None
    assert seen(preset=Preset.PAPER) is None
    assert list(copied.paths.images.glob("edges-*.npy"))


def test_a_warm_run_learns_labels_names_and_rejections(copied):
    first = runs.latest_results(copied.paths)
    results, pool = load_results(first), copied.pool
    component = results.q_y.argmax(1)
    rows = pool.shown[pool.truth[pool.shown] == 0][:25]
    wrong = int(np.bincount(component[pool.shown[pool.truth[pool.shown] == 1]], minlength=12).argmax())
    copied.labels.label(pool.items[rows].tolist(), "zero", annotator="tester")
    copied.labels.name_component(first.number, wrong, "one", annotator="tester")
    run = start(copied, TrainRequest(epochs=15))
    assert runs.read_config(run).parent == first.number
    assert runs.read_config(run).lineage == first.number
    assert wait(run).state is JobState.FINISHED, jobs.tail(run.log)
    after = load_results(run)
    assert effective_owner(after.owner, copied.labels.state(first.number))[wrong] == "one"
    assert after.labels_version == copied.labels.version()
    zeros = [k for k, name in enumerate(after.owner) if name == "zero"]
    assert zeros
    assert after.q_y[rows][:, zeros].astype(float).sum(1).mean() > 0.8
    agreement = [r["label_agreement"] for r in runs.metrics(run) if r["phase"] == "train"]
    assert agreement[-1] > 0.8


def test_a_warm_run_shows_its_answers_while_it_is_at_work_and_they_can_be_gone_on_from(copied):
    run = start(copied, TrainRequest(minutes=2))
    status = wait(run, lambda _: runs.has_results(run))
    assert status.alive, jobs.tail(run.log)
    assert runs.latest_results(copied.paths) == run
    os.kill(status.pid, signal.SIGKILL)
    wait(run)
    after = start(copied, TrainRequest(epochs=1))
    assert runs.read_config(after).parent == run.number
    assert wait(after).state is JobState.FINISHED, jobs.tail(after.log)


@pytest.mark.slow
def test_labels_before_the_first_run_take_their_own_clusters_and_no_others(digits_template, tmp_path):
    """Many labels for five classes: the components of the other five must stay free for them."""
    from dgm_engine.services.projects import open_project

    project = open_project(shutil.copytree(digits_template, tmp_path / "digits"))
    pool = project.pool
    known = pool.shown[pool.truth[pool.shown] < 5]
    for digit in range(5):
        items = pool.items[known[pool.truth[known] == digit]].tolist()
        project.labels.label(items, str(digit), annotator="tester")
    run = start(project, TrainRequest(n_components=20, epochs=15))
    assert wait(run).state is JobState.FINISHED, jobs.tail(run.log)
    results = load_results(run)
    posterior = class_probabilities(results.q_y[pool.scored], results.owner)
    assert posterior.classes == ("0", "1", "2", "3", "4")
    truth = pool.truth[pool.scored]
    predicted = posterior.predicted()
    assert (predicted[truth < 5] == truth[truth < 5].astype(str)).mean() > 0.85
    assert (predicted[truth >= 5] == "").mean() > 0.75


@pytest.mark.slow
def test_two_clusters_and_labels_train(copied):
    items = copied.pool.items[copied.pool.shown]
    copied.labels.label(items[:20].tolist(), "a", annotator="tester")
    copied.labels.label(items[20:40].tolist(), "b", annotator="tester")
    run = start(copied, TrainRequest(n_components=2, epochs=2))
    assert wait(run).state is JobState.FINISHED, jobs.tail(run.log)


def test_taking_a_name_back_takes_effect_after_training_too(copied):
    first = runs.latest_results(copied.paths)
    copied.labels.name_component(first.number, 5, "shoe", annotator="tester")
    copied.labels.name_component(first.number, 3, "shoe", annotator="tester")
    run = start(copied, TrainRequest(epochs=1))
    assert wait(run).state is JobState.FINISHED, jobs.tail(run.log)
    owner = load_results(run).owner
    assert [k for k, name in enumerate(effective_owner(owner, copied.labels.state(first.number))) if name] == [3, 5]
    copied.labels.undo(annotator="tester")
    assert [k for k, name in enumerate(effective_owner(owner, copied.labels.state(first.number))) if name] == [5]


def test_labels_given_while_it_trains_are_taken_up(copied):
    run = start(copied, TrainRequest(minutes=5))
    wait(run, training)
    items = copied.pool.items[copied.pool.shown[:3]].tolist()
    copied.labels.label(items, "mine", annotator="tester")
    version = copied.labels.version()
    status = wait(run, lambda s: s.details.get("labels_version") == version)
    assert status.alive
    runs.request_stop(run)
    assert wait(run).state is JobState.STOPPED
    assert "mine" in load_results(run).owner


def test_stop_keeps_what_was_learned_and_resume_goes_on_from_there(copied):
    run = start(copied, TrainRequest(epochs=100, fresh=True, n_components=8))
    wait(run, training)
    with pytest.raises(StateError, match="still at work"):
        runs.create_run(copied.paths, copied.pool, TrainRequest())
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


def test_a_stop_is_heard_while_the_edges_are_found(copied):
    run = runs.create_run(copied.paths, copied.pool, TrainRequest(epochs=3, fresh=True, n_components=8))
    for path in copied.paths.images.glob("edges-*"):
        path.unlink()
    runs.request_stop(run)
    Worker(Setting.of(run)).work()
    assert runs.status(run).state is JobState.STOPPED
    assert not runs.has_results(run)
    assert not list(copied.paths.images.glob("edges-*"))


def test_a_stop_is_heard_while_neighbours_are_sought_and_the_first_clusters_stay(copied, monkeypatch):
    run = runs.create_run(copied.paths, copied.pool, TrainRequest(epochs=3, fresh=True, n_components=8))

    def endless(*_):
        runs.request_stop(run)
        time.sleep(3600)

    monkeypatch.setattr(worker, "nearest_rows", endless)
    Worker(Setting.of(run)).work()
    assert runs.status(run).state is JobState.STOPPED
    assert len(np.unique(load_results(run).q_y.argmax(1))) == 8
    assert not Setting.of(run).neighbours.exists()


def test_a_failure_of_the_search_for_neighbours_is_the_runs(copied, monkeypatch):
    def fails(*_):
        raise MemoryError("too many images")

    run = runs.create_run(copied.paths, copied.pool, TrainRequest(epochs=3, fresh=True, n_components=8))
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
    assert not runs.has_results(run)
    assert read_checkpoint(run) is None
    runs.resume(run)
    assert wait(run).state is JobState.FINISHED, jobs.tail(run.log)
    component = load_results(run).q_y.argmax(1)
    assert len(np.unique(component)) == 8


def test_a_lost_parent_is_told_with_the_remedy(copied):
    first = runs.latest_results(copied.paths)
    shutil.rmtree(first.checkpoints)
    run = start(copied, TrainRequest(epochs=1))
    status = wait(run)
    assert status.state is JobState.FAILED
    assert "start again from scratch" in status.error


def test_a_killed_worker_reads_as_interrupted_and_can_be_resumed(copied):
    run = start(copied, TrainRequest(epochs=60, fresh=True, n_components=8))
    status = wait(run, training)
    os.kill(status.pid, signal.SIGKILL)
    assert wait(run).state is JobState.INTERRUPTED
    results = load_results(run)  # written after the start, whole
    assert results.q_y.shape[1] == 8
    runs.resume(run)
    assert wait(run, lambda s: s.details.get("epoch", 0) > 1).details["epoch"] > 1
    runs.request_stop(run)
    assert wait(run).state is JobState.STOPPED


def test_a_fresh_run_carries_names_over_from_the_clusters_they_stood_for(copied):
    first = runs.latest_results(copied.paths)
    results, pool = load_results(first), copied.pool
    component, truth = results.q_y[pool.shown].argmax(1), pool.truth[pool.shown]
    for k in range(12):
        digit = int(np.bincount(truth[component == k], minlength=10).argmax())
        copied.labels.name_component(first.number, k, f"digit {digit}", annotator="tester")
    run = start(copied, TrainRequest(epochs=2, fresh=True, n_components=12, seed=1))
    assert wait(run).state is JobState.FINISHED, jobs.tail(run.log)
    assert runs.read_config(run).lineage == run.number
    assert sum(name is not None for name in load_results(run).owner) >= 8


@pytest.mark.parametrize("by_number", [True, False])
def test_names_are_carried_over_to_a_run_without_a_clustering_start_too(copied, by_number):
    first = runs.latest_results(copied.paths)
    for k in range(12):
        name_images(copied, k, "a digit", [] if by_number else members(copied, first, k))
    run = start(copied, TrainRequest(preset=Preset.PAPER, epochs=1))
    assert wait(run).state is JobState.FINISHED, jobs.tail(run.log)
    results = load_results(run)
    assert runs.read_config(run).parent is None
    used = np.unique(results.q_y[copied.pool.shown].argmax(1))
    owner = results.owners(copied.labels.state(run.number), results.q_y, copied.pool.rows)
    assert {owner[k] for k in used} == {"a digit"}


def test_names_of_images_hold_in_a_fresh_run_until_they_are_taken_back(copied):
    """Two clusters have the same name, and only one of them is to lose it."""
    first, pool = runs.latest_results(copied.paths), copied.pool
    one, other = (members(copied, first, k) for k in (3, 5))
    name_images(copied, 3, "mine", one)
    name_images(copied, 5, "mine", other)
    run = start(copied, TrainRequest(epochs=2, fresh=True, n_components=10, seed=1))
    assert wait(run).state is JobState.FINISHED, jobs.tail(run.log)
    assert runs.read_config(run).lineage == run.number
    results = load_results(run)

    def shares():
        owner = results.owners(copied.labels.state(run.number), results.q_y, pool.rows)
        return [(class_probabilities(results.q_y[rows], owner).predicted() == "mine").mean() for rows in (one, other)]

    assert min(shares()) > 0.95
    copied.labels.undo(annotator="tester")
    assert shares()[0] > 0.95
    assert shares()[1] < 0.2
    copied.labels.redo(annotator="tester")
    assert min(shares()) > 0.95


def test_a_run_tells_which_classes_it_predicts_of_no_image_whether_they_own_a_component_or_not(
    digits_template, tmp_path
):
    """After a pass from random weights most components are empty."""
    from dgm_engine.services.projects import open_project

    project = open_project(shutil.copytree(digits_template, tmp_path / "digits"))
    for k in range(12):
        project.labels.name_component(1, k, f"class {k}", annotator="tester")
    run = runs.create_run(project.paths, project.pool, TrainRequest(preset=Preset.PAPER, n_components=12, epochs=1))
    Worker(Setting.of(run)).work()
    used = {*load_results(run).q_y[project.pool.shown].argmax(1).tolist()}
    assert 0 < len(used) < 12
    assert runs.unlearned(run) == tuple(f"class {k}" for k in range(12) if k not in used)


def test_a_run_stopped_after_its_last_step_still_tells_what_it_did(copied):
    run = runs.latest_results(copied.paths)
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
    assert runs.continues(copied.paths, pool, TrainRequest())
    assert not runs.continues(copied.paths, pool, TrainRequest(auxiliary=LikelihoodName.GAUSSIAN))
    assert not runs.continues(copied.paths, pool, TrainRequest(model=ModelName.GM_DGM))


def test_a_damaged_checkpoint_is_passed_over_and_two_are_an_error(copied):
    run = runs.latest_results(copied.paths)
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
    run = runs.latest_results(copied.paths)
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

    monkeypatch.setattr(worker, "append_metrics", slow)
    reporter = Reporter(runs.latest_results(copied.paths), time.monotonic())
    for step in range(5):
        reporter.record({"step": step})
        reporter.flush()
    assert written == [[0]]  # the next comes after a second
    reporter.end(JobState.FINISHED, "Finished")
    assert written == [[0], [1, 2, 3, 4]]


def test_the_last_word_is_said_once_because_the_run_may_be_continued_upon_it(copied, monkeypatch):
    run, said = runs.latest_results(copied.paths), []
    monkeypatch.setattr(jobs, "write_status", lambda _path, status: said.append((status.state, status.phase)))
    reporter = Reporter(run, time.monotonic())
    reporter.phase("Saving", 0.5)
    reporter.end(JobState.STOPPED, "Stopped")
    assert said == [(JobState.RUNNING, "Saving"), (JobState.STOPPED, "Stopped")]


def test_a_kill_while_results_are_written_leaves_those_before(copied, monkeypatch):
    run = runs.latest_results(copied.paths)
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
    run = runs.latest_results(copied.paths)
    state = restore_state(read_checkpoint(run), runs.read_config(run), len(copied.pool.shown), torch.device("cpu"))
    shown = state.step
    for path in run.checkpoints.glob("*.safetensors"):
        path.write_bytes(b"damaged")
    for step in (5, 6, 7):
        state.step = step
        save_checkpoint(run, state, (None,) * 12)
        assert read_checkpoint(run).about["step"] == step
    assert {int(path.stem) for path in run.checkpoints.glob("*.json")} == {6, 7, shown}


def test_from_scratch_is_the_remedy_where_the_results_before_are_damaged(copied):
    damaged = runs.latest_results(copied.paths)
    for path in damaged.arrays.glob("q_y-*.npy"):
        path.write_bytes(path.read_bytes()[:-40])
    run = start(copied, TrainRequest(epochs=1, fresh=True, n_components=8))
    assert wait(run).state is JobState.FINISHED, jobs.tail(run.log)
    assert "No names are carried over" in run.log.read_text()
    assert load_results(run).q_y.shape[1] == 8


def test_where_saving_takes_longer_than_the_time_that_was_given_one_step_is_taken(copied):
    run = runs.create_run(copied.paths, copied.pool, TrainRequest(minutes=0.001))
    worker = Worker(Setting.of(run))
    worker.saving = 60.0
    worker.work()
    assert runs.status(run).state is JobState.FINISHED
    assert load_results(run).step == 1


def test_a_run_that_goes_on_from_a_finished_one_learns_at_the_rate_of_a_retrain(copied):
    before, moved = load_results(runs.latest_results(copied.paths)), {}
    for rate in (1e-6, 1.0):
        overrides = {**PLAIN, "retrain_rate": rate}
        run = runs.create_run(copied.paths, copied.pool, TrainRequest(epochs=2, overrides=overrides))
        Worker(Setting.of(run)).work()
        moved[rate] = np.abs(load_results(run).z - before.z).max()
        shutil.rmtree(run.root)
    assert moved[1e-6] < 1e-3
    assert moved[1.0] > 0.01


def test_a_retrain_that_was_stopped_is_continued_at_its_own_rate(copied, monkeypatch):
    before = load_results(runs.latest_results(copied.paths))
    request = TrainRequest(epochs=2, overrides={**PLAIN, "retrain_rate": 1e-6})
    run = runs.create_run(copied.paths, copied.pool, request)

    def stop(self):
        if self.state.step >= 3:
            raise worker.StopRequested

    with monkeypatch.context() as patched:
        patched.setattr(Worker, "_check_stop", stop)
        Worker(Setting.of(run)).work()
    assert runs.unfinished(run)
    after = runs.create_run(copied.paths, copied.pool, runs.as_before(copied.paths))
    assert runs.read_config(after).goes_on
    Worker(Setting.of(after)).work()
    assert load_results(after).step > load_results(run).step
    assert np.abs(load_results(after).z - before.z).max() < 1e-3


def test_a_fresh_run_learns_at_the_full_rate(copied):
    trained = []
    for rate in (1e-6, 1.0):
        request = TrainRequest(epochs=1, fresh=True, n_components=8, overrides={**PLAIN, "retrain_rate": rate})
        run = runs.create_run(copied.paths, copied.pool, request)
        Worker(Setting.of(run)).work()
        trained.append(load_results(run).z)
    np.testing.assert_array_equal(*trained)


@pytest.mark.parametrize(("limit", "saved"), [(10_000, 2), (100, 1)])
def test_a_warm_run_shows_early_answers_of_a_pile_that_is_not_too_large(copied, monkeypatch, limit, saved):
    steps = []
    monkeypatch.setattr(worker, "EARLY_LIMIT", limit)
    monkeypatch.setattr(worker, "EARLY_SECONDS", 0.0)
    monkeypatch.setattr(worker, "save_results", lambda run, results: steps.append(results.step))
    run = runs.create_run(copied.paths, copied.pool, TrainRequest(epochs=5))
    Worker(Setting.of(run)).work()
    assert len(steps) == saved


def test_a_pile_of_fewer_images_than_the_usual_clusters_is_clustered_all_the_same(tmp_path):
    from dgm_engine.data.sources import SourceRequest
    from dgm_engine.services.projects import create_project

    few = create_project(tmp_path / "few", SourceRequest("digits", limit=12)).project
    run = start(few, TrainRequest(epochs=1))
    assert wait(run).state is JobState.FINISHED, jobs.tail(run.log)
    assert runs.read_config(run).model.n_components == len(few.pool.shown) == 12


def test_a_failure_is_told_in_one_line(copied):
    run = runs.create_run(copied.paths, copied.pool, TrainRequest(epochs=1))
    config = json.loads(run.config.read_text())
    config["training"]["learning_rate"] = -1
    run.config.write_text(json.dumps(config))
    runs.launch(run)
    status = wait(run)
    assert status.state is JobState.FAILED
    assert "learning_rate" in status.error
    assert "\n" not in status.error


def test_more_clusters_than_images_is_refused(copied):
    with pytest.raises(InputError, match="clusters"):
        runs.create_run(copied.paths, copied.pool, TrainRequest(n_components=5000))


def test_another_shape_starts_fresh(copied):
    first = runs.latest_results(copied.paths)
    config = runs.read_config(runs.create_run(copied.paths, copied.pool, TrainRequest(n_components=9)))
    assert config.parent is None
    assert config.lineage != runs.read_config(first).lineage


PLAIN = {"bfloat16": False}
"""Whether matrix products are taken in bfloat16 is tried out by each process anew, and is no part of these tests."""


@pytest.mark.slow
def test_a_stopped_run_is_continued_by_the_next_one_as_if_it_had_not_been_stopped(copied, monkeypatch):
    def started():
        request = TrainRequest(epochs=6, fresh=True, n_components=8, overrides=PLAIN, seed=4)
        return runs.create_run(copied.paths, copied.pool, request)

    whole, stopped_at = started(), 17
    Worker(Setting.of(whole)).work()
    run = started()

    def stop(self):
        if self.state.step >= stopped_at:
            raise worker.StopRequested

    with monkeypatch.context() as patched:
        patched.setattr(Worker, "_check_stop", stop)
        Worker(Setting.of(run)).work()
    before = runs.status(run)
    assert (before.state, before.details["of_epochs"]) == (JobState.STOPPED, 6)
    assert 0 < before.progress < 1
    assert runs.unfinished(run)
    assert not runs.unfinished(whole)
    steps = load_results(run).step
    assert stopped_at <= steps < load_results(whole).step

    after = runs.create_run(copied.paths, copied.pool, runs.as_before(copied.paths))
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
        assert runs.read_config(runs.create_run(copied.paths, copied.pool, asked)).goes_on == goes_on


def name_images(project, component, class_name, rows):
    """Names a component of the first lineage by these images."""
    images = [Anchored(item, 0.9) for item in project.pool.items[rows].tolist()]
    return project.labels.name_component(1, component, class_name, images, annotator="tester")


def members(project, run, component, n=40):
    """Pool rows of the first images that results have in a component."""
    shown = project.pool.shown
    return shown[load_results(run).q_y[shown].argmax(1) == component][:n]


def test_a_name_that_comes_to_lie_in_a_component_while_it_trains_leaves_it_to_the_class_of_its_labels(
    copied, monkeypatch
):
    first = runs.latest_results(copied.paths)
    name_images(copied, 0, "named", members(copied, first, 0))
    copied.labels.label(copied.pool.items[members(copied, first, 3, 13)].tolist(), "labelled", annotator="tester")
    Worker(Setting.of(runs.create_run(copied.paths, copied.pool, TrainRequest(epochs=1)))).work()
    before = load_results(runs.latest_results(copied.paths))
    assert before.owner[3] == "labelled"
    assert 3 not in before.overruled
    real, asked = fitting.claims, []

    def moved(component, anchors, overruled, sizes):
        """As if most of the name's images had come to lie in component 3, once the run is on its way."""
        found = list(real(component, anchors, overruled, sizes))
        asked.append(found[3])
        if len(asked) > 1 and found[3] is None:
            found[3] = "named"
        return tuple(found)

    monkeypatch.setattr(fitting, "claims", moved)
    run = runs.create_run(copied.paths, copied.pool, TrainRequest(epochs=1))
    Worker(Setting.of(run)).work()
    assert len(asked) > 1
    assert load_results(run).overruled[3].class_name == "labelled"


@pytest.mark.slow
def test_a_loaded_machine_gives_the_same_model(finished, tmp_path):
    """A retrain is so much work and not so much time; names and a class that gets a component of its own are in it."""
    from dgm_engine.services.projects import open_project

    burner, found = None, []
    try:
        for name in ("idle", "loaded"):
            project = open_project(shutil.copytree(finished.paths.root, tmp_path / name))
            pool, first = project.pool, runs.latest_results(project.paths)
            for k in range(12):
                name_images(project, k, f"cluster {k}", members(project, first, k))
            rows = pool.shown[pool.truth[pool.shown] == 9][:5]
            project.labels.label(pool.items[rows].tolist(), "late", annotator="tester")
            if name == "loaded":
                burner = subprocess.Popen([sys.executable, "-c", "while True: pass"])
            run = start(project, TrainRequest(overrides=PLAIN))
            assert wait(run, seconds=240).state is JobState.FINISHED, jobs.tail(run.log)
            found.append((load_results(run), runs.status(run)))
    finally:
        if burner is not None:
            burner.kill()
            burner.wait()
    (idle, one), (loaded, other) = found
    assert idle.step == loaded.step == pytest.approx(runs.WARM_STEPS, rel=0.1)  # passes have a whole number of steps
    assert one.details["epoch"] == other.details["epoch"]
    np.testing.assert_array_equal(idle.q_y, loaded.q_y)
    np.testing.assert_array_equal(idle.z, loaded.z)
    assert idle.overruled == loaded.overruled


@pytest.mark.slow
def test_names_given_while_it_trains_are_taken_up_and_stay_on_their_images(copied):
    first = runs.latest_results(copied.paths)
    largest = int(np.bincount(load_results(first).q_y[copied.pool.shown].argmax(1)).argmax())
    rows = members(copied, first, largest)
    run = start(copied, TrainRequest(minutes=5))
    wait(run, training)
    name_images(copied, largest, "mine", rows)
    version = copied.labels.version()
    status = wait(run, lambda s: s.details.get("labels_version") == version)
    assert status.alive, jobs.tail(run.log)
    heard = status.details["epoch"]
    wait(run, lambda s: s.details["epoch"] > heard + 2)
    runs.request_stop(run)
    assert wait(run).state is JobState.STOPPED
    results, labels = load_results(run), copied.labels.state(1)
    assert results.labels_version == version
    assert "mine" not in results.owner  # it is no part of what training gives, so that undo takes it back
    assert not runs.unlearned(run)
    owner = results.owners(labels, results.q_y, copied.pool.rows)
    assert (class_probabilities(results.q_y[rows], owner).predicted() == "mine").mean() > 0.95
    copied.labels.undo(annotator="tester")
    assert "mine" not in results.owners(copied.labels.state(1), results.q_y, copied.pool.rows)


@pytest.mark.slow
def test_a_class_that_comes_late_is_learned_and_nothing_else_is_lost(copied):
    first, pool = runs.latest_results(copied.paths), copied.pool
    results, truth = load_results(first), pool.truth[pool.shown]
    component = results.q_y[pool.shown].argmax(1)
    for k in np.unique(component).tolist():
        digit = int(np.bincount(truth[(component == k) & (truth != 9)], minlength=10).argmax())
        name_images(copied, k, str(digit), members(copied, first, k, 200))
    nines = np.random.default_rng(0).permutation(pool.shown[truth == 9])
    copied.labels.label(pool.items[nines[:30]].tolist(), "9", annotator="tester")

    def recall(run):
        results, labels = load_results(run), copied.labels.state(1)
        owner = results.owners(labels, results.q_y, pool.rows)
        predicted = class_probabilities(results.q_y[pool.scored], owner).predicted()
        of = pool.truth[pool.scored]
        return [float((predicted[of == digit] == str(digit)).mean()) for digit in range(10)], owner

    before, owner_before = recall(first)
    assert before[9] == 0
    run = start(copied, TrainRequest())
    assert wait(run, seconds=240).state is JobState.FINISHED, jobs.tail(run.log)
    after, owner = recall(run)
    assert after[9] > 0.8
    assert np.mean(after[:9]) > np.mean(before[:9]) - 0.01
    assert runs.unlearned(run) == ()
    assert len(owner) == 13 or owner.count("9") > owner_before.count("9")
    assert len(owner) == load_results(run).q_y.shape[1] == runs.model_now(run).n_components
    compared = runs.comparison(run)
    assert compared is not None
    assert (compared.run, compared.kept, runs.is_kept(run)) == (first.number, True, True)
    again = start(copied, TrainRequest(epochs=1))  # and the larger model can be gone on from
    assert runs.read_config(again).parent == run.number
    assert wait(again, seconds=240).state is JobState.FINISHED, jobs.tail(again.log)
    assert recall(again)[0][9] > 0.8


def label_late(project):
    """Labels a few images as of a class that nobody spoke of before, though all clusters have names."""
    pool, first = project.pool, runs.latest_results(project.paths)
    for k in range(12):
        name_images(project, k, f"cluster {k}", members(project, first, k))
    rows = pool.shown[pool.truth[pool.shown] == 9][:5]
    project.labels.label(pool.items[rows].tolist(), "late", annotator="tester")


def n_components(run):
    checkpoint = read_checkpoint(run)
    return 0 if checkpoint is None else len(checkpoint.owner)


def trained_on(run, passes=2):
    """Waits until a run that is at work did so many passes more, with what is said by now."""
    version = Setting.of(run).labels.version()
    epoch = wait(run, lambda s: s.details.get("labels_version") == version).details["epoch"]
    assert wait(run, lambda s: s.details["epoch"] > epoch + passes).alive, jobs.tail(run.log)


def stopped(run):
    runs.request_stop(run)
    assert wait(run).state is JobState.STOPPED, jobs.tail(run.log)
    return run


@pytest.mark.slow
def test_a_component_that_was_made_for_a_class_and_closed_is_not_made_once_more_when_the_run_is_continued(copied):
    label_late(copied)
    run = start(copied, TrainRequest(minutes=5))
    trained_on(run)
    copied.labels.edit_component(Kind.DISSOLVE, 1, 12, annotator="tester")
    trained_on(run)
    assert n_components(stopped(run)) == 13
    runs.resume(run)
    trained_on(run)
    assert n_components(stopped(run)) == 13
    after = start(copied, runs.as_before(copied.paths))
    assert runs.read_config(after).goes_on
    trained_on(after)
    assert n_components(stopped(after)) == 13


@pytest.mark.slow
def test_a_component_that_could_not_be_made_is_made_once_it_can_be(copied):
    """Somebody closed a component of that number, of a run that was not gone on from, and takes that back."""
    label_late(copied)
    copied.labels.edit_component(Kind.DISSOLVE, 1, 12, annotator="tester")
    run = start(copied, TrainRequest(minutes=5))
    trained_on(run)
    copied.labels.undo(annotator="tester")
    trained_on(run)
    assert n_components(stopped(run)) == 13
    assert runs.unlearned(run) == ()
