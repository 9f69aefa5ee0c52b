"""The label store: people's judgements as an append-only log in a database.

Nothing is ever changed or deleted; undo and redo are events too. A batch is everything that one call writes: it appears
whole or not at all, and is one undo step. Any number of threads, `LabelStore` objects and processes may use one store.
"""

import threading
import weakref
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import (
    DDL,
    URL,
    ColumnElement,
    Connection,
    Engine,
    create_engine,
    func,
    insert,
    inspect,
    make_url,
    or_,
    select,
    true,
    update,
)
from sqlalchemy import (
    event as hooks,
)
from sqlalchemy.exc import ArgumentError, DatabaseError, IntegrityError, NoSuchModuleError, OperationalError

from dgm_engine.errors import ConflictError, CorruptError, InputError, StateError
from dgm_engine.labels.schema import (
    SCHEMA_VERSION,
    Anchored,
    Event,
    Kind,
    clean_name,
    events,
    images_as_text,
    images_from_text,
    metadata,
    store,
)
from dgm_engine.labels.state import Fold, LabelState

BUSY_SECONDS = 30
"""Seconds that a writer waits for its turn before it gives up."""

_ITEMS_PER_QUERY = 10_000  # below every database's limit of parameters
_WRITE_OPTION = "dgm_write"  # the execution option of a transaction that writes

T = TypeVar("T")


class Entry(NamedTuple):
    """One judgement to write; an empty annotator stands for that of `LabelStore.record`."""

    kind: Kind
    item: str | None = None
    class_name: str | None = None
    annotator: str = ""
    lineage: int | None = None
    component: int | None = None
    target: int | None = None
    other: int | None = None
    images: tuple[Anchored, ...] = ()
    run: int | None = None
    newest: int | None = None


@dataclass(frozen=True)
class UndoResult:
    """What an undo or a redo did: words that follow "Undid" or "Redid", and the number of events in the batch."""

    description: str
    events: int


