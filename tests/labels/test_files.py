"""The label store's file: schemas of before, collisions, locks, and what cannot be read."""

import sqlite3

import pytest
from sqlalchemy import Engine
from sqlalchemy import event as hooks
from sqlalchemy.exc import IntegrityError

from dgm_engine.errors import ConflictError, CorruptError, InputError, StateError
from dgm_engine.labels.schema import Anchored, Kind
from dgm_engine.labels.store import LabelStore

ANN = "ann"


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
