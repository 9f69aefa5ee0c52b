"""Arrays of images and of feature vectors become a pool."""

import numpy as np
import pytest

from dgm_engine.data.pool import load_pool
from dgm_engine.data.readers import open_images
from dgm_engine.data.sources import SourceRequest, ingest
from dgm_engine.errors import InputError

GREY = np.random.default_rng(0).integers(0, 256, (6, 5, 4), dtype=np.uint8)
GREY[0, 0, :2] = 0, 255  # the whole range occurs
COLOUR = np.random.default_rng(1).integers(0, 256, (6, 5, 4, 3), dtype=np.uint8)


def run(tmp_path, arrays, **options):
    """The pool and the report of an array, saved as .npy, or of several, saved as .npz."""
    if isinstance(arrays, dict):
        path = tmp_path / "a.npz"
        np.savez_compressed(path, **arrays)
    else:
        path = tmp_path / "a.npy"
        np.save(path, arrays)
    report = ingest(SourceRequest(str(path), **options), tmp_path / "images")
    return load_pool(tmp_path / "images"), report


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        (GREY, GREY[..., None]),
        (GREY[..., None], GREY[..., None]),
        (COLOUR, COLOUR),
        (np.asfortranarray(COLOUR), COLOUR),
        (np.moveaxis(COLOUR, 3, 1), COLOUR),  # channels first
        (GREY.astype(np.float32), GREY[..., None]),
        (GREY / 255, GREY[..., None]),
        (GREY.astype(np.int64), GREY[..., None]),
        (GREY.astype(np.uint16) * 100, GREY[..., None]),
        (GREY / 127.5 - 1, GREY[..., None]),
        (GREY > 127, (GREY > 127)[..., None] * np.uint8(255)),
        (np.repeat(GREY[..., None], 3, axis=3), GREY[..., None]),  # colour without any colour
        (np.zeros((2, 3, 3)), np.zeros((2, 3, 3, 1), np.uint8)),
    ],
)
def test_images_of_every_layout_and_type(tmp_path, x, expected):
    pool, _ = run(tmp_path, x)
    assert pool.x.dtype == np.uint8
    assert pool.x.shape == expected.shape
    assert (pool.x == expected).all()


def test_transparent_images_are_laid_over_white(tmp_path):
    alpha = np.zeros((6, 5, 4, 1), np.uint8)
    alpha[:3] = 255
    pool, _ = run(tmp_path, np.concatenate([COLOUR, alpha], axis=3))
    assert (pool.x[:3] == COLOUR[:3]).all()
    assert (pool.x[3:] == 255).all()


def test_large_images_are_brought_to_size(tmp_path):
    pool, _ = run(tmp_path, np.full((3, 100, 200), 9, np.uint8))
    assert pool.shape == (32, 64, 1)
    assert (pool.x == 9).all()


def test_ids_are_row_numbers(tmp_path):
    assert run(tmp_path, GREY)[0].items.tolist() == [f"0000{row}" for row in range(6)]


def test_feature_vectors(tmp_path):
    x = np.random.default_rng(0).normal(size=(5, 7))
    x[1, 3], x[2, 0], x[4, 6] = np.nan, np.inf, 1e300
    pool, report = run(tmp_path, {"features": x, "y": np.arange(5)})
    assert not pool.is_images
    assert pool.x.dtype == np.float32
    assert (pool.x == x[[0, 3]].astype(np.float32)).all()
    assert pool.items.tolist() == ["00000", "00003"]
    assert [entry.path for entry in report.quarantined] == ["00001", "00002", "00004"]
    assert pool.classes == ("0", "3")
    assert pool.truth.tolist() == [0, 1]


def test_images_that_are_not_finite_are_listed(tmp_path):
    x = GREY / 255
    x[2, 0, 0] = np.nan
    pool, report = run(tmp_path, x)
    assert (pool.x == np.delete(GREY, 2, axis=0)[..., None]).all()
    assert [entry.path for entry in report.quarantined] == ["00002"]


