"""Images to say something about, as a grid or one at a time: one component of our own, with one set of keys.

What a person says shows in the browser at once and arrives here in statements, numbered by the browser, which repeats
those that it has no answer to. A statement is taken once.
"""

import base64
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

import streamlit as st

from dgm_engine.errors import DgmError
from dgm_engine.labels.state import LabelState
from dgm_engine.services import auditing, exploring, labelling, projects
from dgm_engine.services.exploring import View
from dgm_engine.services.mapping import Places, token_of
from dgm_engine.services.palette import UNKNOWN, class_colour
from dgm_engine.services.projects import Project
from pages import _component, _state
from pages._keys import keys_for
from pages._pictures import source, tip
from pages._text import plain

PAGE_SIZE = 100
_COLUMNS = 10
_GAP = 1  # pixels between pictures, so that none shows at the edge of another when they are enlarged
_LARGEST = {"grid": 96, "single": 256}  # pixels a side of a picture that is sent, by mode
_SCRIPTS = tuple(f"labelling/{name}.js" for name in ("ledger", "keys", "labelling"))


class Mode(StrEnum):
    """How images are shown; the value is the browser's word for it."""

    GRID = "grid"
    SINGLE = "single"


@dataclass(frozen=True)
class Shown:
    """What a board shows.

    Attributes:
        items: ids of images of the view, in the order to draw.
        notes: a line below an image where it is shown large.
        expected: classes that images probably are of, in place of the model's predictions.
        waiting: those that are still to be judged; None for those of which nothing was said.
        audit: number of the audit that they are of, which keeps from the person what the model says; 0 for none.
        watched: whether the page wants to know which image the person looks at.
        opens: whether an image can be opened by itself.
        stays: whether an image is shown on when it is judged, as nothing follows it.
        where: places of the view's images on the map that marks the one looked at; None where no map is beside them.
        page: from 0, of so many `pages`.
        pages: at least 1.
    """

    items: Sequence[str]
    notes: Mapping[str, str] = field(default_factory=dict[str, str])
    expected: Mapping[str, str] = field(default_factory=dict[str, str])
    waiting: Collection[str] | None = None
    audit: int = 0
    watched: bool = False
    opens: bool = False
    stays: bool = False
    where: Places | None = None
    page: int = 0
    pages: int = 1


@dataclass
class _Client:
    """What was heard of a page load of a browser.

    Attributes:
        last: the number of the last statement taken; 0 where none was.
        refused: those that could not be acted on.
        lock: held while statements are acted on, which may take long where a project is locked: others need not wait.
    """

    last: int = 0
    refused: list[int] = field(default_factory=list[int])
    lock: threading.Lock = field(default_factory=threading.Lock)


class _Heard:
    """What was heard of each page load of a browser, whatever its session is now."""

    def __init__(self) -> None:
        self._clients: dict[str, _Client] = {}

    def of(self, client: str) -> _Client:
        """What was heard of a page load."""
        return self._clients.setdefault(client, _Client())

    def take(self, said: dict[str, Any], act: Callable[[dict[str, Any]], None]) -> list[DgmError]:
        """Acts on the statements that were not taken yet, in their order; returns why some could not be."""
        errors, client = list[DgmError](), self.of(said["client"])
        with client.lock:
            for statement in said["statements"]:
                if statement["seq"] <= client.last:
                    continue
                client.last = statement["seq"]
                try:
                    act(statement)
                except Exception as error:
                    client.refused.append(statement["seq"])
                    if not isinstance(error, DgmError):
                        raise
                    errors.append(error)
        return errors


@st.cache_resource(show_spinner=False)
def _heard() -> _Heard:
    return _Heard()


