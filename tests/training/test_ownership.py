"""From components to classes: naming, labels and rejections as owners, allowed sets and class probabilities."""

from pathlib import Path

import numpy as np
import pytest

from dgm_engine.discovery.edits import members
from dgm_engine.labels.schema import Edit, Kind
from dgm_engine.labels.store import LabelStore
from dgm_engine.training.ownership import (
    allowed_sets,
    carried_over,
    class_evidence,
    class_probabilities,
    effective_owner,
    give_components,
    held_out_items,
)
from dgm_engine.training.splits import PINNED_PER_HALF, kept_apart

ME = "tester"
ITEMS = [f"i{n}" for n in range(6)]


@pytest.fixture
def store(tmp_path: Path):
    store = LabelStore(tmp_path / "labels.db")
    yield store
    store.close()


def test_a_name_stands_above_what_training_gave_and_undo_brings_that_back(store):
    store.label(["i0"], "boot", annotator=ME)
    store.name_component(1, 0, "shoe", annotator=ME)
    assert effective_owner(("boot", "boot", None), store.state(1)) == ("shoe", "boot", None)
    store.name_component(1, 1, None, annotator=ME)
    assert effective_owner(("boot", "boot", None), store.state(1)) == ("shoe", None, None)
    store.undo(annotator=ME)
    store.undo(annotator=ME)
    assert effective_owner(("boot", "boot", None), store.state(1)) == ("boot", "boot", None)


SPLIT = Edit(1, Kind.SPLIT, 0, 2)
CONTENTS = {1: members(np.arange(100, 200), np.arange(100) < 70)}


def test_images_of_both_halves_of_a_split_are_pinned_in_their_half():
    rows, allowed = kept_apart((SPLIT,), CONTENTS, np.arange(0, 200, 2), 3)
    assert len(rows) == len(set(rows.tolist())) == PINNED_PER_HALF + 15
    assert not (rows % 2).any()  # the others are not trained on
    assert np.array_equal(allowed, np.stack([rows >= 170, rows < 0, rows < 170], axis=1))


@pytest.mark.parametrize(
    ("later", "pinned"),
    [
        (Edit(2, Kind.MERGE, 2, 0), []),
        (Edit(2, Kind.MERGE, 2, 1), [0]),
        (Edit(2, Kind.MERGE, 1, 0), [0, 2]),
        (Edit(2, Kind.DISSOLVE, 0), [2]),
        (Edit(2, Kind.SPLIT, 2, 1), [0]),
        (Edit(2, Kind.SPLIT, 1, 2), [0]),  # where all of its images were labelled away, it counted as free
    ],
    ids=str,
)
def test_a_half_is_pinned_until_a_later_edit_takes_it_apart(later, pinned):
    rows, allowed = kept_apart((SPLIT, later), CONTENTS, np.arange(200), 3)
    assert sorted({*allowed.argmax(1).tolist()}) == pinned
    assert len(rows) == PINNED_PER_HALF * len(pinned)


def test_a_split_of_which_nothing_is_known_pins_nothing():
    rows, allowed = kept_apart((SPLIT,), {}, np.arange(200), 3)
    assert rows.shape == (0,)
    assert allowed.shape == (0, 3)


def test_names_of_another_lineage_do_not_count_and_forgotten_classes_own_nothing(store):
    store.name_component(1, 0, "shoe", annotator=ME)
    assert effective_owner((None, "gone"), store.state(2)) == (None, None)


def test_allowed_sets_say_what_each_label_means(store):
    owner = ("shoe", "shoe", "bag", None, None)
    store.label(["i0"], "shoe", annotator=ME)
    store.reject(["i1"], "shoe", annotator=ME)
    store.none_of_named(["i2"], annotator=ME)
    store.reject(["i3"], "shoe", annotator=ME)
    store.reject(["i3"], "bag", annotator=ME)
    store.skip(["i4"], annotator=ME)
    positions, allowed = allowed_sets(ITEMS, owner, store.state(1))
    assert dict(zip(positions.tolist(), allowed.astype(int).tolist(), strict=True)) == {
        0: [1, 1, 0, 0, 0],
        1: [0, 0, 1, 1, 1],
        2: [0, 0, 0, 1, 1],
        3: [0, 0, 0, 1, 1],
    }