@pytest.mark.parametrize("key", ["x", "images", "whatever"])
@pytest.mark.parametrize("label_key", ["y", "labels"])
@pytest.mark.parametrize(
    ("labels", "truth", "classes"),
    [
        ([10, 9, 2, 10, -1, 2], [2, 1, 0, 2, -1, 0], ("2", "9", "10")),
        (["cat", "dög", "", " cat", "b", "b"], [1, 2, -1, 1, 0, 0], ("b", "cat", "dög")),
        ([1.0, np.nan, 0.0, 1.0, 1.0, 1.0], [1, -1, 0, 1, 1, 1], ("0", "1")),
        (np.array([b"u", b"v"] * 3), [0, 1] * 3, ("u", "v")),
        (np.array([[0], [1]] * 3), [0, 1] * 3, ("0", "1")),
    ],
)
def test_labels_are_the_truth(tmp_path, key, label_key, labels, truth, classes):
    pool, _ = run(tmp_path, {key: GREY, label_key: np.array(labels)})
    assert pool.truth.tolist() == truth
    assert pool.classes == classes


def test_labels_go_where_class_folders_go(tmp_path):
    pool, report = run(tmp_path, {"x": GREY, "y": np.array([0, 1, -1] * 2)}, class_folders="labels")
    assert report.labels == [("00000", "0"), ("00001", "1"), ("00003", "0"), ("00004", "1")]
    assert set(pool.truth) == {-1}


@pytest.mark.parametrize(
    ("arrays", "complaint"),
    [
        (np.array([{}, {}]), "save plain numbers"),
        ({"x": np.array([{}, {}])}, "save plain numbers"),
        ({"x": GREY, "y": np.array([{}] * 6)}, "save plain numbers"),
        (GREY[0, 0], "expected numbers of shape"),
        (GREY[:0], r"cannot be read|expected numbers of shape"),
        (np.zeros((2, 6, 7, 5)), "channels"),
        (GREY * 1j, "complex"),
        ({"a": GREY, "b": GREY}, "holds a, b; name the array"),
        ({"y": np.arange(3)}, "holds y; name the array"),
        ({"x": GREY, "y": np.arange(5)}, "5 labels for 6 items"),
        ({"x": GREY, "y": np.arange(6) / 2}, "labels of type float64"),
        (np.full((4, 3), np.nan), "nothing in .* can be read"),
    ],
)
def test_other_arrays_are_refused(tmp_path, arrays, complaint):
    with pytest.raises(InputError, match=complaint):
        run(tmp_path, arrays)
    assert not (tmp_path / "images").exists()


@pytest.mark.parametrize("name", ["a.npy", "a.npz"])
def test_damaged_files_are_refused(tmp_path, name):
    path = tmp_path / name
    (np.save if name == "a.npy" else np.savez)(path, GREY)
    whole = path.read_bytes()
    for damaged in (b"", b"garbage", whole[: len(whole) // 2]):
        path.write_bytes(damaged)
        with pytest.raises(InputError, match="cannot be read"):
            ingest(SourceRequest(str(path)), tmp_path / "images")


def test_features_have_no_size(tmp_path):
    with pytest.raises(InputError, match="leave both out"):
        run(tmp_path, np.zeros((4, 3)), channels=1)


def test_other_arrays_are_read_with_the_range_of_the_pool(tmp_path):
    pool, _ = run(tmp_path, GREY / 16.0)
    assert pool.value_range == (0, 255 / 16)
    dark = tmp_path / "dark.npy"
    np.save(dark, GREY[1:2] / 64.0)
    with open_images(dark, pool.value_range) as catalogue:
        assert np.abs(catalogue.content.read(0, pool.shape).astype(int) - GREY[1][..., None] / 4).max() <= 0.5


def test_features_of_another_length_are_refused(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, np.zeros((2, 3)))
    with open_images(path) as catalogue, pytest.raises(InputError, match=r"3 features; expected \(4,\)"):
        catalogue.content.read(0, (4,))


def test_a_limit_leaves_row_numbers_alone(tmp_path):
    pool, _ = run(tmp_path, np.arange(300, dtype=np.float32).reshape(100, 3), limit=10)
    assert pool.n_items == 10
    assert pool.x[:, 0].tolist() == [3 * int(item) for item in pool.items]
