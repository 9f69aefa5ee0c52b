"""Labelling by keys and by mouse: what the person says is what the label store holds."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from dgm_engine.labels.state import LabelState
from dgm_engine.services import labelling
from dgm_engine.services.projects import Project
from tests.browser.screens import eventually, labels_of, settled, show, turn_to
from tests.fabricated import fabricate_run

pytestmark = pytest.mark.browser

SHOWN = """(board) => {
  window.shown = [board.dataset.item];
  new MutationObserver(() => window.shown.push(board.dataset.item))
    .observe(board, { attributes: true, attributeFilter: ["data-item"] });
}"""


@pytest.fixture
def board(address: str, page: Page, named: Project) -> Locator:
    """Label, one image at a time."""
    show(page, address, "label", named)
    board = page.locator(".labelling")
    expect(board).to_have_attribute("data-mode", "single")
    board.locator(".chip[data-class]").first.wait_for()
    settled(page)  # a page that is still at work may miss a click that leads to another
    return board


@pytest.fixture
def grid(board: Locator, page: Page) -> Locator:
    """Label, as a grid."""
    page.get_by_role("radio", name="Grid").click()
    grid = page.locator('.labelling[data-mode="grid"]')
    expect(grid.locator(".tile")).to_have_count(60)
    return grid


def said(project: Project, read: Callable[[LabelState], object]) -> Callable[[], object]:
    return lambda: read(project.labels.state())


def test_keys_faster_than_answers_label_every_image_with_its_key(page: Page, board: Locator, named: Project) -> None:
    board.evaluate(SHOWN)
    keys = "3141592653"
    for key in keys:
        page.keyboard.press(key)
    shown = page.evaluate("window.shown")
    assert len(set(shown[:10])) == 10
    labels = dict(zip(shown[:10], keys, strict=True))
    eventually(page, lambda: labels_of(named), labels)

    page.keyboard.press("Backspace")
    page.keyboard.press("Backspace")
    eventually(page, lambda: labels_of(named), dict(list(labels.items())[:8]))
    expect(board).to_have_attribute("data-item", shown[8])


def test_a_question_mark_shows_the_keys(page: Page, board: Locator) -> None:
    expect(board.locator(".help")).to_be_hidden()
    for ends in ("?", "Escape"):
        page.keyboard.press("?")
        expect(board.locator(".help")).to_contain_text("not that class")
        expect(board.locator(".help")).not_to_contain_text("Enter")  # here it opens nothing
        page.keyboard.press(ends)
        expect(board.locator(".help")).to_be_hidden()


def test_keys_speak_of_images_whatever_was_clicked_before(
    address: str, page: Page, board: Locator, named: Project
) -> None:
    turn_to(page, "Evaluate")
    turn_to(page, "Label")
    board.evaluate(SHOWN)
    page.keyboard.press(" ")
    board.locator(".large").click()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowLeft")
    board.locator('.chip[data-class="8"]').click()
    page.keyboard.press(" ")  # and not that button once more
    eventually(page, lambda: len(named.labels.state().skipped), 2)
    assert list(labels_of(named).values()) == ["8"]

    page.locator(".st-key-header_undo button").click()
    eventually(page, lambda: len(named.labels.state().skipped), 1)
    settled(page)
    page.keyboard.press(" ")
    eventually(page, lambda: len(named.labels.state().skipped), 2)

    choice = page.get_by_role("combobox", name="Which images")
    choice.click()
    page.get_by_role("option", name="Least sure").click()
    expect(choice).to_have_attribute("aria-expanded", "false")  # a list that is open is typed into
    settled(page)
    page.keyboard.press("7")
    eventually(page, lambda: sorted(labels_of(named).values()), ["7", "8"])


def test_a_control_that_tab_leads_to_keeps_its_keys(page: Page, board: Locator, named: Project) -> None:
    by_tab = page.locator(".st-key-header_undo button")
    page.keyboard.press("7")
    eventually(page, lambda: len(labels_of(named)), 1)
    settled(page)
    for _ in range(60):
        if by_tab.evaluate("(element) => element === document.activeElement"):
            break
        page.keyboard.press("Tab")
    page.keyboard.press(" ")
    eventually(page, lambda: labels_of(named), {})
    assert not named.labels.state().skipped


def test_after_a_new_class_is_typed_the_next_key_labels_again(page: Page, board: Locator, named: Project) -> None:
    board.evaluate(SHOWN)
    field = board.get_by_label("Name of a new class")
    field.fill("ring 7")
    field.press("Enter")
    page.keyboard.press("7")
    first, second, *_ = page.evaluate("window.shown")
    eventually(page, lambda: labels_of(named), {first: "ring 7", second: "7"})
    expect(board.locator('.chip[data-class="ring 7"]')).to_be_visible()


def items_of(grid: Locator) -> list[str]:
    return grid.locator(".tile").evaluate_all("(tiles) => tiles.map((tile) => tile.dataset.item)")


def predicted(project: Project, item: str) -> str:
    """The class of an image's made-up component, whose number it is named by."""
    row = int(project.pool.rows([item])[0])
    truth = int(project.pool.truth[row])
    return str((truth + 1) % 10 if row % 20 == 0 else truth)


