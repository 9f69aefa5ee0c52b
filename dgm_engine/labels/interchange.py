"""What label files of every format say, and how it enters the store. The formats are in `dgm_engine.labels.formats`.

One row says one thing of one item. The fields, in any order; others are ignored:

- ``item``: the item's id;
- ``class``: the item is of this class; or
- ``not_class``: the item is not of this class; or
- ``none_of_named``: ``true`` says that the item is of none of the named classes, and both cells above stay empty;
- ``annotator``: who says so, optional.

An item may have several rows as long as they agree: one class and any number of ``not_class``, for example.

Rows are counted from 1 and the header is not counted, so row 1 of a CSV is the first below its header and row 1 of a
JSONL file its first line. Empty lines count but say nothing. Files are UTF-8. Neither skipped items nor names of
components are part of the current state as a file; the history has both.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dgm_engine.errors import InputError
from dgm_engine.labels.schema import Event, Kind, clean_name, images_as_text
from dgm_engine.labels.state import LabelState
from dgm_engine.labels.store import Entry, LabelStore
from dgm_engine.whole import write_atomic

STATE_COLUMNS = ("item", "class", "not_class", "none_of_named", "annotator")
HISTORY_COLUMNS = tuple("class" if name == "class_name" else name for name in Event._fields)

_TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False, "": False}


@dataclass(frozen=True)
class Row:
    """One row of a file as it was read; `problem` says why it cannot be understood, if so."""

    number: int
    item: str = ""
    class_name: str = ""
    not_class: str = ""
    none_of_named: bool = False
    annotator: str = ""
    problem: str = ""


@dataclass(frozen=True)
class Rejected:
    """A row that was left out: its number as the module describes it, and why."""

    row: int
    reason: str


@dataclass(frozen=True)
class ImportReport:
    """How many rows were taken, and those that were not."""

    accepted: int
    rejected: list[Rejected]


@dataclass(frozen=True)
class LabelFormat:
    """One format of label files.

    Attributes:
        title: on buttons and in sentences: "CSV".
        suffix: the ending of its files: lower case, with the dot.
        media_type: of its files, for browsers.
        layout: what a person writes into such a file, after "with" in a sentence.
        read: the rows of a file. Raises InputError if the file as a whole cannot be used.
        write: writes the current state, sorted by item, or a history. The file appears whole or not at all. Raises
            InputError if it cannot be written.
    """

    title: str
    suffix: str
    media_type: str
    layout: str
    read: Callable[[Path], list[Row]]
    write: Callable[[Path, LabelState | Sequence[Event]], None]


def import_rows(store: LabelStore, rows: Iterable[Row], known_items: Collection[str], annotator: str) -> ImportReport:
    """Writes the good rows as one batch, one undo step, and reports the others.

    Args:
        store: where to.
        rows: from the `read` of a `LabelFormat`.
        known_items: the ids that exist.
        annotator: whom rows without an annotator are from.

    Raises:
        InputError: the annotator's name cannot be one.
    """
    annotator, known = clean_name(annotator, "annotator"), dict.fromkeys(known_items)
    taken: dict[str, list[tuple[int, Entry]]] = {}
    entries: list[Entry] = []
    rejected: list[Rejected] = []
    for row in rows:
        try:
            entry = _entry(row, known)
            earlier = taken.setdefault(str(entry.item), [])
            _check_agreement(entry, earlier)
        except InputError as error:
            rejected.append(Rejected(row.number, str(error)))
        else:
            earlier.append((row.number, entry))
            entries.append(entry)
    if entries:
        store.record(entries, annotator=annotator)
    return ImportReport(len(entries), rejected)


def read_text(path: Path) -> str:
    """The text of a label file, without a byte order mark.

    Raises:
        InputError: the file is missing, empty or not UTF-8.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); check its name and permissions") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 (byte {error.start + 1}); save it again as UTF-8") from error
    if not text.strip():
        raise InputError(f"{path} is empty; expected rows with item and class")
    return text


def row_of(number: int, values: dict[str, str]) -> Row:
    """The row that has these values under `STATE_COLUMNS`, as text; names that are no column are ignored."""
    none = _TRUTH.get(values.get("none_of_named", "").strip().lower())
    row = Row(
        number,
        item=values.get("item", ""),
        class_name=values.get("class", "").strip(),
        not_class=values.get("not_class", "").strip(),
        none_of_named=bool(none),
        annotator=values.get("annotator", "").strip(),
    )
    return row if none is not None else replace(row, problem="none_of_named is neither true, false nor empty")


def _entry(row: Row, known: Mapping[str, None]) -> Entry:
    """What the row says.

    Raises:
        InputError: it says nothing, more than one thing, or nothing that can be stored.
    """
    if row.problem:
        raise InputError(row.problem)
    item = row.item if row.item in known else row.item.strip()
    if item not in known:
        raise InputError(f"unknown item {row.item!r}; items have ids like {next(iter(known), '')!r}")
    said = {Kind.LABEL: row.class_name, Kind.REJECT: row.not_class, Kind.NONE_OF_NAMED: row.none_of_named}
    kinds = [kind for kind, value in said.items() if value]
    if not kinds:
        raise InputError("empty class; fill in class or not_class, or set none_of_named to true")
    if len(kinds) > 1:
        raise InputError("more than one of class, not_class and none_of_named; keep one and put the others in own rows")
    name = row.class_name or row.not_class
    annotator = clean_name(row.annotator, "annotator") if row.annotator else ""
    return Entry(kinds[0], item, clean_name(name) if name else None, annotator)


def _check_agreement(entry: Entry, earlier: list[tuple[int, Entry]]) -> None:
    """Raises InputError where an earlier row of the file says the same of the item, or the contrary."""
    for number, other in earlier:
        kinds, same_class = {entry.kind, other.kind}, entry.class_name == other.class_name
        if entry.kind == other.kind and same_class:
            raise InputError(f"repeats row {number}; keep one of them")
        if (
            kinds == {Kind.LABEL}
            or kinds == {Kind.LABEL, Kind.NONE_OF_NAMED}
            or (kinds == {Kind.LABEL, Kind.REJECT} and same_class)
        ):
            raise InputError(f"contradicts row {number} about {entry.item!r}; keep one of them")


def table_of(content: LabelState | Sequence[Event]) -> tuple[Sequence[str], list[dict[str, Any]]]:
    """The columns of the current state or of a history, and its records by column; a record leaves out empty ones."""
    if isinstance(content, LabelState):
        return STATE_COLUMNS, _state_records(content)
    written = (event._replace(images=images_as_text(event.images)) for event in content)  # type: ignore[arg-type]
    return HISTORY_COLUMNS, [dict(zip(HISTORY_COLUMNS, event, strict=True)) for event in written]


def _state_records(state: LabelState) -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = []
    for item in sorted(state.annotators):
        said: list[dict[str, Any]] = [{"not_class": name} for name in sorted(state.rejected.get(item, ()))]
        if item in state.positive:
            said.insert(0, {"class": state.positive[item]})
        if item in state.none_of_named:
            said.insert(0, {"none_of_named": True})
        records += [{"item": item, **statement, "annotator": state.annotators[item]} for statement in said]
    return records


def save_text(path: Path, text: str) -> None:
    """Writes a label file, whole or not at all.

    Raises:
        InputError: it cannot be written.
    """
    try:
        write_atomic(path, text.encode())
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror}); choose another file") from error
