"""A nested folder of real photographs and drawings, some files broken, from `dgm new` to `dgm predict`."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits, load_sample_images

pytestmark = pytest.mark.slow

SUFFIXES = ("png", "jpg", "webp", "bmp", "tiff", "gif")
BROKEN = {"empty.png": b"", "text.jpg": b"not an image", "cut.png": b"\x89PNG\r\n\x1a\n" + bytes(40)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """540 files: crops of scikit-learn's two photographs in colour, digits in grey, and three broken ones."""
    root = tmp_path_factory.mktemp("pile") / "images"
    rng = np.random.default_rng(0)
    for name, photo in zip(("temple", "flower"), load_sample_images().images, strict=True):
        for n in range(150):
            top, left = rng.integers(0, photo.shape[0] - 120), rng.integers(0, photo.shape[1] - 160)
            save(
                root / name / f"part{n % 3}" / f"{n:03d}", Image.fromarray(photo[top : top + 120, left : left + 160]), n
            )
    for n, digit in enumerate(load_digits().images[:240]):
        image = Image.fromarray((digit * 15.9).astype(np.uint8)).resize((60, 60))
        save(root / "digits" / f"{n:03d}", image, n)
    for name, content in BROKEN.items():
        (root / "flower" / name).write_bytes(content)
    (root / "notes.txt").write_text("not an image, and no harm")
    return root


def save(stem: Path, image: Image.Image, n: int) -> None:
    stem.parent.mkdir(parents=True, exist_ok=True)
    image.save(stem.with_suffix("." + SUFFIXES[n % len(SUFFIXES)]))


def dgm(*arguments: object) -> dict:
    command = [sys.executable, "-m", "dgm_engine.cli", *map(str, arguments), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def answers(path: Path) -> dict[str, str]:
    with path.open(newline="", encoding="utf-8") as file:
        return {row["item"]: row["class"] for row in csv.DictReader(file)}


def test_folder_opens_clusters_exports_and_predicts_as_the_project_does(folder: Path, tmp_path: Path) -> None:
    from dgm_engine.services.exporting import write_predictions
    from dgm_engine.services.projects import open_project
    from dgm_engine.services.snapshot import take

    root = tmp_path / "project"
    made = dgm("new", root, "--source", folder)
    assert made["items"] == 540
    assert sorted(made["classes"]) == ["digits", "flower", "temple"]
    assert {Path(entry["path"]).name for entry in made["quarantined"]} == set(BROKEN)
    assert open_project(root).pool.shape == (48, 64, 3)

    dgm("train", root, "--components", 12, "--minutes", 0.75)  # ten digits, and one each of the photographs
    assert dgm("evaluate", root)["accuracy_cluster_and_label"] > 0.8
    project = open_project(root)
    truth = dict(zip(project.pool.items.tolist(), np.array(project.pool.classes)[project.pool.truth], strict=True))
    for cluster in dgm("clusters", root)["clusters"]:
        if cluster["exemplars"]:
            dgm("name", root, cluster["component"], truth[cluster["exemplars"][0]])
    assert dgm("evaluate", root)["accuracy_named"] > 0.8

    dgm("export", root, tmp_path / "classifier")
    predicted = dgm("predict", tmp_path / "classifier", folder, "--out", tmp_path / "predicted.csv")
    assert predicted["rows"] == 540
    write_predictions(take(project), tmp_path / "own.csv")
    assert answers(tmp_path / "predicted.csv") == answers(tmp_path / "own.csv")
