"""Files and folders that appear whole or not at all.

They are written beside their target, under a hidden name, and renamed over it at the end. A reader, or a crash, so sees
what was there before or what is there after.
"""

import os
import shutil
import uuid
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


def write_atomic(path: Path, data: bytes) -> None:
    """Writes ``data`` to ``path``, whole or not at all."""
    with written_atomically(path) as file:
        file.write(data)


@contextmanager
def written_atomically(path: Path) -> Generator[IO[bytes]]:
    """A file to write to, piece by piece, that becomes ``path`` at the end; nothing is left of it after an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = beside(path)
    try:
        with temporary.open("xb") as file:
            yield file
            flush_to_disk(file)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


@contextmanager
def made_whole(target: Path, *, replace: bool = False) -> Generator[Path]:
    """A new folder to fill that becomes ``target`` at the end; nothing is left of it after an error.

    Args:
        target: must not exist at the end, unless it is an empty folder.
        replace: whether it may exist. It is moved aside first and comes back if the new folder cannot take its place.

    Raises:
        OSError: a folder cannot be made or renamed.
    """
    folder, old = beside(target), beside(target)
    try:
        folder.mkdir(parents=True)
        yield folder
        if replace and target.exists():
            target.rename(old)
        folder.rename(target)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        if old.exists() and not target.exists():
            old.rename(target)
        raise
    _sync_folder(target.parent)
    shutil.rmtree(old, ignore_errors=True)


def beside(path: Path) -> Path:
    """A hidden name in the same folder that nothing else has."""
    return path.with_name(f".{path.name}.{uuid.uuid4().hex}")


def flush_to_disk(file: IO[bytes]) -> None:
    """Has what was written to a file reach the disk, so that no rename comes before it."""
    file.flush()
    os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Makes a rename in ``folder`` durable; a no-op where folders cannot be opened (Windows)."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