def test_arrows_and_shift_pick_images_of_the_grid_and_a_key_labels_them(
    page: Page, grid: Locator, named: Project
) -> None:
    items = items_of(grid)
    page.keyboard.press("ArrowRight")
    for _ in range(2):
        page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("7")
    wanted = dict.fromkeys(items[1:4], "7")
    eventually(page, lambda: labels_of(named), wanted)

    page.keyboard.press("s")  # the cursor went on to the first without a label
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("s")
    page.keyboard.press("2")
    eventually(page, lambda: labels_of(named), wanted | {items[4]: "2", items[6]: "2"})


def test_a_box_over_the_grid_picks_what_it_touches(page: Page, grid: Locator, named: Project) -> None:
    items, tiles = items_of(grid), grid.locator(".tile")
    first, last = tiles.nth(1).bounding_box(), tiles.nth(2).bounding_box()
    assert first
    assert last
    below = [
        i
        for i in range(60)
        if (b := tiles.nth(i).bounding_box()) and b["x"] in (first["x"], last["x"]) and b["y"] < first["y"] + 90
    ]
    page.mouse.move(first["x"] + 10, first["y"] + 10)
    page.mouse.down()
    page.mouse.move(last["x"] + 20, first["y"] + 90, steps=5)
    page.mouse.up()
    assert len(below) == 4
    expect(grid.locator('.tile[aria-selected="true"]')).to_have_count(4)
    page.keyboard.press("1")
    eventually(page, lambda: labels_of(named), {items[i]: "1" for i in below})


def test_x_n_and_space_deny_the_guess_deny_all_and_skip(page: Page, grid: Locator, named: Project) -> None:
    items = items_of(grid)
    for key in ("x", "n", " "):
        page.keyboard.press(key)
    eventually(page, said(named, lambda s: s.skipped), frozenset({items[2]}))
    state = named.labels.state()
    assert state.rejected == {items[0]: frozenset({predicted(named, items[0])})}
    assert state.none_of_named == {items[1]}
    assert not state.positive


def picked_out(page: Page, address: str, project: Project) -> list[str]:
    """Shows the images of cluster 3 that have no label as a grid; their ids in its order."""
    show(page, address, "discover", project, clusters="3", states="unlabelled")
    page.get_by_role("radio", name="Images").click()
    page.locator(".tile").first.wait_for()
    settled(page)
    return [str(tile.get_attribute("data-item")) for tile in page.locator(".tile").all()]


def test_a_filter_that_drops_what_was_labelled_leaves_the_keys_where_they_were(
    address: str, page: Page, named: Project
) -> None:
    items = picked_out(page, address, named)
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    for n in (3, 4, 5):
        page.keyboard.press("7")
        eventually(page, lambda: set(labels_of(named)), set(items[3 : n + 1]))
        expect(page.locator(f'.tile[data-item="{items[n]}"]')).to_have_count(0)
        settled(page)
        expect(page.locator(".tile.here")).to_have_attribute("data-item", items[n + 1])


def test_picks_stay_with_their_images_when_a_training_ends(address: str, page: Page, named: Project) -> None:
    items = picked_out(page, address, named)
    for n in (4, 2, 7):
        page.locator(".tile").nth(n).click()
    labelling.label_items(named, [items[0]], "3", "somebody else")
    fabricate_run(named, 2)
    expect(page.locator(f'.tile[data-item="{items[0]}"]')).to_have_count(0)
    settled(page)
    expect(page.locator(".labelling .count")).to_contain_text("3 picked")
    page.keyboard.press("7")
    eventually(page, lambda: labels_of(named), {items[0]: "3", items[4]: "7", items[2]: "7", items[7]: "7"})


def test_a_key_is_for_the_image_that_was_opened_and_not_for_the_grid_that_goes(
    address: str, page: Page, named: Project
) -> None:
    items = picked_out(page, address, named)
    for n in (4, 2):
        page.locator(".tile").nth(n).click()
    page.keyboard.press("Enter")
    page.locator('.labelling[data-mode="single"]').wait_for()
    page.keyboard.press("7")
    eventually(page, lambda: labels_of(named), {items[2]: "7"})
    settled(page)
    assert labels_of(named) == {items[2]: "7"}
    expect(page.locator(".map .mark")).to_be_visible()
    page.get_by_role("button", name="Back to the images").click()
    expect(page.locator(f'.tile[data-item="{items[4]}"]')).to_be_visible()
    expect(page.locator(f'.tile[data-item="{items[2]}"]')).to_have_count(0)


def test_what_was_judged_can_be_gone_back_to_when_more_have_followed(
    page: Page, board: Locator, named: Project
) -> None:
    board.evaluate(SHOWN)
    for n in range(14):
        page.keyboard.press("3")
        eventually(page, lambda: len(labels_of(named)), n + 1)
        settled(page)
    shown = list(dict.fromkeys(page.evaluate("window.shown")))
    page.keyboard.press("Backspace")
    eventually(page, lambda: len(labels_of(named)), 13)
    expect(board).to_have_attribute("data-item", shown[13])


def test_what_the_server_has_not_heard_survives_a_reload(page: Page, board: Locator, named: Project) -> None:
    board.evaluate(SHOWN)
    for key in "3141":
        page.keyboard.press(key)
    shown = page.evaluate("window.shown")
    page.reload()
    eventually(page, lambda: labels_of(named), dict(zip(shown[:4], "3141", strict=True)))
    settled(page)
    board.locator('.chip[data-class="5"]').wait_for()
    page.keyboard.press("5")
    eventually(page, lambda: sorted(labels_of(named).values()), ["1", "1", "3", "4", "5"])
