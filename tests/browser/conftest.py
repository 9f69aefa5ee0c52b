"""A server of the app of its own, and a headless Chromium that looks at it; both serve all tests of this folder."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from dgm_engine.services import labelling
from dgm_engine.services.projects import Project
from tests.browser.screens import PATIENCE
from tests.fabricated import fabricate_layout

ROOT = Path(__file__).parent.parent.parent
APP = (sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", "{port}")
DESK = {"viewport": {"width": 1280, "height": 720}}
FLAGS = (
    "--no-sandbox",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


@pytest.fixture(scope="package")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the projects that the app makes; it opens others by their address."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="package")
def address(home: Path) -> Iterator[str]:
    """The address of a running app."""
    with running(home) as address:
        yield address


@pytest.fixture
def first_address(tmp_path: Path) -> Iterator[str]:
    """The address of an app that nobody has used yet; its projects are in ``tmp_path / "home"``."""
    with running(tmp_path / "home") as address:
        yield address


@contextmanager
def running(home: Path, command: Sequence[str] = APP, folder: Path = ROOT) -> Generator[str]:
    """Runs the app, or another command that serves at ``{port}``, with a home for its projects; says its address."""
    home.mkdir(exist_ok=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, "DGM_HOME": str(home), "OMP_NUM_THREADS": "1"}
    with (home.parent / f"{home.name}.log").open("wb") as log:
        server = subprocess.Popen(
            [part.format(port=port) for part in command], cwd=folder, env=environment, stdout=log, stderr=log
        )
    try:
        _wait_until_healthy(f"http://127.0.0.1:{port}/_stcore/health", server)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(timeout=20)


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """The Chromium on the PATH."""
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("chromium is not on the PATH; apt-get install chromium")
    expect.set_options(timeout=1000 * PATIENCE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture
def new_page(chromium: Browser) -> Iterator[Callable[..., Page]]:
    """Opens a page that shares nothing with others; arguments are those of Playwright's `new_context`.

    An error in a script of the page fails the test.
    """
    contexts, faults = [], list[str]()

    def open_one(**settings: Any) -> Page:
        contexts.append(_context(chromium, faults, **settings))
        return contexts[-1].new_page()

    yield open_one
    for context in contexts:
        context.close()
    assert not faults


@pytest.fixture(scope="package")
def desk(chromium: Browser) -> Iterator[tuple[BrowserContext, list[str]]]:
    """What the pages of most tests share, so that the browser reads the app's scripts once; and the scripts' errors."""
    faults = list[str]()
    context = _context(chromium, faults)
    yield context, faults
    context.close()


@pytest.fixture
def page(desk: tuple[BrowserContext, list[str]]) -> Iterator[Page]:
    """A page of 1280 x 720, which remembers nothing of other tests; an error in one of its scripts fails the test."""
    context, faults = desk
    page = context.new_page()
    yield page
    if page.url.startswith("http"):
        page.evaluate("localStorage.clear()")
    page.close()
    context.clear_cookies()
    told = faults.copy()
    faults.clear()
    assert not told


@pytest.fixture
def places(trained: Project) -> np.ndarray:
    """Digits with run 1 and its layout, as `fabricate_layout` makes it; the places."""
    return fabricate_layout(trained, trained.paths.run(1))


@pytest.fixture
def named(trained: Project, places: np.ndarray) -> Project:
    """Digits with run 1 and its layout, whose clusters are named by their digits; no image has a label."""
    assert len(places)
    for component in range(11):  # cluster 10 is a second one of nines
        labelling.name_component(trained, component, str(min(component, 9)), "ann")
    return trained


def _context(chromium: Browser, faults: list[str], **settings: Any) -> BrowserContext:
    """A browser context, which shares nothing with others and notes the errors of its scripts in `faults`."""
    context = chromium.new_context(**{**DESK, **settings})
    context.set_default_timeout(1000 * PATIENCE)
    context.on("weberror", lambda fault: faults.append(fault.error.stack or str(fault.error)))
    return context


def _wait_until_healthy(url: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError(f"the app did not start (exit status {server.poll()}); see the log beside its home")
