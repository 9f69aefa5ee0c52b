"""Projects: open one, delete one, or make a new one."""

from typing import Literal

import streamlit as st

from dgm_engine.services import projects, thumbnails
from dgm_engine.services.projects import Project, ProjectCard
from pages import _create, _safely, _state
from pages._pictures import BY_PROJECT, data_uri, strip
from pages._state import Key
from pages._text import count, plain

_STATE_WORDS: dict[str, tuple[str, Literal["gray", "blue", "green", "red"]]] = {
    "new": ("not trained yet", "gray"),
    "training": ("training", "blue"),
    "clustered": ("trained", "green"),
    "damaged": ("damaged", "red"),
}
_THUMBNAILS_SHOWN, _THUMBNAIL_PIXELS = 16, 40
_FIRST_PAGE = "pages/discover.py"
"""The page that a project opens on."""


def show_projects() -> None:
    """The page."""
    cards = projects.list_projects()
    left, right = st.columns([3, 2], gap="large")
    with left:
        st.subheader("Your projects")
        if not cards:
            st.write(
                "None yet. The quickest way to see what this program does is the example: 1,797 handwritten digits."
            )
        for card in cards:
            with st.container(border=True, gap="xsmall"):
                _card(card)
        has_example = any(card.name == projects.EXAMPLE_NAME for card in cards)
        if not has_example and st.button("Open the example", type="primary", icon=":material/school:"):
            _open(projects.create_example().paths.root)
            st.switch_page(_FIRST_PAGE)
    with right:
        st.subheader("New project")
        if Key.TASK in st.session_state:
            _create.outcome(st.session_state[Key.TASK])
        else:
            _create.form()


def _card(card: ProjectCard) -> None:
    here = st.session_state.get(Key.PROJECT) == str(card.root)
    words, colour = _STATE_WORDS[card.state]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{plain(card.name)}**", width="content")
        st.badge(words, color=colour)
        if here:
            st.badge("open", color="primary")
        st.space("stretch")
        if st.button(
            "Open",
            key=f"open_{card.root}",
            type="primary",
            disabled=card.state == "damaged",
            on_click=_open,
            args=(card.root,),
        ):
            st.switch_page(_FIRST_PAGE)
        if st.button("", icon=":material/delete:", key=f"delete_{card.root}", type="tertiary", help="Delete"):
            _confirm_delete(card)
    if card.state == "damaged":
        st.error(card.error)
        return
    project = projects.open_project(card.root)
    st.html(_strip(project))
    st.caption(f"{count(card.items, 'image')} · {count(card.n_labels, 'label')} · made {card.created[:10]}")
    _unreadable(project)


def _unreadable(project: Project) -> None:
    left_out = projects.quarantined(project)
    if left_out:
        with st.expander(f"{count(len(left_out), 'file')} could not be read"):
            st.dataframe([{"File": q.path, "Why": q.reason} for q in left_out], hide_index=True, height="content")


@st.cache_data(max_entries=64, show_spinner=False, hash_funcs=BY_PROJECT)
def _strip(project: Project) -> str:
    rows = project.pool.shown
    rows = rows[:: max(1, len(rows) // _THUMBNAILS_SHOWN)][:_THUMBNAILS_SHOWN]
    return strip(data_uri(thumbnails.sprite(project, rows, len(rows), _THUMBNAIL_PIXELS)), len(rows), _THUMBNAIL_PIXELS)


@st.dialog("Delete this project?")
def _confirm_delete(card: ProjectCard) -> None:
    st.write(
        f"**{plain(card.name)}** with its {count(card.n_labels, 'label')}, all training and all exports in its folder "
        "will be gone for good. The files that it was made from stay."
    )
    st.code(str(card.root), language=None)
    with st.container(horizontal=True, horizontal_alignment="right"):
        if st.button("Keep it"):
            st.rerun()
        if st.button("Delete", type="primary", icon=":material/delete:", on_click=_delete, args=(card,)):
            st.rerun()


@_safely.callback
def _delete(card: ProjectCard) -> None:
    projects.delete_project(card.root)
    if st.session_state.get(Key.PROJECT) == str(card.root):
        _state.close_project()
    _state.notify(f"{plain(card.name)} is deleted")


_open = _safely.callback(_state.open_project)

show_projects()
