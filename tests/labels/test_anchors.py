"""Names that belong to images, and the run in use, in the label store."""

import pytest

from dgm_engine.labels.schema import Anchored, Kind, images_as_text, images_from_text
from dgm_engine.labels.state import Anchor
from dgm_engine.labels.store import LabelStore

ANN = "ann"


@pytest.fixture
def store(tmp_path):
    store = LabelStore(tmp_path / "labels.db")
    yield store
    store.close()


def images(*items, sure=0.5):
    return [Anchored(item, sure) for item in items]


def said(store, lineage=1):
    """Item to the name that it has."""
    return {item: anchor.class_name for item, anchor in store.state(lineage).anchors.items()}


def test_of_an_image_that_was_named_twice_the_last_name_holds(store):
    first = store.name_component(1, 0, "cat", images("a", "b"), annotator=ANN)
    second = store.name_component(1, 1, "dog", images("b", "c", sure=1.0), annotator=ANN)
    assert store.state(1).anchors == {
        "a": Anchor("cat", 0.5, first, 2),
        "b": Anchor("dog", 1.0, second, 2),
        "c": Anchor("dog", 1.0, second, 2),
    }
    assert store.state(1).names == {0: "cat", 1: "dog"}
    assert store.state(1).anchored == {0, 1}
    assert store.state(1).known == second
    store.undo(annotator=ANN)
    assert store.state(1).anchors == {"a": Anchor("cat", 0.5, first, 2), "b": Anchor("cat", 0.5, first, 2)}
    store.redo(annotator=ANN)
    assert said(store) == {"a": "cat", "b": "dog", "c": "dog"}


def test_taking_a_name_away_leaves_its_images_without_one_on_purpose(store):
    store.name_component(1, 0, "cat", images("a", "b"), annotator=ANN)
    store.name_component(1, 0, None, images("b", "c"), annotator=ANN)
    assert said(store) == {"a": "cat", "b": "", "c": ""}
    assert store.state(1).names == {0: None}
    assert store.state(1).classes == ("cat",)  # of one image, still
    store.name_component(1, 0, None, images("a"), annotator=ANN)
    assert store.state(1).classes == ()
    for _ in range(2):
        store.undo(annotator=ANN)
    assert said(store) == {"a": "cat", "b": "cat"}


def test_the_name_that_a_merge_leaves_is_that_of_its_images(store):
    store.name_component(1, 0, "cat", images("a", "b"), annotator=ANN)
    store.name_component(1, 1, "dog", images("c"), annotator=ANN)
    event = store.edit_component(Kind.MERGE, 1, 0, 1, "dog", images("a", "b", sure=0.25), annotator=ANN)
    assert store.state(1).anchors["a"] == Anchor("dog", 0.25, event, 2)
    assert said(store) == {"a": "dog", "b": "dog", "c": "dog"}
    assert (store.state(1).names, store.state(1).anchored) == ({1: "dog"}, {1})
    store.undo(annotator=ANN)
    assert said(store) == {"a": "cat", "b": "cat", "c": "dog"}
    assert store.state(1).anchored == {0, 1}


def test_of_images_that_had_left_a_cluster_before_its_name_was_changed_nothing_is_left_of_the_name(store):
    store.name_component(1, 3, "kat", images(*"abcdefgh"), annotator=ANN)
    store.name_component(1, 3, "cat", images(*"abcdefg"), annotator=ANN)  # "h" is elsewhere by now
    assert said(store) == dict.fromkeys("abcdefg", "cat")
    assert store.state(1).classes == ("cat",)
    store.undo(annotator=ANN)
    assert said(store) == dict.fromkeys("abcdefgh", "kat")


def test_of_a_name_whose_images_are_in_two_clusters_the_other_one_keeps_it(store):
    store.name_component(1, 3, "cat", images(*"abcdefgh"), annotator=ANN)
    store.name_component(1, 3, "dog", images(*"abcde"), annotator=ANN)
    assert said(store) == {**dict.fromkeys("abcde", "dog"), **dict.fromkeys("fgh", "cat")}


def test_what_splits_took_from_a_name_does_not_make_a_remnant_of_the_rest_and_what_other_names_took_does(store):
    store.name_component(1, 3, "cat", images(*"abcdefghijkl"), annotator=ANN)
    for taken in ("abcdef", "ghi", "j"):
        store.edit_component(Kind.SPLIT, 1, 3, 5, None, images(*taken), annotator=ANN)
        store.name_component(1, 5, "dog", images(*taken), annotator=ANN)
    assert said(store) == {**dict.fromkeys("abcdefghij", "dog"), "k": "cat", "l": "cat"}
    store.name_component(1, 3, "cow", images("k"), annotator=ANN)
    assert said(store)["l"] == "cat"  # half of what it had
    for _ in range(5):
        store.undo(annotator=ANN)
    assert said(store) == {**dict.fromkeys("abcdef", "dog"), **dict.fromkeys("ghijkl", "cat")}
    store.name_component(1, 3, "cow", images(*"ghijk"), annotator=ANN)
    assert "cat" not in said(store).values()


