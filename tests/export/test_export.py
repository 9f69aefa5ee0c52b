"""The export folder: its graph, its files, and what they are worth without this program.

Takes about ten seconds on an idle machine: torch's exporter loads slowly, and other programs are started.
"""

import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import safetensors.torch
import torch
from PIL import Image
from sklearn.datasets import load_digits

from dgm_engine.config import HOG, LikelihoodName, ModelConfig, ModelName, Preset, TrainingConfig
from dgm_engine.data.decode import decode
from dgm_engine.errors import CorruptError, InputError, JobError, NotFoundError, StateError
from dgm_engine.export import bundle
from dgm_engine.export.bundle import ExportSpec, check_parity, export_classifier
from dgm_engine.export.card import About
from dgm_engine.export.folder import EXPORT_FILES, Classifier, building, read_verified, zipped
from dgm_engine.models.base import DeepGenerativeModel
from dgm_engine.models.registry import build_model
from dgm_engine.nn import InputMap
from dgm_engine.training.ownership import class_probabilities

OWNER = ("pear", None, "=2+2|`x`*", "pear", None, "apple")
CLASSES = ("=2+2|`x`*", "apple", "pear")


@dataclass(frozen=True)
class Case:
    """A model with random weights, items that it takes, and its export."""

    model: DeepGenerativeModel
    items: np.ndarray
    folder: Path

    def engine(self) -> np.ndarray:
        """(N, C + 1) what the engine says of the items, "none of them" last."""
        with torch.no_grad():
            q_y = self.model.classify(raw(self.items)).numpy()
        posterior = class_probabilities(q_y, OWNER)
        return np.column_stack([posterior.probability, posterior.p_new])

    def run(self, items: np.ndarray) -> list[np.ndarray]:
        """The graph's outputs."""
        session = onnxruntime.InferenceSession(self.folder / "model.onnx", providers=["CPUExecutionProvider"])
        return session.run(None, {session.get_inputs()[0].name: items})


