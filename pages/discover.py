"""Discover: the map of the images, the clusters, and the images behind a selection."""

import streamlit as st

from dgm_engine.discovery.projections import Method
from dgm_engine.services import jobs
from dgm_engine.services.exploring import View
from dgm_engine.services.jobs import LayoutState
from dgm_engine.services.projects import Project
from pages import _clusters, _map, _selection, _state
from pages._state import Key

MAP_HEIGHT = 540  # before assets/style.css stretches it to the window
_METHODS = {Method.UMAP: "UMAP", Method.TSNE: "t-SNE", Method.PCA: "PCA"}


def discover(project: Project, view: View) -> None:
    """The page."""
    left, right = st.columns([11, 9], gap="medium")
    with left:
        _chart(project, view)
    with right:
        panel = st.segmented_control(
            "Beside the map",
            list(_selection.Panel),
            required=True,
            format_func=lambda p: p if p is _selection.Panel.CLUSTERS else f"{p} ({len(_state.selection()):,})",
            key=_state.default(Key.PANEL, _selection.Panel.CLUSTERS),
            label_visibility="collapsed",
            persist_state="session",
        )
        with st.container(key="panel_frame", height=MAP_HEIGHT, border=False, gap="small"):
            if panel == _selection.Panel.SELECTED:
                _selection.panel(project, view)
            else:
                _clusters.cards(project, view, _selection.Panel.SELECTED)


def _chart(project: Project, view: View) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        colour = st.segmented_control(
            "Colour by",
            list(_map.Colour),
            default=_map.Colour.CLUSTER,
            required=True,
            key=Key.COLOUR,
            label_visibility="collapsed",
            persist_state="session",
        )
        layout = jobs.ensure_layout(project, st.session_state.get(Key.METHOD))
        method = st.segmented_control(
            "Layout",
            list(_METHODS),
            default=layout.method,
            required=True,
            format_func=_METHODS.__getitem__,
            key=Key.METHOD,
            label_visibility="collapsed",
            help="Three ways to lay images out so that similar ones are near each other.",
        )
    layout = jobs.ensure_layout(project, method)
    if layout.status is not None:
        _state.polling(_wait, 1.5 if layout.status.alive else None)(project, method)
    if layout.xy is None:
        return
    with st.container(key="map_frame", height=MAP_HEIGHT, border=False):
        _map.draw(view, layout.xy, _map.Colour(colour), _selection.Panel.SELECTED)
    st.caption(_what_is_drawn(view, layout, project.pool.n_items - len(view.items)))


def _wait(project: Project, method: Method) -> None:
    """Shows how the computing of the map goes, and draws the page again when it is done."""
    layout = jobs.ensure_layout(project, method)
    if layout.status is None:
        st.rerun(scope="app")
    elif layout.status.alive:
        st.progress(layout.status.progress, text=f"Arranging the map: {layout.status.phase.lower() or 'starting'}")
    else:
        st.warning(f"The map could not be arranged: {layout.status.error or layout.status.state}")
        if st.button("Try again"):
            jobs.ensure_layout(project, method, retry=True)
            st.rerun(scope="app")


def _what_is_drawn(view: View, layout: LayoutState, n_held_out: int) -> str:
    drawn = len(_map.drawn_rows(len(view.items)))
    text = f"Drawing {drawn:,} of {len(view.items):,} images" if drawn < len(view.items) else f"All {drawn:,} images"
    if drawn < len(view.items):
        text += "; a selection reaches all of them"
    if n_held_out:
        text += f"; {n_held_out:,} more are held out for testing"
    if layout.stale:
        text += f". Positions are still of the results before, colours of run {view.run}"
    return f"{text}. Draw around points to select images; double-click to end the selection."


open_now = _state.require_project()
discover(open_now, _state.require_view(open_now))
