"""Accuracies against ground truth, and agreement with later labels."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from dgm_engine.data.sources import SourceRequest
from dgm_engine.errors import StateError
from dgm_engine.services import evaluating, labelling, projects
from dgm_engine.services.projects import Project
from dgm_engine.services.snapshot import take
from dgm_engine.training.results import load_results, save_results
from tests.fabricated import fabricate_comparison, fabricate_run, made_up_components

N_TEST, N_WRONG = 360, 18  # 18 of the rows 1437 to 1796 are divisible by 20


def test_nothing_to_evaluate_before_training(project: Project):
    with pytest.raises(StateError, match="train it first"):
        evaluating.evaluate(take(project))


def test_unnamed_clusters_have_the_figures_that_need_no_names(trained: Project):
    scores = evaluating.evaluate(take(trained))
    component, truth = made_up_components(trained)[1437:], trained.pool.truth[1437:]
    nines = [int(((component == k) & (truth == 9)).sum()) for k in (9, 10)]
    one_to_one = (N_TEST - N_WRONG - min(nines)) / N_TEST
    assert (scores.split, scores.n, scores.components_used) == ("test", N_TEST, 11)
    assert scores.accuracy_cluster_and_label == pytest.approx(1 - N_WRONG / N_TEST)
    assert scores.accuracy_hungarian == pytest.approx(one_to_one)
    assert scores.accuracy_named is None
    assert (scores.all, scores.old, scores.new) == (pytest.approx(one_to_one), None, pytest.approx(one_to_one))
    assert (scores.per_class, scores.old_classes) == ((), ())
    assert scores.confusion is not None
    assert "cluster 10" in scores.confusion.predicted
    assert scores.confusion.counts.sum() == N_TEST


def test_names_that_ground_truth_does_not_know_say_nothing_of_how_right_they_are(trained: Project):
    labelling.name_component(trained, 4, "four", "ann")
    scores = evaluating.evaluate(take(trained))
    assert (scores.accuracy_named, scores.per_class, scores.old_classes) == (None, (), ())
    labelling.name_component(trained, 3, "3", "ann")
    assert evaluating.evaluate(take(trained)).accuracy_named == pytest.approx(0.1, abs=0.03)


def test_named_accuracy_counts_new_as_wrong_and_merges_clusters_of_a_class(trained: Project):
    for component, name in ((0, "0"), (1, "1"), (9, "9"), (10, "9")):
        labelling.name_component(trained, component, name, "ann")
    scores = evaluating.evaluate(take(trained))
    component, truth = made_up_components(trained)[1437:], trained.pool.truth[1437:]
    merged = np.where(component == 10, 9, component)
    named = np.isin(merged, [0, 1, 9])
    assert scores.accuracy_named == pytest.approx(float(((merged == truth) & named).mean()))
    assert scores.all == pytest.approx(1 - N_WRONG / N_TEST)
    is_old = np.isin(truth, [0, 1, 9])
    assert scores.old == pytest.approx(float((merged == truth)[is_old].mean()))
    assert scores.new == pytest.approx(float((merged == truth)[~is_old].mean()))
    assert scores.old_classes == ("0", "1", "9")
    figures = {f.class_name: f for f in scores.per_class}
    assert figures["9"].recall == pytest.approx(float((merged == 9)[truth == 9].mean()))
    assert figures["9"].precision == pytest.approx(float((truth == 9)[merged == 9].mean()))
    assert figures["5"].recall == 0


def test_the_matrix_counts_the_classes_that_are_predicted_and_not_the_most_probable_clusters(trained: Project):
    run, truth = trained.paths.run(1), trained.pool.truth
    results = load_results(run)
    q_y = np.array(results.q_y)
    q_y[truth == 9] = 0
    q_y[np.ix_(truth == 9, [9, 10, 11])] = [0.3, 0.3, 0.4]  # more for nine than for the cluster that has no name
    q_y[truth == 5] = 0
    q_y[np.ix_(truth == 5, [9, 5, 6])] = [0.4, 0.35, 0.25]  # the likeliest cluster has a name, and more speaks for none
    save_results(run, replace(results, q_y=q_y))
    for component, name in ((9, "9"), (10, "9")):
        labelling.name_component(trained, component, name, "ann")
    scores = evaluating.evaluate(take(trained))
    confusion, n = scores.confusion, np.bincount(truth[trained.pool.split == "test"], minlength=10)
    assert confusion is not None
    counts = dict(zip(confusion.predicted, confusion.counts[confusion.truth.index("9")].tolist(), strict=True))
    assert counts["9"] == n[9]
    assert confusion.counts[confusion.truth.index("5"), confusion.predicted.index("cluster 5")] == n[5]
    recalls = {one.class_name: one.recall for one in scores.per_class}
    assert (recalls["9"], recalls["5"]) == (1, 0)


def test_a_label_alone_makes_a_class_old(trained: Project):
    labelling.label_items(trained, ["train/00004"], "4", "ann")
    scores = evaluating.evaluate(take(trained))
    assert scores.old_classes == ("4",)
    assert scores.accuracy_named is None


def test_names_mean_the_true_class_whatever_their_case(tmp_path: Path):
    x = np.random.default_rng(0).integers(0, 255, (40, 8, 8), dtype=np.uint8)
    np.savez(tmp_path / "x.npz", x=x, y=np.array(["Trouser", "a", "A", ""] * 10))
    opened = projects.create_project(tmp_path / "p", SourceRequest(str(tmp_path / "x.npz"))).project
    fabricate_run(opened, 1)
    classes = opened.pool.classes
    for component, name in ((classes.index("Trouser"), "trouser"), (classes.index("a"), "a")):
        labelling.name_component(opened, component, name, "ann")
    scores = evaluating.evaluate(take(opened))
    assert (scores.split, scores.n) == ("all", 30)
    assert set(scores.old_classes) == {"Trouser", "a"}
    recall = {f.class_name: f.recall for f in scores.per_class}
    assert recall["Trouser"] == pytest.approx(0.8)  # rows 0, 20 of 0, 4, ..., 36 are wrong
    assert recall["a"] == pytest.approx(1)
    assert recall["A"] == 0


def test_without_truth_only_agreement_is_left(tmp_path: Path):
    np.save(tmp_path / "x.npy", np.random.default_rng(0).integers(0, 255, (40, 8, 8), dtype=np.uint8))
    opened = projects.create_project(tmp_path / "p", SourceRequest(str(tmp_path / "x.npy"))).project
    opened.pool.truth[:] = 0
    fabricate_run(opened, 1)
    opened.pool.truth[:] = -1
    labelling.name_component(opened, 0, "zero", "ann")
    labelling.label_items(opened, ["00001", "00002", "00020"], "zero", "ann")
    scores = evaluating.evaluate(take(opened))
    assert scores.n == 0
    figures = (scores.accuracy_cluster_and_label, scores.accuracy_named, scores.accuracy_hungarian)
    assert figures == (scores.all, scores.old, scores.new) == (None, None, None)
    assert (scores.confusion, scores.components_used) == (None, 2)
    assert [(a.run, a.n, a.agreement) for a in scores.held_out_agreement] == [(1, 3, pytest.approx(2 / 3))]


def test_agreement_counts_labels_that_the_run_never_saw(trained: Project):
    labelling.name_component(trained, 1, "one", "ann")
    labelling.label_items(trained, ["train/00001", "train/00011", "train/00002"], "one", "ann")  # truth 1, 1, 2
    labelling.label_items(trained, ["train/00005"], "five", "ann")
    fabricate_run(trained, 2)
    labelling.label_items(trained, ["train/00021"], "one", "ann")  # truth 1
    labelling.label_items(trained, ["train/00001"], "one", "bob")  # known to run 2
    labelling.label_items(trained, ["train/00003"], "one", "bob")
    labelling.undo(trained, "bob")
    first, second = evaluating.held_out_agreement(take(trained))
    assert (first.run, first.n, first.agreement, first.n_unknown) == (1, 3, pytest.approx(2 / 3), 1)
    assert (second.run, second.n, second.agreement, second.n_unknown) == (2, 1, 1.0, 0)


def test_the_history_is_read_no_more_often_for_more_runs(trained: Project):
    reads: list[str] = []

    def note(_connection, _cursor, statement, *_rest) -> None:
        reads.extend([statement] if "images" in statement and statement.startswith("SELECT") else [])

    def counted() -> int:
        reads.clear()
        assert len(evaluating.held_out_agreement(take(trained))) == len(trained.paths.run_numbers())
        return len(reads)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        few = counted()
        for n in (2, 3, 4, 5):
            labelling.label_items(trained, [f"train/{n:05d}"], "one", "ann")
            fabricate_run(trained, n)
        assert 0 < counted() <= few
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def test_a_run_that_is_gone_leaves_the_agreement_of_those_that_went_on_from_it(trained: Project):
    trained.labels.label(["train/00001"], "1", annotator="ann")
    fabricate_run(trained, 2)
    fabricate_run(trained, 3)
    shutil.rmtree(trained.paths.run(2).root)
    assert [one.run for one in evaluating.held_out_agreement(take(trained))] == [1, 3]


def test_a_run_that_is_not_looked_at_is_in_the_agreement_as_soon_as_it_has_results(trained: Project):
    seen = take(trained, 1)
    assert [one.run for one in evaluating.evaluate(seen).held_out_agreement] == [1]
    fabricate_comparison(fabricate_run(trained, 2), 0.9, 0.3)  # turned down
    assert take(trained) is seen
    assert [one.run for one in evaluating.evaluate(seen).held_out_agreement] == [1, 2]
