"""The map on Discover: what is drawn on it picks out exactly the images that lie inside."""

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from dgm_engine.services.projects import Project
from tests.browser.screens import (
    MapScreen,
    box,
    corners_of,
    eventually,
    inside,
    labels_of,
    lasso,
    selected_rows,
    show,
)
from tests.fabricated import fabricate_layout, fabricate_run

pytestmark = pytest.mark.browser


@pytest.fixture
def map_screen(address: str, page: Page, trained: Project, places: np.ndarray) -> MapScreen:
    """Discover with the map of run 1."""
    assert len(places)
    show(page, address, "discover", trained)
    return MapScreen(page)


def on_screen(map_screen: MapScreen, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where the items are on the screen, and the middle of the map."""
    camera = map_screen.camera()
    return camera.on_screen(places), np.array([camera.left + camera.width / 2, camera.top + camera.height / 2])


def rows(project: Project, mask: np.ndarray) -> set[int]:
    return set(project.pool.shown[mask].tolist())


def test_lasso_and_box_add_and_subtract_exactly_what_lies_inside(
    map_screen: MapScreen, trained: Project, places: np.ndarray
) -> None:
    page = map_screen.page
    points, middle = on_screen(map_screen, places)

    first = lasso(points, middle - np.array([60, 40]), 110)
    map_screen.draw(first)
    expected = inside(points, first)
    assert expected.sum() > 50
    assert selected_rows(page, trained) == rows(trained, expected)

    second = lasso(points, middle + np.array([50, 0]), 100, seed=1)
    map_screen.draw(second, key="Shift")
    expected |= inside(points, second)
    assert selected_rows(page, trained) == rows(trained, expected)

    map_screen.choose("Box")
    third = box(points, middle, 70)
    map_screen.draw(third, key="Alt")
    taken = inside(points, corners_of(third))
    assert (expected & taken).any()
    expected &= ~taken
    assert selected_rows(page, trained) == rows(trained, expected)

    fourth = box(points, middle + np.array([90, 60]), 60, seed=1)
    map_screen.draw(fourth)
    assert selected_rows(page, trained) == rows(trained, inside(points, corners_of(fourth)))


def test_a_lasso_is_labelled_at_once_and_taken_back_at_once(
    map_screen: MapScreen, trained: Project, places: np.ndarray
) -> None:
    page = map_screen.page
    points, middle = on_screen(map_screen, places)
    path = lasso(points, middle, 90)
    map_screen.draw(path)
    label_exactly(map_screen, trained, rows(trained, inside(points, path)), "ring")
    page.keyboard.press("Control+z")
    eventually(page, lambda: labels_of(trained), {})


def test_keys_label_the_image_that_a_click_opens_and_those_that_a_lasso_picks_out(
    address: str, page: Page, named: Project, places: np.ndarray
) -> None:
    show(page, address, "discover", named)
    drawn = MapScreen(page)
    points, middle = on_screen(drawn, places)
    point = points[int(np.linalg.norm(points - middle, axis=1).argmin())]
    page.mouse.click(*point)
    opened = page.locator('.labelling[data-mode="single"]')
    expect(opened.locator('.chip[data-class="7"]')).to_be_visible()
    item = opened.get_attribute("data-item") or ""
    assert np.allclose(points[named.pool.items[named.pool.shown].tolist().index(item)], point, atol=3)
    ring = page.locator(".map .mark").bounding_box() or {}
    assert np.allclose([ring["x"] + ring["width"] / 2, ring["y"] + ring["height"] / 2], point, atol=3)
    page.keyboard.press("7")
    eventually(page, lambda: labels_of(named), {item: "7"})
    expect(opened.locator(".guess")).to_have_text("You said: 7")

    drawn.draw(lasso(points, middle, 90))
    first = page.locator('.labelling[data-mode="grid"] .tile').first
    other = first.get_attribute("data-item")
    page.keyboard.press("8")
    eventually(page, lambda: labels_of(named), {item: "7", other: "8"})


def label_all(page: Page, n: int, name: str) -> None:
    field = page.locator(".st-key-bulk_class input")
    field.fill(name)
    field.press("Enter")
    page.get_by_role("button", name=f"Label all {n}").click()


def label_exactly(map_screen: MapScreen, project: Project, chosen: set[int], name: str) -> None:
    """Labels all that is selected: these rows have that class then, and every other image what it had before."""
    wanted = labels_of(project) | dict.fromkeys(project.pool.items[sorted(chosen)].tolist(), name)
    map_screen.moves_on(lambda: label_all(map_screen.page, len(chosen), name), "data-look")
    eventually(map_screen.page, lambda: labels_of(project), wanted)


def test_a_lasso_hits_what_is_seen_after_a_relabel_zoomed_in_and_moved(
    map_screen: MapScreen, trained: Project, places: np.ndarray
) -> None:
    page = map_screen.page
    points, middle = on_screen(map_screen, places)
    path = lasso(points, middle, 60)
    map_screen.draw(path)
    map_screen.moves_on(lambda: page.get_by_role("radio", name="Class").click(), "data-look")
    label_exactly(map_screen, trained, rows(trained, inside(points, path)), "ring")

    page.mouse.move(*(middle + np.array([40, -30])))
    page.mouse.wheel(0, -600)
    map_screen.drag([middle, middle + np.array([35, 55])], button="right")
    camera = map_screen.camera()
    assert camera.zoom > 2
    assert (camera.x, camera.y) != (0.5, 0.5)
    points = camera.on_screen(places)
    path = lasso(points, middle, 150)
    map_screen.draw(path)
    chosen = rows(trained, inside(points, path))
    assert selected_rows(page, trained) == chosen
    assert map_screen.camera() == camera  # the answer moves nothing
    label_exactly(map_screen, trained, chosen, "other")


def test_a_lasso_hits_the_new_places_after_a_retrain(
    map_screen: MapScreen, trained: Project, places: np.ndarray
) -> None:
    page = map_screen.page
    old, middle = on_screen(map_screen, places)
    moved = fabricate_layout(trained, fabricate_run(trained, 2), seed=1)
    map_screen.moves_on(lambda: page.get_by_role("radio", name="Class").click())
    points, _ = on_screen(map_screen, moved)
    path = lasso(points, middle, 90)
    map_screen.draw(path)
    expected = rows(trained, inside(points, path))
    assert selected_rows(page, trained) == expected
    assert expected != rows(trained, inside(old, path))
    label_exactly(map_screen, trained, expected, "ring")


def test_a_lasso_picks_only_what_the_filters_let_through(
    map_screen: MapScreen, trained: Project, places: np.ndarray
) -> None:
    page = map_screen.page
    field = page.get_by_placeholder("Search file names")

    def search() -> None:
        field.fill("train/00")
        field.press("Enter")

    map_screen.moves_on(search, "data-look")
    points, middle = on_screen(map_screen, places)
    path = lasso(points, middle, 100)
    map_screen.draw(path)
    names = trained.pool.items[trained.pool.shown]
    through = np.array(["train/00" in name for name in names])
    expected = inside(points, path)
    assert 0 < (expected & through).sum() < expected.sum()
    chosen = rows(trained, expected & through)
    assert selected_rows(page, trained) == chosen
    label_exactly(map_screen, trained, chosen, "ring")


def test_a_click_on_a_point_opens_its_image(map_screen: MapScreen, trained: Project, places: np.ndarray) -> None:
    page = map_screen.page
    points, middle = on_screen(map_screen, places)
    nearest = int(np.linalg.norm(points - middle, axis=1).argmin())
    page.mouse.click(*points[nearest])
    expect(page.locator(".details")).to_contain_text(str(trained.pool.items[trained.pool.shown[nearest]]))


NO_WEBGL2 = """
const getContext = HTMLCanvasElement.prototype.getContext;
HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {
  return kind === "webgl2" ? null : getContext.call(this, kind, ...rest);
};
"""
IN_THE_CHART = """
(points) => {
  const chart = document.querySelector(".js-plotly-plot");
  const { xaxis, yaxis } = chart._fullLayout;
  const { left, top } = chart.getBoundingClientRect();
  return points.map(([x, y]) => [xaxis.p2d(x - left - xaxis._offset), yaxis.p2d(y - top - yaxis._offset)]);
}
"""


@pytest.mark.slow
def test_without_webgl2_a_plain_map_takes_its_place_and_a_box_on_it_picks_what_it_encloses(
    address: str, page: Page, trained: Project, places: np.ndarray
) -> None:
    page.add_init_script(NO_WEBGL2)
    show(page, address, "discover", trained)
    expect(page.get_by_text("This browser cannot draw the full map")).to_be_visible()
    chart = page.locator(".js-plotly-plot .nsewdrag")
    chart.hover()
    page.locator('.modebar-btn[data-val="select"]').click()
    area = chart.bounding_box()
    assert area is not None
    start, end = ([area["x"] + s * area["width"], area["y"] + s * area["height"]] for s in (0.3, 0.7))
    slack = 2  # pixels: Plotly rounds
    wider = [[start[0] - slack, start[1] - slack], [end[0] + slack, end[1] + slack]]
    narrower = [[start[0] + slack, start[1] + slack], [end[0] - slack, end[1] - slack]]
    most, least = (corners_of(page.evaluate(IN_THE_CHART, box)) for box in (wider, narrower))
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move(*end, steps=5)
    page.mouse.up()
    page.wait_for_url("**&selection=*")
    surely, perhaps = (rows(trained, inside(places / 65_535, box)) for box in (least, most))
    assert len(surely) > 50
    assert surely <= selected_rows(page, trained) <= perhaps
