"""Pictures of items, prototypes and reconstructions."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dgm_engine.config import ModelName
from dgm_engine.data.sources import SourceRequest
from dgm_engine.errors import NotFoundError, StateError
from dgm_engine.services import projects, thumbnails
from dgm_engine.services.latest import results_of
from dgm_engine.services.projects import Project
from dgm_engine.services.snapshot import take
from dgm_engine.training.results import save_results
from tests.fabricated import fabricate_model, fabricate_run


def picture(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGBA"))


def test_thumbnails_enlarge_tiny_images_pixel_by_pixel(project: Project):
    for row, png in zip([0, 5], thumbnails.thumbnails(project, [0, 5], size=64), strict=True):
        image = picture(png)
        assert image.shape == (64, 64, 4)
        assert (image[::8, ::8, 0] == project.pool.x[row, ..., 0]).all()
        assert (image[7::8, 7::8, 0] == project.pool.x[row, ..., 0]).all()


def test_a_sprite_has_the_thumbnails_in_reading_order(project: Project):
    rows = np.arange(100, 107)
    sheet = picture(thumbnails.sprite(project, rows, columns=3, size=32))
    assert sheet.shape == (96, 96, 4)
    for i, png in enumerate(thumbnails.thumbnails(project, rows, size=32)):
        cell = sheet[i // 3 * 32 : i // 3 * 32 + 32, i % 3 * 32 : i % 3 * 32 + 32]
        assert (cell == picture(png)).all()
    assert (sheet[64:, 32:, 3] == 0).all()
    assert picture(thumbnails.sprite(project, [], columns=3, size=32)).shape == (32, 96, 4)


def test_colour_images_keep_their_shape_and_colour(tmp_path: Path):
    x = np.zeros((2, 20, 40, 3), dtype=np.uint8)
    x[0, ..., 0], x[1, ..., 2] = 250, 250
    np.save(tmp_path / "x.npy", x)
    opened = projects.create_project(tmp_path / "p", SourceRequest(str(tmp_path / "x.npy"))).project
    first, second = (picture(png) for png in thumbnails.thumbnails(opened, [0, 1], size=40))
    assert first[20, 20].tolist() == [250, 0, 0, 255]
    assert second[20, 20].tolist() == [0, 0, 250, 255]
    assert first[2, 20, 3] == first[37, 20, 3] == 0


def test_features_are_drawn_as_bars_of_their_height(tmp_path: Path):
    x = np.random.default_rng(0).normal(size=(500, 4)).astype(np.float32)
    x[:, 3] = 7
    x[0, :3] = [9, 0, -9]
    np.save(tmp_path / "x.npy", x)
    opened = projects.create_project(tmp_path / "p", SourceRequest(str(tmp_path / "x.npy"))).project
    filled = picture(thumbnails.thumbnails(opened, [0], size=40)[0])[..., 3] > 0
    assert filled.sum(axis=0)[5::10] == pytest.approx([40, 20, 0, 20], abs=3)
    wide = np.random.default_rng(0).normal(size=(20, 300))
    np.save(tmp_path / "wide.npy", wide)
    opened = projects.create_project(tmp_path / "w", SourceRequest(str(tmp_path / "wide.npy"))).project
    assert picture(thumbnails.thumbnails(opened, [0], size=40)[0]).shape == (40, 40, 4)


def test_prototypes_are_drawn_for_components_that_exist(trained: Project):
    prototypes = results_of(trained.paths.run(1)).prototypes
    assert (picture(thumbnails.prototype_image(take(trained), 4, size=8))[..., 0] == prototypes[4, ..., 0]).all()
    with pytest.raises(NotFoundError, match="cluster 12"):
        thumbnails.prototype_image(take(trained), 12)


@pytest.mark.parametrize("name", [ModelName.GM_DGM, ModelName.M2])
def test_a_reconstruction_is_the_mean_of_p_x_at_the_stored_z_and_component(trained: Project, name: ModelName):
    run = trained.paths.run(1)
    results = results_of(run)
    save_results(run, replace(results, z=np.array(results.z[:, :6])))
    model = fabricate_model(run, name)
    row, results = int(trained.pool.rows(["test/00007"])[0]), results_of(run)
    with torch.no_grad():
        z, k = torch.tensor(results.z[row], dtype=torch.float32), torch.tensor(int(results.q_y[row].argmax()))
        expected = (255 * model.decode(z, k)).round().numpy().reshape(8, 8)
    assert (picture(thumbnails.reconstruction(take(trained), "test/00007", size=8))[..., 0] == expected).all()


def test_what_cannot_be_reconstructed_is_said(project: Project):
    with pytest.raises(StateError, match="train it first"):
        thumbnails.reconstruction(take(project), "train/00001")
    fabricate_run(project, 1)
    with pytest.raises(NotFoundError, match="nowhere"):
        thumbnails.reconstruction(take(project), "nowhere")
    with pytest.raises(StateError, match="not saved a model"):
        thumbnails.reconstruction(take(project), "train/00001")
