"""Caches of what is in files: stamp and content are taken together."""

from collections.abc import Callable
from pathlib import Path

import pytest

from dgm_engine.errors import CorruptError
from dgm_engine.stamped import kept_by_stamp


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "number"
    path.write_text("1")
    return path


def reader(meanwhile: list[str]) -> tuple[Callable[[Path], int], list[str]]:
    """Reads a number from a file whose stamp is its text, and notes the stamps under which it did.

    `meanwhile` is what others write into the file each time that its stamp was taken and its content was not.
    """
    stamps: list[str] = []

    @kept_by_stamp(lambda path: path.read_text(), maxsize=2)
    def number(path: Path, stamp: str) -> int:
        stamps.append(stamp)
        if meanwhile:
            path.write_text(meanwhile.pop(0))
        if not path.read_text().isdigit():
            raise CorruptError("no number")
        return int(path.read_text())

    return number, stamps


def test_a_file_is_read_once_until_somebody_writes_it(file: Path):
    number, stamps = reader([])
    assert [number(file), number(file)] == [1, 1]
    file.write_text("2")
    assert [number(file), number(file)] == [2, 2]
    assert stamps == ["1", "2"]


def test_what_is_written_meanwhile_is_not_kept_under_the_stamp_of_before(file: Path):
    number, stamps = reader(["2", "3"])
    assert number(file) == 3
    assert stamps == ["1", "2", "3"]
    file.write_text("1")  # as when a copy is put back
    assert number(file) == 1


def test_an_error_counts_only_where_nobody_wrote_meanwhile(file: Path):
    number, stamps = reader(["damaged"])
    with pytest.raises(CorruptError, match="no number"):
        number(file)
    assert stamps == ["1", "damaged"]
    file.write_text("4")
    assert number(file) == 4
