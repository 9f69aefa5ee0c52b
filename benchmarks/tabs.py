"""How long it takes until the other tabs show what was said elsewhere, in headless Chromium, beside the goal of 2 s.

    python -m benchmarks.tabs --data-root DIR [--sizes 10000 70000] [--repeats 5] [--home FOLDER]

Two tabs are open, Label and Discover. A label, then a name, then two undos are given as by a third tab or a terminal.
Seconds are from there to the moment when both tabs show it: the labels in the header; on Discover, the name on the
card of the cluster. Measured at rest, and while a training run is at work on the same cores. FOLDER keeps the projects.
"""

import os
import time
from collections.abc import Callable
from statistics import median
from urllib.parse import urljoin

from playwright.sync_api import Locator, Page, expect

from benchmarks import piles
from benchmarks.browser import PATIENCE, done, screen
from dgm_engine import machine
from dgm_engine.services import labelling, viewing
from dgm_engine.services.projects import Project
from dgm_engine.services.snapshot import take
from dgm_engine.services.viewing import ItemState

GOAL = 2.0
WHO = "somebody else"
NAME = "a name from elsewhere"
Times = dict[str, list[float]]


def seconds_until(act: Callable[[], object], shown: list[tuple[Locator, str]]) -> float:
    """From an act to the moment when every place on the screens shows its text."""
    act()
    began = time.monotonic()
    for place, text in shown:
        expect(place).to_contain_text(text, timeout=PATIENCE)
    return time.monotonic() - began


def turn(project: Project, headers: list[Locator], chip: Locator, component: int) -> Times:
    """A label, a name and the undos of both; seconds of each."""
    view = viewing.view(take(project))
    item, before = str(view.items[view.state == ItemState.UNLABELLED][-1]), len(project.labels.state().positive)
    labels, name = [(header, f"{before + 1:,} labelled") for header in headers], chip.inner_text()
    none = [(header, f"{before:,} labelled") for header in headers]
    return {
        "label": [seconds_until(lambda: labelling.label_items(project, [item], "1", WHO), labels)],
        "name": [
            seconds_until(
                lambda: labelling.name_component(project, component, NAME, WHO, take(project)), [(chip, NAME)]
            ),
        ],
        "undo": [
            seconds_until(lambda: labelling.undo(project, WHO), [(chip, name)]),
            seconds_until(lambda: labelling.undo(project, WHO), none),
        ],
    }


def measured(project: Project, pages: list[Page], repeats: int) -> Times:
    """All turns, one after the other, so that each waits for its moment of the pages' own clocks."""
    headers = [page.locator(".st-key-header") for page in pages]
    component = viewing.view(take(project)).clusters[0].component
    chip, found = pages[-1].locator(f".st-key-card_{component} .chip"), Times()
    for number in range(repeats):
        pages[0].wait_for_timeout(1000 + 370 * (number % 5))
        for what, seconds in turn(project, headers, chip, component).items():
            found.setdefault(what, []).extend(seconds)
    return found


def measure(project: Project, repeats: int) -> dict[str, Times]:
    """At rest, and while a run is at work, which leaves nothing behind."""
    root = project.paths.root
    with screen(root.parent, f"label?project={root}") as page:
        other = page.context.new_page()
        other.set_default_timeout(PATIENCE)
        other.goto(urljoin(page.url, f"/discover?project={root}"))
        pages = [page, other]
        for one in pages:
            one.locator(".st-key-header").get_by_text("labelled").wait_for()
            done(one)
        at_rest = measured(project, pages, repeats)
        with piles.training(project, page):
            at_work = measured(project, pages, repeats)
    return {"at rest": at_rest, "training": at_work}


def report(found: dict[int, dict[str, Times]]) -> None:
    """The table."""
    print(f"| seconds, goal {GOAL:g} | images | median | worst |\n|---|---|---|---|")
    for n, states in found.items():
        for state, times in states.items():
            for what, seconds in times.items():
                middle = f"{median(seconds):.2f}"
                shown = f"**{middle}**" if median(seconds) > GOAL else middle
                print(f"| {what}, {state} | {n:,} | {shown} | {max(seconds):.2f} |")


def main() -> None:
    """Measures and prints the table."""
    repeats, found = piles.measured(__doc__, [10_000, 70_000], measure)
    print(f"{machine.describe()['device']} of {os.cpu_count()} cores, version {machine.version()};", end=" ")
    print(f"{repeats} turns, the browser draws in software on the same cores\n")
    report(found)


if __name__ == "__main__":
    main()
