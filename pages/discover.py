"""Discover: the map of the images, the clusters, and the images behind a selection."""

import streamlit as st

from dgm_engine.discovery.projections import Method, default_method, n_fitted
from dgm_engine.services import jobs, layouts
from dgm_engine.services.layouts import LayoutState
from dgm_engine.services.mapping import Places
from dgm_engine.services.projects import Project
from dgm_engine.services.snapshot import Snapshot, take
from dgm_engine.services.viewing import view
from pages import _cluster_actions, _clusters, _filters, _guards, _map, _outcome, _safely, _selection, _state
from pages._colours import Colour
from pages._state import Key, Panel

MAP_HEIGHT = 540  # before assets/style.css stretches it to the window
FOLLOW_SECONDS = 2.0
_METHODS = {Method.UMAP: "UMAP", Method.TSNE: "t-SNE", Method.PCA: "PCA"}


def discover(seen: Snapshot) -> None:
    """The page."""
    project, now = seen.project, view(seen)
    picked = _selection.images(seen)
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="toolbar"):
        colour, method = _looks(len(now.items))
        _filters.bar(now)
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
    layout = layouts.ensure_layout(seen, method)
    found = jobs.active_status(project)
    at_work = found is not None and found[1].alive
    where = _map.places(project, layout)
    frame = right.container(key="panel_frame", height=MAP_HEIGHT, border=False, gap="small")
    with frame:
        _outcome.show(seen)
    if panel == Panel.IMAGES:  # somebody waits for them more than for the map
        with frame:
            _selection.panel(seen, picked, where)
    with left:
        _chart(seen, where, colour, at_work=at_work)
        _below(seen, method, layout)
    with frame:
        if panel == Panel.ALIKE:
            _cluster_actions.matrix(seen)
        elif panel == Panel.CLUSTERS:
            _clusters.cards(seen, at_work=at_work)


def _looks(n: int) -> tuple[Colour, Method]:
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
        index=list(_METHODS).index(default_method(n)),
        format_func=_METHODS.__getitem__,
        key=Key.METHOD,
        bind="query-params",
        label_visibility="collapsed",
        width=100,
        help="Three ways to lay images out so that similar ones are near each other.",
    )
    return Colour(colour), method


def _chart(seen: Snapshot, where: Places | None, colour: Colour, *, at_work: bool) -> None:
    """The map, which follows a run at work; nothing before the first layout."""
    if where is None:
        return
    with st.container(key="map_frame", height=MAP_HEIGHT, border=False, gap=None):
        _map.draw(seen, where, colour)
        _safely.polling(_map.follow, FOLLOW_SECONDS if at_work else None)(seen, where, colour)


def _below(seen: Snapshot, method: Method, layout: LayoutState) -> None:
    """What the map shows, or how far its next layout is."""
    if layout.status is not None:
        _safely.polling(_wait, 1.5 if layout.status.alive else None)(seen.project, method)
    else:
        st.caption(_what_is_drawn(seen, layout))


def _wait(project: Project, method: Method) -> None:
    """Shows how the computing of the map goes, and draws the page again when it is done."""
    layout = layouts.ensure_layout(take(project), method)
    if layout.status is None:
        st.rerun(scope="app")
    elif layout.status.alive:
        st.progress(layout.status.progress, text=f"Arranging the map: {layout.status.phase.lower() or 'starting'}")
    else:
        st.warning(f"The map could not be arranged: {layout.status.error or layout.status.state}")
        if st.button("Try again"):
            layouts.ensure_layout(take(project), method, retry=True)
            st.rerun(scope="app")


def _what_is_drawn(seen: Snapshot, layout: LayoutState) -> str:
    n = len(seen.results.shown)
    fitted, n_test = n_fitted(n, layout.method), seen.project.pool.n_items - n
    parts = [f"{n:,} images"]
    if fitted < n:
        parts.append(f"placed among {fitted:,} that were laid out")
    if n_test:
        parts.append(f"{n_test:,} more in the test split")
    if layout.stale:
        parts.append("positions are still those before the last training")
    return " · ".join(parts)


discover(_guards.require_snapshot(_guards.require_project()))
