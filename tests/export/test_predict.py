"""`predict` on an export folder: the same answers as the project's own, for sources of any kind.

Takes up to ten seconds on an idle machine: torch's exporter loads slowly.
"""

import csv
import json
import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

from dgm_engine import jobs
from dgm_engine.config import LikelihoodName, ModelConfig, TrainingConfig
from dgm_engine.data.sources import SourceRequest
from dgm_engine.errors import CorruptError, InputError, NotFoundError
from dgm_engine.export.folder import write_sums
from dgm_engine.export.predict import predict
from dgm_engine.json_files import write_json
from dgm_engine.labels.csv_labels import read_csv
from dgm_engine.models.registry import build_model
from dgm_engine.nn import InputMap
from dgm_engine.services import exporting, labelling, viewing
from dgm_engine.services.projects import Project, create_project
from dgm_engine.services.snapshot import take
from dgm_engine.training.batches import Table
from dgm_engine.training.checkpoint import new_state, save_checkpoint
from dgm_engine.training.fitting import predict as predict_pool
from dgm_engine.training.results import Results, save_results
from dgm_engine.training.runs import RunConfig

NAMES = {0: "=round", 1: "other", 2: "other", 4: "third, one"}
K = 6
BROKEN = "b/broken.png"


@dataclass(frozen=True)
class Case:
    """A project with a run of random weights, its source, and its export."""

    project: Project
    source: Path
    export: Path


def make_case(folder: Path, source: Path) -> Case:
    project = create_project(folder / "project", SourceRequest(str(source))).project
    give_run(project)
    for component, name in NAMES.items():
        labelling.name_component(project, component, name, "me")
    exporting.export_classifier(take(project), folder / "export")
    return Case(project, source, folder / "export")


def give_run(project: Project) -> None:
    """Run 1, by a model with random weights."""
    pool, run = project.pool, project.paths.run(1)
    torch.manual_seed(3)
    table = Table(pool.x, pool.shown)
    x = table.values(pool.shown)
    family = LikelihoodName.BERNOULLI if pool.is_images else LikelihoodName.GAUSSIAN
    shape = ModelConfig(x.shape[1], K, family, n_latent=3, n_hidden=16, n_layers=1)
    inputs = InputMap(torch.arange(x.shape[1]), x.mean(0), x.std(0) + 0.1, x.mean(0))
    model = build_model(shape, inputs, output_scale=2.0)
    config = RunConfig(shape, TrainingConfig(), None, 1)
    write_json(run.config, config.to_json())
    save_checkpoint(run, new_state(model, config.training, pool.n_items), (None,) * K)
    q_y, z = predict_pool(model, table, np.arange(pool.n_items))
    prototypes = np.zeros((K, *pool.shape), pool.x.dtype)
    save_results(run, Results(q_y, z, pool.shown, prototypes, (None,) * K, 0, config, 0))
    jobs.write_status(run.status, jobs.JobStatus(jobs.JobState.FINISHED, "Done", 1.0))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """Nested files of many kinds and sizes, in colour and grey, one of them broken."""
    folder = tmp_path_factory.mktemp("files")
    source = folder / "source"
    for i, image in enumerate(load_digits().images[:120]):
        grey = Image.fromarray((image * (255 / 16)).astype(np.uint8)).resize((20 + i % 3, 30))
        path = source / "abc"[i % 3] / ("=deep" if i % 2 else "") / f"{i}{('.png', '.jpg', '.webp', '.gif')[i % 4]}"
        path.parent.mkdir(parents=True, exist_ok=True)
        tinted = Image.merge("RGB", [grey, grey.rotate(90 * (i % 4)), Image.new("L", grey.size, 2 * i)])
        exif = Image.Exif()
        exif[0x0112] = 6 if i % 5 == 0 else 1  # turned by a quarter
        (tinted if i % 8 else grey).save(path, **({"exif": exif} if i % 4 in (1, 2) else {}))
    (source / BROKEN).write_bytes(b"\x89PNG\r\n\x1a\nno")
    return make_case(folder, source)


