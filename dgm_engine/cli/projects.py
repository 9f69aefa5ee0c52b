"""Commands that make a project and say what it holds."""

import re
from typing import Annotated

import typer

from dgm_engine.cli.options import DataRoot, Json, ProjectFolder
from dgm_engine.cli.output import bad_files, bar, left_out, show, text
from dgm_engine.data.readers import source_kinds
from dgm_engine.data.sources import ClassFolders, SourceRequest
from dgm_engine.errors import InputError
from dgm_engine.services import jobs, labelling, projects


def new(
    project: ProjectFolder,
    source: Annotated[
        str,
        typer.Option(
            metavar="SRC",
            help=f"What to take in: {source_kinds()}.",
        ),
    ],
    data_root: DataRoot = None,
    class_folders: Annotated[
        ClassFolders,
        typer.Option(
            help="What the folders in a source say: the truth, used only by evaluate; labels to train on; or nothing."
        ),
    ] = ClassFolders.TRUTH,
    limit: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Take in an even sample of at most N items.")
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(metavar="HxW", help="Height and width of all images in pixels; chosen from the data without it."),
    ] = None,
    channels: Annotated[
        int | None,
        typer.Option(metavar="1|3", help="Grey (1) or colour (3); chosen from the data without it."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Make a project from a pile of images."""
    request = SourceRequest(
        source, data_root=data_root, class_folders=class_folders, limit=limit, size=_size(size), channels=channels
    )
    with bar() as progress:
        report = projects.create_project(project, request, progress)
    value = {
        "items": report.items,
        "classes": list(report.classes),
        "quarantined": bad_files(report.quarantined),
        "labels": report.labels,
    }
    line = f"{project}: {report.items} items"
    if report.classes:
        known = f"{report.labels} labels" if report.labels else "ground truth"
        line += f", {known} of {len(report.classes)} class{'es' * (len(report.classes) != 1)}"
    show(as_json, value, [line, *left_out(report.quarantined)])


def info(project: ProjectFolder, as_json: Json = False) -> None:
    """Say what a project holds and how far it is."""
    opened = projects.open_project(project)
    pool, state, last = opened.pool, opened.labels.state(), jobs.active_status(opened)
    value = {
        "name": opened.name,
        "source": opened.manifest.source,
        "created": opened.manifest.created,
        "items": pool.n_items,
        "held_out": int((pool.split == projects.TEST_SPLIT).sum()),
        "shape": list(pool.shape),
        "truth_classes": list(pool.classes),
        "classes": list(labelling.class_names(opened)),
        "labelled": len(state.positive),
        "rejected": len(state.rejected),
        "quarantined": len(projects.quarantined(opened)),
        "runs": [{"run": run.number, "state": run.status.state.value} for run in jobs.runs(opened)],
        "state": "new" if last is None else last[1].state.value,
    }
    show(as_json, value, [f"{key}: {text(item)}" for key, item in value.items()])


def _size(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    found = re.fullmatch(r"(\d+)(?:x(\d+))?", text)
    if found is None:
        raise InputError(f"--size is {text!r}; give height and width in pixels, as in 28x32, or one number for both")
    return int(found[1]), int(found[2] or found[1])