@pytest.mark.parametrize(("kind", "other"), [(Kind.DISSOLVE, None), (Kind.MERGE, 5)])
def test_of_images_that_had_left_a_cluster_before_it_was_closed_nothing_is_left_of_its_name(store, kind, other):
    """Otherwise training would make a component for a class that a person did away with."""
    store.name_component(1, 3, "cat", images(*"abcdefgh"), annotator=ANN)
    store.edit_component(kind, 1, 3, other, None, images(*"abcdefg"), annotator=ANN)
    assert said(store) == {}
    assert store.state(1).classes == ()


@pytest.mark.parametrize(("kind", "other"), [(Kind.SPLIT, 5), (Kind.DISSOLVE, None), (Kind.MERGE, 5)])
def test_an_edit_that_leaves_no_name_takes_it_from_its_images(store, kind, other):
    store.name_component(1, 0, "cat", images("a", "b", "c"), annotator=ANN)
    store.edit_component(kind, 1, 0, other, None, images("b", "d"), annotator=ANN)
    assert said(store) == {"a": "cat", "c": "cat"}
    assert store.state(1).classes == ("cat",)
    assert store.state(1).anchored == ({0} if kind is Kind.SPLIT else frozenset())
    store.undo(annotator=ANN)
    assert said(store) == {"a": "cat", "b": "cat", "c": "cat"}
    store.redo(annotator=ANN)
    assert said(store) == {"a": "cat", "c": "cat"}


def test_a_class_is_in_use_while_an_image_has_its_name_whatever_its_number_has(store):
    store.name_component(1, 0, "cat", images("a"), annotator=ANN)
    store.name_component(1, 0, "dog", images("b"), annotator=ANN)
    assert store.state().classes == ("cat", "dog")
    store.name_component(1, 3, "cow", images("a"), annotator=ANN)
    assert store.state().classes == ("dog", "cow")
    store.name_component(1, 4, "owl", annotator=ANN)  # of a number
    store.name_component(1, 4, "emu", annotator=ANN)
    assert store.state().classes == ("dog", "cow", "emu")
    store.name_component(1, 4, "ape", images("c"), annotator=ANN)
    assert store.state(1).anchored == {0, 3, 4}
    store.name_component(1, 4, "ape", annotator=ANN)
    assert store.state(1).anchored == {0, 3}
    assert store.state().numbers["cow"] == 3
    store.name_component(1, 5, "gnu", images("b"), annotator=ANN)
    assert store.state(1).names[0] == "dog"  # of no image any more
    assert store.state().classes == ("cow", "ape", "gnu")


def test_images_keep_their_name_in_a_lineage_whose_clusters_are_others(store):
    store.name_component(1, 0, "cat", images("a", "c"), annotator=ANN)
    store.name_component(2, 0, "dog", images("a", "b"), annotator=ANN)
    store.edit_component(Kind.DISSOLVE, 2, 0, images=images("b"), annotator=ANN)
    for lineage in (1, 2, 3, None):
        assert said(store, lineage) == {"a": "dog", "c": "cat"}
    assert [store.state(lineage).names for lineage in (1, 2, 3, None)] == [{0: "cat"}, {}, {}, {}]
    assert [store.state(lineage).anchored for lineage in (1, 2, 3)] == [{0}, frozenset(), frozenset()]
    assert [len(store.state(lineage).edits) for lineage in (1, 2, 3)] == [0, 1, 0]
    assert store.state(3).classes == ("cat", "dog")
    for _ in range(2):
        store.undo(annotator=ANN)
    assert said(store, 3) == {"a": "cat", "c": "cat"}


def test_images_come_back_from_the_table_as_they_were(store, tmp_path):
    named = images("train/00001", 'quote"d, ünïcode 猫', sure=0.123)
    store.name_component(1, 0, "cat", named, annotator=ANN)
    store.label(["a"], "cat", annotator=ANN)
    other = LabelStore(tmp_path / "labels.db")
    assert [event.images for event in other.history()] == [tuple(named), ()]
    assert other.state(1) == store.state(1)
    assert other.state_at(1, 1).anchors == store.state(1).anchors
    other.close()
    assert images_from_text(images_as_text(named)) == tuple(named)
    assert images_as_text(()) is None
    assert images_from_text(None) == ()
