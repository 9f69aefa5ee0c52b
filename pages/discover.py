"""Discover: the map of the images, the clusters, and the images behind a selection."""

from enum import StrEnum

import streamlit as st

from dgm_engine.discovery.projections import Method
from dgm_engine.services import jobs
from dgm_engine.services.exploring import View
from dgm_engine.services.jobs import LayoutState
from dgm_engine.services.projects import Project
from pages import _bulk, _clusters, _details, _map, _state
from pages._gallery import PAGE_SIZE, gallery, positions
from pages._state import Key

MAP_HEIGHT = 540
_METHODS = {Method.UMAP: "UMAP", Method.TSNE: "t-SNE", Method.PCA: "PCA"}


class Panel(StrEnum):
    """What stands beside the map."""

    CLUSTERS = "Clusters"
    SELECTED = "Selected"


class Order(StrEnum):
    """How selected images are ordered."""

    UNSURE = "Least sure first"
    SURE = "Surest first"
    STORED = "As stored"


def discover(project: Project, view: View) -> None:
    """The page."""
    left, right = st.columns([11, 9], gap="medium")
    with left:
        _chart(project, view)
    with right:
        panel = st.segmented_control(
            "Beside the map",
            list(Panel),
            required=True,
            format_func=lambda p: p if p is Panel.CLUSTERS else f"{p} ({len(_state.selection()):,})",
            key=_state.default(Key.PANEL, Panel.CLUSTERS),
            label_visibility="collapsed",
            persist_state="session",
        )
        with st.container(height=MAP_HEIGHT + 30, border=False, gap="small"):
            if panel == Panel.SELECTED:
                _selected(project, view)
            else:
                _clusters.cards(project, view, Panel.SELECTED)


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
        st.fragment(_wait, run_every=1.5 if layout.status.alive else None)(project, method)
    if layout.xy is None:
        return
    _map.draw(view, layout.xy, _map.Colour(colour), Panel.SELECTED, MAP_HEIGHT)
    st.caption(_what_is_drawn(view, layout))


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


def _what_is_drawn(view: View, layout: LayoutState) -> str:
    drawn = len(_map.drawn_rows(len(view.items)))
    text = f"Drawing {drawn:,} of {len(view.items):,} images" if drawn < len(view.items) else f"All {drawn:,} images"
    if drawn < len(view.items):
        text += "; a selection reaches all of them"
    if layout.stale:
        text += f". Positions are of run {layout.from_run}, colours are of run {view.run}"
    return f"{text}. Draw around points to select images; double-click to end the selection."


def _selected(project: Project, view: View) -> None:
    items = view.items[positions(view, _state.selection())]
    if not len(items):
        st.info(
            "Nothing is selected. Draw a line around some points of the map, or press “Show images” on a cluster.",
            icon=":material/gesture_select:",
        )
        return
    place = positions(view, items)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{len(items):,} images** {st.session_state.get(Key.SELECTION_NAME, '')}", width="content")
        st.space("stretch")
        order = st.selectbox("Order", list(Order), key="order", label_visibility="collapsed", width=160)
        st.button(
            "", icon=":material/close:", type="tertiary", help="End selection", on_click=_state.select, args=((), "")
        )
    if order != Order.STORED:
        items = items[(view.confidence[place] * (1 if order == Order.UNSURE else -1)).argsort(kind="stable")]
    actions = st.container()
    pages = -(-len(items) // PAGE_SIZE)
    page = st.pagination(pages, key=f"page_{len(items)}", max_visible_pages=5) if pages > 1 else 1
    picked = gallery(project, view, items[(page - 1) * PAGE_SIZE : page * PAGE_SIZE].tolist(), "selected")
    with actions:
        _bulk.actions(project, items.tolist(), picked, "bulk")
    if len(picked) == 1:
        _details.show(project, picked[0])


open_now = _state.require_project()
discover(open_now, _state.require_view(open_now))
