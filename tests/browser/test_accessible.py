"""What axe-core finds on every page, in light and dark, at a desk and on a phone."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from dgm_engine.services import labelling
from dgm_engine.services.projects import Project
from tests.browser.screens import show
from tests.fabricated import fabricate_model

pytestmark = [pytest.mark.browser, pytest.mark.slow]

SIZES = {
    "desk": {"viewport": {"width": 1280, "height": 720}},
    "phone": {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True},
}
DRAWN = {
    "": ".strip",
    "discover": ".map[data-painted]",
    "label": ".labelling[data-item]",
    "train": ".st-key-start",
    "evaluate": ".js-plotly-plot",
    "export": ".st-key-predictions",
}
"""The pages by their addresses, and what is to be seen when one is drawn."""


def faults(page: Page) -> list[str]:
    """All violations, Streamlit's own among them, each with its place and what is wrong."""
    found: list[dict[str, Any]] = Axe().run(page).response["violations"]
    return [
        f"{violation['id']} at {node['target']}: {node['failureSummary']}"
        for violation in found
        for node in violation["nodes"]
    ]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_has_a_fault(
    address: str, home: Path, new_page: Callable[..., Page], named: Project, scheme: str, size: str
) -> None:
    (home / f"digits-{scheme}-{size}").symlink_to(named.paths.root)  # for Projects to list
    fabricate_model(named.paths.run(1))
    labelling.label_items(named, named.pool.items[named.pool.shown[:30]].tolist(), "3", "ann")
    page = new_page(**SIZES[size])
    page.emulate_media(color_scheme=scheme)
    found: dict[str, list[str]] = {}
    for name, drawn in DRAWN.items():
        show(page, address, name, named)
        page.locator(drawn).first.wait_for()
        found[name] = faults(page)
    show(page, address, "label", named)
    page.get_by_role("radio", name="Grid").click()
    expect(page.locator(".labelling .tile")).to_have_count(60)
    found["grid"] = faults(page)
    show(page, address, "discover", named, classes="3")
    page.get_by_role("radio", name="Images").click()
    page.locator(".labelling .tile").first.wait_for()
    found["images"] = faults(page)
    assert {name: told for name, told in found.items() if told} == {}
