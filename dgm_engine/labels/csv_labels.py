"""Labels as CSV: a header with the columns, and one row per statement.

A spreadsheet would run a cell that begins with = + - @ or a tab as a formula. So an apostrophe is written before such a
cell, and before one in which apostrophes precede such a sign; reading removes it.
"""

import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path

from dgm_engine.errors import InputError
from dgm_engine.labels.interchange import STATE_COLUMNS, LabelFormat, Row, read_text, row_of, save_text, table_of
from dgm_engine.labels.schema import Event
from dgm_engine.labels.state import LabelState

_FORMULA = re.compile(r"'*[=+\-@\t\r]")


def read_csv(path: Path) -> list[Row]:
    """Reads the rows of a CSV file.

    Raises:
        InputError: the file is missing, empty, not UTF-8, not CSV, a history, or lacks a column.
    """
    try:
        header, *records = list(csv.reader(io.StringIO(read_text(path), newline=""), strict=True))
    except csv.Error as error:
        raise InputError(f"{path} is not a CSV file ({error}); save it as CSV with commas and double quotes") from error
    columns = [name.strip().lower() for name in header]
    _check_columns(path, columns)
    return [_csv_row(number, columns, cells) for number, cells in enumerate(records, start=1) if any(cells)]


def write_csv(path: Path, content: LabelState | Sequence[Event]) -> None:
    """Writes the current state, sorted by item, or a history as CSV; the file appears whole or not at all.

    Raises:
        InputError: the file cannot be written.
    """
    text = io.StringIO()
    columns, records = table_of(content)
    writer = csv.DictWriter(text, columns)
    writer.writeheader()
    writer.writerows({name: csv_cell(value) for name, value in record.items()} for record in records)
    save_text(path, text.getvalue())


def csv_cell(value: object) -> object:
    """A value as a CSV cell that no spreadsheet runs as a formula."""
    if isinstance(value, str) and _FORMULA.match(value):
        return f"'{value}"
    return str(value).lower() if isinstance(value, bool) else value


def _plain(cell: str) -> str:
    """The text of a cell; the inverse of `csv_cell`."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


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
    return row_of(number, dict(zip(columns, map(_plain, cells), strict=False)))


CSV = LabelFormat(
    title="CSV",
    suffix=".csv",
    media_type="text/csv",
    layout="columns item,class[,annotator] or item,not_class",
    read=read_csv,
    write=write_csv,
)
