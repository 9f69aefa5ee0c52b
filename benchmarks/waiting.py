"""How long a person waits for the model, in headless Chromium: from a click to what comes of it on the screen.

    python -m benchmarks.waiting [--project DIR] [--repeats 5]

*Clusters of the digits*: from "Find clusters" in a new example project, opened by a new server `READING` seconds
before, to the cards of the clusters. *Three names*: from Enter after the third cluster's name to this name on the
map. *20 labels*: from "Train with the new labels" to the map in the colours of the new run; which images are labelled
is drawn at random, their classes are the true ones. The last two are measured on the digits and on the project DIR
(trained, with ground truth), which keeps the names and labels.
"""

import argparse
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
from playwright.sync_api import Page, expect

from benchmarks.browser import PATIENCE, done, screen
from dgm_engine import machine
from dgm_engine.services import projects
from dgm_engine.services.projects import Project

READING = 6.0
"""Seconds that a person looks at the page before the first click."""
N_LABELS, N_NAMES = 20, 3


def until_trained(page: Page) -> None:
    """Waits for the end of the run at work."""
    expect(page.locator(".st-key-header")).to_contain_text("Trained", timeout=PATIENCE)
    done(page)


def clusters(page: Page) -> float:
    """Seconds from nothing to clusters."""
    button = page.get_by_role("button", name="Find clusters").first
    button.wait_for()
    page.wait_for_timeout(1000 * READING)
    began = time.monotonic()
    button.click()
    page.locator('[class*="st-key-card_"]').first.wait_for()
    return time.monotonic() - began


def names(page: Page, turn: int) -> float:
    """Seconds from the last of some names to the map that shows them."""
    began = 0.0
    for number in range(N_NAMES):
        name = f"kind {turn}-{number}"
        field = page.locator('[class*="st-key-card_"] input').nth(number)
        field.click()
        field.fill(name)
        began = time.monotonic()
        field.press("Enter")
        page.locator(".map .name", has_text=name).first.wait_for(state="attached")  # it may be hidden by another
    return time.monotonic() - began


def labels(page: Page, project: Project, turn: int) -> float:
    """Seconds from the click after some labels to the map in the colours of the new run."""
    pool = project.pool
    rows = np.random.default_rng(turn).choice(pool.shown, N_LABELS, replace=False)
    for row in rows:
        project.labels.label([pool.items[row]], pool.classes[pool.truth[row]], annotator="benchmark")
    page.reload()
    button = page.get_by_role("button", name="Train with the new labels")
    button.wait_for()
    drawn = page.locator(".map[data-painted]")
    drawn.wait_for()
    page.wait_for_timeout(1000 * READING)
    before = drawn.get_attribute("data-painted") or ""
    began = time.monotonic()
    button.click()
    expect(drawn).not_to_have_attribute("data-painted", before, timeout=PATIENCE)
    return time.monotonic() - began


def both(page: Page, project: Project, turn: int, found: dict[str, list[float]]) -> None:
    """Names and labels in a trained project, with the figures added to `found`."""
    until_trained(page)
    page.locator(".map[data-painted]").wait_for()
    about = f"of {project.manifest.items:,}"
    found.setdefault(f"{N_NAMES} names, {about}", []).append(names(page, turn))
    found.setdefault(f"{N_LABELS} labels, {about}", []).append(labels(page, project, turn))
    until_trained(page)


def on_digits(repeats: int) -> None:
    """A new example project for each turn."""
    found: dict[str, list[float]] = {}
    for turn in range(repeats):
        # A layout that is still at work may write there while it is cleaned up.
        folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        with folder as home, screen(Path(home), "", "--", "--example") as page:
            found.setdefault("clusters of the digits", []).append(clusters(page))
            root = next(path.parent for path in Path(home).rglob("project.json"))
            both(page, projects.open_project(root), turn, found)
    report(found)


def on_project(root: Path, repeats: int) -> None:
    """All turns on one project that was trained before."""
    found: dict[str, list[float]] = {}
    project = projects.open_project(root.resolve())
    with screen(project.paths.root.parent, f"discover?project={project.paths.root}") as page:
        for turn in range(repeats):
            both(page, project, turn, found)
    report(found)


def report(found: dict[str, list[float]]) -> None:
    """A line for each figure."""
    for name, seconds in found.items():
        print(name.ljust(28), f"{median(seconds):6.1f} {max(seconds):6.1f}", flush=True)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--project", type=Path)
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    print(f"{machine.describe()['device']}, version {machine.version()}; seconds over {given.repeats} turns\n")
    print("".ljust(28), "median  worst", flush=True)
    on_digits(given.repeats)
    if given.project:
        on_project(given.project, given.repeats)


if __name__ == "__main__":
    main()
