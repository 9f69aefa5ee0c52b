"""The command that runs the rows of the paper's tables."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from dgm_engine.cli.options import DataRoot, Json
from dgm_engine.cli.output import bar, show
from dgm_engine.config import Preset
from dgm_engine.errors import JobError
from dgm_engine.reproduction.results import Variant
from dgm_engine.reproduction.tables import TableName
from dgm_engine.services import reproducing

Rows = Annotated[
    list[str] | None,
    typer.Option(
        metavar="ROW",
        help="Only this row, as in gm-dgm-200-30 (model, Z, K) or k-means-10; or all that begin so, as in gm-dgm; "
        "or models, or peers. May be given again.",
    ),
]
Labels = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        min=1,
        help="Labels of each labelled class in table1: 120 (2%) without it; the paper says 1200.",
    ),
]


def reproduce(
    table: Annotated[TableName, typer.Argument(help="Which table of the paper.")],
    preset: Annotated[
        Preset, typer.Option(help="fast: minutes for each run. paper: the paper's settings, many hours for each.")
    ] = Preset.FAST,
    runs: Annotated[int, typer.Option(metavar="R", min=1, help="Runs of each row, seeds 0 to R - 1.")] = 4,
    rows: Rows = None,
    labels: Labels = None,
    epochs: Annotated[int | None, typer.Option(metavar="E", min=1, help="Passes instead of the preset's own.")] = None,
    limit: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Train on an even sample of N images, to try it out.")
    ] = None,
    bound_alone: Annotated[
        bool, typer.Option("--bound-alone", help="Without the terms that the paper's objective does not have.")
    ] = False,
    data_root: DataRoot = None,
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="The folder of results; runs that are done there are not run again.")
    ] = Path("reproduce"),
    keep: Annotated[bool, typer.Option("--keep", help="Keep the projects of finished runs under DIR/work.")] = False,
    as_json: Json = False,
) -> None:
    """Run the rows of a table of the paper, and the peers. Stop it at will: the same command goes on from there."""
    how = reproducing.variant(table, Variant(preset, labels, epochs, limit, bound_alone))
    request = reproducing.Request(table, how, tuple(rows or ()), runs, out, data_root, keep)
    with bar() as progress:
        outcome = reproducing.reproduce(request, progress)
    if outcome.failures:
        others = f"; {len(outcome.failures) - 1} more failed too" if len(outcome.failures) > 1 else ""
        raise JobError(f"{outcome.failures[0]}{others}; the runs that are done stand in {outcome.markdown}")
    value = {
        "table": table.value,
        "markdown": str(outcome.markdown),
        "csv": str(outcome.csv),
        "finished": outcome.finished,
        "skipped": outcome.skipped,
        "rows": [asdict(line) for line in outcome.lines],
    }
    show(as_json, value, [outcome.markdown.read_text(encoding="utf-8"), *outcome.skipped])
