"""The built-in sets."""

import os
from pathlib import Path

import numpy as np
import pytest

from dgm_engine.data.compat import import_torchvision
from dgm_engine.data.pool import load_pool
from dgm_engine.data.sources import SourceRequest, ingest
from dgm_engine.errors import InputError

FULL = Path(os.environ.get("DGM_DATA_ROOT", Path(__file__).parents[3] / "shared" / "data"))


def run(tmp_path, name, **options):
    report = ingest(SourceRequest(name, **options), tmp_path / "images")
    return load_pool(tmp_path / "images"), report


def write_idx(path: Path, values: np.ndarray) -> None:
    """Writes the plain IDX files that torchvision reads."""
    path.parent.mkdir(parents=True, exist_ok=True)
    header = bytes([0, 0, 8, values.ndim]) + b"".join(n.to_bytes(4, "big") for n in values.shape)
    path.write_bytes(header + values.astype(np.uint8).tobytes())


@pytest.fixture
def data_root(tmp_path):
    """A tiny MNIST and Fashion-MNIST: 20 train and 10 test images; image i is filled with i."""
    for kind in ("MNIST", "FashionMNIST"):
        for part, n in (("train", 20), ("t10k", 10)):
            raw = tmp_path / "data" / kind / "raw"
            write_idx(raw / f"{part}-images-idx3-ubyte", np.ones((n, 28, 28)) * np.arange(n)[:, None, None])
            write_idx(raw / f"{part}-labels-idx1-ubyte", np.arange(n) % 10)
    return tmp_path / "data"


def test_digits_split_in_their_own_order(tmp_path):
    from sklearn.datasets import load_digits

    pool, report = run(tmp_path, "digits")
    assert report.items == 1797
    assert pool.items[[0, 1436, 1437, 1796]].tolist() == ["train/00000", "train/01436", "test/00000", "test/00359"]
    assert np.abs(pool.x[..., 0] / 255 * 16 - load_digits().images).max() < 0.04
    assert (pool.truth == load_digits().target).all()
    assert pool.classes == tuple("0123456789")
    assert len(pool.shown) == 1437
    assert pool.scored.tolist() == list(range(1437, 1797))


@pytest.mark.parametrize(("name", "last_class"), [("mnist", "9"), ("fashion-mnist", "Ankle boot")])
def test_torchvision_sets_from_a_data_root(tmp_path, data_root, monkeypatch, name, last_class):
    pool, _ = run(tmp_path, name, data_root=data_root)
    assert pool.items[[0, 19, 20, 29]].tolist() == ["train/00000", "train/00019", "test/00000", "test/00009"]
    assert (pool.x[:, 0, 0, 0] == [*range(20), *range(10)]).all()
    assert pool.truth.tolist() == [i % 10 for i in range(30)]
    assert pool.classes[9] == last_class
    monkeypatch.setenv("DGM_DATA_ROOT", str(data_root))
    assert run(tmp_path / "by-variable", name)[0].n_items == 30


def test_a_limit_leaves_the_test_split_whole_and_classes_complete(tmp_path, data_root):
    pool, report = run(tmp_path, "mnist", data_root=data_root, limit=12, class_folders="ignore")
    assert report.items == 22
    assert len(pool.shown) == 12
    assert set(pool.truth[pool.shown]) == set(range(10))
    assert len(pool.scored) == 10


def test_a_data_root_without_the_set_says_what_is_expected(tmp_path):
    with pytest.raises(InputError, match=r"mnist is not in .*--data-root.*MNIST/raw/train-images-idx3-ubyte"):
        run(tmp_path, "mnist", data_root=tmp_path)
    assert not (tmp_path / "MNIST").exists()


def test_without_a_data_root_it_is_downloaded(tmp_path, monkeypatch, capfd):
    monkeypatch.delenv("DGM_DATA_ROOT", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(import_torchvision().datasets.MNIST, "mirrors", ["http://127.0.0.1:9/"])  # nobody listens
    with pytest.raises(InputError, match=r"mnist could not be downloaded to .*cache.*--data-root") as caught:
        run(tmp_path, "mnist")
    assert "\n" not in str(caught.value)
    assert not capfd.readouterr().out


@pytest.mark.skipif(not (FULL / "MNIST").is_dir(), reason="set DGM_DATA_ROOT to a folder with MNIST/raw")
def test_the_full_mnist(tmp_path):
    pool, _ = run(tmp_path, "mnist", data_root=FULL)
    assert pool.x.shape == (70_000, 28, 28, 1)
    assert pool.x[:60_000].mean() / 255 == pytest.approx(0.1307, abs=1e-4)
    assert np.bincount(pool.truth[pool.scored]).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


def test_torchvision_can_be_imported_again_and_again():
    assert import_torchvision() is import_torchvision()
    assert import_torchvision().transforms.functional.hflip
