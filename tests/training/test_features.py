"""The features of a pool, made once."""

import numpy as np
import pytest
import torch

from dgm_engine.config import LikelihoodName, ModelConfig, TrainingConfig
from dgm_engine.extractors.hog import EXTRACTOR, hog
from dgm_engine.progress import silent
from dgm_engine.training import features
from dgm_engine.training.batches import Table
from dgm_engine.training.fitting import fresh_state, predict


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(256, size=(50, 9, 12, 3), dtype=np.uint8)


def expected(images):
    return hog(torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255).numpy()


def test_they_are_those_of_the_images_to_half_precision(images):
    images = np.resize(images, (features.FEATURE_BATCH + 7, *images.shape[1:]))
    found = features.make_features(EXTRACTOR, images)
    assert found.dtype == np.float16
    np.testing.assert_allclose(found, expected(images), atol=1e-3)


def test_stored_ones_are_found_once(images, tmp_path):
    told = []
    found = features.stored_features(EXTRACTOR, tmp_path, images, lambda share, _: told.append(share))
    np.testing.assert_allclose(found, expected(images), atol=1e-3)
    assert told[-1] == 1
    again = features.stored_features(
        EXTRACTOR, tmp_path, 255 - images, lambda *_: pytest.fail("they were there already")
    )
    np.testing.assert_array_equal(again, found)
    assert len(list(tmp_path.iterdir())) == 1


def test_a_search_that_was_broken_off_begins_anew(images, tmp_path):
    def fail(_share, _what):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        features.stored_features(EXTRACTOR, tmp_path, images, fail)
    assert not list(tmp_path.iterdir())
    np.testing.assert_allclose(
        features.stored_features(EXTRACTOR, tmp_path, images, silent), expected(images), atol=1e-3
    )


def test_a_file_that_was_cut_short_is_written_anew(images, tmp_path):
    features.stored_features(EXTRACTOR, tmp_path, images, silent)
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:-10])
    np.testing.assert_allclose(
        features.stored_features(EXTRACTOR, tmp_path, images, silent), expected(images), atol=1e-3
    )
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_the_system_does_not_let_grow_is_an_error_and_no_features(images, tmp_path):
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            features.stored_features(EXTRACTOR, tmp_path, images, silent)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    np.testing.assert_allclose(
        features.stored_features(EXTRACTOR, tmp_path, images, silent), expected(images), atol=1e-3
    )


def test_a_model_answers_alike_whether_they_are_at_hand_or_not(images):
    rows = np.arange(len(images))
    shape = ModelConfig(
        images[0].size, 4, LikelihoodName.BERNOULLI, n_hidden=16, image_shape=images.shape[1:], extractor="hog"
    )
    bare = Table(images, rows)
    model = fresh_state(shape, TrainingConfig(output_scale=1.0), bare, torch.device("cpu")).model
    asked = rows[::-3]
    plain = predict(model, bare, asked, np.float64)
    for answer, same in zip(
        predict(model, Table(images, rows, features.make_features(EXTRACTOR, images)), asked, np.float64),
        plain,
        strict=True,
    ):
        np.testing.assert_allclose(answer, same, atol=5e-3)
    other = Table(images, rows, features.make_features(EXTRACTOR, 255 - images[::-1]))
    assert np.abs(predict(model, other, asked, np.float64)[0] - plain[0]).max() > 0.1  # it does look at them
