"""Where everything of a project lies, and how files of ours are written.

A file of ours appears whole or not at all: it is written beside its target, flushed to disk and renamed over it.
"""

import io
import json
import os
import uuid
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from dgm_engine.errors import CorruptError


@dataclass(frozen=True)
class RunPaths:
    """The files of one training run, ``PROJECT/runs/NNNN``."""

    root: Path

    @property
    def number(self) -> int:
        """The run's number, as in its folder's name."""
        return int(self.root.name)

    @property
    def config(self) -> Path:
        """What the run was asked to do."""
        return self.root / "config.json"

    @property
    def status(self) -> Path:
        """How the run stands; replaced atomically by the worker."""
        return self.root / "status.json"

    @property
    def metrics(self) -> Path:
        """One JSON object per line: the curves."""
        return self.root / "metrics.jsonl"

    @property
    def stop_request(self) -> Path:
        """Its existence asks the worker to stop."""
        return self.root / "stop"

    @property
    def log(self) -> Path:
        """What the worker wrote to stderr."""
        return self.root / "worker.log"

    @property
    def checkpoints(self) -> Path:
        """The folder of safetensors checkpoints."""
        return self.root / "checkpoints"

    @property
    def arrays(self) -> Path:
        """The folder of arrays that the screens read."""
        return self.root / "arrays"

    @property
    def results(self) -> Path:
        """What the arrays are of, and of which step; written after them, so that it says that they are there."""
        return self.arrays / "results.json"

    @property
    def neighbours(self) -> Path:
        """The pool rows nearest each; found by the fresh run of a lineage, for all of it."""
        return self.arrays / "neighbours.npy"

    @property
    def moves_seen(self) -> Path:
        """The names that moved and of which people know, by person; of a lineage, beside its fresh run."""
        return self.root / "moves_seen.json"

    def array(self, name: str, step: int) -> Path:
        """One of the arrays that the model gave after so many steps."""
        return self.arrays / f"{name}-{step:09d}.npy"


@dataclass(frozen=True)
class ProjectPaths:
    """The files of one project."""

    root: Path

    @property
    def manifest(self) -> Path:
        """Name, source and settings of the project."""
        return self.root / "project.json"

    @property
    def labels(self) -> Path:
        """The SQLite label store."""
        return self.root / "labels.db"

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
        """The folder of images that somebody picked out, so that an address can name them."""
        return self.root / "selections"

    @property
    def audits(self) -> Path:
        """The folder of audits, one file each."""
        return self.root / "audits"

    def run(self, number: int) -> RunPaths:
        """The paths of run ``number``, whether it exists or not."""
        return RunPaths(self.runs / f"{number:04d}")

    def run_numbers(self) -> list[int]:
        """The numbers of the runs on disk, ascending."""
        if not self.runs.is_dir():
            return []
        return sorted(int(p.name) for p in self.runs.iterdir() if p.name.isdigit() and p.is_dir())


def write_atomic(path: Path, data: bytes) -> None:
    """Writes ``data`` to ``path`` so that a reader, or a crash, sees the old file or the new one."""
    with written_atomically(path) as file:
        file.write(data)


@contextmanager
def written_atomically(path: Path) -> Generator[IO[bytes]]:
    """A file to write to, piece by piece, that becomes ``path`` at the end; nothing is left of it after an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def write_json(path: Path, value: object) -> None:
    """Writes ``value`` as JSON, atomically."""
    write_atomic(path, (json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode())


def read_json(path: Path) -> Any:  # noqa: ANN401 - JSON is what it is; callers validate
    """Reads a JSON file of ours.

    Raises:
        CorruptError: the file is missing, unreadable or not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CorruptError(f"{path} cannot be read ({error}); restore it from a copy or delete its folder") from error


def save_array(path: Path, array: NDArray[np.generic]) -> None:
    """Writes one .npy file, atomically and without pickle."""
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(array), allow_pickle=False)
    write_atomic(path, buffer.getvalue())


def load_array(path: Path) -> NDArray[Any]:
    """One .npy file, memory-mapped and without pickle; whether it is as long as it should be shows at once.

    Raises:
        CorruptError: it is missing or damaged.
    """
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise CorruptError(f"{path} cannot be read ({error}); train again") from error


def _sync_folder(folder: Path) -> None:
    """Makes a rename in ``folder`` durable; a no-op where folders cannot be opened (Windows)."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
