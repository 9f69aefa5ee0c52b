"""Scores of a run, with and without labels, against Evaluate and the paper's definition."""

import numpy as np
import pytest

from dgm_engine.errors import InputError
from dgm_engine.reproduction.results import MEASURES
from dgm_engine.reproduction.scores import score
from dgm_engine.services import evaluating, labelling, table_runs
from dgm_engine.services.latest import latest_run, results_of
from dgm_engine.services.projects import Project
from dgm_engine.services.snapshot import take


def test_scores_agree_with_evaluate_and_with_the_papers_definition(trained: Project):
    """Digits 0 to 4 unlabelled, components 5 and 6 named."""
    for component in (5, 6):
        labelling.name_component(trained, component, str(component), "tester")
    pool, results = trained.pool, results_of(latest_run(trained))
    owner = tuple(str(k) if k in (5, 6) else None for k in range(12))
    scores = score(pool, results.q_y, owner, (5, 6))
    known = evaluating.evaluate(take(trained))
    expected = {
        "overall": known.accuracy_cluster_and_label,
        "named": known.accuracy_named,
        "hungarian": known.accuracy_hungarian,
        "all": known.all,
        "old": known.old,
        "new": known.new,
    }
    assert {name: scores.measures[name] for name in expected} == pytest.approx(expected)
    assert scores.components_used == known.components_used
    component, truth = results.q_y[pool.scored].argmax(1), pool.truth[pool.scored]
    right = np.array([np.bincount(truth[component == k]).argmax() for k in component]) == truth
    labelled = np.isin(truth, (5, 6))
    assert scores.measures["semi_sup"] == pytest.approx(right[labelled].mean())
    assert scores.measures["un_sup"] == pytest.approx(right[~labelled].mean())
    assert np.sum(scores.confusion["counts"]) == len(pool.scored)


def test_without_labels_there_is_no_figure_for_them(trained: Project):
    scores = score(trained.pool, results_of(latest_run(trained)).q_y, (None,) * 12, ())
    assert [name for name in MEASURES if scores.measures[name] is None] == ["semi_sup", "un_sup", "named", "old"]
    assert scores.measures["new"] == scores.measures["all"] == scores.measures["hungarian"]


def test_a_classifier_finds_nothing_new(trained: Project):
    """It calls everything 5 or 6, and every 1 a 5: matched freely, that would count as finding the ones."""
    pool = trained.pool
    said = np.where(pool.truth == 1, 0, 1)
    scores = score(pool, np.eye(2)[said], ("5", "6"), (5, 6), classifier=True)
    share = {digit: np.mean(pool.truth[pool.scored] == digit) for digit in (5, 6)}
    assert scores.measures["new"] == 0
    assert scores.measures["old"] == pytest.approx(share[6] / (share[5] + share[6]))
    assert scores.measures["all"] == scores.measures["named"] == pytest.approx(share[6])
    assert score(pool, np.eye(2)[said], ("5", "6"), (5, 6)).measures["new"] > 0


def test_labels_are_drawn_by_seed_from_training_images(project: Project):
    pool = project.pool
    first, again, other = (table_runs.labelled_rows(pool, (5, 7), 20, seed) for seed in (0, 0, 1))
    assert first == again != other
    assert np.bincount(pool.truth[first]).tolist() == [0] * 5 + [20, 0, 20]
    assert set(first) <= set(pool.shown.tolist())
    assert len(set(first)) == 40
    with pytest.raises(InputError, match=r"500 labels per class .* '5' has .* --labels"):
        table_runs.labelled_rows(pool, (5,), 500, 0)
