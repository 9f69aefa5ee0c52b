"""The decoded pool and its files."""

import json

import numpy as np
import pytest

from dgm_engine.data.pool import Pool, PoolWriter, load_pool
from dgm_engine.errors import CorruptError, NotFoundError

ABOUT = {"source": "somewhere", "classes": ["cat", "dög"], "value_range": None, "quarantined": []}
ITEMS = ["cats/1.png", "dögs/ 2.png", "x,\"y'.png"]


def write(folder, shape=(4, 5, 3), n=3):
    values = np.random.default_rng(0).integers(0, 256, (n, *shape)).astype(np.uint8 if len(shape) == 3 else np.float32)
    folder.mkdir(exist_ok=True)
    writer = PoolWriter(folder, shape)
    for row in values:
        writer.append(row)
    split = np.array(["train", "train", "test"])
    writer.finish(ITEMS, split, np.array([0, -1, 1], np.int32), ABOUT)
    return values


@pytest.mark.parametrize("shape", [(4, 5, 3), (7,)])
def test_what_is_written_is_read_back(tmp_path, shape):
    values = write(tmp_path / "images", shape)
    pool = load_pool(tmp_path / "images")
    assert (pool.x == values).all()
    assert pool.x.dtype == values.dtype
    assert pool.shape == shape
    assert pool.is_images == (len(shape) == 3)
    assert pool.items.tolist() == ITEMS
    assert pool.split.tolist() == ["train", "train", "test"]
    assert pool.truth.tolist() == [0, -1, 1]
    assert pool.truth.dtype == np.int32
    assert pool.classes == ("cat", "dög")
    assert pool.source == "somewhere"


def test_the_header_has_room_for_a_million_items(tmp_path):
    writer = PoolWriter(tmp_path, (1,))
    for _ in range(100_001):
        writer.append(np.zeros(1, np.float32))
    n = 100_001
    writer.finish([f"{i}" for i in range(n)], np.full(n, ""), np.full(n, -1), ABOUT)
    assert load_pool(tmp_path).x.shape == (n, 1)


def test_the_values_stay_on_disk_and_cannot_be_changed(tmp_path):
    write(tmp_path)
    pool = load_pool(tmp_path)
    assert isinstance(pool.x, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        pool.x[0] = 0


def test_rows_of_items_and_what_is_shown_and_scored(tmp_path):
    write(tmp_path)
    pool = load_pool(tmp_path)
    assert pool.rows([ITEMS[2], ITEMS[0]]).tolist() == [2, 0]
    assert pool.rows([]).tolist() == []
    assert pool.rows([]).dtype == np.int64
    with pytest.raises(NotFoundError, match=r"'nobody'.*such as cats/1.png"):
        pool.rows([ITEMS[0], "nobody", "nothing"])
    assert pool.shown.tolist() == [0, 1]
    assert pool.scored.tolist() == [2]


def test_without_a_split_all_known_truth_is_scored():
    pool = Pool(
        np.zeros((3, 2), np.float32), np.array(["a", "b", "c"]), np.full(3, ""), np.array([1, -1, 0]), ("u", "v")
    )
    assert pool.shown.tolist() == [0, 1, 2]
    assert pool.scored.tolist() == [0, 2]


def test_a_value_of_another_shape_is_our_own_bug(tmp_path):
    writer = PoolWriter(tmp_path, (4, 4, 1))
    with pytest.raises(ValueError, match="expected uint8"):
        writer.append(np.zeros((4, 4, 1)))
    with pytest.raises(ValueError, match="expected 0"):
        writer.finish(["a"], np.array([""]), np.array([0]), ABOUT)
    writer.close()


def change_json(folder, **changes):
    path = folder / "pool.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "pool.npy").unlink(),
        lambda folder: (folder / "pool.npy").write_bytes((folder / "pool.npy").read_bytes()[:-20]),
        lambda folder: (folder / "items.parquet").write_bytes(b"PAR1"),
        lambda folder: (folder / "pool.json").write_text("{}"),
        lambda folder: (folder / "pool.json").unlink(),
        lambda folder: change_json(folder, format=99),
        lambda folder: change_json(folder, shape=[5, 4, 3]),
    ],
)
def test_damage_is_reported(tmp_path, damage):
    write(tmp_path)
    damage(tmp_path)
    with pytest.raises(CorruptError) as caught:
        load_pool(tmp_path)
    assert "\n" not in str(caught.value)
