"""Projects: folders with a pile of images, the labels, the runs and the exports."""

import contextlib
import os
import shutil
import signal
import uuid
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from dgm_engine.data.pool import Pool, load_pool
from dgm_engine.data.sources import IngestReport, Quarantined, SourceRequest, ingest
from dgm_engine.errors import CorruptError, DgmError, InputError, NotFoundError, StateError
from dgm_engine.jobs import read_status
from dgm_engine.json_files import read_json, write_json
from dgm_engine.labels.schema import Kind
from dgm_engine.labels.store import Entry, LabelStore
from dgm_engine.paths import ProjectPaths, projects_in
from dgm_engine.progress import Progress
from dgm_engine.stamped import kept_by_stamp
from dgm_engine.training.run_results import latest_results
from dgm_engine.training.runs import active_run
from dgm_engine.whole import made_whole

HOME_VARIABLE = "DGM_HOME"
EXAMPLE_NAME = "digits-example"
MANIFEST_VERSION = 1
TEST_SPLIT = "test"
"""The split that is kept for evaluation: never trained on, labelled or shown."""

FOLDERS_ANNOTATOR = "class folders"
"""Who said the labels that class folders give."""


@dataclass(frozen=True)
class Manifest:
    """What ``project.json`` says.

    Attributes:
        name: shown on screens; the folder's name at creation.
        created: ISO 8601, UTC.
        source: what the project was made from, as the person gave it.
        class_folders: how the source's class folders were read.
        items: number of images (or feature vectors).
        classes: names of the classes in the source, as ground truth or as labels; empty if it has none.
    """

    name: str
    created: str
    source: str
    class_folders: str
    items: int
    classes: tuple[str, ...]


@dataclass(frozen=True)
class Project:
    """An open project. Cheap to make: the pool is mapped and the label store opened at first use."""

    paths: ProjectPaths
    manifest: Manifest

    @property
    def name(self) -> str:
        """The project's name."""
        return self.manifest.name

    @cached_property
    def pool(self) -> Pool:
        """The decoded images, memory-mapped."""
        return load_pool(self.paths.images)

    @cached_property
    def labels(self) -> LabelStore:
        """What people said about the images."""
        return LabelStore(self.paths.labels)


@dataclass(frozen=True)
class ProjectCard:
    """One line of the list of projects.

    Attributes:
        name: the project's name.
        root: its folder.
        created: ISO 8601, UTC; "" if damaged.
        items: number of images.
        n_labels: images with a label.
        state: "new" (never trained), "training", "clustered" (has results), or "damaged".
        error: why it is damaged, for the person; "" otherwise.
    """

    name: str
    root: Path
    created: str
    items: int
    n_labels: int
    state: str
    error: str = ""


@dataclass(frozen=True)
class CreateReport:
    """What came of making a project.

    Attributes:
        project: the new project, open.
        items: number of images taken in.
        classes: names of the classes in the source, as ground truth or as labels.
        quarantined: the files that could not be read, each with a reason.
        labels: how many labels came with the source (class folders read as labels).
    """

    project: Project
    items: int
    classes: tuple[str, ...]
    quarantined: list[Quarantined]
    labels: int


def projects_home() -> Path:
    """Where the app keeps its projects: ``$DGM_HOME``, or ``~/dgm-studio``."""
    return Path(os.environ.get(HOME_VARIABLE) or Path.home() / "dgm-studio").expanduser()


def folder_of(name: str) -> Path:
    """The folder in `projects_home` for a new project of this name: one that is visible, whatever was typed."""
    kept = "".join(c if c.isalnum() or c in " -_." else "-" for c in name).strip(" .")
    return projects_home() / (kept or "project")


def list_projects() -> list[ProjectCard]:
    """The projects in `projects_home`, newest first; a damaged one is listed with its error."""
    return sorted(
        (_card(folder) for folder in projects_in(projects_home())), key=lambda card: card.created, reverse=True
    )


def create_project(root: Path, request: SourceRequest, progress: Progress | None = None) -> CreateReport:
    """Makes a project in the folder ``root``, which appears whole or not at all.

    Raises:
        InputError: ``root`` exists and is not an empty folder, or the source cannot be used.
    """
    root = Path(root).expanduser().absolute()
    if root.exists() and not (root.is_dir() and not any(root.iterdir())):
        raise InputError(f"{root} exists and is not an empty folder; choose another place for the project")
    try:
        with made_whole(root) as folder:
            report = _fill(ProjectPaths(folder), root.name, request, progress)
    except OSError as error:
        raise InputError(f"{root} cannot be made ({error.strerror}); choose another place for the project") from error
    return CreateReport(open_project(root), report.items, report.classes, report.quarantined, len(report.labels))


