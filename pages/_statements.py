"""Takes what a person says on a board: numbered statements, each of which is acted on once.

The browser repeats a statement until the server has answered. A statement that it should not have sent is refused with
a message.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, assert_never

import streamlit as st

from dgm_engine.errors import DgmError
from dgm_engine.services import auditing, labelling, projects
from dgm_engine.services.projects import Project
from pages import _safely, _state
from pages._board_messages import BoardState, Heard, Said, Say, Statement
from pages._text import plain
from pages._wire import read, sent


@dataclass
class _Client:
    """What was taken from one page load of a browser.

    Attributes:
        last: the number of the last statement taken; 0 if there was none.
        refused: the numbers of those that could not be acted on.
        lock: held while statements are acted on, which may take long if a project is locked; other clients need not
            wait.
    """

    last: int = 0
    refused: list[int] = field(default_factory=list[int])
    lock: threading.Lock = field(default_factory=threading.Lock)


class Taken:
    """What was taken from each page load of a browser, across sessions."""

    def __init__(self) -> None:
        self._clients: dict[str, _Client] = {}

    def heard(self, client: str) -> Heard:
        """Which statements of a page load were taken."""
        known = self._of(client)
        return Heard(client, known.last, tuple(known.refused))

    def take(self, said: Said, act: Callable[[Statement], None]) -> list[DgmError]:
        """Acts on the statements that were not taken yet, in their order; returns the errors of those that failed."""
        errors, client = list[DgmError](), self._of(said.client)
        with client.lock:
            for statement in said.statements:
                try:
                    number = sent(Statement, "seq", statement)
                except DgmError as error:  # without a number it cannot be answered; the browser drops it with the next
                    errors.append(error)
                    continue
                if number <= client.last:
                    continue
                client.last = number
                try:
                    act(read(Statement, statement))
                except Exception as error:
                    client.refused.append(number)
                    if not isinstance(error, DgmError):
                        raise
                    errors.append(error)
        return errors

    def _of(self, client: str) -> _Client:
        return self._clients.setdefault(client, _Client())


@st.cache_resource(show_spinner=False)
def _taken() -> Taken:
    return Taken()


def heard(state: Mapping[str, Any]) -> Heard:
    """Which statements were taken of the page load that a board's state comes from."""
    client = (state.get("said") or {}).get("client", "")
    return _taken().heard(client)


@_safely.callback
def take(project: Project, key: str) -> None:
    """Acts on what a board has sent; what cannot be acted on becomes a message.

    Args:
        project: the one that is open.
        key: of the board.
    """
    who = _state.annotator()
    said: Said = sent(BoardState, "said", st.session_state[key])
    errors = _taken().take(said, lambda statement: _act(project, statement, who))
    if errors:
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        _state.notify(plain(f"{errors[-1]}{more}"), ":material/error:")


def _act(project: Project, statement: Statement, who: str) -> None:
    if statement.project != str(project.paths.root):  # the person said it before they opened this project
        project = projects.open_project(Path(statement.project))
    items, classes = statement.items, dict(zip(statement.items, statement.names, strict=False))
    match statement.kind:
        case Say.LABEL:
            labelling.label_each(project, classes, who)
        case Say.REJECT:
            labelling.reject_each(project, classes, who)
        case Say.NONE:
            labelling.mark_none_of_named(project, items, who)
        case Say.SKIP:
            labelling.skip_items(project, items, who)
        case Say.CLEAR:
            labelling.clear_labels(project, items, who)
        case Say.UNDO:
            _state.undo(project)
        case _:
            assert_never(statement.kind)
    if statement.audit and items:
        auditing.answer(project, statement.audit, list(items))
