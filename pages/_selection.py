"""The images that are picked out on the map or by a filter, and what can be done with them."""

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from dgm_engine.services import scoping
from dgm_engine.services.mapping import Places
from dgm_engine.services.ordering import Order, ordered
from dgm_engine.services.snapshot import Snapshot
from dgm_engine.services.viewing import positions, view
from pages import _board, _bulk, _details, _safely, _state
from pages._board_messages import Mode
from pages._state import Key, Panel
from pages._tiles import Shown


def images(seen: Snapshot) -> NDArray[np.int64]:
    """(n,) positions in the view of the images picked out: those selected, else those that filters let through."""
    scope = _state.scope()
    if scope.selection:
        return np.flatnonzero(scoping.picked(seen, scope))
    return np.flatnonzero(scoping.filtered(seen, scope)) if scope.filtering else np.zeros(0, dtype=np.int64)


def panel(seen: Snapshot, place: NDArray[np.int64], where: Places | None) -> None:
    """Draws the images at positions of the view as a grid, with buttons for all of them; or one image large.

    Args:
        seen: what the person looks at.
        place: (n,) the positions.
        where: places of the view's images on the map; None before the first layout.
    """
    if opened := st.session_state.get(Key.OPENED):
        back = "images" if len(place) else "clusters"
        st.button(
            f"Back to the {back}",
            icon=":material/arrow_back:",
            type="tertiary",
            on_click=_safely.callback(_state.show_panel),
            args=(Panel.IMAGES if len(place) else Panel.CLUSTERS,),
        )
        shown = bool(len(positions(seen.project, view(seen).rows, [opened])))
        if shown:
            _board.board(seen, Shown([opened], stays=True, where=where), opened, "opened_image", Mode.SINGLE)
        _details.show(seen, opened, picture=not shown)
        return
    if not len(place):
        st.info(
            "No images are picked out. Draw a line around some points of the map, set a filter, or press “Images” on "
            "a cluster.",
            icon=":material/gesture_select:",
        )
        return
    selected = bool(_state.scope().selection)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"**{len(place):,} images** {'selected' if selected else 'found'}", width="content")
        st.space("stretch")
        order = st.selectbox(
            "Order", list(Order), key=Key.ORDER, label_visibility="collapsed", width=190, persist_state="session"
        )
        if selected:
            ends = _safely.callback(_state.end_selection)
            st.button("", icon=":material/close:", type="tertiary", help="End (Esc)", on_click=ends)
    place = ordered(seen, place, order)
    items: list[str] = view(seen).items[place].tolist()
    _bulk.actions(seen, place, "bulk")
    _board.pages(seen, Shown(items, where=where), (_state.scope(), order), "selected")
