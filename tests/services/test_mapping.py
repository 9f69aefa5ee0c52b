"""What the map in the browser is sent, and what its answers mean."""

import json
import struct

import numpy as np
import pytest
from PIL import Image, ImageDraw

from dgm_engine.services import labelling, map_wire, mapping, viewing
from dgm_engine.services.map_look import Group, Label, Legend, Look
from dgm_engine.services.mapping import Places, places
from dgm_engine.services.projects import Project
from dgm_engine.services.snapshot import take
from dgm_engine.services.viewing import View
from dgm_engine.training.results import LiveMap

N = 1_000


@pytest.fixture
def xy() -> np.ndarray:
    return (np.random.default_rng(1).normal(size=(N, 2)) * [3, 1] + [100, -5]).astype(np.float32)


@pytest.fixture
def where(xy: np.ndarray) -> Places:
    return places(xy, "now", "pool")


def unit(xy: np.ndarray) -> np.ndarray:
    """Where positions come to lie in the unit square, worked out apart."""
    low, high = xy.min(0), xy.max(0)
    return (xy - (low + high) / 2) / (high - low).max() + 0.5


def test_positions_fill_the_square_and_keep_their_aspect(xy: np.ndarray, where: Places) -> None:
    assert np.abs(where.xy / mapping.COORDINATE_STEPS - unit(xy)).max() < 1 / mapping.COORDINATE_STEPS
    assert where.xy[:, 0].min() == 0
    assert where.xy[:, 0].max() == mapping.COORDINATE_STEPS


def test_all_points_in_one_place_are_a_map_too() -> None:
    assert np.abs(places(np.ones((5, 2)), "", "").xy / mapping.COORDINATE_STEPS - 0.5).max() < 1e-4