@pytest.fixture(scope="module")
def features(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """Feature vectors, one of them not finite."""
    folder = tmp_path_factory.mktemp("features")
    x = np.random.default_rng(1).normal(size=(60, 9)) * 3
    x[7, 2] = np.nan
    np.savez(folder / "source.npz", x=x)
    return make_case(folder, folder / "source.npz")


@pytest.fixture(scope="module")
def array(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """Images as floats around zero."""
    folder = tmp_path_factory.mktemp("array")
    np.save(folder / "source.npy", load_digits().images[:60] / 8 - 1)
    return make_case(folder, folder / "source.npy")


@pytest.mark.parametrize("name", ["files", "features", "array"])
def test_answers_are_those_of_the_project(name: str, request: pytest.FixtureRequest, tmp_path: Path):
    case: Case = request.getfixturevalue(name)
    report = predict(case.export, case.source, tmp_path / "out.csv")
    view = viewing.view(take(case.project))
    written = read_csv(tmp_path / "out.csv")  # takes the apostrophes off again
    assert [row.item for row in written] == view.items.tolist()
    assert [row.class_name for row in written] == view.predicted.tolist()
    assert report.rows == len(view.items)
    assert list(report.quarantined) == list(case.project.pool.quarantined)
    assert len(np.unique(view.predicted)) >= 3  # otherwise agreement would say little


def test_columns(files: Case, tmp_path: Path):
    predict(files.export, files.source, tmp_path / "out.csv")
    rows = read(tmp_path / "out.csv")
    assert list(rows[0]) == ["item", "class", "confidence", "is_new"]
    assert {row["is_new"] for row in rows} == {"true", "false"}
    assert all((row["class"] == "") == (row["is_new"] == "true") for row in rows)
    assert all(0.25 - 1e-6 <= float(row["confidence"]) <= 1 for row in rows)  # the largest of four
    assert "'=round" in {row["class"] for row in rows}  # no spreadsheet runs it


def test_project_writes_its_predictions_alike(files: Case, tmp_path: Path):
    predict(files.export, files.source, tmp_path / "out.csv")
    exporting.write_predictions(take(files.project), tmp_path / "own.csv")
    ours, own = read(tmp_path / "out.csv"), read(tmp_path / "own.csv")
    assert [{**row, "confidence": ""} for row in ours] == [{**row, "confidence": ""} for row in own]
    confidence = [[float(row["confidence"]) for row in rows] for rows in (ours, own)]
    np.testing.assert_allclose(confidence[0], confidence[1], atol=2e-3)  # the project keeps 16 bits


def test_zip_single_file_and_folder_agree(files: Case, tmp_path: Path):
    with zipfile.ZipFile(tmp_path / "images.zip", "w") as archive:
        for path in sorted(files.source.rglob("*.*")):
            archive.write(path, path.relative_to(files.source))
    predict(files.export, files.source, tmp_path / "folder.csv")
    predict(files.export, tmp_path / "images.zip", tmp_path / "zip.csv")
    assert (tmp_path / "zip.csv").read_text() == (tmp_path / "folder.csv").read_text()
    predict(files.export, files.source / "a" / "0.png", tmp_path / "new" / "one.csv")
    (one,) = read(tmp_path / "new" / "one.csv")
    (same,) = [row for row in read(tmp_path / "folder.csv") if row["item"] == "a/0.png"]
    assert one == {**same, "item": "0.png"}


def test_progress_ends_at_one(files: Case, tmp_path: Path):
    seen: list[float] = []
    predict(files.export, files.source, tmp_path / "out.csv", lambda share, _what: seen.append(share))
    assert seen == sorted(seen)
    assert seen[-1] == 1


def test_other_kinds_are_refused(files: Case, features: Case, tmp_path: Path):
    out = tmp_path / "out.csv"
    with pytest.raises(InputError, match=r"source holds images; this classifier takes feature vectors of length 9"):
        predict(features.export, files.source, out)
    with pytest.raises(InputError, match="holds feature vectors of length 9; this classifier takes images"):
        predict(files.export, features.source, out)
    np.save(tmp_path / "x.npy", np.zeros((3, 4)))
    with pytest.raises(InputError, match="vectors of length 4; this classifier takes feature vectors of length 9"):
        predict(features.export, tmp_path / "x.npy", out)
    with pytest.raises(NotFoundError, match="there is no folder or file"):
        predict(files.export, tmp_path / "nowhere", out)
    assert not out.exists()


def test_nothing_readable_is_an_error_and_keeps_the_old_file(files: Case, tmp_path: Path):
    (tmp_path / "out.csv").write_text("old")
    with pytest.raises(InputError, match=r"none of 1 items can be read; the first of the problems is broken\.png"):
        predict(files.export, files.source / BROKEN, tmp_path / "out.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["out.csv"]
    assert (tmp_path / "out.csv").read_text() == "old"


def test_an_unwritable_file_is_an_input_error(files: Case, tmp_path: Path):
    (tmp_path / "file").write_text("")
    for out in (tmp_path, tmp_path / "file" / "out.csv"):
        with pytest.raises(InputError, match="cannot be written"):
            predict(files.export, files.source, out)


def test_pickles_are_refused(array: Case, tmp_path: Path):
    np.save(tmp_path / "x.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match=r"x\.npy cannot be read"):
        predict(array.export, tmp_path / "x.npy", tmp_path / "out.csv")


def test_a_damaged_classifier_is_refused(files: Case, tmp_path: Path):
    export = Path(shutil.copytree(files.export, tmp_path / "export"))
    (export / "model.onnx").write_bytes((export / "model.onnx").read_bytes()[:-1])
    with pytest.raises(CorruptError, match=r"model\.onnx is not what SHA256SUMS says"):
        predict(export, files.source, tmp_path / "out.csv")
    write_sums(export)
    with pytest.raises(CorruptError, match="cannot be loaded"):
        predict(export, files.source, tmp_path / "out.csv")
    (export / "config.json").write_text(json.dumps({"format": 1}))
    write_sums(export)
    with pytest.raises(CorruptError, match=r"config\.json is not one of an export"):
        predict(export, files.source, tmp_path / "out.csv")


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
