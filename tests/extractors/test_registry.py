"""The registry of extractors, and features that are of raw values wherever they are made."""

import json
from dataclasses import replace

import numpy as np
import onnxruntime
import pytest
import torch
from sklearn.datasets import load_digits

from dgm_engine import SemiUnsupervisedClassifier
from dgm_engine.config import HOG, LikelihoodName, ModelConfig, Preset, TrainingConfig
from dgm_engine.errors import CorruptError, InputError, StateError
from dgm_engine.export import bundle
from dgm_engine.export.folder import Classifier
from dgm_engine.export.graph import to_onnx
from dgm_engine.extractors import registry
from dgm_engine.extractors.hog import Hog, n_hog_features
from dgm_engine.json_files import write_json
from dgm_engine.training import planning, runs
from dgm_engine.training.batches import Table
from dgm_engine.training.checkpoint import load_model
from dgm_engine.training.features import make_features
from dgm_engine.training.fitting import predict
from dgm_engine.training.planning import TrainRequest
from tests.fabricated import fabricate_model

N, N_LABELLED = 400, 60
SETTINGS = {
    "n_components": 12,
    "likelihood": "bernoulli",
    "image_shape": (8, 8),
    "n_hidden": 64,
    "max_epochs": 3,
    "random_state": 0,
    "device": "cpu",
}


class Means:
    """Another extractor: the mean of each row of pixels."""

    version = 7
    stored_as = "means"
    doing = "Looking at the rows"
    exportable = False

    def n_features(self, shape):
        return shape[0]

    def describe(self, images):
        return images.mean((1, 3))


EXTRACTOR = Means()
"""Where the registry finds it."""


@pytest.fixture
def another(monkeypatch):
    monkeypatch.setitem(registry.MODULES, "means", __name__)


@pytest.fixture(scope="module")
def images():
    return (load_digits().images[:N, :, :, None] * (255 / 16)).astype(np.uint8)


@pytest.fixture(scope="module")
def labels():
    return np.where(np.arange(N) < N_LABELLED, load_digits().target[:N], -1)


def values(images):
    return images.reshape(len(images), -1).astype(np.float32) / 255


@pytest.mark.parametrize("start", [True, False])
def test_prediction_transduction_and_export_agree_where_pixels_are_left_out(images, labels, start):
    """Features of what an input map leaves of an image are others: 14 of these rows would have another class."""
    training = {"min_pixel_std": 0.1, "clustering_start": start}
    fitted = SemiUnsupervisedClassifier(**SETTINGS, training=training).fit(values(images), labels)
    assert fitted.model_.inputs.n_kept < images[0].size
    free = labels < 0
    np.testing.assert_array_equal(fitted.predict(values(images))[free], fitted.transduction_[free])
    owner = tuple(None if k < 0 else str(k) for k in fitted.class_of_component_.tolist())
    graph = to_onnx(fitted.model_.float(), Classifier(fitted.model_.config, (8, 8, 1), owner))
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    probability = session.run(None, {"images": images})[0]
    classes = sorted({name for name in owner if name is not None})
    exported = fitted.classes_[[int(classes[k]) for k in probability.argmax(axis=1)]]
    np.testing.assert_array_equal(exported[free], fitted.transduction_[free])


def test_a_model_that_leaves_pixels_out_answers_by_stored_features_as_by_its_own(images, labels):
    training = {"min_pixel_std": 0.1, "clustering_start": False}
    model = SemiUnsupervisedClassifier(**SETTINGS, training=training).fit(values(images), labels).model_
    bare = Table(images, np.arange(N))
    stored = replace(bare, features=make_features(registry.extractor(HOG), images))
    for one, other in zip(*(predict(model, table, bare.rows, np.float64) for table in (bare, stored)), strict=True):
        np.testing.assert_allclose(one, other, atol=5e-3)


def test_an_extractor_is_a_module_and_a_line_of_the_registry(images, labels, another):
    settings = {"clustering_start": True, "extractor": "means"}
    fitted = SemiUnsupervisedClassifier(**SETTINGS, training=settings).fit(values(images), labels)
    assert fitted.model_.config.extractor == "means"
    given = fitted.model_.features(torch.from_numpy(values(images)))
    torch.testing.assert_close(given, torch.from_numpy(images[..., 0] / np.float32(255)).mean(2))
    free = labels < 0
    np.testing.assert_array_equal(fitted.predict(values(images))[free], fitted.transduction_[free])


