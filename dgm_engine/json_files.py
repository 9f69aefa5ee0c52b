"""How our JSON files are read and written."""

import json
from pathlib import Path
from typing import Any

from dgm_engine.errors import CorruptError
from dgm_engine.whole import write_atomic


def write_json(path: Path, value: object) -> None:
    """Writes ``value`` as JSON, atomically."""
    write_atomic(path, (json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode())


def read_json(path: Path) -> Any:  # noqa: ANN401 - JSON is what it is; callers validate
    """Reads a JSON file of ours.

    Raises:
        CorruptError: the file is missing, unreadable or not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CorruptError(f"{path} cannot be read ({error}); restore it from a copy or delete its folder") from error
