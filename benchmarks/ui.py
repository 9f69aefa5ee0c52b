"""How long a person waits for the screens, in headless Chromium, beside what was aimed at.

    python -m benchmarks.ui --data-root DIR [--sizes 10000 70000 1000000] [--repeats 5] [--home FOLDER]

Prints one table of seconds: median and worst, bold where the median misses the target. Times are taken in the page,
from the event that the browser is given to the second frame after what was asked for is there:

*Discover from Export*: from the click to the map with its points on the canvas; this server has shown it before.
*Lasso to grid*: from letting go of a line around 500 images, clusters beside the map, to 100 pictures, decoded.
*Recolour after a label*: from a class key, four images of the grid picked, to the map with other colours (of classes).
*Worst frame while zooming*: the longest time between two frames in 2 s of the wheel and the half second after it.
*Key to next image*: on Label, one by one, from a class key to the next image; where the queue of 20 has run out this
is the first of the next 20. All are keys of one minute's work: the worst is of all keys of all turns.

Up to 70,000 images are MNIST's, trained for a minute; more are synthetic, of 8 x 8 pixels, with made-up results.
FOLDER keeps the projects for the next time. Everything that is done is looked up in the project, and must be there.
"""

import math
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from playwright.sync_api import Page

from benchmarks import piles
from benchmarks.browser import PATIENCE, done, screen
from dgm_engine import machine
from dgm_engine.services import layouts, mapping
from dgm_engine.services.projects import Project
from dgm_engine.services.snapshot import take
from pages import _map
from pages._keys import keys_for

NAVIGATION, LASSO, RECOLOUR = "Discover from Export", "lasso of 500 to grid of 100", "recolour after a label"
ZOOM, KEY, BUSY_KEY = "worst frame while zooming", "key to next image", "key to next image, training at work"
TARGETS = {
    NAVIGATION: {10_000: 1.5, 70_000: 2.5, 1_000_000: 8},
    LASSO: {10_000: 0.5, 70_000: 0.5, 1_000_000: 1},
    RECOLOUR: {10_000: 0.4, 70_000: 0.6, 1_000_000: 2},
    ZOOM: {10_000: 0.15, 70_000: 0.3},
    KEY: {10_000: 0.25, 70_000: 0.25},
    BUSY_KEY: {10_000: 0.5, 70_000: 0.5},
}
N_ENCLOSED, PAGE_SIZE, N_KEYS, BETWEEN_KEYS = 500, 100, 10, 300
RADIUS = 100
"""Pixels from the middle of the lasso to its line: the map is enlarged so far."""
WHEEL = 0.0015
"""The logarithm of the enlargement for each pixel of the wheel, as assets/map/gestures.js."""
Times = dict[str, list[float]]


@dataclass(frozen=True)
class Camera:
    """Which part of the unit square the map shows, and where it lies on the screen; as assets/map/camera.js."""

    x: float
    y: float
    zoom: float
    left: float
    top: float
    width: float
    height: float

    @property
    def scale(self) -> float:
        """Pixels for each unit."""
        return self.zoom * min(self.width, self.height) * 0.92

    def screen(self, x: float, y: float) -> tuple[float, float]:
        """Where on the screen a place is."""
        left = self.left + self.width / 2 + (x - self.x) * self.scale
        return left, self.top + self.height / 2 - (y - self.y) * self.scale

    def world(self, left: float, top: float) -> tuple[float, float]:
        """The place at a point of the map's canvas."""
        return self.x + (left - self.width / 2) / self.scale, self.y - (top - self.height / 2) / self.scale


def must(holds: object, what: str) -> None:
    """Ends the benchmark where something did not come about."""
    if not holds:
        sys.exit(f"the page did not do what it should: {what}")


def timed(page: Page, act: Callable[[], object], kind: str, test: str, *values: object) -> float:
    """Seconds from the event of a kind that an act leads to until a test of ui.js holds."""
    page.evaluate("([kind, test, values]) => bench.watch(kind, test, values)", [kind, test, values])
    act()
    seconds: float = page.evaluate("bench.result") / 1000
    return seconds


def seen(page: Page, part: str, name: str) -> str | None:
    """Data of an element of one of our components."""
    return page.evaluate("([part, name]) => bench.part(part)?.dataset[name]", [part, name])


