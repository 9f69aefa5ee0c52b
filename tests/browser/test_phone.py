"""On a phone: nothing is wider than the screen, and a finger does what a mouse does."""

from collections.abc import Callable

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from dgm_engine.services.projects import Project
from tests.browser.screens import MapScreen, eventually, labels_of, show

pytestmark = [pytest.mark.browser, pytest.mark.slow]

WIDTH = 390
WIDEST = "() => Math.max(...[document.scrollingElement, document.querySelector('.stMain')].map((e) => e.scrollWidth))"


@pytest.fixture
def phone(new_page: Callable[..., Page]) -> Page:
    return new_page(viewport={"width": WIDTH, "height": 844}, has_touch=True, is_mobile=True)


def test_a_tap_on_a_point_of_the_map_opens_its_image(
    address: str, phone: Page, trained: Project, places: np.ndarray
) -> None:
    show(phone, address, "discover", trained)
    drawn = MapScreen(phone)
    assert phone.evaluate(WIDEST) <= WIDTH
    expect(drawn.root.locator(".points")).to_be_in_viewport(ratio=0.6)
    camera = drawn.camera()
    points = camera.on_screen(places)
    middle = [camera.left + camera.width / 2, camera.top + camera.height / 2]
    nearest = int(np.linalg.norm(points - middle, axis=1).argmin())
    phone.touchscreen.tap(*points[nearest])
    expect(phone.locator(".details")).to_contain_text(str(trained.pool.items[trained.pool.shown[nearest]]))
    assert phone.evaluate(WIDEST) <= WIDTH


def test_taps_label_images_one_by_one_and_in_the_grid(address: str, phone: Page, named: Project) -> None:
    show(phone, address, "label", named)
    board = phone.locator(".labelling")
    board.locator('.chip[data-class="4"]').tap()
    eventually(phone, lambda: list(labels_of(named).values()), ["4"])
    assert phone.evaluate(WIDEST) <= WIDTH

    phone.get_by_role("radio", name="Grid").tap()
    tiles = board.locator(".tile")
    expect(tiles).to_have_count(60)
    assert phone.evaluate(WIDEST) <= WIDTH
    chosen = [tiles.nth(i).get_attribute("data-item") for i in (1, 3)]
    for i in (1, 3):
        tiles.nth(i).tap()
    expect(board.locator('.tile[aria-selected="true"]')).to_have_count(2)
    board.locator('.chip[data-class="5"]').tap()
    eventually(phone, lambda: {i for i, name in labels_of(named).items() if name == "5"}, set(chosen))
