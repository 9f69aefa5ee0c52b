"""The program as a wheel installs it, in an empty folder, so that nothing comes from the checkout.

`.ci/run` builds the wheel and installs it; DGM_INSTALLED is the path of its `dgm`.
"""

import csv
import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, expect
from sklearn.datasets import load_digits

from dgm_engine.services.projects import EXAMPLE_NAME, open_project
from tests.browser.conftest import running
from tests.browser.screens import MapScreen, settled, turn_to
from tests.browser.test_main_path import by_mouse, train_briefly

DGM = os.environ.get("DGM_INSTALLED", "")
OURS = re.compile(r"dgm_engine/|dgm_studio-[^/]+\.dist-info/|\.\./\.\./\.\./bin/dgm$")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.skipif(not DGM, reason="DGM_INSTALLED does not say where the installed dgm is; see .ci/run"),
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The empty folder; no environment variable leads back to the checkout."""
    monkeypatch.delenv("PYTHONPATH", raising=False)
    folder = tmp_path / "empty"
    folder.mkdir()
    return folder


@pytest.fixture
def dgm(folder: Path) -> Callable[..., Any]:
    """Runs a command of the installed program and returns its JSON object."""

    def run(*arguments: object) -> Any:
        command = [DGM, *map(str, arguments), "--json"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


def test_the_wheel_puts_nothing_beside_its_package(folder: Path) -> None:
    script = "from importlib.metadata import files; print(*files('dgm-studio'), sep='\\n')"
    python = Path(DGM).with_name("python")
    listed = subprocess.run([python, "-c", script], cwd=folder, capture_output=True, text=True, check=True).stdout
    assert [path for path in listed.splitlines() if not OURS.match(path)] == []


def test_the_main_job_on_the_command_line(dgm: Callable[..., Any], folder: Path) -> None:
    assert dgm("new", "pile", "--source", "digits")["items"] == 1797
    trained = dgm("train", "pile", "--components", 12, "--epochs", 2)
    assert trained["kept"]
    largest = max(dgm("clusters", "pile")["clusters"], key=lambda cluster: cluster["size"])
    dgm("name", "pile", largest["component"], "first")
    exported = dgm("export", "pile", "classifier")
    assert "first" in exported["classes"]

    np.save(folder / "more.npy", (load_digits().images[:5] * 15.9).astype(np.uint8))
    assert dgm("predict", "classifier", "more.npy", "--out", "answers.csv")["rows"] == 5
    with (folder / "answers.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 5


def test_the_app_opens_on_the_example_and_trains(folder: Path, page: Page) -> None:
    home = folder.parent / "home"
    with running(home, [DGM, "app", "--example", "--no-browser", "--port", "{port}"], folder) as address:
        page.goto(address)
        page.wait_for_url("**/discover?**")
        settled(page)
        colour = page.get_by_test_id("stBaseButton-primary").first.evaluate("b => getComputedStyle(b).backgroundColor")
        assert colour == "rgb(10, 104, 124)"  # the settings beside the app hold

        turn_to(page, "Train")
        train_briefly(page, open_project(home / EXAMPLE_NAME), by_mouse)
        turn_to(page, "Discover")
        MapScreen(page, seconds=90)
        expect(page.locator(".st-key-header")).to_contain_text("Trained")
        page.screenshot(path=folder.parent / "discover.png")