def test_a_closed_component_is_nobodys_and_nothing_may_belong_to_it(store):
    store.label(["i0"], "boot", annotator=ME)
    store.none_of_named(["i1"], annotator=ME)
    store.edit_component(Kind.DISSOLVE, 1, 2, annotator=ME)
    state = store.state(1)
    owner = effective_owner(("boot", None, "boot", None), state)
    assert owner == ("boot", None, None, None)
    positions, allowed = allowed_sets(ITEMS, owner, state)
    assert positions.tolist() == [0, 1]
    assert allowed.tolist() == [[True, False, False, False], [False, True, False, True]]
    positions, _ = allowed_sets(ITEMS, ("boot", "boot", None, "boot"), state)
    assert positions.tolist() == []  # "boot" is all that is open, and "none" leaves nothing
    evidence = {"shoe": np.array([0.0, 0.0, 9.0, 1.0])}
    assert give_components(("boot", "boot", None, None), evidence, named=frozenset({2})) == (
        "boot",
        "boot",
        None,
        "shoe",
    )


def test_an_item_with_nothing_left_to_be_is_treated_as_unknown(store):
    store.none_of_named(["i0"], annotator=ME)
    positions, allowed = allowed_sets(ITEMS, ("shoe", "bag"), store.state(1))
    assert positions.size == 0
    assert allowed.shape == (0, 2)


def test_held_out_labels_stay_the_same(store):
    items = [f"item{n}" for n in range(400)]
    store.label(items, "shoe", annotator=ME)
    held_out = held_out_items(store.state(1), 0.25)
    assert 60 < len(held_out) < 140
    assert held_out_items(store.state(1), 0.25) == held_out
    assert held_out_items(store.state(1), 0.0) == frozenset()


def test_class_probabilities_sum_over_components_and_to_one():
    q_y = np.array([[0.5, 0.2, 0.2, 0.1], [0.1, 0.1, 0.1, 0.7]])
    posterior = class_probabilities(q_y, ("shoe", None, "bag", "shoe"))
    assert posterior.classes == ("bag", "shoe")
    np.testing.assert_allclose(posterior.probability, [[0.2, 0.6], [0.1, 0.8]], rtol=1e-6)
    np.testing.assert_allclose(posterior.p_new, [0.2, 0.1], rtol=1e-6)
    assert class_probabilities(q_y, (None, "shoe", None, None)).predicted().tolist() == ["", ""]


def test_without_names_everything_is_new():
    posterior = class_probabilities(np.full((2, 3), 1 / 3), (None, None, None))
    assert posterior.classes == ()
    np.testing.assert_allclose(posterior.p_new, 1, rtol=1e-6)


def test_a_free_component_goes_to_the_class_of_most_of_its_examples():
    q_y = np.array([[0.9, 0.1, 0.0], [0.8, 0.2, 0.0], [0.3, 0.1, 0.6]])
    evidence = class_evidence(q_y, ["shoe", "shoe", "bag"])
    assert give_components((None, None, None), evidence) == ("shoe", None, "bag")


def test_a_component_in_which_classes_disagree_goes_to_the_one_with_more_examples():
    evidence = {"shoe": np.array([1.0, 0.6, 0.0]), "bag": np.array([0.9, 0.0, 0.4])}
    assert give_components((None, None, None), evidence) == ("shoe", "shoe", "bag")


def test_a_class_that_owns_nothing_gets_the_free_component_that_holds_most_of_it():
    evidence = {"boot": np.array([0.95, 0.01, 0.04])}
    named = frozenset({0})
    assert give_components(("shoe", None, None), evidence, named) == ("shoe", None, "boot")
    assert give_components(("shoe", "bag", "hat"), evidence, named) == ("shoe", "bag", "hat")


def test_strays_and_an_even_spread_give_no_component():
    strays = {"boot": np.array([95.0, 3.0, 2.0, 0.0])}
    assert give_components((None,) * 4, strays) == ("boot", None, None, None)
    untrained = {"boot": np.full(20, 3.0), "shoe": np.full(20, 5.0)}
    owner = give_components((None,) * 20, untrained)
    assert sorted(name for name in owner if name) == ["boot", "shoe"]


