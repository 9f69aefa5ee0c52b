"""The label store: what holds after which judgements, and with other writers."""

import threading

import pytest

from dgm_engine.errors import InputError
from dgm_engine.labels.schema import Edit, Kind
from dgm_engine.labels.store import Entry, LabelStore

ANN = "ann"


def test_a_judgement_un_skips_and_skipping_judges_nothing(store):
    store.label(["a"], "shoe", annotator="bob")
    store.skip(["a", "b"], annotator=ANN)
    assert store.state().skipped == {"a", "b"}
    assert store.state().annotators == {"a": "bob"}

    known = store.state().known
    assert known == store.known_at(1) < store.state().version
    store.undo(annotator=ANN)
    store.redo(annotator=ANN)
    assert store.state().known == known

    store.reject(["a"], "shirt", annotator=ANN)

    assert store.state().known == store.state().version
    assert store.state().skipped == {"b"}
    assert store.state().positive == {"a": "shoe"}
    assert store.state().annotators == {"a": ANN}


def test_what_is_undone_leaves_nothing_to_learn(store):
    store.label(["a"], "shoe", annotator=ANN)
    learned = store.version()
    store.label(["b"], "shoe", annotator=ANN)
    store.name_component(1, 2, "boot", annotator=ANN)
    assert store.state().known != store.known_at(learned)
    for _ in range(2):
        store.undo(annotator=ANN)
    assert store.state().known == store.known_at(learned)
    store.undo(annotator=ANN)
    assert store.state().known != store.known_at(learned)
    store.redo(annotator=ANN)
    assert store.state().known == store.known_at(learned)
    store.undo(annotator=ANN)
    store.label(["a"], "shoe", annotator=ANN)
    assert store.state().known != store.known_at(learned)


def test_a_class_has_the_number_of_the_component_that_it_was_first_given_to(store):
    store.label(["a"], "shoe", annotator=ANN)
    store.name_component(1, 7, "boot", annotator=ANN)
    store.name_component(1, 3, "boot", annotator=ANN)
    store.name_component(1, 4, "shoe", annotator=ANN)
    store.label(["a"], "hat", annotator=ANN)
    assert store.state().numbers == {"shoe": 0, "boot": 7, "hat": 2}
    assert store.state().classes == ("shoe", "boot", "hat")
    for _ in range(4):
        store.undo(annotator=ANN)
    assert store.state().numbers == {"shoe": 0}
    for _ in range(2):
        store.redo(annotator=ANN)
    assert store.state().numbers == {"shoe": 0, "boot": 7}


def test_an_item_has_the_event_that_judged_it_last(store):
    first = store.label(["a", "b"], "shoe", annotator=ANN)
    store.skip(["a"], annotator=ANN)
    assert store.state().said == {"a": first, "b": first + 1}
    second = store.reject(["a"], "shoe", annotator=ANN)
    store.clear(["b"], annotator=ANN)
    assert store.state().said == {"a": second}
    for _ in range(2):
        store.undo(annotator=ANN)
    assert store.state().said == {"a": first, "b": first + 1}


def test_saying_a_class_once_more_confirms_it_until_something_else_is_said(store):
    for _ in range(2):
        store.label(["a", "b"], "shoe", annotator=ANN)
    assert store.state().confirmed == {"a", "b"}
    store.reject(["a"], "shirt", annotator=ANN)
    store.skip(["a"], annotator=ANN)
    store.label(["b"], "shirt", annotator=ANN)
    assert store.state().confirmed == {"a"}
    store.undo(annotator=ANN)
    assert store.state().confirmed == {"a", "b"}
    store.clear(["a", "b"], annotator=ANN)
    store.label(["a", "b"], "shoe", annotator=ANN)
    assert store.state().confirmed == set()


def test_undo_and_redo_say_what_they_did_and_are_events(store):
    assert store.undo(annotator=ANN) is None
    assert store.version() == 0
    batch = store.label([f"i{n}" for n in range(1200)], "shoe", annotator=ANN)
    store.name_component(1, 3, "trouser", annotator=ANN)
    store.name_component(1, 3, None, annotator=ANN)
    store.skip(["i7"], annotator=ANN)

    said = [store.undo(annotator="bob") for _ in range(4)]

    assert [result.description for result in said] == [
        "skipping i7",
        "un-naming cluster 3",
        "naming cluster 3 trouser",
        "labelling 1,200 items as shoe",
    ]
    assert said[-1].events == 1200
    last = store.history()[-1]
    assert (last.kind, last.target, last.annotator, last.id) == (Kind.UNDO, batch, "bob", 1207)
    assert store.redo(annotator=ANN) == said[-1]
    assert len(store.state().positive) == 1200


