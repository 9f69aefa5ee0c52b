"""What the screens show: the view, pictures, suggestions, details."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dgm_engine.config import ModelName
from dgm_engine.data.sources import SourceRequest
from dgm_engine.discovery.suggestions import Strategy
from dgm_engine.errors import InputError, NotFoundError, StateError
from dgm_engine.services import exploring, labelling, projects
from dgm_engine.services.exploring import ItemState
from dgm_engine.services.latest import results_of
from dgm_engine.services.projects import Project
from dgm_engine.training.results import save_results
from tests.fabricated import N_COMPONENTS, fabricate_model, fabricate_run, made_up_components


def picture(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGBA"))


def test_nothing_to_view_before_training(project: Project):
    with pytest.raises(StateError, match="no clusters yet; train it"):
        exploring.view(project)


def test_the_view_shows_the_train_split_by_component(trained: Project):
    view = exploring.view(trained)
    shown = trained.pool.shown
    assert view.run == 1
    assert view.items.tolist() == trained.pool.items[shown].tolist()
    assert view.component.tolist() == made_up_components(trained)[shown].tolist()
    assert view.confidence == pytest.approx(0.9, abs=1e-3)
    assert set(view.predicted) == set(view.class_name) == {""}
    assert [c.size for c in view.clusters] == np.bincount(view.component, minlength=N_COMPONENTS).tolist()
    for cluster in view.clusters:
        assert set(made_up_components(trained)[cluster.exemplars]) <= {cluster.component}


def test_names_and_labels_change_the_view_at_once(trained: Project):
    before = exploring.view(trained)
    assert exploring.view(trained) is before
    for component in (9, 10):
        labelling.name_component(trained, component, "nine", "ann")
    labelling.name_component(trained, 3, "three", "ann")
    labelling.label_items(trained, ["train/00000"], "a nought", "ann")
    labelling.reject_class(trained, ["train/00001"], "nine", "ann")
    labelling.mark_none_of_named(trained, ["train/00002"], "ann")
    labelling.label_items(trained, ["train/00003"], "nine", "ann")
    labelling.clear_labels(trained, ["train/00003"], "ann")
    view = exploring.view(trained)
    expected = np.select([np.isin(before.component, [9, 10]), before.component == 3], ["nine", "three"], "")
    assert view.predicted.tolist() == expected.tolist()
    assert view.class_name[0] == view.label[0] == "a nought"
    assert view.class_name[1:].tolist() == expected[1:].tolist()
    assert view.state[:4].tolist() == ["labelled", "rejected", "none", "unlabelled"]
    assert view.classes == ("nine", "three", "a nought")
    assert [c.class_name for c in view.clusters] == list(view.owner)
    nine = view.confidence[view.component == 9]
    assert nine == pytest.approx(0.9 + 0.1 / 11, abs=1e-3)


def test_the_newest_run_is_shown_and_names_stay_with_their_images_or_if_they_have_none_with_their_lineage(
    trained: Project,
):
    labelling.name_component(trained, 3, "three", "ann")
    trained.labels.name_component(1, 4, "four", annotator="ann")
    fabricate_run(trained, 2)
    assert exploring.view(trained).owner[3:5] == ("three", "four")
    fabricate_run(trained, 3, lineage=3)
    view = exploring.view(trained)
    assert (view.run, view.owner[3:5]) == (3, ("three", None))


@pytest.mark.parametrize("turn", [0, 1, 2, 3])
def test_points_in_a_polygon_that_is_not_convex(turn: int):
    polygon = np.array([[0, 0], [4, 0], [4, 4], [2, 1], [0, 4]], dtype=float)  # an M: the notch is outside
    points = np.array([[0.5, 2.0], [2.0, 0.5], [2.0, 2.0], [3.5, 2.0], [5.0, 0.0], [-1.0, 1.0], [2.0, -0.1]])
    inside = [True, True, False, True, False, False, False]
    rotation = np.array([[0.0, -1.0], [1.0, 0.0]])
    for _ in range(turn):
        polygon, points = polygon @ rotation, points @ rotation
    assert exploring.in_polygon(points, polygon).tolist() == inside


def test_a_lasso_agrees_with_pillow_on_many_points():
    angle = np.linspace(0, 2 * np.pi, 300, endpoint=False)
    radius = 60 + 30 * np.sin(5 * angle)
    polygon = np.stack([100 + radius * np.cos(angle), 100 + radius * np.sin(angle)], axis=1)
    mask = Image.new("1", (2000, 2000))
    from PIL import ImageDraw

    ImageDraw.Draw(mask).polygon([(float(x) * 10, float(y) * 10) for x, y in polygon], fill=1)
    points = np.random.default_rng(0).uniform(0, 199, (20_000, 2))
    drawn = np.asarray(mask)[np.round(points[:, 1] * 10).astype(int), np.round(points[:, 0] * 10).astype(int)]
    assert (exploring.in_polygon(points, polygon) == drawn).mean() > 0.998  # pixels on the edge


def test_a_lasso_that_crosses_itself_selects_all_that_it_goes_round():
    star = [[np.sin(4 * np.pi * k / 5), np.cos(4 * np.pi * k / 5)] for k in range(5)]  # its middle is gone round twice
    points = np.array([[0.0, 0.0], [0.0, 0.7], [0.5, -0.05], [0.5, 0.5], [0.0, -0.7]])
    for polygon in (np.array(star), np.array(star)[::-1]):
        assert exploring.in_polygon(points, polygon).tolist() == [True, True, False, False, False]


def test_thumbnails_enlarge_tiny_images_pixel_by_pixel(project: Project):
    for row, png in zip([0, 5], exploring.thumbnails(project, [0, 5], size=64), strict=True):
        image = picture(png)
        assert image.shape == (64, 64, 4)
        assert (image[::8, ::8, 0] == project.pool.x[row, ..., 0]).all()
        assert (image[7::8, 7::8, 0] == project.pool.x[row, ..., 0]).all()


def test_a_sprite_has_the_thumbnails_in_reading_order(project: Project):
    rows = np.arange(100, 107)
    sheet = picture(exploring.sprite(project, rows, columns=3, size=32))
    assert sheet.shape == (96, 96, 4)
    for i, png in enumerate(exploring.thumbnails(project, rows, size=32)):
        cell = sheet[i // 3 * 32 : i // 3 * 32 + 32, i % 3 * 32 : i % 3 * 32 + 32]
        assert (cell == picture(png)).all()
    assert (sheet[64:, 32:, 3] == 0).all()
    assert picture(exploring.sprite(project, [], columns=3, size=32)).shape == (32, 96, 4)


def test_colour_images_keep_their_shape_and_colour(tmp_path: Path):
    x = np.zeros((2, 20, 40, 3), dtype=np.uint8)
    x[0, ..., 0], x[1, ..., 2] = 250, 250
    np.save(tmp_path / "x.npy", x)
    opened = projects.create_project(tmp_path / "p", SourceRequest(str(tmp_path / "x.npy"))).project
    first, second = (picture(png) for png in exploring.thumbnails(opened, [0, 1], size=40))
    assert first[20, 20].tolist() == [250, 0, 0, 255]
    assert second[20, 20].tolist() == [0, 0, 250, 255]
    assert first[2, 20, 3] == first[37, 20, 3] == 0


def test_features_are_drawn_as_bars_of_their_height(tmp_path: Path):
    x = np.random.default_rng(0).normal(size=(500, 4)).astype(np.float32)
    x[:, 3] = 7
    x[0, :3] = [9, 0, -9]
    np.save(tmp_path / "x.npy", x)
    opened = projects.create_project(tmp_path / "p", SourceRequest(str(tmp_path / "x.npy"))).project
    filled = picture(exploring.thumbnails(opened, [0], size=40)[0])[..., 3] > 0
    assert filled.sum(axis=0)[5::10] == pytest.approx([40, 20, 0, 20], abs=3)
    wide = np.random.default_rng(0).normal(size=(20, 300))
    np.save(tmp_path / "wide.npy", wide)
    opened = projects.create_project(tmp_path / "w", SourceRequest(str(tmp_path / "wide.npy"))).project
    assert picture(exploring.thumbnails(opened, [0], size=40)[0]).shape == (40, 40, 4)


def test_prototypes_are_drawn_for_components_that_exist(trained: Project):
    prototypes = results_of(trained.paths.run(1)).prototypes
    assert (picture(exploring.prototype_image(trained, 4, size=8))[..., 0] == prototypes[4, ..., 0]).all()
    with pytest.raises(NotFoundError, match="cluster 12"):
        exploring.prototype_image(trained, 12)


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
    assert (picture(exploring.reconstruction(trained, "test/00007", size=8))[..., 0] == expected).all()


def test_what_cannot_be_reconstructed_is_said(project: Project):
    with pytest.raises(NotFoundError, match="nowhere"):
        exploring.reconstruction(project, "nowhere")
    with pytest.raises(StateError, match="train it first"):
        exploring.reconstruction(project, "train/00001")
    fabricate_run(project, 1)
    with pytest.raises(StateError, match="not saved a model"):
        exploring.reconstruction(project, "train/00001")


@pytest.mark.parametrize("strategy", list(Strategy))
def test_suggestions_leave_out_what_was_judged_or_skipped(trained: Project, strategy):
    shown = trained.pool.items[trained.pool.shown].tolist()
    labelling.name_component(trained, 1, "one", "ann")
    labelling.label_items(trained, shown[:700], "low", "ann")
    labelling.skip_items(trained, shown[700:1400], "ann")
    labelling.mark_none_of_named(trained, shown[1400:1410], "ann")
    found = exploring.suggestions(trained, strategy, 3)
    assert len({s.item for s in found}) == 3
    assert {s.item for s in found} <= set(shown[1410:])
    for s in found:
        assert trained.pool.items[s.row] == s.item
        assert s.component == made_up_components(trained)[s.row]
        assert s.reason


def test_no_suggestions_is_not_a_number_to_ask_for(trained: Project):
    with pytest.raises(InputError, match="at least 1"):
        exploring.suggestions(trained, n=0)


def test_details_of_an_item_tell_what_is_known_of_it(trained: Project):
    labelling.name_component(trained, 1, "one", "ann")
    labelling.label_items(trained, ["train/00001", "train/00002"], "one", "ann")
    labelling.reject_class(trained, ["train/00001"], "two", "bob")
    details = exploring.item_details(trained, "train/00001")
    assert (details.row, details.split, details.component) == (1, "train", 1)
    assert [name for name, _ in details.posterior] == ["one", ""]
    assert [share for _, share in details.posterior] == pytest.approx([0.9, 0.1], abs=1e-3)
    assert (details.label, details.rejected, details.state) == ("one", ("two",), ItemState.LABELLED)
    assert [(e.annotator, e.kind, e.class_name) for e in details.history] == [
        ("ann", "label", "one"),
        ("bob", "reject", "two"),
    ]
    with pytest.raises(NotFoundError, match="nowhere"):
        exploring.item_details(trained, "nowhere")


def test_details_before_training_have_no_posterior(project: Project):
    details = exploring.item_details(project, "test/00000")
    assert (details.component, details.posterior, details.state) == (None, (), ItemState.UNLABELLED)
