"""Starts the app, from an installed wheel and from a checkout alike."""

import os
import socket
import sys
from pathlib import Path
from typing import NoReturn

import dgm_engine
from dgm_engine import jobs
from dgm_engine.errors import InputError

LOOPBACK_HOST = "127.0.0.1"
"""Where the app listens, as its settings say (``.streamlit/config.toml``)."""


def serve(*, port: int | None = None, example: bool = False, browser: bool = True) -> NoReturn:
    """Runs the app in place of this process, until it is stopped.

    Args:
        port: where the app answers; None takes the first free one from 8501 on.
        example: whether it opens on the example project.
        browser: whether it opens the browser.

    Raises:
        InputError: the port is taken.
    """
    if port is not None:
        _check_free(port)
    command = [*jobs.python(), "-m", "streamlit", "run", str(script())]
    command += [] if port is None else ["--server.port", str(port)]
    command += [] if browser else ["--server.headless", "true"]
    command += ["--", "--example"] if example else []
    os.execv(sys.executable, command)  # noqa: S606 - our own script, no shell; signals reach the server itself


def script() -> Path:
    """The script that Streamlit runs: within the package where a wheel was installed, beside it in a checkout."""
    package = Path(dgm_engine.__file__).parent
    installed = package / "_app" / "app.py"
    return installed if installed.exists() else package.parent / "app.py"


def _check_free(port: int) -> None:
    with socket.socket() as probe:
        if os.name == "posix":  # connections that have ended do not keep the port; on Windows the option takes any
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK_HOST, port))
        except OSError as error:
            raise InputError(
                f"--port is {port}, where the app cannot listen ({error.strerror}); give another, or none"
            ) from error
