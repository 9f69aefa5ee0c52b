"""Long work that a page starts and watches, other than training: making a project, exporting a classifier.

A task is a job (`dgm_engine.jobs`) in a folder of its own with ``task.json`` (what to do) and ``status.json`` (how it
stands; `details` hold the outcome). It survives a refresh of the page and a restart of its server:
``python -m dgm_engine.services.tasks FOLDER``.
"""

import sys
import uuid
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from dgm_engine import jobs
from dgm_engine.child import Reporter, run_job
from dgm_engine.data.sources import ClassFolders, SourceRequest
from dgm_engine.errors import StateError
from dgm_engine.jobs import JobState, JobStatus
from dgm_engine.json_files import read_json, write_json
from dgm_engine.paths import JobPaths, tasks_home
from dgm_engine.progress import Progress
from dgm_engine.services import exporting, projects
from dgm_engine.services.projects import Project
from dgm_engine.services.snapshot import take

_PRIORITY_STEPS = 5  # below normal priority: the page comes first, and training, which is at 10, last
Outcome = dict[str, Any]


def start_creation(root: Path, request: SourceRequest, delete_source: bool = False) -> Path:
    """Starts to make a project; the outcome holds root, items, labels and the number of quarantined files.

    Args:
        root: folder of the project.
        request: what to make it from.
        delete_source: whether the source is a temporary copy that goes when the task ends.

    Returns:
        The task's folder, to ask `status` about.
    """
    values = asdict(request)
    values["data_root"] = None if request.data_root is None else str(request.data_root)
    folder = tasks_home(projects.projects_home()) / uuid.uuid4().hex[:12]
    return _start(folder, {"do": "create", "root": str(root), "request": values, "delete_source": delete_source})


def start_export(project: Project, out: Path) -> Path:
    """Starts to export the classifier; the outcome holds path, files and classes.

    Raises:
        StateError: an export of this project is under way.
    """
    folder = export_task(project)
    now = jobs.read_status(JobPaths(folder).status)
    if now is not None and now.alive:
        raise StateError("an export is under way; wait for it")
    return _start(folder, {"do": "export", "root": str(project.paths.root), "out": str(out)})


def export_task(project: Project) -> Path:
    """The folder of a project's export task, whether there ever was one or not."""
    return project.paths.export_task.root


def status(folder: Path) -> JobStatus | None:
    """The status of a task; None if there is no task."""
    paths = JobPaths(folder)
    now = jobs.read_status(paths.status)
    if now is not None and now.state is JobState.INTERRUPTED:
        return replace(now, error=now.error or jobs.tail(paths.log) or "it was ended from outside; try again")
    return now


def _start(folder: Path, task: dict[str, Any]) -> Path:
    paths = JobPaths(folder)
    paths.stop_request.unlink(missing_ok=True)
    write_json(paths.task, task)
    jobs.spawn("dgm_engine.services.tasks", [str(folder)], paths.status, paths.log)
    return folder


def _create(task: dict[str, Any], progress: Progress) -> Outcome:
    values: dict[str, Any] = task["request"]
    root, size = values["data_root"], values["size"]
    request = SourceRequest(
        source=values["source"],
        data_root=None if root is None else Path(root),
        class_folders=ClassFolders(values["class_folders"]),
        limit=values["limit"],
        size=None if size is None else (size[0], size[1]),
        channels=values["channels"],
    )
    try:
        report = projects.create_project(Path(task["root"]), request, progress)
    finally:
        if task["delete_source"]:
            Path(request.source).unlink(missing_ok=True)
    return {
        "root": str(report.project.paths.root),
        "items": report.items,
        "labels": report.labels,
        "quarantined": len(report.quarantined),
    }


def _export(task: dict[str, Any], progress: Progress) -> Outcome:
    report = exporting.export_classifier(take(projects.open_project(Path(task["root"]))), Path(task["out"]), progress)
    return {"path": str(report.path), "files": [str(f) for f in report.files], "classes": list(report.classes)}


_TASKS: dict[str, Callable[[dict[str, Any], Progress], Outcome]] = {"create": _create, "export": _export}


def main(arguments: Sequence[str]) -> int:
    """Does the task whose folder is the first argument; 0 unless it failed."""
    paths = JobPaths(Path(arguments[0]))
    jobs.give_way(_PRIORITY_STEPS)
    reporter = Reporter(paths.status, paths.stop_request)

    def work() -> None:
        task = read_json(paths.task)
        reporter.end(JobState.FINISHED, "Done", **_TASKS[task["do"]](task, reporter))

    return run_job(reporter, work)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
