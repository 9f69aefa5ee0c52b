"""The label store: what holds after which judgements, and what survives errors and other writers."""

import random
import sqlite3
import threading
from dataclasses import dataclass, field

import pytest
from sqlalchemy import Engine
from sqlalchemy import event as hooks
from sqlalchemy.exc import IntegrityError

from dgm_engine.errors import ConflictError, CorruptError, InputError, StateError
from dgm_engine.labels.schema import Anchored, Edit, Kind
from dgm_engine.labels.state import component_mass
from dgm_engine.labels.store import Entry, LabelStore

ANN = "ann"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "labels.db"


@pytest.fixture
def store(path):
    store = LabelStore(path)
    yield store
    store.close()


@dataclass
class Reference:
    """Keeps every call and works out what holds from scratch, by the rules in words."""

    done: list = field(default_factory=list)
    undone: list = field(default_factory=list)

    def do(self, operation, *arguments):
        self.done.append((operation, *arguments))
        self.undone = []

    def undo(self):
        if self.done:
            self.undone.append(self.done.pop())

    def redo(self):
        if self.undone:
            self.done.append(self.undone.pop())

    def state(self, lineage):
        positive, rejected, none, skipped, seen = {}, {}, set(), set(), []
        confirmed = set()
        for operation, *arguments in self.done:
            if operation in CLASS_AT:  # for `clusters`
                seen.append(arguments[CLASS_AT[operation]])
                continue
            if operation == "use_run":
                continue
            items, *name = arguments
            for item in items:
                if operation == "skip":
                    skipped.add(item)
                    continue
                skipped.discard(item)
                if operation == "label":
                    (confirmed.add if positive.get(item) == name[0] else confirmed.discard)(item)
                    positive[item] = name[0]
                    rejected.setdefault(item, set()).discard(name[0])
                    none.discard(item)
                    seen.append(name[0])
                elif operation == "reject":
                    rejected.setdefault(item, set()).add(name[0])
                    if positive.get(item) == name[0]:
                        del positive[item]
                elif operation == "none_of_named":
                    none.add(item)
                    positive.pop(item, None)
                else:
                    positive.pop(item, None)
                    rejected.pop(item, None)
                    none.discard(item)
        names, anchors, anchored, edits, ignored = self.clusters()
        by_number = {name for key, name in names.items() if key not in anchored}
        used = {*positive.values(), *by_number, *(name for name, _ in anchors.values())}
        uses = [tuple(arguments) for operation, *arguments in self.done if operation == "use_run"]
        return {
            "positive": positive,
            "rejected": {item: frozenset(classes) for item, classes in rejected.items() if classes},
            "none_of_named": none,
            "skipped": skipped,
            "confirmed": confirmed & positive.keys(),
            "names": {component: name for (run, component), name in names.items() if run == lineage},
            "anchors": anchors,
            "anchored": {component for run, component in anchored if run == lineage},
            "use": uses[-1] if uses else None,
            "edits": [tuple(edit) for run, *edit in edits if run == lineage],
            "ignored": {component for run, component in ignored if run == lineage},
            "classes": tuple(name for name in dict.fromkeys(seen) if name is not None and name in used),
        }

    def clusters(self):
        """What was done with clusters of any lineage: names, names of images, whose names are, edits, the ignored."""
        names, anchors, anchored, edits, ignored = {}, {}, set(), [], set()
        for operation, *arguments in self.done:
            if operation == "name_component":
                run, component, name, images = arguments
                names[run, component] = name
                (anchored.add if images else anchored.discard)((run, component))
                anchors |= {item: (name or "", sure) for item, sure in images}
            elif operation == "edit_component":
                do_edit(edits, ignored, names, anchors, anchored, *arguments)
        return names, anchors, anchored, edits, ignored


CLASS_AT = {"name_component": 2, "edit_component": 4}
"""Where the class stands among the arguments."""


def do_edit(edits, ignored, names, anchors, anchored, kind, run, component, other, name, images):
    """What one thing done with a cluster changes, in words: see `Reference`."""
    if kind in (Kind.IGNORE, Kind.UNIGNORE):
        (ignored.add if kind == Kind.IGNORE else ignored.discard)((run, component))
        return
    edits.append((run, kind, component, other))
    anew = other if kind == Kind.SPLIT else component  # it holds no images any more, or others
    names.pop((run, anew), None)
    ignored.discard((run, anew))
    anchored.discard((run, anew))
    if name is not None:
        names[run, other] = name
        (anchored.add if images else anchored.discard)((run, other))
    for item, sure in images:  # they have the name that the edit leaves, or none any more
        anchors.pop(item, None)
        if name is not None:
            anchors[item] = name, sure


