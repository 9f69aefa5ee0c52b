"""Arguments and options of several commands."""

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
