"""Labels in and out as CSV and JSONL.

One row says one thing of one item. The columns (CSV) or keys (JSONL), in any order; others are ignored:

- ``item``: the item's id;
- ``class``: the item is of this class; or
- ``not_class``: the item is not of this class; or
- ``none_of_named``: ``true`` says that the item is of none of the named classes, and both cells above stay empty;
- ``annotator``: who says so, optional.

An item may have several rows as long as they agree: one class and any number of ``not_class``, for example.

Rows are counted from 1 and the header is not counted, so row 1 of a CSV is the first below its header and row 1 of a
JSONL file its first line. Empty lines count but say nothing.

Files are UTF-8. A CSV cell that a spreadsheet would run as a formula, because it begins with = + - @ or a tab, is
written with an apostrophe before it, which reading takes off again; so is a cell in which apostrophes come before such
a sign. Neither skipped items nor names of components are part of the current state as a file; the history has both.
"""

import csv
import io
import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from dgm_engine.errors import InputError
from dgm_engine.labels.schema import Event, Kind, clean_name, images_as_text
from dgm_engine.labels.state import LabelState
from dgm_engine.labels.store import Entry, LabelStore
from dgm_engine.paths import write_atomic

STATE_COLUMNS = ("item", "class", "not_class", "none_of_named", "annotator")
HISTORY_COLUMNS = tuple("class" if name == "class_name" else name for name in Event._fields)

_TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False, "": False}
_FORMULA = re.compile(r"'*[=+\-@\t\r]")


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


def read_csv(path: Path) -> list[Row]:
    """Reads the rows of a CSV file.

    Raises:
        InputError: the file is missing, empty, not UTF-8, not CSV, a history, or lacks a column.
    """
    try:
        header, *records = list(csv.reader(io.StringIO(_text(path), newline=""), strict=True))
    except csv.Error as error:
        raise InputError(f"{path} is not a CSV file ({error}); save it as CSV with commas and double quotes") from error
    columns = [name.strip().lower() for name in header]
    _check_columns(path, columns)
    return [_csv_row(number, columns, cells) for number, cells in enumerate(records, start=1) if any(cells)]


def read_jsonl(path: Path) -> list[Row]:
    """Reads the rows of a JSONL file, one object per line.

    Raises:
        InputError: the file is missing, empty or not UTF-8.
    """
    lines = _text(path).split("\n")
    return [_json_row(number, line) for number, line in enumerate(lines, start=1) if line.strip()]


def import_rows(store: LabelStore, rows: Iterable[Row], known_items: Collection[str], annotator: str) -> ImportReport:
    """Writes the good rows as one batch, one undo step, and reports the others.

    Args:
        store: where to.
        rows: from `read_csv` or `read_jsonl`.
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


def write_csv(path: Path, content: LabelState | Sequence[Event]) -> None:
    """Writes the current state, sorted by item, or a history as CSV; the file appears whole or not at all.

    Raises:
        InputError: the file cannot be written.
    """
    text = io.StringIO()
    columns, records = _table(content)
    writer = csv.DictWriter(text, columns)
    writer.writeheader()
    writer.writerows({name: csv_cell(value) for name, value in record.items()} for record in records)
    _save(path, text.getvalue())


def write_jsonl(path: Path, content: LabelState | Sequence[Event]) -> None:
    """Writes the current state, sorted by item, or a history as JSONL; errors as for `write_csv`."""
    _, records = _table(content)
    _save(path, "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records))


def _text(path: Path) -> str:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); check its name and permissions") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 (byte {error.start + 1}); save it again as UTF-8") from error
    if not text.strip():
        raise InputError(f"{path} is empty; expected rows with item and class")
    return text


def _check_columns(path: Path, columns: list[str]) -> None:
    got = ", ".join(columns)
    if "kind" in columns:
        raise InputError(f"{path} is a history of events (columns {got}); give a file with columns item and class")
    if "item" not in columns or not {"class", "not_class", "none_of_named"} & set(columns):
        raise InputError(f"{path} has columns {got}; expected item and class (or not_class), separated by commas")
    if any(columns.count(name) > 1 for name in STATE_COLUMNS):
        raise InputError(f"{path} has a column twice ({got}); keep one of each")


def _csv_row(number: int, columns: list[str], cells: list[str]) -> Row:
    if len(cells) > len(columns):
        return Row(number, problem=f"{len(cells)} cells under {len(columns)} columns; quote cells that have commas")
    return _row(number, dict(zip(columns, map(_plain, cells), strict=False)))


def _json_row(number: int, line: str) -> Row:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        return Row(number, problem=f"not JSON ({error}); expected one object per line")
    if not isinstance(value, dict):
        return Row(number, problem=f"got {line.strip()[:40]}; expected a JSON object with item and class")
    fields = cast("dict[str, Any]", value)
    values: dict[str, str] = {}
    for name in STATE_COLUMNS:
        field = fields.get(name)
        if not isinstance(field, str | int | None):
            return Row(number, problem=f"{name} is {field!r}; expected text")
        values[name] = "" if field is None else str(field)
    return _row(number, values)


def _row(number: int, values: dict[str, str]) -> Row:
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


def _table(content: LabelState | Sequence[Event]) -> tuple[Sequence[str], list[dict[str, Any]]]:
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


def csv_cell(value: object) -> object:
    """A value as a CSV cell that no spreadsheet runs."""
    if isinstance(value, str) and _FORMULA.match(value):
        return f"'{value}"
    return str(value).lower() if isinstance(value, bool) else value


def _plain(cell: str) -> str:
    """The text behind a cell; undoes `csv_cell`."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def _save(path: Path, text: str) -> None:
    try:
        write_atomic(path, text.encode())
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror}); choose another file") from error
