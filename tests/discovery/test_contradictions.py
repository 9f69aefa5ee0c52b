"""Which labels are suspected, and what is said of them."""

from collections import Counter

import numpy as np
import pytest

from dgm_engine.discovery.contradictions import MIN_NEIGHBOUR_SHARE, contradicted
from dgm_engine.errors import InputError


def test_each_reason_and_the_order():
    label = np.array(["a", "a", "a", "a", "b"])
    predicted = np.array(["a", "b", "b", "", "b"])
    certainty = np.array([0.99, 0.7, 0.97, 0.9, 0.6])
    nearest = np.array(
        [["b", "b", "c", "a"], ["a", "a", "a", "a"], ["b", "b", "b", "b"], ["", "", "", ""], ["b", "a", "c", "d"]]
    )
    found = contradicted(label, predicted, certainty, nearest)
    assert [(c.row, c.expected, c.reason) for c in found] == [
        (2, "b", "The model says b (97% sure); 4 of its 4 nearest images count as b"),
        (1, "b", "The model says b (70% sure)"),
        (0, "b", "2 of its 4 nearest images count as b"),
    ]
    assert [c.score for c in found] == pytest.approx([1.97, 0.7, 0.5])


def test_the_surer_of_two_contradictions_says_what_is_expected():
    nearest = np.array([["c", "c", "c", "a"]])
    [sure] = contradicted(np.array(["a"]), np.array(["b"]), np.array([0.9]), nearest)
    [unsure] = contradicted(np.array(["a"]), np.array(["b"]), np.array([0.6]), nearest)
    assert (sure.expected, unsure.expected) == ("b", "c")


def test_against_counting_one_by_one():
    rng = np.random.default_rng(0)
    names = np.array(["", "a", "b", "c"])
    label, nearest = names[rng.integers(1, 4, 300)], names[rng.integers(0, 4, (300, 5))]
    found = {c.row: c for c in contradicted(label, label, np.ones(300), nearest)}
    for row in range(300):
        others = Counter(str(name) for name in nearest[row] if name not in ("", label[row]))
        most = max(others.values(), default=0)
        assert (row in found) == (most / 5 >= MIN_NEIGHBOUR_SHARE)
        if row in found:
            assert others[found[row].expected] == most


def test_without_neighbours_the_model_speaks_alone_and_without_labels_nobody():
    none = np.zeros((2, 0), dtype=str)
    found = contradicted(np.array(["a", "b"]), np.array(["a", "a"]), np.array([0.9, 0.8]), none)
    assert [(c.row, c.expected, c.reason) for c in found] == [(1, "a", "The model says a (80% sure)")]
    assert contradicted(*[np.array([])] * 3, np.zeros((0, 10), dtype=str)) == []


def test_arrays_that_do_not_belong_together_are_refused():
    with pytest.raises(InputError, match="one row, for each label"):
        contradicted(np.array(["a"]), np.array(["a"]), np.array([1.0]), np.array(["a"]))
