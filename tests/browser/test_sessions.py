"""Two tabs on one project, and a refresh in the middle of the work."""

import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from dgm_engine.jobs import JobState, JobStatus, this_process, write_status
from dgm_engine.services import labelling, viewing
from dgm_engine.services.projects import Project
from dgm_engine.services.snapshot import take
from tests.browser.conftest import APP, running
from tests.browser.screens import MapScreen, box, eventually, labels_of, selected_rows, selection, settled, show
from tests.fabricated import fabricate_run

pytestmark = [pytest.mark.browser, pytest.mark.slow]

ALONE = 15_000
"""Milliseconds in which a tab must notice what others say; `benchmarks.tabs` measures how soon it does."""


def test_what_one_tab_labels_the_other_shows_after_its_next_action(address: str, page: Page, named: Project) -> None:
    show(page, address, "label", named)
    other = page.context.new_page()
    show(other, address, "label", named)
    for tab in (page, other):
        tab.locator(".labelling .chip[data-class]").first.wait_for()
    first = page.locator(".labelling").get_attribute("data-item")
    assert other.locator(".labelling").get_attribute("data-item") == first
    page.keyboard.press("1")
    eventually(page, lambda: labels_of(named), {first: "1"})

    other.keyboard.press("ArrowRight")
    second = other.locator(".labelling").get_attribute("data-item")
    assert second != first
    other.keyboard.press("2")
    eventually(other, lambda: labels_of(named), {first: "1", second: "2"})
    expect(other.locator(".labelling .count")).to_have_text("18 to go")
    expect(other.locator(".st-key-header")).to_contain_text("2 labelled")

    for _ in range(2):
        page.keyboard.press("ArrowRight")
    expect(page.locator(".labelling .count")).to_have_text("18 to go")
    page.keyboard.press("3")
    expect(page.locator(".st-key-header")).to_contain_text("3 labelled")
    assert len(labels_of(named)) == 3
    assert labels_of(named).items() >= {first: "1", second: "2"}.items()


def sign(page: Page, name: str) -> None:
    field = page.get_by_role("textbox", name="Labels are signed by")
    field.fill(name)
    field.press("Enter")
    settled(page)
    field.blur()


def test_undo_takes_back_ones_own_and_a_tab_notices_what_others_say(address: str, page: Page, named: Project) -> None:
    other = page.context.new_page()
    items = list[str]()
    for tab, name, key in ((page, "ann", "1"), (other, "bob", "2")):
        show(tab, address, "label", named)
        sign(tab, name)
        items.append(tab.locator(".labelling[data-item]").get_attribute("data-item") or "")
        tab.keyboard.press(key)
        eventually(tab, lambda: set(labels_of(named)), set(items))
    both = dict(zip(items, "12", strict=True))
    assert len(both) == 2
    expect(page.locator(".st-key-header")).to_contain_text("2 labelled")  # without anything being done here

    page.keyboard.press("Backspace")
    expect(page.get_by_test_id("stToast")).to_contain_text("by bob, who alone can undo it")
    assert labels_of(named) == both
    other.keyboard.press("Backspace")
    eventually(other, lambda: labels_of(named), {items[0]: "1"})
    page.keyboard.press("Backspace")
    eventually(page, lambda: labels_of(named), {})


def test_a_tab_notices_that_another_one_trains(address: str, page: Page, named: Project) -> None:
    show(page, address, "evaluate", named)
    expect(page.locator(".st-key-header")).to_contain_text("Trained")
    run = fabricate_run(named, 2)
    write_status(run.status, this_process(JobState.RUNNING, "Looking for neighbours"))
    expect(page.locator(".st-key-header")).to_contain_text("Looking for neighbours")
    fabricate_run(named, 2)
    expect(page.locator(".st-key-header")).to_contain_text("Trained")


def test_a_label_a_name_and_an_undo_reach_the_other_tabs_while_a_run_is_at_work(
    address: str, page: Page, named: Project
) -> None:
    write_status(named.paths.run(1).status, this_process(JobState.RUNNING, "Training"))
    item = str(viewing.view(take(named)).items[-1])  # of those that none of the pages asks about
    other = page.context.new_page()
    show(page, address, "label", named)
    show(other, address, "discover", named)
    tabs = [(page, page.locator(".st-key-header")), (other, other.locator(".st-key-header"))]
    name = other.locator(".st-key-card_3 .chip")
    expect(name).to_have_text("3")
    for tab, header in tabs:
        expect(header).to_contain_text("Training")
        expect(header).to_contain_text("0 labelled")
        settled(tab)

    def all_show(labelled: int, cluster: str) -> None:
        for _, header in tabs:
            expect(header).to_contain_text(f"{labelled} labelled", timeout=ALONE)
        expect(name).to_have_text(cluster, timeout=ALONE)

    labelling.label_items(named, [item], "1", "bob")  # a third tab, or a terminal
    all_show(1, "3")
    labelling.name_component(named, 3, "boot", "bob")
    all_show(1, "boot")
    labelling.undo(named, "bob")
    all_show(1, "3")
    page.keyboard.press("2")  # what a tab itself says, the other one shows
    all_show(2, "3")
    expect(tabs[0][1]).to_contain_text("Training")
    write_status(named.paths.run(1).status, JobStatus(JobState.FINISHED, "Finished", 1.0))


