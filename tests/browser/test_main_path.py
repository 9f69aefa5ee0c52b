"""The main job from start to export, as a person does it, in a real browser."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from dgm_engine.services import evaluating, exploring
from dgm_engine.services.projects import Project, open_project

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def settled(page: Page) -> None:
    """Waits until the page's script has run."""
    page.wait_for_timeout(200)
    page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]').wait_for()
    page.wait_for_timeout(200)


def go_to(page: Page, name: str) -> None:
    page.get_by_role("link", name=name, exact=True).click()
    settled(page)


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name).first.click()
    settled(page)


def train_briefly(page: Page) -> None:
    """Moves the slider one step from its default, as long as it needs."""
    slider = page.get_by_role("slider", name="How long")
    slider.press("ArrowRight")
    expect(slider).to_have_attribute("aria-valuetext", "20 s")
    settled(page)


def wait_until_trained(page: Page) -> None:
    expect(page.locator(".st-key-header")).to_contain_text("Trained", timeout=90_000)
    settled(page)


def true_class(project: Project, rows: np.ndarray) -> str:
    return project.pool.classes[np.bincount(project.pool.truth[rows]).argmax()]


def test_digits_from_the_example_to_an_exported_classifier(address: str, page: Page, tmp_path: Path) -> None:
    page.goto(address)
    press(page, "Open the example")

    go_to(page, "Train")
    train_briefly(page)
    press(page, "Find clusters")
    wait_until_trained(page)
    project = open_project(tmp_path / "home" / "digits-example")

    go_to(page, "Discover")
    name_clusters(page, project, 4)
    select_with_lasso(page)

    go_to(page, "Label")
    label_suggestions(page, project, 3)
    press(page, "Train with the new labels")
    wait_until_trained(page)
    assert project.paths.run_numbers() == [1, 2]

    go_to(page, "Evaluate")
    expect(page.get_by_text("What is taken for what")).to_be_visible()
    assert (evaluating.evaluate(project).accuracy_cluster_and_label or 0) > 0.6

    go_to(page, "Export")
    press(page, "Prepare the classifier")
    button = page.get_by_role("button", name="Download as a zip")
    button.wait_for(timeout=90_000)
    with page.expect_download() as download:
        button.click()
    names = zipfile.ZipFile(download.value.path()).namelist()
    assert {Path(name).name for name in names} >= {"model.onnx", "labels.json", "README.md", "SHA256SUMS"}


def name_clusters(page: Page, project: Project, n: int) -> None:
    """Names the largest clusters after what most of their images are, in place."""
    view = exploring.view(project)
    for cluster in sorted(view.clusters, key=lambda c: -c.size)[:n]:
        name = true_class(project, view.rows[view.component == cluster.component])
        field = page.locator(f".st-key-card_{cluster.component} input")
        field.click()
        field.fill(name)
        field.press("Enter")
        settled(page)
        expect(page.locator(f".st-key-card_{cluster.component} .chip")).to_have_text(name)
    assert len(project.labels.state(view.run).names) == n


def select_with_lasso(page: Page) -> None:
    """Draws around the middle of the map and finds images beside it, of which one can be picked."""
    chart = page.locator(".js-plotly-plot .nsewdrag").first
    chart.wait_for(timeout=60_000)
    settled(page)
    box = chart.bounding_box()
    assert box is not None
    corners = [(0.15, 0.15), (0.85, 0.15), (0.85, 0.85), (0.15, 0.85), (0.15, 0.17)]
    points = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in corners]
    page.mouse.move(*points[0])
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*point, steps=5)
    page.mouse.up()
    tiles = page.locator("button.tile")
    tiles.first.wait_for()
    tiles.first.click()
    expect(page.get_by_role("button", name="Label 1 picked")).to_be_visible()


def label_suggestions(page: Page, project: Project, n: int) -> None:
    """Labels what the page suggests, by the keys of classes that it knows and by typing new ones."""
    for _ in range(n):
        caption = page.get_by_text(" of 20", exact=False).first.inner_text()
        row = project.pool.rows([caption.split(" · ")[0]])
        name = true_class(project, row)
        button = page.locator(f".st-key-class_{name} button")
        before = len(project.labels.state().positive)
        if button.count():
            page.mouse.click(700, 690)  # out of the text field, where keys are letters
            page.keyboard.press(name)
        else:
            page.get_by_label("New class").fill(name)
            press(page, "Add class")
        settled(page)
        assert len(project.labels.state().positive) == before + 1