class LabelStore:
    """People's judgements of items and their names for components.

    All methods that write judgements raise the errors of `label`.

    Args:
        where: the path of a SQLite file, created if it does not exist, or any SQLAlchemy URL.

    Raises:
        InputError: it is neither a path nor a URL of a database whose driver is installed.
        StateError: the file or database cannot be opened now.
        CorruptError: the file or database is not a label store of this program.
    """

    def __init__(self, where: Path | str) -> None:
        self._engine = _engine(where)
        weakref.finalize(self, self._engine.dispose)  # Python 3.13 warns of connections left open
        self._name = self._engine.url.database if self._engine.dialect.name == "sqlite" else str(self._engine.url)
        self._fold = Fold()
        self._states: dict[int | None, LabelState] = {}
        self._reading = threading.Lock()  # guards the fold and the states
        self._writing = threading.Lock()  # this object's writers queue here, not in the database
        self._open()

    def close(self) -> None:
        """Closes the file or the connections; the next call opens them again."""
        self._engine.dispose()

    def label(self, items: Iterable[str], class_name: str, *, annotator: str) -> int:
        """Says that the items belong to the class; writes one batch, as all judgements do, and returns its id.

        Raises:
            InputError: there is no item, or a name is not valid.
            ConflictError: others wrote about the same items at the same moment, twice.
            StateError: the database was locked for `BUSY_SECONDS` or cannot be written.
        """
        return self._judge(Kind.LABEL, items, class_name, annotator)

    def reject(self, items: Iterable[str], class_name: str, *, annotator: str) -> int:
        """Says that the items do not belong to the class."""
        return self._judge(Kind.REJECT, items, class_name, annotator)

    def none_of_named(self, items: Iterable[str], *, annotator: str) -> int:
        """Says that the items belong to none of the classes named so far."""
        return self._judge(Kind.NONE_OF_NAMED, items, None, annotator)

    def clear(self, items: Iterable[str], *, annotator: str) -> int:
        """Removes all judgements of the items."""
        return self._judge(Kind.CLEAR, items, None, annotator)

    def skip(self, items: Iterable[str], *, annotator: str) -> int:
        """Marks the items as skipped: they are not suggested again until somebody judges them."""
        return self._judge(Kind.SKIP, items, None, annotator)

    def name_component(
        self,
        lineage: int,
        component: int,
        class_name: str | None,
        images: Iterable[Anchored] = (),
        *,
        annotator: str,
    ) -> int:
        """Says that the class owns the component of the lineage; None un-names it on purpose.

        With `images` the name belongs to them, wherever the model moves them; without, it belongs to the number.
        """
        entry = Entry(Kind.NAME, None, class_name, "", int(lineage), int(component), images=tuple(images))
        return self.record([entry], annotator=annotator)

    def use_run(self, run: int, newest: int, *, annotator: str) -> int:
        """Chooses the run whose results are shown; `newest` is the newest run at this time."""
        return self.record([Entry(Kind.USE, run=int(run), newest=int(newest))], annotator=annotator)

    def edit_component(  # noqa: PLR0913 - one for each part of the event
        self,
        kind: Kind,
        lineage: int,
        component: int,
        other: int | None = None,
        class_name: str | None = None,
        images: Iterable[Anchored] = (),
        *,
        annotator: str,
    ) -> int:
        """Splits, merges, dissolves, ignores or un-ignores a component of the lineage; for the arguments see `Event`.

        The caller must check that the component allows it.
        """
        entry = Entry(kind, None, class_name, "", int(lineage), int(component), None, other, tuple(images))
        return self.record([entry], annotator=annotator)

    def record(self, entries: Sequence[Entry], *, annotator: str) -> int:
        """Writes judgements of several kinds as one batch and returns its id; errors as for `label`."""
        if not entries:
            raise InputError("there is nothing to record; give at least one item")
        if any(entry.class_name is None and entry.kind in (Kind.LABEL, Kind.REJECT) for entry in entries):
            raise InputError("a label and a rejection need a class; give its name")
        annotator = clean_name(annotator, "annotator")
        names = {name: clean_name(name) for name in {entry.class_name for entry in entries} if name is not None}
        cleaned = [
            entry._replace(
                class_name=None if entry.class_name is None else names[entry.class_name],
                annotator=clean_name(entry.annotator, "annotator") if entry.annotator else annotator,
            )
            for entry in entries
        ]
        return self._write(lambda connection: _append(connection, cleaned))

    def undo(self, *, annotator: str, own: bool = False) -> UndoResult | None:
        """Takes back the last batch that is not undone, of any annotator; returns None if there is none.

        Raises:
            ConflictError: `own` is set and the batch is another annotator's.
        """
        return self._step(Kind.UNDO, annotator, own=own)

    def redo(self, *, annotator: str) -> UndoResult | None:
        """Brings back the batch undone last; returns None if none was undone since the last judgement."""
        return self._step(Kind.REDO, annotator)

    def version(self) -> int:
        """The id of the last event, 0 if there is none. Cheap."""
        with self._begin() as connection:
            return _last_id(connection)

    def state(self, lineage: int | None = None) -> LabelState:
        """The current state, the same object until somebody writes; for the lineage see `LabelState`."""
        with self._reading:
            with self._begin() as connection:
                self._catch_up(connection)
            state = self._states.get(lineage)
            if state is None or state.version != self._fold.version:
                state = self._states[lineage] = self._fold.state(lineage)
            return state

    def state_at(self, version: int, lineage: int | None = None) -> LabelState:
        """The state right after event `version`; reads the whole history up to it."""
        return next(self.states_at([version], lineage))

    def states_at(self, versions: Iterable[int], lineage: int | None = None) -> Iterator[LabelState]:
        """The states right after each of several events, ascending; reads the history once for all of them."""
        ascending = sorted(versions)
        history = deque(self._events(events.c.id <= ascending[-1]) if ascending else ())
        fold = Fold()
        for version in ascending:
            while history and history[0].id <= version:
                fold.add(history.popleft())
            yield fold.state(lineage)

    def known_at(self, version: int) -> int:
        """`LabelState.known` right after event `version`; equals the current one if there is nothing new to learn."""
        with self._reading:
            with self._begin() as connection:
                self._catch_up(connection)
            return self._fold.known_at(version)

    def history(self, item: str | None = None) -> list[Event]:
        """All events, oldest first; for one item, its events and the undos and redos of their batches."""
        if item is None:
            return self._events(true())
        batches = select(events.c.batch).where(events.c.item == item)
        return self._events(or_(events.c.item == item, events.c.target.in_(batches)))

    def _events(self, which: ColumnElement[bool]) -> list[Event]:
        with self._begin() as connection:
            return list(_read(connection, which))

    def _judge(self, kind: Kind, items: Iterable[str], class_name: str | None, annotator: str) -> int:
        unique = dict.fromkeys([items] if isinstance(items, str) else items)
        return self.record([Entry(kind, str(item), class_name) for item in unique], annotator=annotator)

    def _step(self, kind: Kind, annotator: str, *, own: bool = False) -> UndoResult | None:
        annotator = clean_name(annotator, "annotator")

        def step(connection: Connection) -> UndoResult | None:
            with self._reading:
                self._catch_up(connection)
                stack = self._fold.done if kind == Kind.UNDO else self._fold.undone
                if not stack:
                    return None
                top = stack[-1]
            if own and top.first.annotator != annotator:
                raise ConflictError(
                    f"the last step was {top.description}, by {top.first.annotator}, who alone can undo it; "
                    "say what is right instead"
                )
            _append(connection, [Entry(kind, annotator=annotator, target=top.first.batch)])
            return UndoResult(top.description, top.events)

        return self._write(step)

    def _catch_up(self, connection: Connection) -> None:
        for event in _read(connection, events.c.id > self._fold.version):
            self._fold.add(event)

    def _write(self, work: Callable[[Connection], T]) -> T:
        """Does `work` in a transaction that no other writer overlaps, and once more if one did."""
        for last in (False, True):
            try:
                with self._writing, self._begin(write=True) as connection:
                    connection.execute(select(store).with_for_update())
                    return work(connection)
            except IntegrityError as error:
                if last:
                    raise ConflictError(
                        f"{self._name}: somebody else wrote about the same items at the same moment; "
                        "look at them again and repeat"
                    ) from error
        raise AssertionError("unreachable")

    @contextmanager
    def _begin(self, *, write: bool = False) -> Generator[Connection]:
        """A transaction, committed at the end; turns the database's errors into ours."""
        try:
            with self._engine.execution_options(**{_WRITE_OPTION: write}).begin() as connection:
                yield connection
        except IntegrityError:
            raise
        except OperationalError as error:
            raise StateError(
                f"{self._name}: the label store cannot be used now ({_one_line(error)}); "
                "close other programs that use it, check the disk and its permissions, and repeat"
            ) from error
        except DatabaseError as error:
            raise CorruptError(
                f"{self._name} is not a readable label store ({_one_line(error)}); restore it from a copy"
            ) from error

    def _open(self) -> None:
        with self._begin() as connection:
            exists = inspect(connection).has_table(store.name)
        if not exists:
            # If another process creates the tables at this moment, our attempt fails and its tables are found below.
            with suppress(IntegrityError), self._begin(write=True) as connection:
                metadata.create_all(connection)
                if connection.scalar(select(store)) is None:
                    connection.execute(insert(store).values(schema_version=SCHEMA_VERSION))
        with self._begin() as connection:
            found = connection.scalar(select(store.c.schema_version))
        if found in _COLUMNS_ADDED:
            found = self._write(_migrate)
        if found != SCHEMA_VERSION:
            raise CorruptError(
                f"{self._name} has label schema {found}, this program reads {SCHEMA_VERSION}; use a matching release"
            )


