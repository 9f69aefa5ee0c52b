"""Streamlit components of this app, whose files are in `assets/`."""

from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st
from streamlit.components.v2 import component

from pages import _scripts

if TYPE_CHECKING:
    from streamlit.components.v2.types import ComponentRenderer

ASSETS = Path(__file__).parent.parent / "assets"


@st.cache_resource(show_spinner=False)
def registered(name: str, script: str, html: str | None = None, css: str | None = None) -> "ComponentRenderer":
    """Registers a component once for each server.

    Args:
        name: the name of the component in the page.
        script: file of `assets/`, the entry module of the script; it imports the others.
        html: file of `assets/` with the body; None for a component that draws nothing.
        css: file of `assets/` with the style.
    """
    return component(
        name,
        html="<span></span>" if html is None else _text(html),
        css=None if css is None else _text(css),
        js=_scripts.joined(ASSETS / script),
    )


def _text(file: str) -> str:
    return (ASSETS / file).read_text(encoding="utf-8")
