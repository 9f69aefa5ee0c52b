"""The progress of long work: a callback for its caller, and a wait that can be interrupted."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import TypeVar

Progress = Callable[[float, str], None]
"""Called with the share done, 0 to 1, and a text for the screen that says what is being done."""
WATCH_SECONDS = 0.5
"""`watched` calls its `look` this often."""

_T = TypeVar("_T")


def silent(_share: float, _doing: str) -> None:
    """A `Progress` that ignores its calls."""


def watched(work: Callable[[], _T], look: Callable[[], None]) -> _T:
    """Runs `work` in a thread and returns its result, or raises its error; meanwhile calls `look` twice a second.

    An error from `look` ends the wait. The thread then goes on alone, and ends with the process at the latest.
    """
    outcome: Future[_T] = Future()

    def run() -> None:
        try:
            outcome.set_result(work())
        except BaseException as error:
            outcome.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    while not wait([outcome], WATCH_SECONDS).done:
        look()
    return outcome.result()
