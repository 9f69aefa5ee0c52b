"""How long work tells its caller how far it is, and how it is left when it does not."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import TypeVar

Progress = Callable[[float, str], None]
"""Called with the share done, 0 to 1, and what is being done, in the person's words."""
LOOK_SECONDS = 0.5

_T = TypeVar("_T")


def silent(_share: float, _doing: str) -> None:
    """Progress that nobody follows."""


def watched(work: Callable[[], _T], look: Callable[[], None]) -> _T:
    """What `work` returns or raises; it runs in a thread, and `look` is called twice a second meanwhile.

    What `look` raises ends the wait. The thread is left to itself then, and ends with the process at the latest.
    """
    outcome: Future[_T] = Future()

    def run() -> None:
        try:
            outcome.set_result(work())
        except BaseException as error:
            outcome.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    while not wait([outcome], LOOK_SECONDS).done:
        look()
    return outcome.result()
