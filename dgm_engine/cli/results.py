"""Commands that score the model and draw its figures."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from dgm_engine.cli.options import Json, ProjectFolder
from dgm_engine.cli.output import bar, show, text
from dgm_engine.services import evaluating, projects
from dgm_engine.services.figure_files import FigureRequest, write_figures
from dgm_engine.services.snapshot import take


def evaluate(project: ProjectFolder, as_json: Json = False) -> None:
    """Score the model. Ground truth decides if the source has it, and otherwise labels that the model has not seen.

    accuracy named: images whose predicted class is the true one. accuracy cluster and label: the same, had each cluster
    the class most frequent in it. accuracy hungarian: the same with one cluster for each class. all, old, new: classes
    and clusters without a name matched with the true classes as well as possible; of all images, of those of classes
    that you named or labelled, and of the others.
    """
    scores = evaluating.evaluate(take(projects.open_project(project)))
    figures = ("accuracy_cluster_and_label", "accuracy_named", "accuracy_hungarian", "all", "old", "new")
    value: dict[str, Any] = {
        "run": scores.run,
        "split": scores.split,
        "n": scores.n,
        **{key: getattr(scores, key) for key in figures},
        "components_used": scores.components_used,
        "held_out_agreement": [asdict(agreement) for agreement in scores.held_out_agreement],
    }
    lines = [f"{key.replace('_', ' ')}: {text(value[key])}" for key in value if key != "held_out_agreement"]
    if not scores.n:
        lines.append("the true classes are not known: each run is measured by the labels that you give after it")
    lines += [
        f"run {a.run} agrees with {a.agreement:.1%} of {a.n} labels given after it"
        for a in scores.held_out_agreement
        if a.agreement is not None
    ]
    show(as_json, value, lines)


def figures(
    project: ProjectFolder,
    out: Annotated[
        Path, typer.Argument(metavar="OUT", help="The folder to write; earlier figures in it are replaced.")
    ],
    run: Annotated[int | None, typer.Option(metavar="N", min=1, help="Which run; without it the one in use.")] = None,
    compare: Annotated[
        str | None,
        typer.Option(
            metavar="RUN|PROJECT",
            help="What to put beside it in figure 4: another run's number, or another project's folder.",
        ),
    ] = None,
    items: Annotated[
        int, typer.Option(metavar="N", min=1, help="Images on the map of figure 3 at most; 10,000 take a minute.")
    ] = FigureRequest.items,
    as_json: Json = False,
) -> None:
    """Write the paper's figures of a run. Charts are HTML with their numbers as CSV, pictures are PNG."""
    with bar() as progress:
        report = write_figures(take(projects.open_project(project), run), out, FigureRequest(compare, items), progress)
    value = {
        "path": str(report.path),
        "files": list(report.files),
        "run": report.run,
        "active_units": report.active_units,
        "left_out": [{"figure": figure, "reason": reason} for figure, reason in report.left_out],
    }
    lines = [f"{report.path}: {', '.join(report.files)}"]
    show(as_json, value, [*lines, *(f"left out {figure}: {reason}" for figure, reason in report.left_out)])
