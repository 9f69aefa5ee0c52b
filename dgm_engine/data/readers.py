"""The registry of files that hold a whole pile, and the sentences that name all kinds of source.

To add a kind of file, write its `PileReader` and list it here. Command-line help, upload boxes, error messages and
``docs/files.md`` follow.
"""

from contextlib import AbstractContextManager
from pathlib import Path

from dgm_engine.data.arrays import ARRAYS
from dgm_engine.data.builtin import BUILT_IN
from dgm_engine.data.catalogue import Catalogue
from dgm_engine.data.files import ZIP, image_file, open_folder
from dgm_engine.data.image_readers import is_image_suffix, one_of
from dgm_engine.data.pool import ValueRange
from dgm_engine.data.reader import PileReader
from dgm_engine.errors import InputError, NotFoundError

READERS: dict[str, PileReader] = {suffix: reader for reader in (ZIP, ARRAYS) for suffix in reader.suffixes}
"""The readers by ending."""


def pile_titles() -> tuple[str, ...]:
    """The kinds of file that hold a pile, each in a few words."""
    return tuple(dict.fromkeys(reader.title for reader in READERS.values()))


def source_kinds() -> str:
    """All kinds of source that a project can be made from, as part of a sentence."""
    return one_of((*BUILT_IN, "a folder of images", *pile_titles()))


def predictable_kinds() -> str:
    """All kinds of file that a classifier can be used on, as part of a sentence."""
    return one_of(("an image", "a folder of images", *pile_titles()))


def upload_types() -> list[str]:
    """The endings of files that hold a pile, without the dot, as an upload box takes them."""
    return [suffix.removeprefix(".") for suffix in READERS]


def open_source_path(path: Path) -> AbstractContextManager[Catalogue]:
    """The items of a source of a project that is no built-in set; raises as `open_images`."""
    return _open(path, None, source_kinds())


def open_images(path: Path, value_range: ValueRange | None = None) -> AbstractContextManager[Catalogue]:
    """The items of an image file, a folder or a file of a registered kind, with the ids that `ingest` gives them.

    Args:
        path: the file or folder to open.
        value_range: for arrays of images, the values of black and white; None finds them in the array. The pool's own
            range has an array read as the pool was.

    Raises:
        NotFoundError: ``path`` does not exist.
        InputError: the file is of no known kind, or holds no images.
    """
    return _open(path, value_range, predictable_kinds())


def _open(path: Path, value_range: ValueRange | None, kinds: str) -> AbstractContextManager[Catalogue]:
    if path.is_dir():
        return open_folder(path)
    if not path.is_file():
        raise NotFoundError(f"there is no folder or file {str(path)!r}; check how it is spelled, or give {kinds}")
    suffix = path.suffix.lower()
    if suffix in READERS:
        return READERS[suffix].open(path, value_range)
    if is_image_suffix(suffix):
        return image_file(path)
    raise InputError(f"{path} is of no kind that can be read; give {kinds}")
