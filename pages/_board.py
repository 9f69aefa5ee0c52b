"""The board: images to label, as a grid or one at a time, in one component with one set of keys.

The browser shows at once what a person says of an image, and sends it to `_statements`.
"""

import base64
from dataclasses import replace

import streamlit as st

from dgm_engine.labels.state import LabelState
from dgm_engine.services import thumbnails
from dgm_engine.services.mapping import token_of
from dgm_engine.services.palette import class_colour
from dgm_engine.services.projects import Project
from dgm_engine.services.snapshot import Snapshot
from dgm_engine.services.viewing import View, positions, view
from pages import _component, _safely, _state, _statements
from pages._board_messages import BoardClass, BoardData, BoardTriggers, Mode, Sprite
from pages._keys import keys_for
from pages._pictures import BY_PROJECT, source
from pages._tiles import Shown, tile
from pages._wire import packed, sent

PAGE_SIZE = 100
_SPRITE_COLUMNS = 10
_GAP_PIXELS = 1  # pixels between pictures, so that none shows at the edge of another when they are enlarged
_COMPONENT_FILES = tuple(f"labelling/labelling.{kind}" for kind in ("js", "html", "css"))
_PICTURE_PIXELS = {Mode.GRID: 96, Mode.SINGLE: 256}  # the side of a picture that is sent, in pixels


def pages(seen: Snapshot, shown: Shown, choice: object, key: str) -> None:
    """Draws many images as a grid, a page at a time, and takes what is said about them.

    Args:
        seen: what the person looks at; items that are not shown are left out.
        shown: the images.
        choice: what the images were chosen by. Another choice begins at its first page; the page stays if only the
            images change, for example because a filter hides an image once it is judged.
        key: the key of the component.
    """
    chosen, page = st.session_state.get(f"{key}_page", (choice, 0))
    n_pages = -(-len(shown.items) // PAGE_SIZE)
    page = min(page, n_pages - 1) if chosen == choice else 0
    st.session_state[f"{key}_page"] = (choice, page)
    part = shown.items[page * PAGE_SIZE : (page + 1) * PAGE_SIZE]
    board(seen, replace(shown, items=part, opens=True, page=page, pages=n_pages), choice, key, Mode.GRID)


def board(seen: Snapshot, shown: Shown, choice: object, key: str, mode: Mode) -> str | None:
    """Draws images and takes what is said about them.

    Args:
        seen: what the person looks at.
        shown: the images.
        choice: what the images were chosen by; as long as it is the same, the images in view stay in view.
        key: the key of the component.
        mode: a grid, or one image at a time.

    Returns:
        The id of the image that the person looks at; None if there are no images.
    """
    project, labels, now = seen.project, seen.labels, view(seen)
    position = positions(project, now.rows, shown.items)
    cell = thumbnails.own_size(project, _PICTURE_PIXELS[mode])
    sprite = token_of(source(project), mode, *shown.items)
    data = BoardData(
        token=sprite,
        choice=token_of(choice),
        slot=key,
        mode=mode,
        columns=_SPRITE_COLUMNS,
        cell=cell,
        step=cell + _GAP_PIXELS,
        page=shown.page,
        pages=shown.pages,
        watched=shown.watched,
        opens=shown.opens,
        stays=shown.stays,
        order="" if shown.where is None else shown.where.order_token,
        project=str(project.paths.root),
        audit=shown.audit,
        heard=_statements.heard(st.session_state.get(key) or {}),
        classes=_classes(labels, now),
        tiles=tuple(tile(now, int(p), labels, shown) for p in position),
    )
    pictures = Sprite(key, sprite, _sprite(project, tuple(now.rows[position].tolist()), cell))
    with st.container(gap=None):
        _component.registered("dgm_sprite", "sprite.js")(key=f"{key}_sprite", data=packed(pictures))
        _component.registered("dgm_labelling", *_COMPONENT_FILES)(
            key=key,
            data=packed(data),
            on_said_change=lambda: _statements.take(project, key),
            on_looked_change=lambda: None,
            on_opened_change=lambda: _open(key),
            on_turned_change=lambda: _turn(key),
        )
    last = looked(key)
    return last if last in shown.items else next(iter(shown.items), None)


def looked(key: str) -> str:
    """The image that the person looked at last on a board; "" for none."""
    return (st.session_state.get(key) or {}).get("looked", "")


def _classes(labels: LabelState, now: View) -> tuple[BoardClass, ...]:
    """The classes in the order of their keys."""
    keys = keys_for(labels.classes, labels.numbers)
    return tuple(BoardClass(name, key, class_colour(name, now.colours)) for name, key in keys.items())


@st.cache_data(max_entries=64, show_spinner=False, hash_funcs=BY_PROJECT)
def _sprite(project: Project, rows: tuple[int, ...], size: int) -> str:
    return base64.b64encode(thumbnails.sprite(project, rows, _SPRITE_COLUMNS, size, _GAP_PIXELS)).decode()


@_safely.callback
def _turn(key: str) -> None:
    choice, _ = st.session_state[f"{key}_page"]
    st.session_state[f"{key}_page"] = (choice, sent(BoardTriggers, "turned", st.session_state[key]))


@_safely.callback
def _open(key: str) -> None:
    _state.open_image(sent(BoardTriggers, "opened", st.session_state[key]))