def go_to(page: Page, name: str) -> None:
    """Goes to a page by the sidebar."""
    page.get_by_role("link", name=name, exact=True).click()
    done(page)


class Bench:
    """A project, where its images lie on the map, and what a person does with it; each returns seconds."""

    def __init__(self, project: Project, page: Page) -> None:
        self.project, self.page = project, page
        layout = layouts.ensure_layout(take(project))
        where = _map.places(project, layout)
        if where is None or layout.stale:
            sys.exit(f"{project.name} has no layout of its own; delete it to have it made again")
        self.where = where
        labels = project.labels.state()
        self.classes = [(name, key) for name, key in keys_for(labels.classes, labels.numbers).items() if key]

    def prepare(self) -> None:
        """Shows every page once and colours the map by class."""
        for name, test in (("Label", "single"), ("Discover", "painted")):
            go_to(self.page, name)
            self.page.wait_for_function(f"bench.{test}(null)", timeout=PATIENCE)
        done(self.page)
        self.page.locator(".st-key-colour").get_by_text("Class", exact=True).click()
        done(self.page)

    def navigation(self, turn: int) -> float:
        """To Discover from another page."""
        go_to(self.page, "Export")
        must(seen(self.page, ".map", "token") is None, "the map goes with its page")
        link = self.page.get_by_role("link", name="Discover", exact=True)
        seconds = timed(self.page, link.click, "click", "painted", None)
        must(seen(self.page, ".map", "token") == self.where.token, f"map of the layout, turn {turn}")
        done(self.page)
        return seconds

    def lasso(self, turn: int) -> float:
        """A line around some images, and their grid."""
        page, before = self.page, seen(self.page, ".labelling", "token")
        page.locator(".map").press("Escape")
        page.get_by_text("Clusters", exact=True).click()
        done(page)
        corners = self._around(turn)
        page.evaluate("bench.follow()")
        page.mouse.move(*corners[0])
        page.mouse.down()
        for corner in corners[1:]:
            page.mouse.move(*corner)
        seconds = timed(page, page.mouse.up, "pointerup", "grid", before, PAGE_SIZE)
        done(page)
        camera = self._camera()
        n = int(self.where.enclosed([camera.world(*point) for point in page.evaluate("bench.path")]).sum())
        must(0.9 * N_ENCLOSED < n < 1.1 * N_ENCLOSED, f"a lasso of {n} images")
        must(page.get_by_text(f"{n:,} images selected").count(), f"{n} images selected")
        return seconds

    def recolour(self, turn: int) -> float:
        """A class for four images of the grid."""
        page, (name, key) = self.page, self.classes[turn % len(self.classes)]
        tiles = page.locator(".tile")
        tiles.nth(4).click()
        tiles.nth(7).click(modifiers=["Shift"])
        done(page)
        items = [tiles.nth(i).get_attribute("data-item") for i in range(4, 8)]
        painted = seen(page, ".map", "painted")
        seconds = timed(page, lambda: page.keyboard.press(key), "keydown", "painted", painted)
        done(page)
        self._must_say(dict.fromkeys(items, name))
        return seconds

    def zoom(self, turn: int) -> float:
        """In and out again with the wheel, over the middle of the map."""
        page = self.page
        page.locator(".map").press("Home")
        page.mouse.move(*self._camera().screen(0.5, 0.5))
        page.evaluate("bench.record()")
        began = time.monotonic()
        while (spent := time.monotonic() - began) < 2:
            page.mouse.wheel(0, -100 if spent < 1 else 100)
            page.wait_for_timeout(40)
        page.wait_for_timeout(500)
        found = page.evaluate("bench.frames()")
        must(found["cameras"] > 3, f"zooming in {found['cameras']} steps, turn {turn}")
        return found["worst"] / 1000

    def keys(self, turn: int) -> list[float]:
        """Class keys on Label, one after the other."""
        page, times, said = self.page, list[float](), dict[str | None, str]()
        page.wait_for_function("bench.single(null)")
        for number in range(N_KEYS):
            name, key = self.classes[(turn + number) % len(self.classes)]
            item = seen(page, ".labelling", "item")
            said[item] = name
            times.append(timed(page, lambda key=key: page.keyboard.press(key), "keydown", "single", item))
            page.wait_for_timeout(BETWEEN_KEYS)
        must(len(said) == N_KEYS, f"{N_KEYS} images one after the other, turn {turn}")
        self._must_say(said)
        return times

    def _around(self, turn: int) -> list[tuple[float, float]]:
        """Places of the screen around some images near the middle of the map, which is enlarged there."""
        xy = self.where.xy / mapping.COORDINATE_STEPS
        middle = xy[(np.abs(xy - 0.5) < 0.3).all(axis=1)]
        x, y = middle[np.random.default_rng(turn).integers(len(middle))]
        radius = float(np.partition(np.hypot(*(xy - (x, y)).T), N_ENCLOSED)[N_ENCLOSED])
        self.page.locator(".map").press("Home")
        camera = self._camera()
        self.page.mouse.move(*camera.screen(x, y))
        for step in np.full(10, math.log(RADIUS / radius / camera.scale) / 10):
            self.page.mouse.wheel(0, -step / WHEEL)
        camera, angles = self._camera(), np.linspace(0, 2 * np.pi, 36)
        return [camera.screen(x + radius * math.cos(a), y + radius * math.sin(a)) for a in angles]

    def _camera(self) -> Camera:
        """Where the map looks, once it rests."""
        self.page.wait_for_timeout(500)
        return Camera(**self.page.evaluate("bench.camera()"))

    def _must_say(self, said: dict[Any, str]) -> None:
        """Waits until the project has these labels."""
        until = time.monotonic() + 20
        while (missing := self._missing(said)) and time.monotonic() < until:
            self.page.wait_for_timeout(100)
        must(not missing, f"labels other than {missing}")

    def _missing(self, said: dict[Any, str]) -> list[Any]:
        positive = self.project.labels.state().positive
        return [(item, name, positive.get(item)) for item, name in said.items() if positive.get(item) != name]


