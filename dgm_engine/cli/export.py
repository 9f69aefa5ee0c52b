"""Commands that export a classifier and use it."""

from pathlib import Path
from typing import Annotated

import typer

from dgm_engine.cli.options import Json, ProjectFolder
from dgm_engine.cli.output import bad_files, bar, left_out, show
from dgm_engine.data.readers import predictable_kinds
from dgm_engine.services import exporting, projects
from dgm_engine.services.snapshot import take


def export(
    project: ProjectFolder,
    out: Annotated[
        Path,
        typer.Argument(metavar="OUT", help="The folder to write: new, or an earlier export."),
    ],
    as_json: Json = False,
) -> None:
    """Write the classifier as a folder that runs anywhere. onnxruntime and Pillow are enough to use it."""
    with bar() as progress:
        report = exporting.export_classifier(take(projects.open_project(project)), out, progress)
    value = {"path": str(report.path), "files": list(report.files), "classes": list(report.classes)}
    show(as_json, value, [f"{report.path}: {', '.join(value['files'])}; classes {', '.join(value['classes'])}"])


def predict(
    export: Annotated[Path, typer.Argument(metavar="EXPORT", help="A folder that dgm export wrote.")],
    images: Annotated[Path, typer.Argument(metavar="IMAGES", help=f"What to classify: {predictable_kinds()}.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="The CSV to write: item,class,confidence,is_new.")],
    as_json: Json = False,
) -> None:
    """Classify images with an exported classifier."""
    with bar() as progress:
        report = exporting.predict(export, images, out, progress)
    value = {"rows": report.rows, "path": str(report.path), "quarantined": bad_files(report.quarantined)}
    show(as_json, value, [f"{report.path}: {report.rows} rows", *left_out(report.quarantined)])
