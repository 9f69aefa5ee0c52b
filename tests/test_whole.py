"""Files, folders and arrays that appear whole or not at all."""

from pathlib import Path

import numpy as np
import pytest

from dgm_engine.errors import CorruptError
from dgm_engine.npy import load_array, map_array, save_array, write_header
from dgm_engine.whole import made_whole, written_atomically


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_the_old_one_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / "new" / "a.txt"
    with written_atomically(path) as file:
        file.write(b"one")
        assert not path.exists()
    with written_atomically(path) as file:
        file.write(b"two")
        assert path.read_bytes() == b"one"
    assert path.read_bytes() == b"two"
    assert names(path.parent) == ["a.txt"]


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_nothing_is_left_of_a_file_or_folder_after_an_error(tmp_path, error):
    (tmp_path / "a.txt").write_text("old")

    def break_off():
        with written_atomically(tmp_path / "a.txt") as file, made_whole(tmp_path / "b") as folder:
            file.write(b"half")
            (folder / "c").touch()
            raise error

    with pytest.raises(error):
        break_off()
    assert names(tmp_path) == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "old"


def test_a_folder_appears_with_all_that_is_in_it(tmp_path):
    target = tmp_path / "new" / "a"
    with made_whole(target) as folder:
        (folder / "c").touch()
        assert not target.exists()
    assert names(target) == ["c"]
    assert names(target.parent) == ["a"]


def test_a_folder_takes_the_place_of_an_empty_one_and_of_a_full_one_where_that_was_asked_for(tmp_path):
    target = tmp_path / "a"
    target.mkdir()
    for replace, name in ((False, "first"), (True, "second")):
        with made_whole(target, replace=replace) as folder:
            (folder / name).touch()
        assert names(target) == [name]
    with pytest.raises(OSError, match="not empty"), made_whole(target) as folder:
        (folder / "third").touch()
    assert names(target) == ["second"]
    assert names(tmp_path) == ["a"]


def test_the_folder_before_comes_back_if_the_new_one_cannot_take_its_place(tmp_path, monkeypatch):
    target, rename = tmp_path / "a", Path.rename
    with made_whole(target) as folder:
        (folder / "old").touch()

    def refuse(self, to):
        if to == target and (self / "new").exists():
            raise OSError(13, "Permission denied")
        return rename(self, to)

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(OSError, match="Permission"), made_whole(target, replace=True) as folder:
        (folder / "new").touch()
    assert names(target) == ["old"]
    assert names(tmp_path) == ["a"]


@pytest.mark.parametrize("dtype", ["float16", "<i8", "uint8", "U5", [("row", "<i8"), ("name", "<U3")]])
def test_arrays_come_back_and_are_mapped(tmp_path, dtype):
    array = np.zeros((3, 2), dtype=dtype)[::-1]
    save_array(tmp_path / "a.npy", array)
    found = load_array(tmp_path / "a.npy")
    assert isinstance(found, np.memmap)
    assert found.dtype == array.dtype
    assert (found == array).all()


def test_an_array_of_objects_is_neither_written_nor_read(tmp_path):
    path = tmp_path / "a.npy"
    with pytest.raises(ValueError, match="pickle"):
        save_array(path, np.array([{}], dtype=object))
    assert not path.exists()
    np.save(path, np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(CorruptError, match="train the run again"):
        load_array(path)
    with pytest.raises(ValueError, match="object"):
        map_array(path)


def test_what_helps_is_said_of_a_lost_or_damaged_array(tmp_path):
    path = tmp_path / "a.npy"
    with pytest.raises(CorruptError, match=r"a\.npy is missing; make it anew"):
        load_array(path, "make it anew")
    path.write_bytes(b"\x93NUMPY\x01")
    with pytest.raises(CorruptError, match=r"a\.npy cannot be read .*; make it anew"):
        load_array(path, "make it anew")


def test_a_header_is_written_again_over_itself_when_the_first_axis_is_known(tmp_path):
    path = tmp_path / "a.npy"
    with path.open("wb") as file:
        write_header(file, np.float32, (0, 2))
        file.write(np.arange(6, dtype=np.float32).tobytes())
        file.seek(0)
        write_header(file, np.float32, (3, 2))
    assert load_array(path).tolist() == [[0, 1], [2, 3], [4, 5]]
