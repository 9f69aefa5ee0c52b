"""What a person does on the screens, and what is then to be seen; shared by all tests of this folder."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import parse_qs, urlencode, urlsplit

import numpy as np
from playwright.sync_api import Locator, Page, expect

from dgm_engine.jobs import JobState
from dgm_engine.services import jobs
from dgm_engine.services.projects import Project

T = TypeVar("T")
PATIENCE = 60
"""Seconds to wait for anything: a loaded machine is no fault."""
COORDINATE_STEPS = 65_535
MARGIN = 0.92
"""Share of the map's shorter side that its unit square takes at zoom 1, as in assets/map/camera.js."""


def show(page: Page, address: str, name: str, project: Project, **query: str) -> None:
    """Opens a page of the app on a project, by its address, and waits until it is drawn."""
    page.goto(f"{address}/{name}?{urlencode({'project': str(project.paths.root), **query})}")
    settled(page)


def settled(page: Page) -> None:
    """Waits until the header stands and no script of the page is at work."""
    page.locator(".st-key-header_undo").wait_for()
    page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]').wait_for()


def turn_to(page: Page, name: str, go: Callable[[Locator], None] = Locator.click) -> None:
    """Goes to another page of the app by its link, and waits until it stands there instead of the one before."""
    go(page.get_by_role("link", name=name, exact=True))
    page.wait_for_url(f"**/{name.lower()}?**")
    settled(page)


def eventually(page: Page, read: Callable[[], T], wanted: T, seconds: float = PATIENCE) -> None:
    """Waits until what is read, outside the browser, is as wanted; at the end it must be."""
    deadline = time.monotonic() + seconds
    while (got := read()) != wanted and time.monotonic() < deadline:
        page.wait_for_timeout(50)
    assert got == wanted, f"{got!r} is not {wanted!r}"


def selection(page: Page) -> str:
    """The selection's name in the page's address; "" where there is none."""
    return parse_qs(urlsplit(page.url).query).get("selection", [""])[0]


def selected_rows(page: Page, project: Project) -> set[int]:
    """The pool rows of the selection, as the server stored it."""
    name = selection(page)
    return set(np.load(project.paths.selections / f"{name}.npy").tolist()) if name else set()


def labels_of(project: Project) -> dict[str, str]:
    """Which class people gave each item."""
    return dict(project.labels.state().positive)


@dataclass(frozen=True)
class Camera:
    """What the map shows and where it stands on the screen: the inverse of assets/map/camera.js, written anew."""

    x: float
    y: float
    zoom: float
    left: float
    top: float
    width: float
    height: float

    def on_screen(self, places: np.ndarray) -> np.ndarray:
        """(M, 2) where on the screen places of a fabricated layout are."""
        scale = self.zoom * min(self.width, self.height) * MARGIN
        unit = np.asarray(places, dtype=np.float64) / COORDINATE_STEPS
        across = self.left + self.width / 2 + (unit[:, 0] - self.x) * scale
        down = self.top + self.height / 2 - (unit[:, 1] - self.y) * scale
        return np.column_stack([across, down])


class MapScreen:
    """The map on Discover, with a person's hand on the mouse."""

    def __init__(self, page: Page, seconds: float = PATIENCE) -> None:
        self.page = page
        self.root = page.locator(".map")
        self.root.and_(page.locator("[data-painted]")).wait_for(timeout=1000 * seconds)

    def camera(self) -> Camera:
        """Read once all that was done so far is drawn, and the map stays where it is on the page."""
        self.page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        place = None
        while place != (place := self._place()):
            self.page.wait_for_timeout(200)
        kept = json.loads(self.root.get_attribute("data-camera") or "")
        return Camera(kept["x"], kept["y"], kept["zoom"], *place)

    def _place(self) -> list[float]:
        """From the left, from the top, width and height, in pixels."""
        return self.root.locator(".points").evaluate(
            "(c) => { const r = c.getBoundingClientRect(); const f = c.parentElement;"
            " return [r.left, r.top, f.clientWidth, f.clientHeight]; }"
        )

    def choose(self, tool: str) -> None:
        """Presses the tool whose help begins so."""
        self.root.get_by_role("button", name=tool).click()

    def drag(self, path: Sequence[Sequence[float]], key: str | None = None, button: str = "left") -> None:
        """Drags along a path, with a key held."""
        mouse, keyboard = self.page.mouse, self.page.keyboard
        if key:
            keyboard.down(key)
        mouse.move(*path[0])
        mouse.down(button=button)
        for corner in path[1:]:
            mouse.move(*corner, steps=4)
        mouse.up(button=button)
        if key:
            keyboard.up(key)

    def draw(self, path: Sequence[Sequence[float]], key: str | None = None) -> None:
        """Draws with the chosen tool and waits until another selection is in the address and on the map."""
        before = selection(self.page)
        self.moves_on(lambda: self.drag(path, key), "data-look")
        self.page.wait_for_url(lambda _: selection(self.page) != before)
        settled(self.page)

    def moves_on(self, act: Callable[[], None], attribute: str = "data-token") -> None:
        """Waits until something that is done has changed the map: its positions, or with "data-look" its look."""
        before = self.root.get_attribute(attribute)
        act()
        expect(self.root).not_to_have_attribute(attribute, before or "")
        settled(self.page)


