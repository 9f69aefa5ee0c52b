"""Accuracies against references by brute force."""

from itertools import permutations

import numpy as np
import pytest
from scipy.stats import binom

from dgm_engine.discovery.metrics import (
    AllOldNew,
    ClassFigures,
    accuracy_cluster_and_label,
    accuracy_hungarian,
    accuracy_named,
    all_old_new,
    confusion_matrix,
    per_class,
    proportion,
)
from dgm_engine.errors import InputError


def best_matching(group: np.ndarray, truth: np.ndarray) -> tuple[float, dict[int, int]]:
    """The best one-to-one map from groups to classes, by trying them all; spare groups match nothing."""
    groups, classes = np.unique(group).tolist(), np.unique(truth).tolist()
    classes += [-1 - i for i in range(len(groups))]
    best = max(
        permutations(classes, len(groups)),
        key=lambda p: sum(np.sum((group == g) & (truth == c)) for g, c in zip(groups, p, strict=True)),
    )
    mapping = dict(zip(groups, best, strict=True))
    return float(np.mean([mapping[g] == t for g, t in zip(group.tolist(), truth.tolist(), strict=True)])), mapping


@pytest.mark.parametrize(("n_components", "n_classes"), [(3, 3), (5, 3), (2, 4)])
@pytest.mark.parametrize("seed", range(5))
def test_hungarian_and_majority_agree_with_trying_everything(n_components, n_classes, seed):
    rng = np.random.default_rng(seed)
    truth = rng.integers(n_classes, size=40)
    component = np.where(rng.random(40) < 0.6, truth % n_components, rng.integers(n_components, size=40))
    assert accuracy_hungarian(component, truth) == pytest.approx(best_matching(component, truth)[0])
    majority = sum(np.bincount(truth[component == k]).max() for k in np.unique(component)) / 40
    assert accuracy_cluster_and_label(component, truth) == pytest.approx(majority)


def test_components_without_a_match_are_wrong_one_to_one_but_not_many_to_one():
    truth = np.array([0, 0, 0, 0, 1, 1])
    component = np.array([7, 7, 7, 3, 5, 5])  # class 0 is split over components 7 and 3
    assert accuracy_cluster_and_label(component, truth) == 1
    assert accuracy_hungarian(component, truth) == pytest.approx(5 / 6)


def test_the_majority_is_that_of_the_items_scored():
    assert accuracy_cluster_and_label(np.array([0, 0, 0]), np.array([2, 2, 1])) == pytest.approx(2 / 3)
    assert accuracy_cluster_and_label(np.array([0]), np.array([1])) == 1


def test_named_accuracy_counts_new_as_wrong():
    truth = np.array(["shoe", "boot", "bag", ""])
    assert accuracy_named(np.array(["shoe", "bag", "", ""]), truth) == pytest.approx(1 / 4)


@pytest.mark.parametrize("seed", range(5))
def test_all_old_new_uses_one_matching_over_everything(seed):
    rng = np.random.default_rng(seed)
    truth = rng.integers(4, size=60)
    group = np.where(rng.random(60) < 0.5, truth, rng.integers(4, size=60))
    old = np.array([True, True, False, False])
    mapping = best_matching(group, truth)[1]
    right = np.array([mapping[g] == t for g, t in zip(group.tolist(), truth.tolist(), strict=True)])
    found = all_old_new(group, truth, old)
    assert found.all == pytest.approx(right.mean())
    assert found.old == pytest.approx(right[truth < 2].mean())
    assert found.new == pytest.approx(right[truth >= 2].mean())


def test_a_group_that_serves_an_old_class_cannot_serve_a_new_one_too():
    truth = np.array([0, 0, 0, 1, 1])
    assert all_old_new(np.zeros(5, dtype=int), truth, [True, False]) == AllOldNew(3 / 5, 1.0, 0.0)


def test_empty_subsets_have_no_accuracy():
    assert all_old_new(np.array([0, 1]), np.array([0, 1]), [True, True]) == AllOldNew(1.0, 1.0, None)
    assert all_old_new(np.array([], dtype=int), np.array([], dtype=int), []) == AllOldNew(None, None, None)


def test_confusion_has_every_name_with_the_true_ones_first_and_new_last():
    truth = np.array(["boot", "boot", "shoe", "bag"])
    predicted = np.array(["boot", "", "sandal", "boot"])
    confusion = confusion_matrix(truth, predicted)
    assert confusion.truth == ("bag", "boot", "shoe")
    assert confusion.predicted == ("bag", "boot", "shoe", "sandal", "")
    assert confusion.counts.tolist() == [[0, 1, 0, 0, 0], [0, 1, 0, 0, 1], [0, 0, 0, 1, 0]]


def test_figures_of_each_class():
    truth = np.array(["boot", "boot", "shoe", "bag"])
    predicted = np.array(["boot", "", "sandal", "boot"])
    assert per_class(truth, predicted) == [
        ClassFigures("bag", 0.0, 0.0, 0.0, 1),
        ClassFigures("boot", 0.5, 0.5, 0.5, 2),
        ClassFigures("shoe", 0.0, 0.0, 0.0, 1),
    ]


@pytest.mark.parametrize(("right", "n"), [(0, 10), (37, 40), (40, 40), (1, 2)])
def test_each_end_of_an_interval_makes_what_was_seen_a_matter_of_two_and_a_half_percent(right, n):
    found = proportion(right, n)
    assert found.share == right / n
    assert found.low == 0 if right == 0 else binom.sf(right - 1, n, found.low) == pytest.approx(0.025)
    assert found.high == 1 if right == n else binom.cdf(right, n, found.high) == pytest.approx(0.025)


def test_of_no_items_every_share_is_possible():
    found = proportion(0, 0)
    assert (found.share, found.low, found.high) == (None, 0, 1)


@pytest.mark.parametrize("score", [accuracy_cluster_and_label, accuracy_hungarian, accuracy_named, confusion_matrix])
def test_bad_input_is_refused_in_one_line(score):
    with pytest.raises(InputError, match="no item with known truth"):
        score(np.array([]), np.array([]))
    with pytest.raises(InputError, match="give one of each for every scored item"):
        score(np.zeros(2), np.zeros(3))


def test_unknown_truth_is_refused():
    with pytest.raises(InputError, match="true classes run from -1 to 0"):
        all_old_new(np.array([0, 0]), np.array([-1, 0]), [True])
