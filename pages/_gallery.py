"""A grid of thumbnails whose tiles can be picked: one sprite image and one small component of our own."""

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st
from streamlit.components.v2 import component

from dgm_engine.services import exploring
from dgm_engine.services.exploring import ItemState, View
from dgm_engine.services.palette import class_colour
from dgm_engine.services.projects import Project

if TYPE_CHECKING:
    from streamlit.components.v2.types import ComponentRenderer

ASSETS = Path(__file__).parent.parent / "assets"
PAGE_SIZE = 60
_COLUMNS = 10
_NAME = "dgm_gallery"


def gallery(project: Project, view: View, items: Sequence[str], key: str, size: int = 64) -> tuple[str, ...]:
    """Draws a page of images and returns the ids of those that are picked.

    Args:
        project: whose images.
        view: the newest results; every item must be among `view.items`.
        items: ids of the images, in the order to draw.
        key: of the component; picks are forgotten when `items` change.
        size: pixels of a side of a tile.
    """
    token = hashlib.sha1("\n".join(items).encode(), usedforsecurity=False).hexdigest()
    picked = _picked(key, token)
    position = positions(view, items)
    sprite = _sprite(str(project.paths.root), tuple(view.rows[position].tolist()), size, project)
    _component()(
        key=key,
        data={
            "token": token,
            "sprite": sprite,
            "columns": _COLUMNS,
            "size": size,
            "tiles": [_tile(view, p) for p in position],
            "picked": list(picked),
        },
        on_picked_change=lambda: None,
    )
    return picked


def positions(view: View, items: Sequence[str]) -> np.ndarray:
    """Where items stand in the view, (n,) int64; ids that are not shown are left out."""
    order = np.argsort(view.items)
    wanted = np.asarray(items, dtype=view.items.dtype)
    found = order[np.searchsorted(view.items, wanted, sorter=order).clip(max=len(order) - 1)]
    return found[view.items[found] == wanted]


def data_uri(png: bytes) -> str:
    """A PNG as an address that HTML can show."""
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def strip(sprite: str, n: int, size: int) -> str:
    """HTML that shows the first `n` tiles of a one-line sprite side by side, `size` pixels each."""
    tiles = "".join(f'<span style="background-position:-{i * size}px 0"></span>' for i in range(n))
    return f'<div class="strip" style="--sprite:url({sprite});--tile:{size}px">{tiles}</div>'


def _picked(key: str, token: str) -> tuple[str, ...]:
    state = st.session_state.get(key)
    value = state.get("picked") if state else None
    return tuple(value["items"]) if value and value["token"] == token else ()


def _tile(view: View, position: int) -> dict[str, str]:
    name = str(view.class_name[position])
    state = ItemState(view.state[position])
    share = f"{view.confidence[position]:.0%}"
    guess = f"{name or 'no class yet'} ({share} sure)"
    said = {
        ItemState.LABELLED: f"labelled {name}",
        ItemState.REJECTED: f"{guess}; some classes ruled out",
        ItemState.NONE: "none of the named classes",
        ItemState.UNLABELLED: guess,
    }[state]
    return {
        "item": str(view.items[position]),
        "tip": f"{view.items[position]}\ncluster {view.component[position]}\n{said}",
        "colour": class_colour(name, view.classes),
        "mark": {ItemState.LABELLED: name, ItemState.NONE: "none", ItemState.REJECTED: "not…"}.get(state, ""),
    }


@st.cache_data(max_entries=64, show_spinner=False)
def _sprite(root: str, rows: tuple[int, ...], size: int, _project: Project) -> str:
    return data_uri(exploring.sprite(_project, rows, _COLUMNS, size))


@st.cache_resource
def _component() -> "ComponentRenderer":
    return component(
        _NAME,
        html='<div id="root"></div>',
        css=(ASSETS / "gallery.css").read_text(encoding="utf-8"),
        js=(ASSETS / "gallery.js").read_text(encoding="utf-8"),
    )
