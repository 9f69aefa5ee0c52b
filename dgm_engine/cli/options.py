"""What several commands take, and who gives them."""

import os
from pathlib import Path
from typing import Annotated

import typer

ProjectFolder = Annotated[Path, typer.Argument(metavar="PROJECT", help="The project's folder.")]
DataRoot = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Where MNIST and Fashion-MNIST lie; without it $DGM_DATA_ROOT, or else they are downloaded.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout and nothing else.")]


def annotator() -> str:
    """Who sits at the terminal."""
    return os.environ.get("USER") or os.environ.get("USERNAME") or "command line"