def test_a_component_stands_for_what_was_merged_into_it_and_halves_share():
    merge, split = Edit(1, Kind.MERGE, 1, 0), Edit(2, Kind.SPLIT, 0, 1)
    assert component_mass((), 3) == (1, 1, 1)
    assert component_mass((merge,), 3) == (2, 0, 1)
    assert component_mass((merge, split), 3) == (1, 1, 1)
    assert component_mass((merge, Edit(2, Kind.MERGE, 0, 2)), 3) == (0, 0, 3)
    assert component_mass((Edit(1, Kind.DISSOLVE, 1, None),), 3) == (1, 0, 1)
    assert component_mass((Edit(1, Kind.DISSOLVE, 1, None), split), 3) == (0.5, 0.5, 1)


def as_dict(state):
    fields = ("positive", "rejected", "none_of_named", "skipped", "confirmed", "names", "ignored", "classes", "use")
    edits = [(edit.kind, edit.component, edit.other) for edit in state.edits]
    anchors = {item: (anchor.class_name, anchor.sure) for item, anchor in state.anchors.items()}
    shown = {name: getattr(state, name) for name in (*fields, "anchored")}
    return {**shown, "edits": edits, "anchors": anchors}


def random_call(rng, items, classes):
    """A judgement of the store's interface and its arguments."""
    said = ["label", "label", "reject", "none_of_named", "clear", "skip", "name_component", "name_component", "edit"]
    operation = rng.choice([*said, "use_run"])
    if operation == "use_run":
        return operation, rng.randint(1, 3), rng.randint(1, 3)
    some = rng.sample(items, rng.randint(1, 4))
    images = [Anchored(item, rng.choice([0.25, 0.5, 1.0])) for item in some] if rng.random() < 0.7 else []
    if operation == "name_component":
        return operation, rng.randint(1, 2), rng.randrange(3), rng.choice([*classes, None]), images
    if operation == "edit":
        kind = rng.choice([Kind.SPLIT, Kind.MERGE, Kind.DISSOLVE, Kind.IGNORE, Kind.UNIGNORE])
        other = rng.randrange(3) if kind in (Kind.SPLIT, Kind.MERGE) else None
        name = rng.choice([*classes, None]) if kind == Kind.MERGE else None
        images = [] if kind in (Kind.IGNORE, Kind.UNIGNORE) else images
        return "edit_component", kind, rng.randint(1, 2), rng.randrange(3), other, name, images
    return (operation, some, rng.choice(classes)) if operation in ("label", "reject") else (operation, some)


def run_against_reference(store, seed, steps=50):
    """Random judgements, undos and redos; compares after each with the reference. Returns all (version, state)."""
    rng, reference, seen = random.Random(seed), Reference(), []
    for _ in range(steps):
        move = rng.random()
        if move < 0.25:
            reference.undo()
            store.undo(annotator=ANN)
        elif move < 0.4:
            reference.redo()
            store.redo(annotator=ANN)
        else:
            operation, *arguments = random_call(rng, [f"i{n}" for n in range(6)], ["a", "b", "c", "d"])
            reference.do(operation, *arguments)
            getattr(store, operation)(*arguments, annotator=ANN)
        for lineage in (None, 1, 2):
            assert as_dict(store.state(lineage)) == reference.state(lineage)
        seen.append((store.version(), reference.state(1)))
    return seen


@pytest.mark.parametrize("seed", range(6))
def test_state_equals_the_reference_after_every_step(store, path, seed):
    seen = run_against_reference(store, seed)

    other = LabelStore(path)
    for lineage in (None, 1, 2):
        assert other.state(lineage) == store.state(lineage)
    for version, expected in seen[::7]:
        assert as_dict(other.state_at(version, 1)) == expected
    versions = [version for version, _ in reversed(seen[::5])]
    assert [as_dict(state) for state in other.states_at(versions, 1)] == [expected for _, expected in seen[::5]]
    other.close()


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


ADDED = {1: ("other", "images", "run", "newest"), 2: ("images", "run", "newest")}
"""The columns that a schema does not have yet."""


def make_old(path, schema=1):
    """Brings a store back to an earlier schema that has all that was said."""
    with sqlite3.connect(path) as raw:
        for column in ADDED[schema]:
            raw.execute(f"ALTER TABLE events DROP COLUMN {column}")
        raw.execute("UPDATE store SET schema_version = ?", (schema,))
    raw.close()


def test_names_of_a_store_of_schema_2_are_of_numbers_and_new_ones_of_images(store, path):
    store.name_component(1, 7, "shoe", annotator=ANN)
    store.edit_component(Kind.MERGE, 1, 7, 3, "shoe", annotator=ANN)
    before, history = store.state(1), store.history()
    store.close()
    make_old(path, 2)
    opened, other = LabelStore(path), LabelStore(path)
    assert opened.state(1) == before
    assert opened.history() == history
    assert (before.names, before.anchors, before.anchored, before.use) == ({3: "shoe"}, {}, frozenset(), None)
    event = opened.name_component(1, 5, "boot", [Anchored("a", 0.5)], annotator=ANN)
    opened.use_run(2, 4, annotator=ANN)
    assert other.state(1).anchors == {"a": ("boot", 0.5, event, 1)}
    assert other.state(1).use == (2, 4)
    assert other.undo(annotator=ANN).description == "choosing run 2"
    opened.close()
    other.close()