def read(message: bytes) -> tuple[dict[str, object], bytes]:
    """The header of a message, and its arrays."""
    length = struct.unpack_from("<I", message)[0]
    start = -(-(4 + length) // 4) * 4
    return json.loads(message[4 : 4 + length]), message[start:]


def test_the_messages_hold_every_point_once_in_drawing_order(where: Places) -> None:
    rng = np.random.default_rng(2)
    group, flags = rng.integers(0, 7, N).astype(np.uint8), rng.integers(0, 8, N).astype(np.uint8)
    legend = Legend("classes", (Group(1, "café <b>", "#ff0000", 3),))
    labels = (Label(1, "1: shoe", 0.5, 0.25, "#ff0000", None),)
    look = Look("look", group, flags, ("#ff0000",) * 7, legend, labels, None)

    placed, positions = read(map_wire.encoded_places(where))
    header, looks = read(map_wire.encoded(where, look))

    assert placed == {"token": "now", "n": N}
    drawn = np.frombuffer(positions, "<u2").reshape(N, 2)
    groups, said = np.frombuffer(looks, np.uint8).reshape(2, N)
    assert sorted(where.order.tolist()) == list(range(N))
    assert (where.order != np.arange(N)).mean() > 0.9  # a random order
    for i in (0, 1, 500, 999):
        item = where.items_at([i])[0]
        assert drawn[i].tolist() == where.xy[item].tolist()
        assert (groups[i], said[i]) == (group[item], flags[item])
    assert header["n"] == N
    assert [header[name] for name in ("token", "order", "look")] == ["now", "pool", "look"]
    assert header["legend"]["groups"] == [{"index": 1, "name": "café <b>", "colour": "#ff0000", "n": 3}]
    assert header["labels"][0]["text"] == "1: shoe"


def test_a_polygon_encloses_the_items_inside_it_whatever_the_drawing_order(xy: np.ndarray, where: Places) -> None:
    inside = where.enclosed([[0.4, 0.4], [0.6, 0.4], [0.6, 0.6], [0.4, 0.6]])
    expected = (np.abs(unit(xy) - 0.5) < 0.1).all(axis=1)
    edge = (np.abs(np.abs(unit(xy) - 0.5) - 0.1) < 2 / mapping.COORDINATE_STEPS).any(axis=1)
    assert (inside == expected)[~edge].all()
    assert expected.any()
    assert not where.enclosed([]).any()


def test_points_that_do_not_exist_are_left_out(where: Places) -> None:
    assert where.items_at([3, -1, N, 5]).tolist() == where.order[[3, 5]].tolist()


def test_the_centre_of_a_ring_is_one_of_its_points() -> None:
    angle = np.linspace(0, 2 * np.pi, 100, endpoint=False)
    ring = places(np.column_stack([np.cos(angle), np.sin(angle)]), "", "")
    x, y = ring.centre(np.ones(100, dtype=bool))
    assert np.hypot(x - 0.5, y - 0.5) == pytest.approx(0.5, abs=0.01)


def live_map(view: View, xy: np.ndarray, component: list[int], names: list[str]) -> LiveMap:
    """Every other one of the view's first items, and another image."""
    rows = np.append(view.rows[: 2 * len(xy) : 2], view.rows.max() + 1)
    classes = np.array([*names, ""])
    return LiveMap(rows, np.vstack([xy, [0, 0]]), np.array([*component, 0], dtype=np.int32), classes, 1)


def test_a_live_map_lies_on_the_places_of_the_same_items(trained: Project) -> None:
    view = viewing.view(take(trained))
    where = mapping.places(np.random.default_rng(0).normal(size=(len(view.rows), 2)), "a", "b")
    turned = (where.xy / mapping.COORDINATE_STEPS)[:50:2] @ np.array([[0.0, 3.0], [-3.0, 0.0]]) + 7

    found = mapping.followed(where, view, live_map(view, turned, list(range(25)), [""] * 25))

    assert found is not None
    assert where.order[found.points].tolist() == list(range(0, 50, 2))
    assert np.array(found.xy).reshape(-1, 2) == pytest.approx(where.xy[:50:2] / mapping.COORDINATE_STEPS, abs=1e-3)
    assert found.component.tolist() == found.under.tolist() == list(range(25))
    assert mapping.followed(where, view, live_map(view, np.zeros((0, 2)), [], [])) is None


def test_names_follow_their_images_on_a_live_map_whatever_their_components(trained: Project) -> None:
    labelling.name_component(trained, 3, "RBC", "ann")
    labelling.name_component(trained, 5, "EO", "ann")
    view = viewing.view(take(trained))
    labelling.label_items(trained, [str(view.items[8])], "PLT", "ann")
    view = viewing.view(take(trained))
    where = mapping.places(np.random.default_rng(0).normal(size=(len(view.rows), 2)), "a", "b")
    names, component = ["RBC", "", "RBC", "EO", "EO", "", "new"], [3, 3, 7, 5, 14, 7, 4]

    found = mapping.followed(where, view, live_map(view, where.xy[:14:2] / mapping.COORDINATE_STEPS, component, names))

    assert found is not None
    assert found.class_name.tolist() == ["RBC", "", "RBC", "EO", "PLT", "", "new"]  # a label stands above a prediction
    assert found.under.tolist() == [3, -1, 3, 5, 14, 7, -1]


@pytest.mark.parametrize("turn", [0, 1, 2, 3])
def test_points_in_a_polygon_that_is_not_convex(turn: int):
    polygon = np.array([[0, 0], [4, 0], [4, 4], [2, 1], [0, 4]], dtype=float)  # an M: the notch is outside
    points = np.array([[0.5, 2.0], [2.0, 0.5], [2.0, 2.0], [3.5, 2.0], [5.0, 0.0], [-1.0, 1.0], [2.0, -0.1]])
    inside = [True, True, False, True, False, False, False]
    rotation = np.array([[0.0, -1.0], [1.0, 0.0]])
    for _ in range(turn):
        polygon, points = polygon @ rotation, points @ rotation
    assert mapping.in_polygon(points, polygon).tolist() == inside


def test_a_lasso_agrees_with_pillow_on_many_points():
    angle = np.linspace(0, 2 * np.pi, 300, endpoint=False)
    radius = 60 + 30 * np.sin(5 * angle)
    polygon = np.stack([100 + radius * np.cos(angle), 100 + radius * np.sin(angle)], axis=1)
    mask = Image.new("1", (2000, 2000))
    ImageDraw.Draw(mask).polygon([(float(x) * 10, float(y) * 10) for x, y in polygon], fill=1)
    points = np.random.default_rng(0).uniform(0, 199, (20_000, 2))
    drawn = np.asarray(mask)[np.round(points[:, 1] * 10).astype(int), np.round(points[:, 0] * 10).astype(int)]
    assert (mapping.in_polygon(points, polygon) == drawn).mean() > 0.998  # pixels on the edge


def test_a_lasso_that_crosses_itself_selects_all_that_it_goes_round():
    star = [[np.sin(4 * np.pi * k / 5), np.cos(4 * np.pi * k / 5)] for k in range(5)]  # its middle is gone round twice
    points = np.array([[0.0, 0.0], [0.0, 0.7], [0.5, -0.05], [0.5, 0.5], [0.0, -0.7]])
    for polygon in (np.array(star), np.array(star)[::-1]):
        assert mapping.in_polygon(points, polygon).tolist() == [True, True, False, False, False]
