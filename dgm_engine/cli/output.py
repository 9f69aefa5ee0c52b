"""What commands print: lines for people or one JSON object on stdout, progress on stderr."""

import json
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

import typer
from tqdm import tqdm

from dgm_engine.data.pool import Quarantined
from dgm_engine.progress import Progress


def show(as_json: bool, value: dict[str, Any], lines: Sequence[str]) -> None:
    """Prints `value` as one JSON object, or else the lines."""
    typer.echo(json.dumps(value, ensure_ascii=False, allow_nan=False) if as_json else "\n".join(lines))


def text(value: object) -> str:
    """A value as a person reads it."""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return ", ".join(map(text, value)) or "none"  # pyright: ignore[reportUnknownArgumentType]
    if isinstance(value, dict):
        return " ".join(map(str, value.values()))  # pyright: ignore[reportUnknownArgumentType]
    return "unknown" if value is None else str(value)


def percent(share: float | None) -> str:
    """A share as a person reads it; "-" for none."""
    return "-" if share is None else f"{share:.0%}"


def bad_files(quarantined: Sequence[Quarantined]) -> list[dict[str, str]]:
    """The files that could not be read, as JSON has them."""
    return [{"path": entry.path, "reason": entry.reason} for entry in quarantined]


def left_out(quarantined: Sequence[Quarantined]) -> list[str]:
    """The same, one line each."""
    return [f"left out {entry.path}: {entry.reason}" for entry in quarantined]


@contextmanager
def bar() -> Generator[Progress]:
    """A progress bar on a terminal, silence elsewhere."""
    form = "{desc} {percentage:3.0f}%|{bar}| {elapsed}"
    said = ""
    with tqdm(total=1.0, miniters=0, file=sys.stderr, disable=None, leave=False, bar_format=form) as bar:

        def progress(share: float, what: str) -> None:
            nonlocal said
            bar.update(share - bar.n)
            bar.set_description_str(what, refresh=what != said)
            said = what

        yield progress
