"""The training worker as a real process: results, labels and names taken up, failure."""

import json
import os
import shutil
import signal

import numpy as np
import pytest

from dgm_engine import jobs
from dgm_engine.config import Preset
from dgm_engine.errors import InputError
from dgm_engine.jobs import JobState
from dgm_engine.training import planning, run_results, runs
from dgm_engine.training.checkpoint import load_model
from dgm_engine.training.ownership import class_probabilities, effective_owner
from dgm_engine.training.planning import TrainRequest
from dgm_engine.training.results import load_live_map, load_results
from tests.training.processes import members, name_images, start, train_here, training, wait


def test_a_run_leaves_results_curves_a_live_map_and_a_model(finished):
    run = run_results.latest_results(finished.paths)
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
        run = planning.create_run(copied.paths, copied.pool, TrainRequest(**settings))
        return runs.read_config(run).model.extractor

    assert seen() == "hog"
    assert seen(overrides={"extractor": None}) is None
    assert seen(preset=Preset.PAPER) is None
    assert list(copied.paths.images.glob("edges-*.npy"))


def test_a_warm_run_learns_labels_names_and_rejections(copied):
    first = run_results.latest_results(copied.paths)
    results, pool = load_results(first), copied.pool
    component = results.q_y.argmax(1)
    rows = pool.shown[pool.truth[pool.shown] == 0][:25]
    wrong = int(np.bincount(component[pool.shown[pool.truth[pool.shown] == 1]], minlength=12).argmax())
    copied.labels.label(pool.items[rows].tolist(), "zero", annotator="tester")
    copied.labels.name_component(first.number, wrong, "one", annotator="tester")
    run = train_here(copied, TrainRequest(epochs=15))
    assert runs.read_config(run).parent == first.number
    assert runs.read_config(run).lineage == first.number
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
    status = wait(run, lambda _: run_results.has_results(run))
    assert status.alive, jobs.tail(run.log)
    assert run_results.latest_results(copied.paths) == run
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
    first = run_results.latest_results(copied.paths)
    copied.labels.name_component(first.number, 5, "shoe", annotator="tester")
    copied.labels.name_component(first.number, 3, "shoe", annotator="tester")
    run = train_here(copied, TrainRequest(epochs=1))
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


def test_a_lost_parent_is_told_with_the_remedy(copied):
    first = run_results.latest_results(copied.paths)
    shutil.rmtree(first.checkpoints)
    run = start(copied, TrainRequest(epochs=1))
    status = wait(run)
    assert status.state is JobState.FAILED
    assert "start again from scratch" in status.error


def test_a_fresh_run_carries_names_over_from_the_clusters_they_stood_for(copied):
    first = run_results.latest_results(copied.paths)
    results, pool = load_results(first), copied.pool
    component, truth = results.q_y[pool.shown].argmax(1), pool.truth[pool.shown]
    for k in range(12):
        digit = int(np.bincount(truth[component == k], minlength=10).argmax())
        copied.labels.name_component(first.number, k, f"digit {digit}", annotator="tester")
    run = train_here(copied, TrainRequest(epochs=2, fresh=True, n_components=12, seed=1))
    assert runs.read_config(run).lineage == run.number
    assert sum(name is not None for name in load_results(run).owner) >= 8


@pytest.mark.parametrize("by_number", [True, False])
def test_names_are_carried_over_to_a_run_without_a_clustering_start_too(copied, by_number):
    first = run_results.latest_results(copied.paths)
    for k in range(12):
        name_images(copied, k, "a digit", [] if by_number else members(copied, first, k))
    run = train_here(copied, TrainRequest(preset=Preset.PAPER, epochs=1))
    results = load_results(run)
    assert runs.read_config(run).parent is None
    used = np.unique(results.q_y[copied.pool.shown].argmax(1))
    owner = results.owners(copied.labels.state(run.number), results.q_y, copied.pool.rows)
    assert {owner[k] for k in used} == {"a digit"}


def test_from_scratch_is_the_remedy_where_the_results_before_are_damaged(copied, capsys):
    damaged = run_results.latest_results(copied.paths)
    for path in damaged.arrays.glob("q_y-*.npy"):
        path.write_bytes(path.read_bytes()[:-40])
    run = train_here(copied, TrainRequest(epochs=1, fresh=True, n_components=8))
    assert "No names are carried over" in capsys.readouterr().err
    assert load_results(run).q_y.shape[1] == 8


def test_a_pile_of_fewer_images_than_the_usual_clusters_is_clustered_all_the_same(tmp_path):
    from dgm_engine.data.sources import SourceRequest
    from dgm_engine.services.projects import create_project

    few = create_project(tmp_path / "few", SourceRequest("digits", limit=12)).project
    run = train_here(few, TrainRequest(epochs=1))
    assert runs.read_config(run).model.n_components == len(few.pool.shown) == 12


def test_a_failure_is_told_in_one_line(copied):
    run = planning.create_run(copied.paths, copied.pool, TrainRequest(epochs=1))
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
        planning.create_run(copied.paths, copied.pool, TrainRequest(n_components=5000))


def test_another_shape_starts_fresh(copied):
    first = run_results.latest_results(copied.paths)
    config = runs.read_config(planning.create_run(copied.paths, copied.pool, TrainRequest(n_components=9)))
    assert config.parent is None
    assert config.lineage != runs.read_config(first).lineage


def test_names_of_images_hold_in_a_fresh_run_until_they_are_taken_back(copied):
    """Two clusters have the same name, and only one of them is to lose it."""
    first, pool = run_results.latest_results(copied.paths), copied.pool
    one, other = (members(copied, first, k) for k in (3, 5))
    name_images(copied, 3, "mine", one)
    name_images(copied, 5, "mine", other)
    run = train_here(copied, TrainRequest(epochs=2, fresh=True, n_components=10, seed=1))
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
    run = train_here(project, TrainRequest(preset=Preset.PAPER, n_components=12, epochs=1))
    used = {*load_results(run).q_y[project.pool.shown].argmax(1).tolist()}
    assert 0 < len(used) < 12
    assert run_results.unlearned(run) == tuple(f"class {k}" for k in range(12) if k not in used)
