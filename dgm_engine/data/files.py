"""Images in a folder or a zip.

Nothing is ever written to a path from a zip: members are read as bytes, within limits on their number, size and
compression.
"""

import os
import re
import zipfile
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from dgm_engine.data.catalogue import Catalogue, Shape, encode_classes, no_split
from dgm_engine.data.decode import check_bytes, fit, is_grey, open_image, read_file
from dgm_engine.data.image_readers import format_names, is_image_suffix, one_of
from dgm_engine.data.pool import Quarantined, ValueRange
from dgm_engine.data.reader import PileReader
from dgm_engine.errors import InputError

MAX_MEMBERS = 5_000_000
"""A zip may have this many entries."""

MAX_COMPRESSION_RATIO = 200
"""The contents of a zip may be this many times as large as the file, if they exceed `MAX_UNCHECKED_BYTES`."""

MAX_UNCHECKED_BYTES = 2**30
"""A zip's contents up to this size, in bytes, are read at any compression ratio."""

_UNWRITABLE_CHARACTERS = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


class ImageFiles:
    """The images behind a list of readers, each of which returns a file's bytes."""

    def __init__(self, readers: Sequence[Callable[[], bytes]]) -> None:
        self._readers = readers

    def look(self, row: int) -> Shape:
        """See `Content.look`."""
        image = open_image(self._readers[row]())
        return image.height, image.width, 1 if is_grey(image) else 3

    def read(self, row: int, shape: Shape) -> np.ndarray:
        """See `Content.read`."""
        return fit(open_image(self._readers[row]()), shape)


@contextmanager
def open_folder(root: Path) -> Generator[Catalogue]:
    """The images below a folder. Ids are paths inside it, with forward slashes.

    Names that start with a dot, ``__MACOSX`` and files without the ending of an image are ignored. Links are followed,
    each folder once.

    Raises:
        InputError: there are no images.
    """
    errors: list[OSError] = []
    names = sorted(name for name in _walk(root, errors.append) if _is_image(name))
    unlisted = [Quarantined(str(error.filename), f"cannot be listed: {error.strerror}") for error in errors]
    yield _catalogue(root, [(name, _file_reader(root / name)) for name in names], unlisted)


@contextmanager
def open_zip(path: Path, _value_range: ValueRange | None = None) -> Generator[Catalogue]:
    """The images in a zip, by the rules of `open_folder`. Ids are the paths of the members.

    Raises:
        InputError: there are no images, the zip is damaged, or it exceeds a limit.
    """
    with open_archive(path) as archive:
        members = [(info.filename.replace("\\", "/"), info) for info in archive.infolist() if not info.is_dir()]
        members = sorted((m for m in members if _is_image(m[0])), key=lambda member: member[0])
        yield _catalogue(path, [(name, _member_reader(archive, info)) for name, info in members])


ZIP = PileReader((".zip",), "images", open_zip)


@contextmanager
def image_file(path: Path) -> Generator[Catalogue]:
    """One image file; its id is its name."""
    yield _catalogue(path, [(path.name, _file_reader(path))])


@contextmanager
def open_archive(path: Path) -> Generator[zipfile.ZipFile]:
    """A zip within the limits of this module.

    Raises:
        InputError: the zip is damaged, or exceeds a limit.
    """
    try:
        archive = zipfile.ZipFile(path)
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} cannot be read as a zip ({error}); pack it again, or give the folder") from error
    with archive:
        _check_archive(path, archive.infolist())
        yield archive


def folder_classes(items: Sequence[str]) -> list[str]:
    """The class of each item by its folder, "" for none.

    The class is the first folder in the item's path that not all items have in common: a zip is often packed from one
    folder.
    """
    folders = [item.split("/")[:-1] for item in items]
    first, last = min(folders), max(folders)  # the common part of these two is common to all
    shared = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
    return [folder[shared] if len(folder) > shared else "" for folder in folders]


def _catalogue(
    source: Path, entries: Sequence[tuple[str, Callable[[], bytes]]], unlisted: Sequence[Quarantined] = ()
) -> Catalogue:
    """The entries (id, reader), sorted by id; those whose name cannot be an id are quarantined."""
    quarantined = list(unlisted)
    items: dict[str, Callable[[], bytes]] = {}
    for name, reader in entries:
        reason = "its path occurs twice; only the first is read" if name in items else _fault_of(name)
        if reason:
            quarantined.append(Quarantined(_printable(name), reason))
        else:
            items[name] = reader
    if not items:
        found = f" ({quarantined[0].path}: {quarantined[0].reason})" if quarantined else ""
        raise InputError(f"{source} holds no images{found}; expected {one_of(format_names())} files")
    truth, classes = encode_classes(folder_classes(list(items)))
    content = ImageFiles(list(items.values()))
    return Catalogue(list(items), truth, classes, no_split(len(items)), content, tuple(quarantined))


def _walk(root: Path, on_error: Callable[[OSError], None]) -> Iterator[str]:
    """The paths of all files below ``root`` that are not hidden, relative, with forward slashes."""
    seen: set[tuple[int, int]] = set()
    for folder, subfolders, names in os.walk(root, onerror=on_error, followlinks=True):
        status = Path(folder).stat()
        identity = (status.st_dev, status.st_ino)
        if identity in seen:
            subfolders.clear()
            continue
        seen.add(identity)
        subfolders[:] = sorted(name for name in subfolders if not _is_hidden(name))
        prefix = os.path.relpath(folder, root).replace(os.sep, "/") + "/"
        yield from (prefix.removeprefix("./") + name for name in names)


def _is_hidden(part: str) -> bool:
    return (part.startswith(".") and part != "..") or part == "__MACOSX"


def _is_image(name: str) -> bool:
    visible = not any(_is_hidden(part) for part in name.split("/"))
    return visible and is_image_suffix(os.path.splitext(name)[1].lower())  # noqa: PTH122 - a million of them


def _fault_of(name: str) -> str:
    """Why ``name`` cannot be an id, or ""."""
    if _UNWRITABLE_CHARACTERS.search(name):
        return "its name holds a line break or another character that no text file can carry; rename it"
    if name.startswith("/") or ".." in name.split("/"):
        return "its path leads out of the archive; pack it again"
    return ""


def _printable(name: str) -> str:
    return name.encode("unicode_escape").decode() if _UNWRITABLE_CHARACTERS.search(name) else name


def _file_reader(path: Path) -> Callable[[], bytes]:
    return lambda: read_file(path)


def _member_reader(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Callable[[], bytes]:
    def read() -> bytes:
        check_bytes(info.file_size)
        if info.flag_bits & 1:
            raise InputError("protected by a password; pack it without one")
        try:
            return archive.read(info)
        except Exception as error:  # what zipfile and its decompressors raise for damaged members
            raise InputError(f"damaged inside the zip: {error}") from error

    return read


def _check_archive(path: Path, members: Sequence[zipfile.ZipInfo]) -> None:
    total = sum(info.file_size for info in members)
    if len(members) > MAX_MEMBERS:
        raise InputError(f"{path} has {len(members):,} entries; at most {MAX_MEMBERS:,} are read: split it")
    if total > max(MAX_UNCHECKED_BYTES, MAX_COMPRESSION_RATIO * path.stat().st_size):
        raise InputError(
            f"{path} would unpack to {total / 2**30:.0f} GB, over {MAX_COMPRESSION_RATIO} times its size, as an attack "
            "would; if it is sound, unpack it and give the folder or file"
        )