def test_what_is_done_with_clusters_is_said_and_taken_back(store):
    store.name_component(1, 7, "shoe", annotator=ANN)
    merged = store.edit_component(Kind.MERGE, 1, 7, 3, "shoe", annotator=ANN)
    split = store.edit_component(Kind.SPLIT, 1, 2, 7, annotator=ANN)
    store.edit_component(Kind.DISSOLVE, 1, 3, annotator=ANN)
    store.edit_component(Kind.IGNORE, 1, 2, annotator=ANN)
    known = store.state().known
    store.edit_component(Kind.UNIGNORE, 1, 2, annotator=ANN)
    assert store.state().known == known  # there is nothing to learn
    assert store.state(1).closed == {3}
    assert store.state(2).edits == ()

    said = [store.undo(annotator=ANN).description for _ in range(5)]

    assert said == [
        "no longer ignoring cluster 2",
        "ignoring cluster 2",
        "dissolving cluster 3",
        "splitting cluster 2",
        "merging cluster 7 into 3",
    ]
    assert (store.state(1).names, store.state(1).edits) == ({7: "shoe"}, ())
    store.redo(annotator=ANN)
    store.redo(annotator=ANN)
    state = store.state(1)
    assert state.edits == (Edit(merged, Kind.MERGE, 7, 3), Edit(split, Kind.SPLIT, 2, 7))
    assert (state.names, state.closed) == ({3: "shoe"}, frozenset())


def test_a_new_batch_ends_redo(store):
    store.label(["a"], "shoe", annotator=ANN)
    store.undo(annotator=ANN)
    store.label(["b"], "shoe", annotator=ANN)
    assert store.redo(annotator=ANN) is None


def test_one_item_history_has_its_undos_and_only_those(store):
    store.label(["a", "b"], "shoe", annotator=ANN)
    store.undo(annotator=ANN)
    store.label(["b"], "shirt", annotator=ANN)
    store.undo(annotator=ANN)

    assert [(event.kind, event.class_name, event.version) for event in store.history("a")] == [
        (Kind.LABEL, "shoe", 1),
        (Kind.UNDO, None, None),
    ]
    assert [event.version for event in store.history("b") if event.item] == [1, 2]


def test_names_are_stripped_and_bad_ones_refused(store):
    store.label(["a"], "  ankle boot ", annotator=ANN)
    assert store.state().classes == ("ankle boot",)
    for bad in ("", "   ", "x" * 81, "two\nlines", "nul\0", "\ud800", "line\u2028separator"):
        with pytest.raises(InputError, match="class name"):
            store.label(["a"], bad, annotator=ANN)
    with pytest.raises(InputError, match="annotator name"):
        store.label(["a"], "shoe", annotator=" ")
    with pytest.raises(InputError, match="at least one item"):
        store.label([], "shoe", annotator=ANN)
    with pytest.raises(InputError, match="need a class"):
        store.record([Entry(Kind.LABEL, "a")], annotator=ANN)
    assert store.version() == 1


def test_an_item_given_twice_or_as_one_string_counts_once(store):
    store.label(["a", "a"], "shoe", annotator=ANN)
    store.label("item", "shoe", annotator=ANN)
    assert [event.item for event in store.history()] == ["a", "item"]


def test_two_stores_on_one_file_see_each_other(store, path):
    other = LabelStore(path)
    store.label(["a"], "shoe", annotator=ANN)
    assert other.version() == 1
    assert other.state().positive == {"a": "shoe"}
    other.label(["a"], "shirt", annotator="bob")
    assert store.state().positive == {"a": "shirt"}
    assert store.undo(annotator=ANN).description == "labelling a as shirt"
    assert other.state().positive == {"a": "shoe"}
    other.close()


def test_state_is_the_same_object_until_somebody_writes(store):
    store.label(["a"], "shoe", annotator=ANN)
    before = store.state(1)
    assert store.state(1) is before
    store.label(["b"], "shoe", annotator=ANN)
    assert store.state(1) is not before
    assert before.positive == {"a": "shoe"}


def test_threads_lose_nothing_and_never_see_half_a_batch(store):
    errors, sizes = [], set()

    def write(thread):
        try:
            for n in range(6):
                store.label([f"{thread}/{n}/{item}" for item in range(10)], f"class {thread}", annotator=f"t{thread}")
                sizes.add(len(store.state().positive) % 10)
                store.undo(annotator=f"t{thread}")
                store.redo(annotator=f"t{thread}")
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert errors == []
    assert sizes == {0}
    history = store.history()
    assert [event.id for event in history] == list(range(1, len(history) + 1))
    assert sum(event.item is not None for event in history) == 4 * 6 * 10
    assert store.state() == store.state_at(store.version())


def test_sixty_thousand_items_are_one_step(store):
    store.label([f"train/{n:05d}" for n in range(60_000)], "shoe", annotator=ANN)
    assert len(store.state().positive) == 60_000
    assert store.undo(annotator=ANN).events == 60_000
    assert store.version() == 60_001
    assert store.state().positive == {}