def create_example(progress: Progress | None = None) -> Project:
    """The example project on the built-in digits, made in `projects_home` unless it is there already."""
    root = projects_home() / EXAMPLE_NAME
    if not ProjectPaths(root).manifest.exists():
        create_project(root, SourceRequest("digits"), progress)
    return open_project(root)


def open_project(root: Path) -> Project:
    """The project in a folder; cached, so that every page may ask for it on every rerun.

    Raises:
        NotFoundError: the folder is not a project.
        CorruptError: its ``project.json`` is damaged.
    """
    return _open(_project_paths(root))


def delete_project(root: Path) -> None:
    """Deletes a project's folder with all that is in it.

    Raises:
        NotFoundError: the folder is not a project.
        StateError: a training run of it is at work.
    """
    paths = _project_paths(root)
    with contextlib.suppress(CorruptError):  # what is damaged can be deleted
        active = active_run(paths)
        if active is not None:
            raise StateError(f"run {active.number} of {root} is at work; stop it before deleting the project")
    _end_jobs(paths)
    with contextlib.suppress(CorruptError):  # and its store was never opened
        open_project(root).labels.close()
    aside = paths.deleted(uuid.uuid4().hex[:8])
    paths.root.rename(aside)  # gone at once for everybody, even where deleting takes long or fails
    shutil.rmtree(aside)


def _end_jobs(paths: ProjectPaths) -> None:
    """Ends layouts and exports that are under way: they would write into the folder after it is gone."""
    runs = (paths.run(number) for number in paths.run_numbers())
    for path in [*(layout.status for run in runs for layout in run.all_layouts()), paths.export_task.status]:
        with contextlib.suppress(CorruptError, ProcessLookupError):
            status = read_status(path)
            if status is not None and status.alive:
                os.kill(status.pid, signal.SIGTERM)


def quarantined(project: Project) -> list[Quarantined]:
    """The files that could not be read when the project was made: (path, reason)."""
    return list(project.pool.quarantined)


def _fill(paths: ProjectPaths, name: str, request: SourceRequest, progress: Progress | None) -> IngestReport:
    """Writes all files of a new project into its folder, which is there and empty."""
    report = ingest(request, paths.images, progress)
    store = LabelStore(paths.labels)
    try:
        if report.labels:
            entries = [Entry(Kind.LABEL, item, class_name) for item, class_name in report.labels]
            store.record(entries, annotator=FOLDERS_ANNOTATOR)
    finally:
        store.close()
    manifest = Manifest(
        name=name,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        source=request.source,
        class_folders=request.class_folders.value,
        items=report.items,
        classes=report.classes,
    )
    write_json(paths.manifest, {"version": MANIFEST_VERSION, **asdict(manifest)})
    return report


def _project_paths(root: Path) -> ProjectPaths:
    paths = ProjectPaths(Path(root).expanduser().absolute())
    if not paths.manifest.is_file():
        raise NotFoundError(
            f"{root} is not a project: it has no {paths.manifest.name}; give a project's folder or make one"
        )
    return paths


def _manifest_stamp(paths: ProjectPaths) -> int:
    return paths.manifest.stat().st_mtime_ns


@kept_by_stamp(_manifest_stamp, maxsize=32)
def _open(paths: ProjectPaths, _stamp: int) -> Project:
    return Project(paths, _read_manifest(paths.manifest))


def _read_manifest(path: Path) -> Manifest:
    value = read_json(path)
    try:
        version = value.pop("version")
        if version != MANIFEST_VERSION:
            raise CorruptError(f"{path} has version {version}, not {MANIFEST_VERSION}; update the program")
        value["classes"] = tuple(value["classes"])
        return Manifest(**value)
    except (AttributeError, KeyError, TypeError) as error:
        raise CorruptError(f"{path} is not a project's manifest ({error}); restore it from a copy") from error


def _card(root: Path) -> ProjectCard:
    try:
        project = open_project(root)
        n_labels = len(project.labels.state().positive)
        state = "training" if active_run(project.paths) else "clustered" if latest_results(project.paths) else "new"
    except DgmError as error:
        return ProjectCard(root.name, root, "", 0, 0, "damaged", str(error))
    return ProjectCard(project.name, root, project.manifest.created, project.manifest.items, n_labels, state)
