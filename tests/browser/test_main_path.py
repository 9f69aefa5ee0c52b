"""The main job from start to export, as a person does it, in a real browser: with a mouse, and by keys alone."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

from dgm_engine.services import evaluating, viewing
from dgm_engine.services.projects import EXAMPLE_NAME, Project, open_project
from dgm_engine.services.snapshot import take
from tests.browser.screens import MapScreen, eventually, labels_of, settled, true_class, turn_to, wait_until_trained

pytestmark = [pytest.mark.browser, pytest.mark.slow]

Go = Callable[[Locator], None]
FIELDS = ("INPUT", "TEXTAREA")
HAS_FOCUS = "(element) => element.getRootNode().activeElement === element"


def by_mouse(target: Locator) -> None:
    target.click()


def by_keys(target: Locator, most: int = 120) -> None:
    """Goes to something by Tab, which begins anew at the end of the page, and presses Enter where that is no field."""
    page = target.page
    target.wait_for()
    for _ in range(most):
        if target.evaluate(HAS_FOCUS):
            break
        page.keyboard.press("Tab")
    assert target.evaluate(HAS_FOCUS), f"{target} is not reached by Tab"
    if target.evaluate("(element) => element.tagName") not in FIELDS:
        page.keyboard.press("Enter")


@pytest.mark.parametrize("go", [by_mouse, by_keys])
def test_digits_from_the_example_to_an_exported_classifier(
    first_address: str, page: Page, tmp_path: Path, go: Go
) -> None:
    page.goto(first_address)
    go(page.get_by_role("button", name="Open the example"))
    page.wait_for_url("**/discover?**")
    settled(page)

    project = open_project(tmp_path / "home" / EXAMPLE_NAME)
    turn_to(page, "Train", go)
    train_briefly(page, project, go)

    turn_to(page, "Discover", go)
    name_clusters(page, project, 4, go)
    if go is by_mouse:
        select_with_lasso(page)

    turn_to(page, "Label", go)
    label_suggestions(page, project, 3, go)
    go(page.get_by_role("button", name="Train with the new labels"))
    wait_until_trained(page, project, 2)

    turn_to(page, "Evaluate", go)
    expect(page.get_by_text("What is taken for what")).to_be_visible()
    assert (evaluating.evaluate(take(project)).accuracy_cluster_and_label or 0) > 0.6

    turn_to(page, "Export", go)
    go(page.get_by_role("button", name="Prepare the classifier"))
    button = page.get_by_role("button", name="Download as a zip")
    button.wait_for(timeout=90_000)
    settled(page)
    with page.expect_download() as download:
        go(button)
    names = zipfile.ZipFile(download.value.path()).namelist()
    assert {Path(name).name for name in names} >= {"model.onnx", "labels.json", "README.md", "SHA256SUMS"}


def train_briefly(page: Page, project: Project, go: Go) -> None:
    """Trains with the slider one step from its default, as long as it needs."""
    slider = page.get_by_role("slider", name="How long")
    if go is by_keys:
        go(slider)
    slider.press("ArrowRight")
    expect(slider).to_have_attribute("aria-valuetext", "20 s")
    settled(page)
    go(page.get_by_role("button", name="Find clusters"))
    wait_until_trained(page, project, 1)


def name_clusters(page: Page, project: Project, n: int, go: Go) -> None:
    """Names the largest clusters after what most of their images are, in place."""
    view = viewing.view(take(project))
    for cluster in sorted(view.clusters, key=lambda c: -c.size)[:n]:
        name = true_class(project, view.items[view.component == cluster.component].tolist())
        field = page.locator(f".st-key-card_{cluster.component} input")
        go(field)
        page.keyboard.type(name)
        page.keyboard.press("Enter")
        expect(page.locator(f".st-key-card_{cluster.component} .chip")).to_have_text(name)
        settled(page)
    assert len(project.labels.state(view.run).names) == n


def select_with_lasso(page: Page) -> None:
    """Draws around the middle of the map and finds images beside it, of which one can be picked."""
    drawn = MapScreen(page, seconds=90)
    camera = drawn.camera()
    corners = np.array([[0.15, 0.15], [0.85, 0.15], [0.85, 0.85], [0.15, 0.85], [0.15, 0.17]])
    drawn.draw((corners * [camera.width, camera.height] + [camera.left, camera.top]).tolist())
    page.locator(".labelling .tile").first.click()
    expect(page.locator(".labelling .count")).to_contain_text("1 picked")


def label_suggestions(page: Page, project: Project, n: int, go: Go) -> None:
    """Labels what the page suggests, by the keys of classes that it knows and by typing new ones."""
    board = page.locator(".labelling[data-item]")
    board.wait_for()
    labels = labels_of(project)
    for _ in range(n):
        item = board.get_attribute("data-item") or ""
        labels[item] = name = true_class(project, [item])
        if board.locator(f'.chip[data-class="{name}"]').count():
            page.keyboard.press(name)
        else:
            go(board.get_by_label("Name of a new class"))
            page.keyboard.type(name)
            page.keyboard.press("Enter")
        expect(board).not_to_have_attribute("data-item", item)
        eventually(page, lambda: labels_of(project), labels)
    settled(page)