def pages(project: Project, view: View, shown: Shown, choice: object, key: str) -> None:
    """Draws many images as a grid, a page at a time, and takes what is said about them.

    Args:
        project: whose images.
        view: the newest results; items that are not shown are left out.
        shown: the images.
        choice: what they were chosen by; another choice begins at its first page. Where a filter lets one image less
            through, because something was said of it, the page stays.
        key: of the component.
    """
    chosen, page = st.session_state.get(f"{key}_page", (choice, 0))
    n_pages = -(-len(shown.items) // PAGE_SIZE)
    page = min(page, n_pages - 1) if chosen == choice else 0
    st.session_state[f"{key}_page"] = (choice, page)
    part = shown.items[page * PAGE_SIZE : (page + 1) * PAGE_SIZE]
    board(project, view, replace(shown, items=part, opens=True, page=page, pages=n_pages), choice, key, Mode.GRID)


def board(project: Project, view: View, shown: Shown, choice: object, key: str, mode: Mode) -> str | None:
    """Draws images and takes what is said about them; returns the one that the person looks at.

    Args:
        project: whose images.
        view: the newest results.
        shown: the images.
        choice: what they were chosen by; as long as it is the same, the person stays at the images that were in view.
        key: of the component.
        mode: a grid, or one after the other.
    """
    position = exploring.positions(project, view.rows, shown.items)
    state = st.session_state.get(key) or {}
    client = (state.get("said") or {}).get("client", "")
    labels, heard = project.labels.state(), _heard().of(client)
    cell = exploring.own_size(project, _LARGEST[mode])
    sprite = token_of(source(project), mode, *shown.items)
    with st.container(gap=None):
        _component.registered("dgm_sprite", "<span></span>", (), ("sprite.js",))(
            key=f"{key}_sprite",
            data={
                "slot": key,
                "name": sprite,
                "sprite": _sprite(source(project), tuple(view.rows[position].tolist()), cell, project),
            },
        )
        html = (_component.ASSETS / "labelling/labelling.html").read_text(encoding="utf-8")
        _component.registered("dgm_labelling", html, ("labelling/labelling.css",), _SCRIPTS)(
            key=key,
            data={
                "token": sprite,
                "choice": token_of(choice),
                "slot": key,
                "mode": mode,
                "columns": _COLUMNS,
                "cell": cell,
                "step": cell + _GAP,
                "page": shown.page,
                "pages": shown.pages,
                "watched": shown.watched,
                "opens": shown.opens,
                "stays": shown.stays,
                "order": "" if shown.where is None else shown.where.order_token,
                "project": str(project.paths.root),
                "audit": shown.audit,
                "heard": {"client": client, "seq": heard.last, "refused": heard.refused},
                "classes": [
                    {"name": name, "key": pressed, "colour": class_colour(name, view.colours)}
                    for name, pressed in keys_for(labels.classes, labels.numbers).items()
                ],
                "tiles": [_tile(view, int(p), labels, shown) for p in position],
            },
            on_said_change=lambda: _take(project, key),
            on_looked_change=lambda: None,
            on_opened_change=lambda: _open(key),
            on_turned_change=lambda: _turn(key),
        )
    last = looked(key)
    return last if last in shown.items else next(iter(shown.items), None)


def looked(key: str) -> str:
    """The image that the person looked at last on a board; "" for none."""
    return (st.session_state.get(key) or {}).get("looked", "")


def _tile(view: View, position: int, labels: LabelState, shown: Shown) -> dict[str, Any]:
    item, name = str(view.items[position]), str(view.class_name[position])
    predicted, sure = shown.expected.get(item, str(view.predicted[position])), float(view.confidence[position])
    mark = _mark(item, labels)
    tile = {
        "item": item,
        "tip": tip(view, position),
        "colour": class_colour(name, view.colours),
        "guess": _guess(predicted, sure, mark if item in shown.expected else ""),
        "predicted": predicted,
        "sure": round(sure, 3),
        "note": shown.notes.get(item, ""),
        "point": None if shown.where is None else int(shown.where.points[position]),
        "mark": mark,
        "judged": bool(mark) if shown.waiting is None else item not in shown.waiting,
    }
    return tile | {"tip": item, "colour": UNKNOWN, "guess": "", "predicted": "", "sure": None} if shown.audit else tile


def _guess(predicted: str, sure: float, label: str) -> str:
    if label:
        return f"You said {label}; it may be {predicted}"
    return f"The model says {predicted}, {sure:.0%} sure" if predicted else "The model knows no class for it yet"


def _mark(item: str, labels: LabelState) -> str:
    """What was said of an image, in a word; "" for nothing."""
    if item in labels.positive:
        return labels.positive[item]
    if item in labels.none_of_named:
        return "none"
    if item in labels.rejected:
        return f"not {', '.join(sorted(labels.rejected[item]))}"
    return "skipped" if item in labels.skipped else ""


@st.cache_data(max_entries=64, show_spinner=False)
def _sprite(source: tuple[str, str], rows: tuple[int, ...], size: int, _project: Project) -> str:
    return base64.b64encode(exploring.sprite(_project, rows, _COLUMNS, size, _GAP)).decode()


@_state.callback
def _take(project: Project, key: str) -> None:
    who = _state.annotator()
    errors = _heard().take(st.session_state[key]["said"], lambda statement: _say(project, statement, who))
    if errors:
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        _state.notify(plain(f"{errors[-1]}{more}"), ":material/error:")


def _say(project: Project, statement: dict[str, Any], who: str) -> None:
    if statement["project"] != str(project.paths.root):  # said just before this one was opened
        project = projects.open_project(Path(statement["project"]))
    items, classes = statement["items"], dict(zip(statement["items"], statement["names"], strict=False))
    match statement["kind"]:
        case "label":
            labelling.label_each(project, classes, who)
        case "reject":
            labelling.reject_each(project, classes, who)
        case "none":
            labelling.mark_none_of_named(project, items, who)
        case "skip":
            labelling.skip_items(project, items, who)
        case "clear":
            labelling.clear_labels(project, items, who)
        case _:
            _state.undo(project)
    if statement["audit"] and items:
        auditing.answer(project, statement["audit"], items)


@_state.callback
def _turn(key: str) -> None:
    choice, _ = st.session_state[f"{key}_page"]
    st.session_state[f"{key}_page"] = (choice, int(st.session_state[key]["turned"]))


@_state.callback
def _open(key: str) -> None:
    _state.open_image(st.session_state[key]["opened"])