def inside(points: np.ndarray, polygon: Sequence[Sequence[float]]) -> np.ndarray:
    """(N,) which points lie in a polygon, by the even-odd rule: how often a ray upwards meets its edges."""
    result = np.zeros(len(points), dtype=bool)
    corners = np.asarray(polygon, dtype=np.float64)
    for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, 1, axis=0), strict=True):
        spans = (points[:, 0] >= x0) != (points[:, 0] >= x1)
        with np.errstate(divide="ignore", invalid="ignore"):
            result ^= spans & (points[:, 1] > y0 + (y1 - y0) * (points[:, 0] - x0) / (x1 - x0))
    return result


def away(points: np.ndarray, polygon: Sequence[Sequence[float]]) -> float:
    """The shortest distance between any of the points and the polygon's edges."""
    corners, shortest = np.asarray(polygon, dtype=np.float64), np.inf
    for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        along = end - start
        share = np.clip((points - start) @ along / max(along @ along, 1e-9), 0, 1)
        shortest = min(shortest, np.linalg.norm(points - start - share[:, None] * along, axis=1).min())
    return float(shortest)


def lasso(points: np.ndarray, middle: Sequence[float], size: float, seed: int = 0) -> list[list[float]]:
    """A lasso with a dent about a place of the screen, on whose line no point lies: what it encloses is no matter of
    rounding."""
    generator = np.random.default_rng(seed)
    angles = np.linspace(0, 2 * np.pi, 7, endpoint=False)
    for _ in range(2000):
        reach = size * np.array([1, 1, 0.4, 1, 1, 1, 1]) * generator.uniform(0.7, 1, 7)
        path = np.round(middle + reach[:, None] * np.column_stack([np.cos(angles), np.sin(angles)]))
        if away(points, path) > 0.2:
            return path.tolist()
    raise AssertionError("no such lasso was found; draw a smaller one")


def box(points: np.ndarray, middle: Sequence[float], size: float, seed: int = 0) -> list[list[float]]:
    """Two opposite corners of a box about a place of the screen, on whose edges no point lies."""
    generator = np.random.default_rng(seed)
    for _ in range(2000):
        reach = size * generator.uniform(0.5, 1, (2, 2)) * [[-1, -1], [1, 1]]
        path = np.round(middle + reach).tolist()
        if away(points, corners_of(path)) > 0.2:
            return path
    raise AssertionError("no such box was found; draw a smaller one")


def corners_of(path: Sequence[Sequence[float]]) -> list[list[float]]:
    """The four corners of a box between two of them."""
    (x0, y0), (x1, y1) = path
    return [[x0, y0], [x1, y0], [x1, y1], [x0, y1]]


def wait_until_trained(page: Page, project: Project, number: int) -> None:
    """Waits until a run has ended well and the header says so."""

    def finished() -> tuple[int, JobState] | None:
        found = jobs.active_status(project)
        return found and (found[0].number, found[1].state)

    eventually(page, finished, (number, JobState.FINISHED), seconds=120)
    expect(page.locator(".st-key-header")).to_contain_text("Trained")
    settled(page)


def true_class(project: Project, items: Sequence[str]) -> str:
    """The class that most of the images are of."""
    rows = project.pool.rows(list(items))
    return str(project.pool.classes[np.bincount(project.pool.truth[rows]).argmax()])
