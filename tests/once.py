"""Costly folders that test processes share: the first that needs one makes it, the others wait for it and read it."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """The folder of this name, which `make` filled once for all processes of this test run. Tests must not change it.

    It is made in a place of this process's own and moved when it is whole: what a failure leaves is not taken for it.
    """
    shared = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent  # the base folders of the processes of one run lie side by side in it
    folder = shared / "shared" / name
    folder.parent.mkdir(exist_ok=True)
    with FileLock(folder.with_suffix(".lock")):
        if not folder.exists():
            draft = factory.mktemp(name) / name
            make(draft)
            draft.rename(folder)
    return folder