def test_a_project_trains_with_the_extractor_that_is_asked_for(trained, another):
    paths, pool = trained.paths, trained.pool
    request = TrainRequest(overrides={"extractor": "means"})
    assert not planning.continues(paths, pool, request)
    run = planning.create_run(paths, pool, request)
    assert runs.read_config(run).model.extractor == "means"


def test_a_model_whose_features_a_graph_cannot_make_is_not_exported(images, labels, another, tmp_path):
    settings = {"clustering_start": False, "extractor": "means"}
    fitted = SemiUnsupervisedClassifier(**SETTINGS, training=settings).fit(values(images), labels)
    spec = bundle.ExportSpec(("a",) * 12, (8, 8, 1))
    with pytest.raises(StateError, match=r"cannot make \(means\); train from scratch with another extractor"):
        bundle.export_classifier(fitted.model_.float(), spec, tmp_path / "export", images[:10])
    assert not (tmp_path / "export").exists()


def test_an_unknown_extractor_is_refused_with_those_that_there_are(trained, images):
    with pytest.raises(InputError, match="there is no extractor 'hogs'; there are hog"):
        registry.extractor("hogs")
    with pytest.raises(InputError, match="there is no extractor 'hogs'"):
        planning.create_run(trained.paths, trained.pool, TrainRequest(overrides={"extractor": "hogs"}))
    with pytest.raises(InputError, match="extractor is 'hog' and there is no image_shape"):
        ModelConfig(4, 2, LikelihoodName.GAUSSIAN, extractor=HOG)


def test_hog_is_the_first_member():
    hog = registry.extractor(HOG)
    assert isinstance(hog, Hog)
    assert (hog.exportable, f"{hog.stored_as}-{hog.version}") == (True, "edges-1")
    assert hog.n_features((5, 7, 3)) == n_hog_features(3)


def test_a_model_of_other_features_is_said_to_need_a_fresh_training(trained, monkeypatch):
    run = trained.paths.run(1)
    fabricate_model(run)
    (about,) = run.checkpoints.glob("*.json")
    written = json.loads(about.read_text())
    assert written.pop("features") == 1
    about.write_text(json.dumps(written))  # as an earlier version wrote it
    assert load_model(run)[0].config.extractor == HOG
    monkeypatch.setattr(Hog, "version", 2)
    with pytest.raises(CorruptError, match="trained this model; train again from scratch"):
        load_model(run)


@pytest.mark.parametrize(("shape", "expected"), [([8, 8, 1], HOG), (None, None)])
def test_models_of_earlier_versions_saw_edges_where_they_knew_a_shape(shape, expected):
    now = ModelConfig(64, 4, LikelihoodName.BERNOULLI).to_json()
    earlier = {name: value for name, value in now.items() if name != "extractor"}
    assert ModelConfig.from_json({**earlier, "image_shape": shape}).extractor == expected


@pytest.mark.parametrize(("edges", "expected"), [(True, HOG), (False, None)])
def test_trainings_of_earlier_versions_said_edges(edges, expected):
    earlier = {name: value for name, value in TrainingConfig().to_json().items() if name != "extractor"}
    assert TrainingConfig.from_json({**earlier, "edges": edges}).extractor == expected
    assert TrainingConfig.from_json({**TrainingConfig().to_json(), "edges": edges}).extractor == expected
    assert TrainingConfig.from_json({**earlier, "preset": Preset.PAPER}).extractor is None


def test_a_run_of_an_earlier_version_that_saw_no_edges_is_gone_on_with(trained):
    run = trained.paths.run(1)
    config = runs.read_config(run)
    model = {**config.model.to_json(), "image_shape": None}
    del model["extractor"]
    write_json(run.config, {**config.to_json(), "model": model})
    assert runs.read_config(run).model.image_shape is None
    assert planning.continues(trained.paths, trained.pool, TrainRequest())
