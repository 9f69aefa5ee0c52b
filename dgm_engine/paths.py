"""The paths of all files of a project; no other module names them."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

MANIFEST = "project.json"  # the file that makes a folder a project


@dataclass(frozen=True)
class _ProcessPaths:
    """The files of a process that works in a folder of its own."""

    root: Path

    @property
    def status(self) -> Path:
        """The status of the job; its process replaces the file atomically."""
        return self.root / "status.json"

    @property
    def stop_request(self) -> Path:
        """Its existence asks the process to stop."""
        return self.root / "stop"

    @property
    def log(self) -> Path:
        """The output of the process and its libraries."""
        return self.root / "worker.log"


@dataclass(frozen=True)
class JobPaths(_ProcessPaths):
    """The files of a task or a peer."""

    @property
    def task(self) -> Path:
        """What the job is asked to do."""
        return self.root / "task.json"


@dataclass(frozen=True)
class PeerPaths(JobPaths):
    """The files of a peer's run, ``PROJECT/peer``."""

    @property
    def project(self) -> "ProjectPaths":
        """The project that the peer works on."""
        return ProjectPaths(self.root.parent)

    @property
    def component(self) -> Path:
        """(N,) the cluster or class of every image."""
        return self.root / "component.npy"

    @property
    def owner(self) -> Path:
        """The class that owns each component."""
        return self.root / "owner.json"


@dataclass(frozen=True)
class LayoutPaths:
    """The files of one layout of a run's map, ``RUN/layouts/METHOD.*``."""

    folder: Path
    method: str

    @property
    def positions(self) -> Path:
        """(M, 2) float32, the places of the shown items."""
        return self.folder / f"{self.method}.npy"

    @property
    def status(self) -> Path:
        """The status of the job that computes the layout."""
        return self.folder / f"{self.method}.json"

    @property
    def basis(self) -> Path:
        """The results of the run that the layout was begun on."""
        return self.folder / f"{self.method}.basis"

    @property
    def log(self) -> Path:
        """The output of the job and its libraries."""
        return self.folder / f"{self.method}.log"


@dataclass(frozen=True)
class PoolPaths:
    """The files of a decoded pool, ``PROJECT/images``."""

    root: Path

    @property
    def values(self) -> Path:
        """The pixels or features of all items."""
        return self.root / "pool.npy"

    @property
    def items(self) -> Path:
        """One row per item: id, split, truth."""
        return self.root / "items.parquet"

    @property
    def about(self) -> Path:
        """Shape, class names, where the pool came from, and what could not be read."""
        return self.root / "pool.json"

    def features(self, extractor: str, version: int) -> Path:
        """(N, F) float16, the features of a version of an extractor; `Extractor.stored_as` gives the arguments."""
        return self.root / f"{extractor}-{version}.npy"


@dataclass(frozen=True)
class RunPaths(_ProcessPaths):
    """The files of one training run, ``PROJECT/runs/NNNN``."""

    @property
    def number(self) -> int:
        """The run's number, as in its folder's name."""
        return int(self.root.name)

    @property
    def config(self) -> Path:
        """What the run was asked to do."""
        return self.root / "config.json"

    @property
    def metrics(self) -> Path:
        """One JSON object per line: the curves."""
        return self.root / "metrics.jsonl"

    @property
    def checkpoints(self) -> Path:
        """The folder of safetensors checkpoints."""
        return self.root / "checkpoints"

    def weights(self, step: int) -> Path:
        """The tensors of the checkpoint after `step` steps."""
        return self.checkpoints / f"{step:09d}.safetensors"

    def about_weights(self, step: int) -> Path:
        """The other part of the checkpoint, written after the tensors: if it exists, they do."""
        return self.checkpoints / f"{step:09d}.json"

    def checkpoint_steps(self) -> list[int]:
        """The steps of the checkpoints on disk, ascending."""
        return sorted(int(path.stem) for path in self.checkpoints.glob("*.json") if path.stem.isdigit())

    @property
    def arrays(self) -> Path:
        """The folder of arrays that the screens read."""
        return self.root / "arrays"

    @property
    def results(self) -> Path:
        """The step of the arrays and their description, written after them: if it exists, they do."""
        return self.arrays / "results.json"

    @property
    def neighbours(self) -> Path:
        """The nearest pool rows of each row; the fresh run of a lineage finds them for all its runs."""
        return self.arrays / "neighbours.npy"

    @property
    def live_map(self) -> Path:
        """The map of a sample of the pool while the run is at work."""
        return self.root / "live.npy"

    @property
    def layouts(self) -> Path:
        """The folder of layouts of the map."""
        return self.root / "layouts"

    @property
    def moves_seen(self) -> Path:
        """The moved names that each person has seen; the fresh run of a lineage keeps them for all its runs."""
        return self.root / "moves_seen.json"

    def array(self, name: str, step: int) -> Path:
        """One of the arrays that the model gave after `step` steps."""
        return self.arrays / f"{name}-{step:09d}.npy"

    def all_arrays(self) -> list[Path]:
        """The arrays on disk, of any name and step."""
        return sorted(self.arrays.glob("*.npy"))

    def arrays_of(self, name: str) -> list[Path]:
        """The files of one array on disk, of every step."""
        return list(self.arrays.glob(f"{name}-*.npy"))

    def contents(self, event: int) -> Path:
        """The images of an edit's components just before it; the fresh run of a lineage keeps them for all its runs."""
        return self.arrays / f"held-{event}.npy"

    def layout(self, method: str) -> LayoutPaths:
        """The files of the layout by a method."""
        return LayoutPaths(self.layouts, method)

    def all_layouts(self) -> list[LayoutPaths]:
        """The layouts for which a job was started."""
        return [self.layout(path.stem) for path in self.layouts.glob("*.json")]