def measure(project: Project, repeats: int) -> Times:
    """All times of a project."""
    times: Times = {name: [] for name in TARGETS}
    root = project.paths.root
    with screen(root.parent, f"discover?project={root}", scripts=(Path(__file__).with_suffix(".js"),)) as page:
        bench = Bench(project, page)
        bench.prepare()
        for turn in range(repeats):
            for name, act in ((NAVIGATION, bench.navigation), (LASSO, bench.lasso), (RECOLOUR, bench.recolour)):
                times[name].append(act(turn))
            times[ZOOM].append(bench.zoom(turn))
        go_to(page, "Label")
        for turn in range(repeats):
            times[KEY] += bench.keys(turn)
        if project.pool.n_items <= piles.MNIST:
            times[BUSY_KEY] = while_training(bench, repeats)
    return times


def while_training(bench: Bench, repeats: int) -> list[float]:
    """Seconds of the keys on Label while a run is at work, which leaves nothing behind."""
    with piles.training(bench.project, bench.page):
        return [seconds for turn in range(repeats) for seconds in bench.keys(turn + repeats)]


def report(found: dict[int, Times]) -> None:
    """The table."""
    print("| seconds |", *(f"{n:,}: median | worst | target |" for n in found))
    print("|---|" + "---|" * 3 * len(found))
    for name, targets in TARGETS.items():
        cells: list[str] = []
        for n, times in found.items():
            target = targets.get(n)
            middle = f"{median(times[name]):.2f}" if times[name] else ""
            missed = bool(times[name]) and target is not None and median(times[name]) > target
            cells += [f"**{middle}**" if missed else middle, f"{max(times[name], default=0):.2f}" * bool(middle)]
            cells.append("" if target is None else f"{target:g}")
        print(f"| {name} |", " | ".join(cells), "|")
    ratios = [f"{median(t[BUSY_KEY]) / median(t[KEY]):.1f} of {n:,}" for n, t in found.items() if t[BUSY_KEY]]
    print(f"\nA key while training takes so many times as long as at rest: {', '.join(ratios) or 'not measured'}.")


def main() -> None:
    """Measures and prints the table."""
    repeats, found = piles.measured(__doc__, [10_000, 70_000, 1_000_000], measure)
    print(f"{machine.describe()['device']} of {os.cpu_count()} cores, version {machine.version()};", end=" ")
    print(f"{repeats} turns, the browser draws in software on the same cores")
    print("".join(f"{n:,}: synthetic, made-up results\n" for n in found if n > piles.MNIST))
    report(found)


if __name__ == "__main__":
    main()
