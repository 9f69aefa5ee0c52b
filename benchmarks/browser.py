"""A server of the app of its own, and a headless Chromium that looks at it."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).parent.parent
FLAGS = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist"]
PATIENCE = 120_000
"""Milliseconds after which something is wrong."""
SETTLED = """() => {
    const app = document.querySelector('[data-testid="stApp"]');
    return app && app.dataset.testScriptState === 'notRunning'
        && !document.querySelector('[data-stale="true"]');
}"""


def done(page: Page) -> None:
    """Waits until the page's script has run, and no other follows at once."""
    settled = False
    while not settled:
        page.wait_for_function(SETTLED, timeout=PATIENCE)
        page.wait_for_timeout(250)
        settled = page.evaluate(SETTLED)


@contextmanager
def screen(home: Path, address: str, *arguments: str, scripts: tuple[Path, ...] = ()) -> Generator[Page]:
    """A page, opened at an address, of a new server on a port that nothing else listens on.

    Args:
        home: the folder of projects.
        address: what follows the server's own.
        arguments: come last on the server's command line.
        scripts: that the page runs before its own.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = serve(port, home, *arguments)
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
            page = browser.new_context(viewport={"width": 1280, "height": 720}).new_page()
            page.set_default_timeout(PATIENCE)
            for script in scripts:
                page.add_init_script(path=script)
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
