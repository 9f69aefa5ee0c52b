"""Errors of callbacks and of parts of a page, which become messages and leave the rest of the page alone."""

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
    """Makes a function safe as a widget's callback: it comes to its end, and an error becomes a message.

    Streamlit would draw an error in place of the page's first element. Where a part of the page then draws itself again
    in what was there before, the browser gives up and the whole page is blank.
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
    """Keeps Streamlit from breaking off what a person asked for with a button, and so from losing it, or half of it.

    Streamlit (1.67) ends a callback at its next use of the session's state where the browser has asked for another run
    of the page meanwhile, and that run does not call it again: it takes the widget's value for one that is known. Here
    what was asked for waits until the callback is done. Streamlit ends it at a message to the browser too, which is not
    held back here: callbacks send none, but for going to another page at their end. What they have to say waits in the
    session for the next run (`notify`).

    Streamlit has no public way to do this. Where its own has changed, callbacks run as it runs them.
    """
    context, name = get_script_run_ctx(), "_yield_callback"
    state = getattr(context, "session_state", None)
    try:  # past its own getattr and setattr, which are about values of the session
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
    """An error of the engine or of the system in words; a fault of ours by its kind, and in the server's log."""
    if isinstance(error, DgmError | OSError):
        return in_words(error)
    _log.error("A fault of the program", exc_info=error)
    return f"The program has a fault here ({type(error).__name__}); nothing is lost, and its log says more"