def test_a_store_of_the_schema_before_is_brought_up_to_date(store, path):
    store.name_component(1, 7, "shoe", annotator=ANN)
    store.label(["a", "b"], "shoe", annotator=ANN)
    before, history = store.state(1), store.history()
    store.close()
    make_old(path)
    opened, other = LabelStore(path), LabelStore(path)
    assert opened.state(1) == before
    assert opened.history() == history
    opened.edit_component(Kind.MERGE, 1, 7, 3, annotator=ANN)
    assert other.state(1).closed == {7}
    assert other.undo(annotator=ANN).description == "merging cluster 7 into 3"
    assert opened.state(1).names == before.names
    opened.close()
    other.close()


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


def test_item_versions_are_unique_in_the_file(store, path):
    store.label(["a"], "shoe", annotator=ANN)
    with sqlite3.connect(path) as raw, pytest.raises(sqlite3.IntegrityError, match=r"item, events\.version"):
        raw.execute(
            "INSERT INTO events SELECT 2, 2, time, annotator, kind, item, class, 0, 0, version, "
            "NULL, NULL, NULL, NULL, NULL FROM events"
        )
    raw.close()


def test_a_batch_that_collides_twice_leaves_nothing_behind(store, path):
    store.label(["a"], "shoe", annotator=ANN)
    raw = sqlite3.connect(path)
    raw.execute(
        "CREATE TRIGGER clash BEFORE INSERT ON events WHEN new.item = 'bad' BEGIN SELECT RAISE(ABORT, 'clash'); END"
    )
    with pytest.raises(ConflictError, match="repeat"):
        store.label(["b", "c", "bad", "d"], "shoe", annotator=ANN)
    assert store.version() == 1
    assert store.state().positive == {"a": "shoe"}
    raw.execute("DROP TRIGGER clash")
    raw.close()
    assert store.label(["bad"], "shoe", annotator=ANN) == 2


def test_one_collision_is_tried_again(store):
    clashes = []

    def clash_once(connection, cursor, statement, parameters, context, many):
        if statement.startswith("INSERT INTO events") and not clashes:
            clashes.append(statement)
            raise IntegrityError(statement, None, Exception("clash"))

    hooks.listen(Engine, "before_cursor_execute", clash_once)
    try:
        store.label(["a"], "shoe", annotator=ANN)
    finally:
        hooks.remove(Engine, "before_cursor_execute", clash_once)
    assert len(clashes) == 1
    assert [event.id for event in store.history()] == [1]


def test_a_lock_that_stays_is_reported(store, path, monkeypatch):
    monkeypatch.setattr("dgm_engine.labels.store.BUSY_SECONDS", 0.1)
    raw = sqlite3.connect(path, isolation_level=None)
    raw.execute("BEGIN IMMEDIATE")
    hasty = LabelStore(path)
    with pytest.raises(StateError, match="database is locked"):
        hasty.label(["a"], "shoe", annotator=ANN)
    assert hasty.version() == 0
    raw.execute("ROLLBACK")
    raw.close()
    assert hasty.label(["a"], "shoe", annotator=ANN) == 1
    hasty.close()


def test_the_journal_is_one_that_no_sqlite_loses_commits_with(tmp_path):
    path = tmp_path / "labels.db"
    raw = sqlite3.connect(path)
    assert raw.execute("PRAGMA journal_mode=WAL").fetchone() == ("wal",)
    raw.execute("CREATE TABLE other (x)")
    raw.close()
    store = LabelStore(path)
    store.label(["a"], "shoe", annotator=ANN)
    raw = sqlite3.connect(path)
    assert raw.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    raw.close()
    store.close()
    with pytest.raises(StateError, match="journal_mode"):
        LabelStore("sqlite://")


def test_what_cannot_be_opened_is_explained(tmp_path):
    with pytest.raises(InputError, match="give a path or a SQLAlchemy URL"):
        LabelStore("labels.db")
    with pytest.raises(InputError, match="give a path or a SQLAlchemy URL"):
        LabelStore("nonsense://host/db")
    with pytest.raises(StateError, match="unable to open"):
        LabelStore(tmp_path / "missing" / "labels.db")
    (tmp_path / "text.db").write_text("not a database, but longer than nothing" * 100)
    with pytest.raises(CorruptError, match=r"text\.db.*restore"):
        LabelStore(tmp_path / "text.db")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("UPDATE store SET schema_version = 99", "schema 99"),
        ("UPDATE events SET kind = 'magic'", "'magic'"),
        ("UPDATE events SET class = NULL", "restore"),
        ("UPDATE events SET kind = 'undo', target = 7", "not next"),
        ("UPDATE events SET item = NULL, lineage = 1, component = 0", "of a cluster"),
    ],
)
def test_a_store_that_makes_no_sense_is_reported(store, path, change, message):
    store.label(["a"], "shoe", annotator=ANN)
    with sqlite3.connect(path) as raw:
        raw.execute(change)
    raw.close()
    with pytest.raises(CorruptError, match=message):
        LabelStore(path).state()


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
