"""Turns errors in callbacks and in parts of a page into messages, so that the rest of the page is still drawn."""

import functools
import logging
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import ParamSpec

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from dgm_engine.errors import DgmError, in_words
from pages import _state

Arguments = ParamSpec("Arguments")
_log = logging.getLogger(__name__)


def polling(function: Callable[Arguments, None], seconds: float | None) -> Callable[Arguments, None]:
    """Makes a part of a page that is drawn again every `seconds`; None draws it only with the page.

    An error is shown in the part's place, for the reason that `callback` gives.
    """

    @functools.wraps(function)
    def safe(*args: Arguments.args, **kwargs: Arguments.kwargs) -> None:
        try:
            function(*args, **kwargs)
        except Exception as error:
            st.error(_told(error), icon=":material/error:")

    return st.fragment(safe, run_every=seconds)


@contextmanager
def errors_shown() -> Generator[None]:
    """Shows an error of the engine, or of the system, unchanged on the page."""
    try:
        yield
    except (DgmError, OSError) as error:
        st.error(in_words(error), icon=":material/error:")


def callback(function: Callable[Arguments, None]) -> Callable[Arguments, None]:
    """Makes a function safe as a widget's callback: it runs to its end, and an error becomes a message.

    Streamlit would draw an error in place of the first element of the page. If a fragment of the page that was there
    before then draws itself again, the browser gives up and the whole page is blank.
    """

    @functools.wraps(function)
    def safe(*args: Arguments.args, **kwargs: Arguments.kwargs) -> None:
        with to_the_end():
            try:
                function(*args, **kwargs)
            except Exception as error:
                _state.notify(_told(error), ":material/error:")

    return safe


@contextmanager
def to_the_end() -> Generator[None]:
    """Keeps Streamlit from ending a callback early, which would lose all or half of what a person asked for.

    If the browser asks for another run of the page while a callback is at work, Streamlit (1.67) ends the callback at
    its next use of the session's state. The other run does not repeat the callback, because it takes the widget's value
    for one that it knows already. Inside this context, the other run waits until the callback is done.

    Streamlit also ends a callback when it sends something to the browser. This is not prevented here, because callbacks
    send nothing, except to switch to another page at their end. Their messages wait in the session for the next run
    (`notify`).

    Streamlit has no public way to do this. If the private method used here is gone, callbacks run as usual.
    """
    context, name = get_script_run_ctx(), "_yield_callback"
    state = getattr(context, "session_state", None)
    try:  # the state's own getattr and setattr access the values of the session
        broken_off_at = object.__getattribute__(state, name)
        object.__setattr__(state, name, lambda: None)
    except AttributeError:
        broken_off_at = None
        if context is not None:
            _log.warning("This version of Streamlit may break off what a person says: its session has no %s", name)
    try:
        yield
    finally:
        if broken_off_at is not None:
            object.__setattr__(state, name, broken_off_at)


def _told(error: Exception) -> str:
    """An error of the engine or of the system in words; of a bug of ours the type, with a traceback in the log."""
    if isinstance(error, DgmError | OSError):
        return in_words(error)
    _log.error("A fault of the program", exc_info=error)
    return f"The program has a fault here ({type(error).__name__}); nothing is lost, and its log says more"
