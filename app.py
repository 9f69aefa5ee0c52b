"""DGM Studio: ``streamlit run app.py``. The frame around every page; the pages are in ``pages/``.

``streamlit run app.py -- --example`` opens on the example project.
"""

import sys
from pathlib import Path

import streamlit as st

from dgm_engine.services import labelling
from pages import _component, _header, _safely, _state
from pages._state import Key

ASSETS = Path(__file__).parent / "assets"

st.set_page_config("DGM Studio", ASSETS / "icon.png", layout="wide", initial_sidebar_state=210)
st.html(ASSETS / "style.css")

page = st.navigation(
    [
        st.Page("pages/projects.py", title="Projects", icon=":material/folder_open:", default=True),
        st.Page("pages/discover.py", title="Discover", icon=":material/scatter_plot:"),
        st.Page("pages/label.py", title="Label", icon=":material/label:"),
        st.Page("pages/train.py", title="Train", icon=":material/model_training:"),
        st.Page("pages/evaluate.py", title="Evaluate", icon=":material/analytics:"),
        st.Page("pages/export.py", title="Export", icon=":material/download:"),
    ]
)
st.session_state[Key.FRAMED] = True
with st.sidebar:
    st.text_input(
        "Labels are signed by",
        value=labelling.default_annotator(),
        key=Key.ANNOTATOR,
        max_chars=60,
        persist_state="session",
        help="Stored with each label, so that several people can share a project.",
    )
    _component.registered("dgm_fields", "fields.js")(key="fields")
with _safely.errors_shown():
    if "--example" in sys.argv:
        _state.open_example_first()
    _header.show(_state.current_project())
with _safely.errors_shown():  # also where the line above has one
    _state.show_notice()
    page.run()
    _state.scope_in_address()