_COLUMNS_ADDED = {1: (events.c.other,), 2: (events.c.images, events.c.run, events.c.newest)}
"""By schema version, the columns that the next version added."""


def _migrate(connection: Connection) -> int:
    """Brings a store of an earlier schema to the newest, unless another process just did; returns its version."""
    found = connection.scalar(select(store.c.schema_version)) or 0
    for column in (column for schema in sorted(_COLUMNS_ADDED) if schema >= found for column in _COLUMNS_ADDED[schema]):
        kind = column.type.compile(connection.dialect)
        connection.execute(DDL(f"ALTER TABLE {events.name} ADD COLUMN {column.name} {kind}"))
    connection.execute(update(store).values(schema_version=SCHEMA_VERSION))
    return SCHEMA_VERSION


def _one_line(error: DatabaseError) -> str:
    return " ".join(str(error.orig).split())


def _engine(where: Path | str) -> Engine:
    try:
        url = URL.create("sqlite", database=str(where)) if isinstance(where, Path) else make_url(where)
        if url.get_backend_name() != "sqlite":
            return create_engine(url)
        engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS})
    except (ArgumentError, NoSuchModuleError, ImportError) as error:
        raise InputError(f"{where} is not a label store ({error}); give a path or a SQLAlchemy URL") from error
    hooks.listen(engine, "connect", _set_up_sqlite)
    hooks.listen(engine, "begin", _begin_sqlite)
    return engine