def test_what_training_gave_is_kept_until_another_class_has_more_examples_there():
    apart = {"boot": np.array([0.0, 1.0]), "shoe": np.array([1.0, 0.0])}
    assert give_components(("boot", None), apart) == ("shoe", "boot")
    assert give_components(("carried over", None), {"shoe": np.array([1.0, 0.0])}) == ("carried over", "shoe")


def test_an_un_named_component_is_taken_only_when_no_other_is_free():
    evidence = {"boot": np.array([0.0, 0.9, 0.1])}
    assert give_components(("shoe", None, None), evidence, unnamed=frozenset({1})) == ("shoe", None, "boot")
    assert give_components(("shoe", None, "bag"), evidence, unnamed=frozenset({1})) == ("shoe", "boot", "bag")


def test_names_are_carried_over_to_the_components_that_came_out_of_them():
    q_y = np.eye(3)[[0, 0, 0, 1, 1, 2]]
    component = np.array([1, 1, 1, 0, 2, 2])
    assert carried_over(q_y, ("shoe", "bag", None), component, 4) == ("bag", "shoe", None, None)


def test_a_class_without_a_component_takes_one_that_another_class_can_spare():
    evidence = {"a": np.array([5, 5, 0.1]), "b": np.array([1, 0.5, 2]), "c": np.array([0, 0, 4.0])}
    assert give_components((None, None, None), evidence) == ("b", "a", "c")  # c cannot spare its only one
    assert give_components(("a", None, None), evidence, named=frozenset({0})) == ("a", "b", "c")
    assert give_components(("a",), {"b": np.array([0.1])}) == ("a",)


def shared_out(examples, sizes, owner=(None,) * 3, named=frozenset()):
    """The owners of the first three of thirty components, which alone hold examples of bags."""
    rest = np.zeros(27)
    evidence = {"bag": np.concatenate([examples, rest])}
    size = np.concatenate([sizes, rest + 1000])
    return give_components((*owner, *(None,) * 27), evidence, named, size=size)[:3]


def test_a_class_gets_no_large_component_that_holds_few_of_its_examples():
    """2% of the bags are labelled; 8 of 120 lie in a large component of coats, which nobody has labelled."""
    examples, among_coats, pure = [56, 56, 8], [2800, 2800, 2500], [2800, 2800, 400]
    assert shared_out(examples, pure) == ("bag", "bag", "bag")
    assert shared_out(examples, among_coats) == ("bag", "bag", None)


def test_a_class_loses_a_component_that_came_to_hold_few_of_its_examples_but_no_named_one_and_not_its_last():
    examples, among_coats = [56, 56, 8], [2800, 2800, 2500]
    assert shared_out(examples, among_coats, ("bag",) * 3) == ("bag", "bag", None)
    assert shared_out(examples, among_coats, ("bag",) * 3, frozenset({2})) == ("bag",) * 3
    assert give_components(("bag",), {"bag": np.array([1.0])}, size=np.array([9e6])) == ("bag",)


@pytest.mark.parametrize(("others", "owner"), [(0.0, "nine"), (4.0, "nine"), (15.0, "seven")])
def test_what_people_have_seen_to_be_a_class_s_own_stays_so_until_other_labels_outnumber_its_own(others, owner):
    """Suggestions pass a component over that the model is sure of, so that its labels are sparse."""
    evidence = {"nine": np.array([12.0, 5.0, 0.0]), "seven": np.array([0.0, others, 20.0])}
    size = np.array([36, 120, 400])
    found = give_components(("nine", "nine", "seven"), evidence, size=size, seen=True, strays=False)
    assert found == ("nine", owner, "seven")
    assert give_components(("nine", "nine", "seven"), evidence, size=size, strays=False)[1] != "nine"


def test_a_handful_of_examples_is_too_few_to_call_a_component_sparse():
    assert shared_out([2, 1, 0], [300, 500, 1000]) == ("bag", "bag", None)