def test_names_given_by_keys_leave_the_focus_in_their_cards(address: str, page: Page, trained: Project) -> None:
    show(page, address, "discover", trained)
    field = page.locator(".st-key-card_3 input")
    field.focus()
    for name in ("shoe", "boot"):
        page.keyboard.type(name)
        page.keyboard.press("Enter")
        expect(page.locator(".st-key-card_3 .chip")).to_have_text(name)
        expect(field).to_have_count(1)  # the field of the name before stands beside it until the page is drawn
        expect(field).to_be_focused()
        settled(page)


def test_a_refresh_keeps_selection_filters_zoom_and_labels(
    address: str, page: Page, named: Project, places: np.ndarray
) -> None:
    show(page, address, "discover", named)
    drawn = MapScreen(page)
    drawn.moves_on(lambda: search(page, "train/0"), "data-look")
    drawn.moves_on(lambda: page.get_by_role("radio", name="Confidence").click(), "data-look")
    drawn.choose("Zoom in")
    camera = drawn.camera()
    middle = np.array([camera.left + camera.width / 2, camera.top + camera.height / 2])
    drawn.choose("Box")
    drawn.draw(box(camera.on_screen(places), middle, 80))
    chosen = selected_rows(page, named)
    assert chosen
    drawn.moves_on(lambda: label_first(page), "data-look")
    labels = labels_of(named)
    assert len(labels) == 1
    camera = drawn.camera()
    assert camera.zoom == pytest.approx(1.5)

    page.reload()
    settled(page)
    again = MapScreen(page)
    assert again.camera() == camera
    assert again.root.get_attribute("data-tool") == "box"
    expect(page.get_by_role("radio", name="Confidence")).to_be_checked()
    assert selection(page)
    assert selected_rows(page, named) == chosen
    expect(page.get_by_placeholder("Search file names")).to_have_value("train/0")
    expect(page.get_by_role("radio", name=f"Images ({len(chosen):,})")).to_be_visible()
    expect(page.locator(".st-key-header")).to_contain_text("1 labelled")
    assert labels_of(named) == labels


def search(page: Page, text: str) -> None:
    field = page.get_by_placeholder("Search file names")
    field.fill(text)
    field.press("Enter")


def label_first(page: Page) -> None:
    """Labels the first image beside the map, after which it alone was clicked."""
    page.locator(".labelling .tile").first.click()
    page.keyboard.press("1")


def test_a_second_window_opens_on_the_same_selection_by_its_address(
    address: str, page: Page, new_page: Callable[..., Page], named: Project, places: np.ndarray
) -> None:
    show(page, address, "discover", named)
    drawn = MapScreen(page)
    camera = drawn.camera()
    middle = np.array([camera.left + camera.width / 2, camera.top + camera.height / 2])
    drawn.choose("Box")
    drawn.draw(box(camera.on_screen(places), middle, 60))
    n = len(selected_rows(page, named))
    elsewhere = new_page()
    elsewhere.goto(page.url)
    expect(elsewhere.get_by_role("radio", name=f"Images ({n:,})")).to_be_visible()


def test_the_first_pages_of_a_new_server_all_have_the_frame(
    first_address: str, new_page: Callable[..., Page], named: Project
) -> None:
    """Streamlit runs a page alone while nothing has called st.navigation, as in tabs that a browser opens again."""
    pages = [new_page() for _ in range(3)]
    for page, name in zip(pages, ("label", "discover", "train"), strict=True):
        page.goto(f"{first_address}/{name}?{urlencode({'project': str(named.paths.root)})}")
    for page in pages:
        settled(page)
        expect(page.get_by_role("link", name="Export", exact=True)).to_be_visible()


IMPATIENT = "(button) => { for (let n = 0; n < 20; n++) setTimeout(() => button.click(), 20 * n * n); }"
"""Clicks again and again, with longer and longer between: some click comes while the one before is acted on."""


def test_however_often_one_clicks_one_project_is_made(first_address: str, page: Page, tmp_path: Path) -> None:
    pile, home = tmp_path / "pile.npy", tmp_path / "home"
    np.save(pile, np.random.default_rng(0).integers(0, 255, (1100, 400, 400), dtype=np.uint8))  # long to be copied
    page.goto(first_address)
    page.get_by_role("radio", name="Upload").click()
    page.locator("input[type=file]").set_input_files(pile)
    expect(page.get_by_role("textbox", name="Name of the project")).to_have_value("pile")
    page.get_by_role("button", name="Create project").evaluate(IMPATIENT)
    page.wait_for_url("**/discover?**")
    settled(page)
    assert len(list(home.glob(".tasks/*/task.json"))) == 1
    assert [path.name for path in home.iterdir() if not path.name.startswith(".")] == ["pile"]


COUNTING = """
import time
import streamlit as st

@st.cache_resource
def counts():
    return {"now": 0, "most": 0, "runs": 0}

st.button("Again")
counts()["now"] += 1
counts()["most"] = max(counts()["most"], counts()["now"])
time.sleep(1)
counts()["now"] -= 1
counts()["runs"] += 1
st.write("{runs} runs, at most {most} at once".format(**counts()))
"""


def test_a_session_runs_one_script_at_a_time(page: Page, tmp_path: Path) -> None:
    script = tmp_path / "counting.py"
    script.write_text(COUNTING)
    with running(tmp_path / "home", [str(script) if part == "app.py" else part for part in APP]) as address:
        page.goto(address)
        button = page.get_by_role("button", name="Again")
        for _ in range(3):
            button.click()
            page.wait_for_timeout(300)  # within the second that a run takes
        expect(page.get_by_text(re.compile("[2-4] runs, at most"))).to_have_text(re.compile("at most 1 at once"))
