"""The registry of formats of label files. To add one, write its `LabelFormat` and list it here.

Command-line help, the boxes and buttons of the page *Export*, error messages and ``docs/files.md`` follow.
"""

from pathlib import Path

from dgm_engine.errors import InputError
from dgm_engine.labels.csv_labels import CSV
from dgm_engine.labels.interchange import LabelFormat
from dgm_engine.labels.jsonl_labels import JSONL

LABEL_FORMATS: dict[str, LabelFormat] = {known.suffix: known for known in (CSV, JSONL)}
"""The formats by ending; files with any other ending are read in the first one."""


def format_to_read(path: Path) -> LabelFormat:
    """The format to read a file in: that of its ending, or else the first."""
    return LABEL_FORMATS.get(path.suffix.lower()) or next(iter(LABEL_FORMATS.values()))


def format_to_write(path: Path) -> LabelFormat:
    """The format to write a file in.

    Raises:
        InputError: no format has this ending.
    """
    known = LABEL_FORMATS.get(path.suffix.lower())
    if known is None:
        raise InputError(f"labels cannot be written to {path.name}; choose a name that ends in {label_suffixes()}")
    return known


def label_suffixes() -> str:
    """The endings of label files, as part of a sentence."""
    return " or ".join(LABEL_FORMATS)


def label_layouts() -> str:
    """What a person writes into a label file of each format, as part of a sentence."""
    return ", or ".join(f"{known.title} with {known.layout}" for known in LABEL_FORMATS.values())


def label_types() -> list[str]:
    """The endings of label files without the dot, as an upload box takes them."""
    return [suffix.removeprefix(".") for suffix in LABEL_FORMATS]
