"""Discover: the map of the images, the clusters, and the images behind a selection."""

import streamlit as st

from dgm_engine.discovery.projections import Method, default_method, n_fitted
from dgm_engine.services import jobs
from dgm_engine.services.exploring import View
from dgm_engine.services.jobs import LayoutState
from dgm_engine.services.mapping import Places
from dgm_engine.services.projects import Project
from pages import _cluster_actions, _clusters, _filters, _map, _outcome, _selection, _state
from pages._colours import Colour
from pages._state import Key, Panel

MAP_HEIGHT = 540  # before assets/style.css stretches it to the window
FOLLOW_SECONDS = 2.0
_METHODS = {Method.UMAP: "UMAP", Method.TSNE: "t-SNE", Method.PCA: "PCA"}


def discover(project: Project, view: View) -> None:
    """The page."""
    picked = _selection.images(project, view)
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="toolbar"):
        colour, method = _looks(view)
        _filters.bar(view)
        st.space("stretch")
        panel = st.segmented_control(
            "Beside the map",
            list(Panel),
            required=True,
            format_func=lambda p: f"{p} ({len(picked):,})" if p is Panel.IMAGES else p,
            key=_state.default(Key.PANEL, Panel.CLUSTERS),
            label_visibility="collapsed",
            persist_state="session",
        )
    left, right = st.columns([11, 9], gap="small")
    layout = jobs.ensure_layout(project, method)
    found = jobs.active_status(project)
    at_work = found is not None and found[1].alive
    where = _map.places(project, layout)
    frame = right.container(key="panel_frame", height=MAP_HEIGHT, border=False, gap="small")
    with frame:
        _outcome.show(project)
    if panel == Panel.IMAGES:  # somebody waits for them more than for the map
        with frame:
            _selection.panel(project, view, picked, where)
    with left:
        _chart(project, view, where, colour, at_work=at_work)
        _below(project, view, method, layout)
    with frame:
        if panel == Panel.ALIKE:
            _cluster_actions.matrix(project, view)
        elif panel == Panel.CLUSTERS:
            _clusters.cards(project, view, at_work=at_work)


def _looks(view: View) -> tuple[Colour, Method]:
    """What the map's colours mean and how it is laid out, to choose from."""
    colour = st.segmented_control(
        "Colour by",
        list(Colour),
        default=Colour.CLUSTER,
        required=True,
        key=Key.COLOUR,
        label_visibility="collapsed",
        bind="query-params",
        persist_state="session",
    )
    method = st.selectbox(
        "Layout",
        list(_METHODS),
        index=list(_METHODS).index(default_method(len(view.items))),
        format_func=_METHODS.__getitem__,
        key=Key.METHOD,
        bind="query-params",
        label_visibility="collapsed",
        width=100,
        help="Three ways to lay images out so that similar ones are near each other.",
    )
    return Colour(colour), method


def _chart(project: Project, view: View, where: Places | None, colour: Colour, *, at_work: bool) -> None:
    """The map, which follows a run at work; nothing before the first layout."""
    if where is None:
        return
    with st.container(key="map_frame", height=MAP_HEIGHT, border=False, gap=None):
        _map.draw(project, view, where, colour)
        _state.polling(_map.follow, FOLLOW_SECONDS if at_work else None)(project, view, where, colour)


def _below(project: Project, view: View, method: Method, layout: LayoutState) -> None:
    """What the map shows, or how far its next layout is."""
    if layout.status is not None:
        _state.polling(_wait, 1.5 if layout.status.alive else None)(project, method)
    else:
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
    fitted = n_fitted(len(view.items), layout.method)
    parts = [f"{len(view.items):,} images"]
    if fitted < len(view.items):
        parts.append(f"placed among {fitted:,} that were laid out")
    if n_held_out:
        parts.append(f"{n_held_out:,} more held out for testing")
    if layout.stale:
        parts.append("positions are still those before the last training")
    return " · ".join(parts)


open_now = _state.require_project()
discover(open_now, _state.require_view(open_now))
