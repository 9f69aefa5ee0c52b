"""An export folder: its files, how it is written and checked. No torch and no onnxruntime here."""

import hashlib
import io
import json
import zipfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from dgm_engine import __version__
from dgm_engine.config import ModelConfig
from dgm_engine.data.pool import ValueRange
from dgm_engine.errors import CorruptError, DgmError, InputError, NotFoundError
from dgm_engine.json_files import read_json
from dgm_engine.whole import flush_to_disk, made_whole

# Here and not in `paths`: an export is no part of a project; whoever receives one has these names only.
MODEL_FILE = "model.onnx"
WEIGHTS_FILE = "model.safetensors"
CONFIG_FILE = "config.json"
LABELS_FILE = "labels.json"
CARD_FILE = "README.md"
SUMS_FILE = "SHA256SUMS"
EXPORT_FILES = (MODEL_FILE, WEIGHTS_FILE, CONFIG_FILE, LABELS_FILE, CARD_FILE, SUMS_FILE)
"""The files of an export, the sums last."""

PROGRAM_NAME = "dgm-studio"
EXPORT_FORMAT = 1
"""Version of the export folder."""


@dataclass(frozen=True)
class Classifier:
    """What ``config.json`` says of an exported classifier.

    Attributes:
        model: the shape of the model behind it.
        shape: of one item, (H, W, C) uint8 or (D,) float32.
        owner: (K,) the class of each component, None if it has none.
        value_range: for arrays of images, the values that stand for black and white; None for files and features.
    """

    model: ModelConfig
    shape: tuple[int, ...]
    owner: tuple[str | None, ...]
    value_range: ValueRange | None = None

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes in the order of the outputs, the one of `dgm_engine.training.ownership`."""
        return tuple(sorted({name for name in self.owner if name is not None}))

    @property
    def is_images(self) -> bool:
        """Whether it takes images rather than feature vectors."""
        return len(self.shape) == 3

    @property
    def input_name(self) -> str:
        """The name of the graph's input."""
        return "images" if self.is_images else "features"

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values, with what a reader without this program wants to know."""
        return {
            "program": PROGRAM_NAME,
            "version": __version__,
            "format": EXPORT_FORMAT,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "input": {
                "name": self.input_name,
                "dtype": "uint8" if self.is_images else "float32",
                "shape": list(self.shape),
                "value_range": self.value_range,
            },
            "classes": list(self.classes),
            "owner": list(self.owner),
            "model": self.model.to_json(),
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """What `to_json` wrote.

        Raises:
            CorruptError: it is damaged, or of another version.
        """
        try:
            if value["format"] != EXPORT_FORMAT:
                raise CorruptError(f"the export has format {value['format']}, not {EXPORT_FORMAT}; update the program")
            limits = value["input"]["value_range"]
            return cls(
                ModelConfig.from_json(value["model"]),
                tuple(value["input"]["shape"]),
                tuple(value["owner"]),
                None if limits is None else (limits[0], limits[1]),
            )
        except (KeyError, TypeError, IndexError, InputError) as error:
            raise CorruptError(
                f"{CONFIG_FILE} is not one of an export ({error!r}); export the classifier again"
            ) from error


@contextmanager
def building(target: Path) -> Generator[Path]:
    """A new folder beside ``target`` that takes its place on success and disappears otherwise.

    Raises:
        InputError: ``target`` exists and is neither an earlier export nor an empty folder, or cannot be written.
    """
    try:
        _check_replaceable(target)
        with made_whole(target, replace=True) as folder:
            yield folder
            _check_replaceable(target)  # again: something may have been put there meanwhile
    except OSError as error:
        reason = error.strerror or error
        raise InputError(f"{target} cannot be written ({reason}); choose another folder") from error


def write_file(path: Path, data: bytes) -> None:
    """Writes one file of a folder that is being built, through to the disk."""
    with path.open("wb") as file:
        file.write(data)
        flush_to_disk(file)


def write_sums(folder: Path) -> None:
    """Writes SHA256SUMS over the other files, as ``sha256sum -c`` reads it."""
    lines = [_sum_line(name, (folder / name).read_bytes()) for name in EXPORT_FILES if name != SUMS_FILE]
    write_file(folder / SUMS_FILE, "".join(f"{line}\n" for line in lines).encode())


def read_verified(folder: Path) -> dict[str, bytes]:
    """The contents of an export's files by name, each checked against SHA256SUMS.

    Raises:
        NotFoundError: the folder is no export.
        CorruptError: a file is missing or was changed.
    """
    if not (folder / SUMS_FILE).is_file():
        raise NotFoundError(
            f"{folder} is not an exported classifier: it has no {SUMS_FILE}; give what dgm export wrote"
        )
    contents: dict[str, bytes] = {}
    for name in reversed(EXPORT_FILES):  # the sums first
        try:
            contents[name] = (folder / name).read_bytes()
        except OSError as error:
            raise CorruptError(
                f"{folder / name} cannot be read ({error.strerror}); export the classifier again"
            ) from error
        if name != SUMS_FILE and _sum_line(name, contents[name]).encode() not in contents[SUMS_FILE].splitlines():
            raise CorruptError(f"{folder / name} is not what {SUMS_FILE} says; copy or export the classifier again")
    return contents


def read_classifier(contents: dict[str, bytes]) -> Classifier:
    """The classifier that the files of an export describe; CorruptError where they do not."""
    try:
        value = json.loads(contents[CONFIG_FILE])
    except ValueError as error:
        raise CorruptError(f"{CONFIG_FILE} is not JSON ({error}); export the classifier again") from error
    return Classifier.from_json(value)


def zipped(folder: Path) -> bytes:
    """An export as a zip that unpacks into one folder of its name.

    Raises:
        CorruptError: a file is missing or was changed.
    """
    contents = read_verified(folder)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in EXPORT_FILES:
            archive.writestr(f"{folder.resolve().name}/{name}", contents[name])
    return buffer.getvalue()


def _check_replaceable(target: Path) -> None:
    """Raises InputError unless ``target`` is free, empty, or an earlier export that nothing else lies in."""
    if not target.exists():
        return
    if not target.is_dir():
        raise InputError(f"{target} is a file; choose a folder to export to")
    names = {path.name for path in target.iterdir()}
    foreign = sorted(names - set(EXPORT_FILES))
    if foreign or (names and not _is_ours(target)):
        found = f"it holds {foreign[0]}" if foreign else f"its {CONFIG_FILE} is not ours"
        raise InputError(f"{target} exists and is not just an earlier export ({found}); choose another folder")


def _is_ours(folder: Path) -> bool:
    try:
        return read_json(folder / CONFIG_FILE)["program"] == PROGRAM_NAME
    except (DgmError, KeyError, TypeError):
        return False


def _sum_line(name: str, data: bytes) -> str:
    return f"{hashlib.sha256(data).hexdigest()}  {name}"
