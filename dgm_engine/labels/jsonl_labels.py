"""Labels as JSON lines: one object per line and statement."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from dgm_engine.labels.interchange import STATE_COLUMNS, LabelFormat, Row, read_text, row_of, save_text, table_of
from dgm_engine.labels.schema import Event
from dgm_engine.labels.state import LabelState


def read_jsonl(path: Path) -> list[Row]:
    """Reads the rows of a JSONL file, one object per line.

    Raises:
        InputError: the file is missing, empty or not UTF-8.
    """
    lines = read_text(path).split("\n")
    return [_json_row(number, line) for number, line in enumerate(lines, start=1) if line.strip()]


def write_jsonl(path: Path, content: LabelState | Sequence[Event]) -> None:
    """Writes the current state, sorted by item, or a history as JSONL; errors as for `write_csv`."""
    _, records = table_of(content)
    save_text(path, "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records))


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
    return row_of(number, values)


JSONL = LabelFormat(
    title="JSON lines",
    suffix=".jsonl",
    media_type="application/jsonl",
    layout="the same keys in every line",
    read=read_jsonl,
    write=write_jsonl,
)
