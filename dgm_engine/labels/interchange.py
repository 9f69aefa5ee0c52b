"""The rows of label files in every format, and their import into the store; formats are in `dgm_engine.labels.formats`.

One row says one thing about one item. Its fields may be in any order; others are ignored:

- ``item``: the item's id;
- ``class``: the item is of this class; or
- ``not_class``: the item is not of this class; or
- ``none_of_named``: ``true`` says that the item is of none of the named classes, and both cells above stay empty;
- ``annotator``: who says so, optional.

An item may have several rows as long as they agree, for example one class and any number of ``not_class``.

Rows are counted from 1 without the header, so row 1 of a CSV file is the first below its header and row 1 of a JSONL
file its first line. Empty lines count but say nothing. Files are UTF-8. Skipped items and names of components are not
in a file of the current state; the history has both.
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

_TRUTH_WORDS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False, "": False}


@dataclass(frozen=True)
class Row:
    """One row of a file as it was read; `problem` says why it cannot be used, "" if it can."""

    number: int
    item: str = ""
    class_name: str = ""
    not_class: str = ""
    none_of_named: bool = False
    annotator: str = ""
    problem: str = ""


@dataclass(frozen=True)
class Rejected:
    """A row that was left out: its number, counted as the module says, and the reason."""

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
        title: its name on buttons and in sentences, such as "CSV".
        suffix: the ending of its files, in lower case with the dot.
        media_type: the media type of its files, for browsers.
        layout: what a person writes into such a file, as it follows "with" in a sentence.
        read: returns the rows of a file. Raises InputError if the file as a whole cannot be used.
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
        store: the store to write to.
        rows: the rows, from the `read` of a `LabelFormat`.
        known_items: the ids that exist.
        annotator: the annotator of rows that name none.

    Raises:
        InputError: the annotator's name is not valid.
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
    """The row with these values, as text by name of `STATE_COLUMNS`; other names are ignored."""
    none = _TRUTH_WORDS.get(values.get("none_of_named", "").strip().lower())
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
        raise InputError(
            "more than one of class, not_class and none_of_named; keep one and give each other its own row"
        )
    name = row.class_name or row.not_class
    annotator = clean_name(row.annotator, "annotator") if row.annotator else ""
    return Entry(kinds[0], item, clean_name(name) if name else None, annotator)


def _check_agreement(entry: Entry, earlier: list[tuple[int, Entry]]) -> None:
    """Raises InputError if an earlier row of the file repeats or contradicts what this one says about the item."""
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
    """The columns of the current state or of a history, and its records by column, without their empty columns."""
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