def _set_up_sqlite(connection: Any, _record: object) -> None:  # noqa: ANN401 - the driver's own connection
    """Sets a rollback journal: SQLite 3.7.0 to 3.51.2 can lose commits in WAL mode with several connections."""
    connection.isolation_level = None  # _begin_sqlite begins transactions
    mode = connection.execute("PRAGMA journal_mode=DELETE").fetchone()[0]
    connection.execute("PRAGMA synchronous=EXTRA")
    level = connection.execute("PRAGMA synchronous").fetchone()[0]
    if (mode, level) != ("delete", 3):
        raise StateError(
            f"SQLite gave journal_mode {mode} and synchronous {level} for the label store, expected delete and 3; "
            "close other programs that use it and keep it in a file"
        )


def _begin_sqlite(connection: Connection) -> None:
    """Lets a writer take the lock before it reads, so that it never has to give up half-way."""
    connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options()[_WRITE_OPTION] else "BEGIN")


def _read(connection: Connection, which: ColumnElement[bool]) -> Iterator[Event]:
    kinds = {str(kind): kind for kind in Kind}
    for row in connection.execute(select(events).where(which).order_by(events.c.id)).all():
        event = Event(*row)
        if event.kind not in kinds:
            raise CorruptError(f"label event {event.id} has kind {row.kind!r}; use a matching release of this program")
        yield event._replace(kind=kinds[row.kind], images=images_from_text(row.images))


def _last_id(connection: Connection) -> int:
    return connection.scalar(select(func.max(events.c.id))) or 0


def _append(connection: Connection, entries: Sequence[Entry]) -> int:
    """Inserts the entries as one batch; returns its id."""
    batch = _last_id(connection) + 1
    time = datetime.now(UTC).isoformat(timespec="milliseconds")
    versions = _versions(connection, list({entry.item: None for entry in entries if entry.item is not None}))
    rows: list[dict[str, object]] = []
    for number, entry in enumerate(entries, start=batch):
        version = None
        if entry.item is not None:
            version = versions[entry.item] = versions.get(entry.item, 0) + 1
        values = {**entry._asdict(), "images": images_as_text(entry.images)}
        rows.append({**values, "id": number, "batch": batch, "time": time, "version": version})
    connection.execute(insert(events), rows)
    return batch


def _versions(connection: Connection, items: Sequence[str]) -> dict[str, int]:
    """The last version of each item that has one."""
    versions: dict[str, int] = {}
    for start in range(0, len(items), _ITEMS_PER_QUERY):
        chunk = items[start : start + _ITEMS_PER_QUERY]
        query = select(events.c.item, func.max(events.c.version)).where(events.c.item.in_(chunk))
        versions.update((item, version) for item, version in connection.execute(query.group_by(events.c.item)))
    return versions
