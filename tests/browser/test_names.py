"""Names of clusters that nobody takes away stay, whatever the screens show in between."""

import pytest
from playwright.sync_api import Page, expect

from dgm_engine.labels.schema import Kind
from dgm_engine.services import jobs, labelling
from dgm_engine.services.projects import Project
from tests.browser.screens import settled, show
from tests.fabricated import fabricate_layout, fabricate_run

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def spoken(project: Project) -> int:
    """How often anybody named a cluster, or took a name away."""
    return sum(event.kind is Kind.NAME for event in project.labels.history())


def test_a_page_that_is_drawn_again_and_again_takes_no_name_away(address: str, page: Page, named: Project) -> None:
    fabricate_layout(named, fabricate_run(named, 2))
    before = spoken(named)
    show(page, address, "discover", named)
    fields = page.get_by_role("combobox", name="Name of cluster")
    expect(fields.first).to_have_value("5")
    for colour, hesitates in zip(("Class", "Cluster") * 3, (20, 100, 200, 300, 450, 600), strict=True):
        jobs.use_run(named, 1, labelling.default_annotator())
        page.wait_for_timeout(2_500)
        settled(page)
        page.get_by_role("button", name="Undo").first.click()
        page.wait_for_timeout(hesitates)
        page.get_by_role("radio", name=colour, exact=True).dispatch_event("click")  # as the fields are being drawn
        page.wait_for_timeout(2_500)
        settled(page)
        expect(fields.first).to_have_value("5")
        assert spoken(named) == before


def test_a_name_that_is_being_typed_stays_when_the_page_is_drawn_again(
    address: str, page: Page, named: Project
) -> None:
    show(page, address, "discover", named)
    field = page.get_by_role("combobox", name="Name of cluster 5", exact=True)
    field.fill("boo")
    items = named.pool.items[named.pool.shown[:1]].tolist()
    labelling.label_items(named, items, "5", "somebody")
    expect(page.locator(".st-key-header")).to_contain_text("1 labelled")
    settled(page)
    field.press_sequentially("t")
    expect(field).to_have_value("boot")
    field.press("Enter")
    expect(page.get_by_test_id("stToast")).to_contain_text("Cluster 5 is now boot")
    assert named.labels.state(1).names[5] == "boot"


def test_enter_gives_a_name_that_exists_though_scrolling_has_closed_the_list(
    address: str, page: Page, named: Project
) -> None:
    show(page, address, "discover", named)
    field = page.get_by_role("combobox", name="Name of cluster 5", exact=True)
    field.click()
    page.keyboard.type("6")
    expect(field).to_have_attribute("aria-expanded", "true")
    page.mouse.wheel(0, 40)
    expect(field).to_have_attribute("aria-expanded", "false")
    page.keyboard.press("Enter")
    expect(page.locator(".st-key-card_5 .chip")).to_have_text("6")
    assert named.labels.state(1).names[5] == "6"


def test_escape_closes_the_list_of_a_field_and_takes_no_name_away(address: str, page: Page, named: Project) -> None:
    before = spoken(named)
    show(page, address, "discover", named)
    field = page.get_by_role("combobox", name="Name of cluster 5", exact=True)
    field.click()
    expect(page.get_by_role("option").first).to_be_visible()
    field.press("Escape")
    expect(page.get_by_role("option")).to_have_count(0)
    expect(field).to_be_focused()
    field.press("Escape")
    field.press_sequentially("boo")
    field.press("Escape")
    expect(field).to_have_value("5")
    settled(page)
    assert spoken(named) == before