def random_model(items: np.ndarray, name: ModelName = ModelName.GM_DGM) -> DeepGenerativeModel:
    """Sees three quarters of the features of ``items``, and the edges of images, and answers in different ways."""
    torch.manual_seed(5)
    x = raw(items)
    images = items.ndim == 4
    config = ModelConfig(
        x.shape[1],
        len(OWNER),
        LikelihoodName.BERNOULLI if images else LikelihoodName.GAUSSIAN,
        name,
        n_latent=3,
        n_auxiliary=4,
        n_hidden=16,
        n_layers=1,
        image_shape=items.shape[1:] if images else None,
        extractor=HOG if images else None,
    )
    kept = torch.arange(x.shape[1])[x.shape[1] // 4 :]
    inputs = InputMap(kept, x.mean(0)[kept], x.std(0)[kept] + 0.1, x.mean(0))
    return build_model(config, inputs, output_scale=2.0).eval()


def raw(items: np.ndarray) -> torch.Tensor:
    """(N, D) as the engine takes them."""
    x = torch.from_numpy(items.reshape(len(items), -1).astype(np.float32))
    return x / 255 if items.ndim == 4 else x


def make_case(folder: Path, items: np.ndarray, name: ModelName = ModelName.GM_DGM, **spec: object) -> Case:
    model = random_model(items, name)
    export_classifier(model, ExportSpec(OWNER, items.shape[1:], **spec), folder, items)
    return Case(model, items, folder)


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """Real grey images."""
    images = (load_digits().images * (255 / 16)).astype(np.uint8)[:200, :, :, None]
    about = About(
        "My <b>pile</b>", 200, {"pear": 7}, {"on test images": 0.9321}, TrainingConfig.for_preset(Preset.FAST, seed=4)
    )
    return make_case(tmp_path_factory.mktemp("digits") / "export", images, about=about)


@pytest.fixture(scope="module")
def colour(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """Colour images that are not square, from an array with a range of its own."""
    images = np.random.default_rng(0).integers(0, 256, (20, 5, 7, 3), dtype=np.uint8)
    return make_case(tmp_path_factory.mktemp("colour") / "export", images, value_range=(-1.0, 1.0))


@pytest.fixture(scope="module")
def features(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """Feature vectors."""
    x = np.random.default_rng(0).normal(size=(20, 12)).astype(np.float32)
    return make_case(tmp_path_factory.mktemp("features") / "export", x)


@pytest.fixture(params=["digits", "colour", "features"])
def case(request: pytest.FixtureRequest) -> Case:
    return request.getfixturevalue(request.param)


@pytest.fixture
def copy(digits: Case, tmp_path: Path) -> Path:
    """An export to spoil."""
    return Path(shutil.copytree(digits.folder, tmp_path / "copy"))


def test_graph_agrees_with_the_engine_at_every_batch_size(case: Case):
    expected = case.engine()
    assert len(np.unique(expected.argmax(axis=1))) > 1  # otherwise agreement would say nothing
    for n in (0, 1, len(case.items)):
        probability, p_new, component = case.run(case.items[:n])
        np.testing.assert_allclose(np.column_stack([probability, p_new]), expected[:n], atol=1e-5)
        assert component.shape == (n, len(OWNER))


@pytest.mark.parametrize("name", [name for name in ModelName if name is not ModelName.GM_DGM])
def test_every_model_can_be_exported(name: ModelName, tmp_path: Path):
    images = np.random.default_rng(0).integers(0, 256, (20, 8, 8, 1), dtype=np.uint8)
    test_graph_agrees_with_the_engine_at_every_batch_size(make_case(tmp_path / "export", images, name))


def test_a_closed_component_has_no_probability_in_the_graph_either(digits: Case, tmp_path: Path):
    model = random_model(digits.items)
    with torch.no_grad():
        closed = int(model.classify(raw(digits.items)).mean(0).argmax())
    model.open[closed] = False
    export_classifier(model, ExportSpec(OWNER, digits.items.shape[1:]), tmp_path / "export", digits.items)
    component = Case(model, digits.items, tmp_path / "export").run(digits.items)[2]
    assert (component[:, closed] == 0).all()
    np.testing.assert_allclose(component.sum(1), 1, atol=1e-5)


def test_graph_takes_what_the_design_says(case: Case):
    graph = onnx.load(case.folder / "model.onnx", load_external_data=False).graph
    (given,) = graph.input
    assert given.type.tensor_type.elem_type == (
        onnx.TensorProto.UINT8 if case.items.ndim == 4 else onnx.TensorProto.FLOAT
    )
    dimensions = given.type.tensor_type.shape.dim
    assert dimensions[0].dim_param
    assert tuple(d.dim_value for d in dimensions[1:]) == case.items.shape[1:]
    assert [o.name for o in graph.output] == ["class_probabilities", "p_new", "component_probabilities"]
    assert all(t.data_location == onnx.TensorProto.DEFAULT for t in graph.initializer)


def test_folder_is_complete_and_its_sums_hold(digits: Case):
    assert {path.name for path in digits.folder.iterdir()} == set(EXPORT_FILES)
    assert not [path for path in digits.folder.parent.iterdir() if path != digits.folder]  # nothing temporary is left
    subprocess.run(["sha256sum", "-c", "--strict", "SHA256SUMS"], cwd=digits.folder, check=True, capture_output=True)


def test_files_hold_no_path_of_this_machine(digits: Case):
    here = [str(digits.folder.parent), str(Path(bundle.__file__).parent.parent), str(Path(torch.__file__).parent)]
    for name, data in read_verified(digits.folder).items():
        assert not [path for path in here if path.encode() in data], name


def test_labels_and_configuration_describe_the_outputs(digits: Case):
    labels = json.loads((digits.folder / "labels.json").read_text())
    config = json.loads((digits.folder / "config.json").read_text())
    assert labels["classes"] == config["classes"] == list(CLASSES)
    assert labels["owner"] == list(OWNER)
    assert labels["labelled"] == {"=2+2|`x`*": 0, "apple": 0, "pear": 7}
    assert config["input"] == {"name": "images", "dtype": "uint8", "shape": [8, 8, 1], "value_range": None}
    assert Classifier.from_json(config).classes == CLASSES


def test_value_range_survives(colour: Case):
    config = json.loads((colour.folder / "config.json").read_text())
    assert Classifier.from_json(config).value_range == (-1.0, 1.0)
    assert "255 / 2" in (colour.folder / "README.md").read_text()


def test_weights_rebuild_the_model(case: Case):
    config = json.loads((case.folder / "config.json").read_text())
    weights = safetensors.torch.load((case.folder / "model.safetensors").read_bytes())
    inputs = InputMap(*(weights[f"inputs.{name}"].clone() for name in ("kept", "shift", "scale", "fill")))
    rebuilt = build_model(ModelConfig.from_json(config["model"]), inputs)
    rebuilt.load_state_dict(weights)
    x = torch.rand(4, weights["inputs.fill"].numel())
    torch.testing.assert_close(rebuilt.classify(x), case.model.classify(x))


def test_card_tells_counts_accuracies_and_settings(digits: Case):
    card = (digits.folder / "README.md").read_text()
    assert card.startswith("# My &lt;b&gt;pile&lt;/b&gt;\n")
    assert r"| =2+2\|\`x\`\* | 1 | 0 |" in card
    assert "| pear | 2 | 7 |" in card
    assert "- on test images: 93.2%" in card
    assert "trained on 200 items, of which 7 were labelled" in card
    assert "preset fast, seed 4" in card
    assert "2 of the 6 clusters have no name" in card


@pytest.mark.parametrize("name", ["digits", "colour", "features"])
def test_code_of_the_card_runs_and_is_right(name: str, request: pytest.FixtureRequest, tmp_path: Path):
    case: Case = request.getfixturevalue(name)
    folder = Path(shutil.copytree(case.folder, tmp_path / "export"))
    if name == "features":
        np.save(folder / "features.npy", case.items[3].astype(np.float64))
        expected = case.engine()[3]
    else:
        save_photo(folder / "image.png", "RGB" if name == "colour" else "P")
        item = decode(folder / "image.png", case.items.shape[1:3], case.items.shape[3])
        expected = Case(case.model, item[None], folder).engine()[0]
    code = re.search(r"```python\n(.*?)```", (folder / "README.md").read_text(), re.DOTALL)
    assert code is not None
    done = subprocess.run(
        [sys.executable, "-I", "-c", code[1]], cwd=folder, capture_output=True, text=True, env=one_thread(), check=True
    )
    answer = [*CLASSES, "(none of them)"][expected.argmax()]
    said, share = done.stdout.strip().rsplit(" ", 1)
    assert said == answer
    assert float(share) == pytest.approx(expected.max(), abs=2e-4)


ALONE = """
import sys

class Forbid:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"dgm_engine", "torch", "torchvision", "onnx", "onnxscript", "pandas", "sklearn"}:
            raise ImportError(name)

sys.meta_path.insert(0, Forbid())
import json
import numpy as np, onnxruntime
from PIL import Image
images = np.stack([np.asarray(Image.open(f"{sys.argv[2]}/{i}.png")) for i in range(10)])[..., None]
known, new, _ = onnxruntime.InferenceSession(sys.argv[1] + "/model.onnx").run(None, {"images": images})
classes = json.load(open(sys.argv[1] + "/labels.json"))["classes"]
print(json.dumps([[*classes, ""][i] for i in np.column_stack([known, new]).argmax(axis=1)]))
"""


def test_ten_predictions_with_onnxruntime_and_pillow_alone(digits: Case, tmp_path: Path):
    for i in range(10):
        Image.fromarray(digits.items[i, :, :, 0]).save(tmp_path / f"{i}.png")
    command = [sys.executable, "-I", "-c", ALONE, str(digits.folder), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=one_thread(), check=True)
    expected = [[*CLASSES, ""][i] for i in digits.engine()[:10].argmax(axis=1)]
    assert json.loads(done.stdout) == expected
    assert len(set(expected)) > 1


def test_export_replaces_an_earlier_one(digits: Case, copy: Path):
    (copy / "labels.json").write_text("{}")
    with building(copy) as folder:
        for name in EXPORT_FILES:
            shutil.copy(digits.folder / name, folder)
    assert set(read_verified(copy)) == set(EXPORT_FILES)
    assert [path.name for path in copy.parent.iterdir()] == ["copy"]


def test_failure_leaves_the_earlier_export_as_it_was(digits: Case, copy: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(bundle, "MAX_PARITY_ERROR", -1.0)
    with pytest.raises(JobError, match="differs from the model"):
        export_classifier(digits.model, ExportSpec(OWNER, (8, 8, 1)), copy, digits.items)
    assert set(read_verified(copy)) == set(EXPORT_FILES)
    assert [path.name for path in copy.parent.iterdir()] == ["copy"]


def test_disagreement_with_the_engine_is_noticed(digits: Case):
    other = random_model(digits.items[:20])
    graph = (digits.folder / "model.onnx").read_bytes()
    check_parity(graph, digits.model, Classifier(digits.model.config, (8, 8, 1), OWNER), digits.items)
    with pytest.raises(JobError, match="differs from the model"):
        check_parity(graph, other, Classifier(other.config, (8, 8, 1), OWNER), digits.items)


@pytest.mark.parametrize(
    ("spoil", "found"),
    [
        (lambda folder: (folder / "notes.txt").write_text("mine"), "holds notes.txt"),
        (lambda folder: (folder / "config.json").write_text('{"program": "other"}'), "config.json is not ours"),
        (lambda folder: (folder / "config.json").unlink(), "config.json is not ours"),
        (lambda folder: (shutil.rmtree(folder), folder.write_text("mine")), "is a file"),
    ],
)
def test_what_is_not_an_earlier_export_is_left_alone(digits: Case, copy: Path, spoil, found: str):
    spoil(copy)
    before = sorted(copy.parent.rglob("*"))
    with pytest.raises(InputError, match=found):
        export_classifier(digits.model, ExportSpec(OWNER, (8, 8, 1)), copy, digits.items)
    assert sorted(copy.parent.rglob("*")) == before


def test_a_place_that_cannot_be_written_is_an_input_error(digits: Case, tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        export_classifier(digits.model, ExportSpec(OWNER, (8, 8, 1)), tmp_path / "file" / "out", digits.items)


def test_a_model_without_classes_is_not_exported(digits: Case, tmp_path: Path):
    with pytest.raises(StateError, match="name a cluster, or label images and train again"):
        export_classifier(digits.model, ExportSpec((None,) * 6, (8, 8, 1)), tmp_path / "out", digits.items)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("name", [name for name in EXPORT_FILES if name != "SHA256SUMS"])
def test_a_changed_or_missing_file_is_noticed(copy: Path, name: str):
    with (copy / name).open("ab") as file:
        file.write(b" ")
    with pytest.raises(CorruptError, match=name):
        read_verified(copy)
    (copy / name).unlink()
    with pytest.raises(CorruptError, match=name):
        read_verified(copy)


def test_a_folder_that_is_no_export_is_not_found(tmp_path: Path):
    with pytest.raises(NotFoundError, match="no SHA256SUMS"):
        read_verified(tmp_path)


def test_zip_unpacks_into_the_same_folder(digits: Case, tmp_path: Path):
    with zipfile.ZipFile(io.BytesIO(zipped(digits.folder))) as archive:
        archive.extractall(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["export"]
    for name in EXPORT_FILES:
        assert (tmp_path / "export" / name).read_bytes() == (digits.folder / name).read_bytes()


def test_an_export_of_a_later_version_is_refused(copy: Path):
    value = json.loads((copy / "config.json").read_text()) | {"format": 2}
    with pytest.raises(CorruptError, match="format 2, not 1; update the program"):
        Classifier.from_json(value)


def test_sums_are_those_of_the_files(digits: Case):
    lines = (digits.folder / "SHA256SUMS").read_text().splitlines()
    assert lines[0] == f"{hashlib.sha256((digits.folder / 'model.onnx').read_bytes()).hexdigest()}  model.onnx"


def save_photo(path: Path, mode: str) -> None:
    """A smooth colour image, larger than the model's."""
    y, x = np.mgrid[0:30, 0:50]
    image = Image.fromarray(np.stack([x * 5, y * 8, (x + y) * 3], axis=-1).astype(np.uint8))
    image.convert(mode).save(path)


def one_thread() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1"}