@dataclass(frozen=True)
class ProjectPaths:
    """The files of one project."""

    root: Path

    @property
    def manifest(self) -> Path:
        """Name, source and settings of the project."""
        return self.root / MANIFEST

    @property
    def labels(self) -> Path:
        """The SQLite label store."""
        return self.root / "labels.db"

    @property
    def given_labels(self) -> Path:
        """The labels that `dgm reproduce` gave, in the format of a person's file."""
        return self.root / "labels.csv"

    @property
    def images(self) -> Path:
        """The decoded pool."""
        return self.root / "images"

    @property
    def runs(self) -> Path:
        """The folder of training runs."""
        return self.root / "runs"

    @property
    def exports(self) -> Path:
        """The folder that the Export page writes to."""
        return self.root / "exports"

    @property
    def selections(self) -> Path:
        """The folder of selections of images that addresses refer to."""
        return self.root / "selections"

    @property
    def audits(self) -> Path:
        """The folder of audits, one file each."""
        return self.root / "audits"

    @property
    def peer(self) -> PeerPaths:
        """The files of a peer of `dgm reproduce`."""
        return PeerPaths(self.root / "peer")

    @property
    def export_task(self) -> JobPaths:
        """The job that exports the classifier."""
        return JobPaths(self.exports / ".task")

    def export(self, begun: datetime) -> Path:
        """The folder of an export that the Export page began then."""
        return self.exports / f"classifier-{begun:%Y%m%d-%H%M%S}"

    def deleted(self, key: str) -> Path:
        """Where the project lies while it is deleted: beside its folder, and hidden; no two have the same `key`."""
        return self.root.with_name(f".{self.root.name}.deleted-{key}")

    def audit(self, number: int) -> Path:
        """The file of one audit."""
        return self.audits / f"{number:04d}.json"

    def audit_numbers(self) -> list[int]:
        """The numbers of the audits on disk, ascending."""
        return sorted(int(path.stem) for path in self.audits.glob("*.json") if path.stem.isdigit())

    def selection(self, name: str) -> Path:
        """The pool rows of one selection."""
        return self.selections / f"{name}.npy"

    def all_selections(self) -> list[Path]:
        """The selections on disk."""
        return list(self.selections.glob("*.npy"))

    def run(self, number: int) -> RunPaths:
        """The paths of run ``number``, whether it exists or not."""
        return RunPaths(self.runs / f"{number:04d}")

    def run_numbers(self) -> list[int]:
        """The numbers of the runs on disk, ascending."""
        found = self.runs.iterdir() if self.runs.is_dir() else ()
        return sorted(int(path.name) for path in found if path.name.isdigit() and path.is_dir())


def lock_of(folder: Path) -> Path:
    """The file to lock while a process starts or changes something in a folder."""
    return folder / ".lock"


def projects_in(home: Path) -> list[Path]:
    """The folders of the projects in a home; hidden ones are under way, or are being deleted."""
    return [path.parent for path in home.glob(f"[!.]*/{MANIFEST}")] if home.is_dir() else []


def tasks_home(projects_home: Path) -> Path:
    """The folder of tasks that create projects, and of the uploads that they read."""
    return projects_home / ".tasks"


def upload(projects_home: Path, key: str, suffix: str) -> Path:
    """The copy of an upload of that kind of file, until its task ends; no two have the same `key`."""
    return tasks_home(projects_home) / f"upload-{key}{suffix}"
