"""Training again: how much work it is, at which rate, and what it keeps of names and classes."""

import shutil
import subprocess
import sys

import numpy as np
import pytest

from dgm_engine import jobs, machine
from dgm_engine.jobs import JobState
from dgm_engine.labels.schema import Kind
from dgm_engine.training import fitting, planning, run_results, runs, worker
from dgm_engine.training.checkpoint import read_checkpoint
from dgm_engine.training.ownership import class_probabilities
from dgm_engine.training.planning import TrainRequest
from dgm_engine.training.results import load_results
from dgm_engine.training.setting import Setting
from dgm_engine.training.worker import Worker
from tests.training.processes import PLAIN, members, name_images, start, stop_at, training, wait


def test_where_saving_takes_longer_than_the_time_that_was_given_one_step_is_taken(copied):
    run = planning.create_run(copied.paths, copied.pool, TrainRequest(minutes=0.001))
    worker = Worker(Setting.of(run))
    worker.saving = 60.0
    worker.work()
    assert runs.status(run).state is JobState.FINISHED
    assert load_results(run).step == 1


def test_live_maps_and_first_results_take_nothing_of_the_time_that_was_given(copied, monkeypatch):
    run = planning.create_run(copied.paths, copied.pool, TrainRequest(minutes=1, epochs=2))
    monkeypatch.setattr(worker, "FIRST_RESULTS_SECONDS", 0.0)
    made = (run.live_map, run.results)
    monkeypatch.setattr(machine, "work_clock", lambda _: lambda: 1000.0 * sum(path.exists() for path in made))
    Worker(Setting.of(run)).work()
    assert all(path.exists() for path in made)
    status = runs.status(run)
    assert (status.details["epoch"], status.details["work"]) == (2, 0)


def test_a_run_that_goes_on_from_a_finished_one_learns_at_the_rate_of_a_retrain(copied):
    before, moved = load_results(run_results.latest_results(copied.paths)), {}
    for rate in (1e-6, 1.0):
        overrides = {**PLAIN, "retrain_rate": rate}
        run = planning.create_run(copied.paths, copied.pool, TrainRequest(epochs=2, overrides=overrides))
        Worker(Setting.of(run)).work()
        moved[rate] = np.abs(load_results(run).z - before.z).max()
        shutil.rmtree(run.root)
    assert moved[1e-6] < 1e-3
    assert moved[1.0] > 0.01


def test_a_retrain_that_was_stopped_is_continued_at_its_own_rate(copied):
    before = load_results(run_results.latest_results(copied.paths))
    request = TrainRequest(epochs=2, overrides={**PLAIN, "retrain_rate": 1e-6})
    run = planning.create_run(copied.paths, copied.pool, request)
    stop_at(run, 3)
    assert run_results.unfinished(run)
    after = planning.create_run(copied.paths, copied.pool, planning.as_before(copied.paths))
    assert runs.read_config(after).goes_on
    Worker(Setting.of(after)).work()
    assert load_results(after).step > load_results(run).step
    assert np.abs(load_results(after).z - before.z).max() < 1e-3


def test_a_fresh_run_learns_at_the_full_rate(few):
    trained = []
    for rate in (1.0, 1e-6):  # the second one finds a finished run that it could have gone on from
        request = TrainRequest(epochs=1, fresh=True, n_components=8, overrides={**PLAIN, "retrain_rate": rate})
        run = planning.create_run(few.paths, few.pool, request)
        Worker(Setting.of(run)).work()
        trained.append(load_results(run).z)
    np.testing.assert_array_equal(*trained)


@pytest.mark.parametrize(("limit", "saved"), [(10_000, 2), (100, 1)])
def test_a_warm_run_shows_early_answers_of_a_pile_that_is_not_too_large(copied, monkeypatch, limit, saved):
    steps = []
    monkeypatch.setattr(worker, "MAX_ITEMS_FIRST_RESULTS", limit)
    monkeypatch.setattr(worker, "FIRST_RESULTS_SECONDS", 0.0)
    monkeypatch.setattr(worker, "save_results", lambda run, results: steps.append(results.step))
    run = planning.create_run(copied.paths, copied.pool, TrainRequest(epochs=5))
    Worker(Setting.of(run)).work()
    assert len(steps) == saved


@pytest.mark.slow
def test_a_loaded_machine_gives_the_same_model(finished, tmp_path):
    """A retrain is so much work and not so much time; names and a class that gets a component of its own are in it."""
    from dgm_engine.services.projects import open_project

    burner, found = None, []
    try:
        for name in ("idle", "loaded"):
            project = open_project(shutil.copytree(finished.paths.root, tmp_path / name))
            pool, first = project.pool, run_results.latest_results(project.paths)
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
    assert (
        idle.step == loaded.step == pytest.approx(planning.RETRAIN_STEPS, rel=0.1)
    )  # passes have a whole number of steps
    assert one.details["epoch"] == other.details["epoch"]
    np.testing.assert_array_equal(idle.q_y, loaded.q_y)
    np.testing.assert_array_equal(idle.z, loaded.z)
    assert idle.overruled == loaded.overruled


@pytest.mark.slow
def test_names_given_while_it_trains_are_taken_up_and_stay_on_their_images(copied):
    first = run_results.latest_results(copied.paths)
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
    assert not run_results.unlearned(run)
    owner = results.owners(labels, results.q_y, copied.pool.rows)
    assert (class_probabilities(results.q_y[rows], owner).predicted() == "mine").mean() > 0.95
    copied.labels.undo(annotator="tester")
    assert "mine" not in results.owners(copied.labels.state(1), results.q_y, copied.pool.rows)


@pytest.mark.slow
def test_a_class_that_comes_late_is_learned_and_nothing_else_is_lost(copied):
    first, pool = run_results.latest_results(copied.paths), copied.pool
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
    assert run_results.unlearned(run) == ()
    assert len(owner) == 13 or owner.count("9") > owner_before.count("9")
    assert len(owner) == load_results(run).q_y.shape[1] == run_results.model_now(run).n_components
    compared = run_results.comparison(run)
    assert compared is not None
    assert (compared.run, compared.kept, run_results.is_kept(run)) == (first.number, True, True)
    again = start(copied, TrainRequest(epochs=1))  # and the larger model can be gone on from
    assert runs.read_config(again).parent == run.number
    assert wait(again, seconds=240).state is JobState.FINISHED, jobs.tail(again.log)
    assert recall(again)[0][9] > 0.8


def test_a_name_that_comes_to_lie_in_a_component_while_it_trains_leaves_it_to_the_class_of_its_labels(
    copied, monkeypatch
):
    first = run_results.latest_results(copied.paths)
    name_images(copied, 0, "named", members(copied, first, 0))
    copied.labels.label(copied.pool.items[members(copied, first, 3, 13)].tolist(), "labelled", annotator="tester")
    Worker(Setting.of(planning.create_run(copied.paths, copied.pool, TrainRequest(epochs=1)))).work()
    before = load_results(run_results.latest_results(copied.paths))
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
    run = planning.create_run(copied.paths, copied.pool, TrainRequest(epochs=1))
    Worker(Setting.of(run)).work()
    assert len(asked) > 1
    assert load_results(run).overruled[3].class_name == "labelled"


def label_late(project):
    """Labels a few images as of a class that nobody spoke of before, though all clusters have names."""
    pool, first = project.pool, run_results.latest_results(project.paths)
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
    after = start(copied, planning.as_before(copied.paths))
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
    assert run_results.unlearned(run) == ()
