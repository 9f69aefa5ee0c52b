"""Commands that show clusters, name them, and take, write and ask for labels."""

from pathlib import Path
from typing import Annotated, Any

import typer

from dgm_engine.cli.options import Json, ProjectFolder
from dgm_engine.cli.output import show
from dgm_engine.discovery.suggestions import Strategy
from dgm_engine.errors import InputError
from dgm_engine.labels.formats import label_layouts, label_suffixes
from dgm_engine.services import labelling, projects, suggesting
from dgm_engine.services.snapshot import take
from dgm_engine.services.viewing import clusters_of


def clusters(project: ProjectFolder, as_json: Json = False) -> None:
    """List the clusters: size, class, confidence and typical items."""
    opened = projects.open_project(project)
    seen = take(opened)
    rows: list[dict[str, Any]] = [
        {
            "component": cluster.component,
            "size": cluster.size,
            "class": cluster.class_name,
            "confidence": round(cluster.confidence, 4),
            "exemplars": opened.pool.items[cluster.exemplars].tolist(),
            "two_like": cluster.two_like,
            "ignored": cluster.ignored,
            "closed": cluster.closed,
        }
        for cluster in clusters_of(seen)
    ]
    lines = [f"{'component':>9}  {'size':>7}  {'confidence':>10}  {'class':<20}  exemplars of run {seen.run.number}"]
    lines += [
        f"{row['component']:>9}  {row['size']:>7}  {row['confidence']:>10.2f}  {row['class'] or '-':<20}  "
        + " ".join(row["exemplars"][:3])
        for row in rows
    ]
    show(as_json, {"run": seen.run.number, "clusters": rows}, lines)


def name(
    project: ProjectFolder,
    component: Annotated[int, typer.Argument(metavar="COMPONENT", help="The cluster's number, as clusters lists it.")],
    class_name: Annotated[
        str, typer.Argument(metavar="CLASS", help='The class that owns it from now on; "" takes its name away.')
    ],
    run: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="The run whose clusters you looked at; without it the one in use."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Give a cluster to a class; a class may have several clusters.

    The name is of the images that the cluster holds, and stays with them. A run that ends after you looked may have put
    others there: --run names those that you saw.
    """
    opened, owner = projects.open_project(project), class_name.strip() or None
    seen = None if run is None else take(opened, run)
    labelling.name_component(opened, component, owner, labelling.default_annotator(), seen)
    done = f"cluster {component} has no name any more" if owner is None else f"cluster {component} is {owner}"
    show(as_json, {"component": component, "class": owner}, [done])


def label(
    project: ProjectFolder,
    csv: Annotated[
        Path,
        typer.Option(metavar="FILE", help=f"{label_layouts()}, by its ending: {label_suffixes()}."),
    ],
    as_json: Json = False,
) -> None:
    """Take in labels of single items from a file."""
    report = labelling.import_labels(projects.open_project(project), csv, labelling.default_annotator())
    rejected = [{"row": row.row, "reason": row.reason} for row in report.rejected]
    taken = f"{report.accepted} label{'s' * (report.accepted != 1)} taken"
    lines = [taken, *(f"{csv} row {r['row']} left out: {r['reason']}" for r in rejected)]
    show(as_json, {"accepted": report.accepted, "rejected": rejected}, lines)
    if not report.accepted:
        why = (
            f"row {rejected[0]['row']}: {rejected[0]['reason']}" if rejected else "it has no rows below its first line"
        )
        raise InputError(f"no row of {csv} could be taken in; {why}")


def labels(
    project: ProjectFolder,
    out: Annotated[Path, typer.Option(metavar="FILE", help=f"The file to write, ending in {label_suffixes()}.")],
    history: Annotated[
        bool,
        typer.Option("--history", help="Write all that was ever said, when and by whom."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Write the labels to a file."""
    rows = labelling.write_labels(projects.open_project(project), out, history=history)
    show(as_json, {"path": str(out), "rows": rows}, [f"{out}: {rows} rows"])


def suggest(
    project: ProjectFolder,
    strategy: Annotated[Strategy, typer.Option(help="How items are chosen.")] = Strategy.MIXED,
    n: Annotated[int, typer.Option("--n", metavar="N", min=1, help="How many items.")] = 20,
    as_json: Json = False,
) -> None:
    """List the items most worth labelling next."""
    found = suggesting.suggestions(take(projects.open_project(project)), strategy, n)
    rows = [{"item": s.item, "reason": s.reason, "predicted": s.predicted, "component": s.component} for s in found]
    show(as_json, {"items": rows}, [f"{s.item}  {s.reason}" for s in found])
