"""Components of our own, in `assets/`."""

from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st
from streamlit.components.v2 import component

if TYPE_CHECKING:
    from streamlit.components.v2.types import ComponentRenderer

ASSETS = Path(__file__).parent.parent / "assets"


@st.cache_resource(show_spinner=False)
def registered(name: str, html: str, css: tuple[str, ...], scripts: tuple[str, ...]) -> "ComponentRenderer":
    """Registers a component once for each server.

    Args:
        name: in the page.
        html: its body.
        css: files of `assets/`.
        scripts: files of `assets/` that make up its one script, in this order; the last has the default export.
    """
    return component(name, html=html, css=_joined(css), js=_joined(scripts))


def _joined(files: tuple[str, ...]) -> str:
    return "\n".join((ASSETS / file).read_text(encoding="utf-8") for file in files)
