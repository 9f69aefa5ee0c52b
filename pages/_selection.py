"""The images that are picked out on the map or by a cluster's button, and what can be done with them."""

from enum import StrEnum

import streamlit as st

from dgm_engine.services.exploring import View
from dgm_engine.services.projects import Project
from pages import _bulk, _details, _state
from pages._gallery import PAGE_SIZE, gallery, positions
from pages._state import Key


class Panel(StrEnum):
    """What stands beside the map."""

    CLUSTERS = "Clusters"
    SELECTED = "Selected"


class Order(StrEnum):
    """How selected images are ordered."""

    UNSURE = "Least sure first"
    SURE = "Surest first"
    STORED = "As stored"


def panel(project: Project, view: View) -> None:
    """The selected images as a gallery, with the bulk actions above it."""
    place = positions(view, _state.selection())
    if not len(place):
        st.info(
            "Nothing is selected. Draw a line around some points of the map, or press “Show images” on a cluster.",
            icon=":material/gesture_select:",
        )
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{len(place):,} images** {st.session_state.get(Key.SELECTION_NAME, '')}", width="content")
        st.space("stretch")
        order = st.selectbox("Order", list(Order), key="order", label_visibility="collapsed", width=160)
        st.button("", icon=":material/close:", type="tertiary", help="End", on_click=_state.select, args=((), ""))
    if order != Order.STORED:
        place = place[(view.confidence[place] * (1 if order == Order.UNSURE else -1)).argsort(kind="stable")]
    items: list[str] = view.items[place].tolist()
    actions = st.container()
    pages = -(-len(items) // PAGE_SIZE)
    page = st.pagination(pages, key=f"page_{len(items)}", max_visible_pages=5) if pages > 1 else 1
    picked = gallery(project, view, items[(page - 1) * PAGE_SIZE : page * PAGE_SIZE], "selected")
    with actions:
        _bulk.actions(project, items, picked, "bulk")
    if len(picked) == 1:
        _details.show(project, picked[0])
