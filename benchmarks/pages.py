"""How long a person waits for a page, at rest and while training runs, in headless Chromium.

    python -m benchmarks.pages PROJECT [--repeats 3]

PROJECT must have been trained. Prints the median and the worst seconds of each interaction, first at rest and then
while a training run is at work. A page is done once what was asked for is there and its script has
run.
"""

import argparse
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import numpy as np
from playwright.sync_api import Page, sync_playwright

from dgm_engine.services.jobs import active_status, start_training, stop_training
from dgm_engine.services.projects import open_project
from dgm_engine.training.runs import TrainRequest

ROOT = Path(__file__).parent.parent
FLAGS = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist"]
PATIENCE = 120_000
"""Milliseconds after which something is wrong."""
MAP = ".js-plotly-plot .nsewdrag"
SETTLED = """() => {
    const app = document.querySelector('[data-testid="stApp"]');
    return app && app.dataset.testScriptState === 'notRunning'
        && !document.querySelector('[data-stale="true"]');
}"""

LOOK = """() => {
    const main = document.querySelector('[data-testid="stMain"]').cloneNode(true);
    main.querySelector('.st-key-header')?.remove();  // it changes by itself while training is at work
    return main.textContent + [...main.querySelectorAll('img')].map(image => image.src).join();
}"""


def done(page: Page) -> None:
    """Waits until the page's script has run."""
    page.wait_for_timeout(50)
    page.wait_for_function(SETTLED, timeout=60_000)


def link(name: str) -> Callable[[Page], None]:
    """Goes to a page by the sidebar."""
    return lambda page: page.get_by_role("link", name=name, exact=True).click()


def recolour(page: Page) -> None:
    """Takes the next choice of what the map's colours mean."""
    group = page.locator(".st-key-colour")
    group.get_by_role("radio", checked=False).first.click(force=True)


def lasso(page: Page) -> None:
    """Draws around the middle of the map, each time a little wider."""
    box = page.locator(MAP).first.bounding_box()
    far = 0.6 + 0.01 * next(_LASSOS)
    corners = [(0.4, 0.4), (far, 0.4), (far, far), (0.4, far), (0.4, 0.41)]
    points = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in corners]
    page.mouse.move(*points[0])
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*point, steps=4)
    page.mouse.up()


def skip(page: Page) -> None:
    """Passes over a suggestion by its key."""
    page.keyboard.press("s")


_LASSOS = count()
STEPS: list[tuple[str, Callable[[Page], None], str | None]] = [
    ("open Label", link("Label"), "button:has-text('Skip')"),
    ("skip to the next image", skip, None),
    ("open Train", link("Train"), "h3:has-text('Train again'), h3:has-text('is at work')"),
    ("open Evaluate", link("Evaluate"), "h3:has-text('What is taken for what')"),
    ("open Export", link("Export"), "h3:has-text('Classifier')"),
    ("open Projects", link("Projects"), "h3:has-text('Your projects')"),
    ("open Discover", link("Discover"), MAP),
    ("recolour the map", recolour, None),
    ("lasso to grid", lasso, None),
]
"""What it is called, what a person does, and what then appears; None where something changes on the page as it is."""


def measure(page: Page, repeats: int) -> dict[str, list[float]]:
    """Seconds of every interaction, `repeats` times."""
    times: dict[str, list[float]] = {name: [] for name, *_ in STEPS}
    for _ in range(repeats):
        for name, act, sign in STEPS:
            look, began = page.evaluate(LOOK), time.monotonic()
            act(page)
            if sign:
                page.locator(sign).first.wait_for()
            else:
                page.wait_for_function(f"before => ({LOOK})() !== before", arg=look)
            page.wait_for_function(SETTLED)
            times[name].append(time.monotonic() - began)
            page.wait_for_timeout(1000)
    return times


@contextmanager
def screen(home: Path, address: str, *arguments: str) -> Iterator[Page]:
    """A page, opened at an address, of a new server on a port that nothing else listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = serve(port, home, *arguments)
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
            page = browser.new_context(viewport={"width": 1280, "height": 720}).new_page()
            page.set_default_timeout(PATIENCE)
            page.goto(f"http://127.0.0.1:{port}/{address}")
            yield page
            browser.close()
    finally:
        server.terminate()
        server.wait()


def serve(port: int, home: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """A server of the app, once it answers; `arguments` come last on its command line."""
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port), "--server.headless=true"]
    server = subprocess.Popen(
        [*command, *arguments], cwd=ROOT, env={**os.environ, "DGM_HOME": str(home)}, stdout=subprocess.DEVNULL
    )
    for _ in range(300):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=2).close()
            return server
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    sys.exit("the app did not start")


def main() -> None:
    """Measures at rest and while training, and prints both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("project", type=Path)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    project = open_project(arguments.project.resolve())
    with screen(project.paths.root.parent, f"discover?project={project.paths.root}") as page:
        page.locator(MAP).first.wait_for()
        done(page)
        rest = measure(page, arguments.repeats)
        start_training(project, TrainRequest(minutes=30))
        try:
            page.wait_for_timeout(15_000)
            busy = measure(page, arguments.repeats)
            found = active_status(project)
        finally:
            stop_training(project)
    if found is None or not found[1].alive:
        sys.exit("training ended before the measurement did")
    print("seconds".ljust(26), "at rest: median  worst   training: median  worst")
    for name, *_ in STEPS:
        row = (np.median(rest[name]), max(rest[name]), np.median(busy[name]), max(busy[name]))
        print(name.ljust(26), "{:15.2f} {:6.2f} {:18.2f} {:6.2f}".format(*row))


if __name__ == "__main__":
    main()
