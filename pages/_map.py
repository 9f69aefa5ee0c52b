"""The map of the images: a component drawn with WebGL2, on which people select images by lassos, boxes and clicks."""

from functools import lru_cache

import numpy as np
import streamlit as st

from dgm_engine.services import jobs, map_wire, mapping, scoping, thumbnails
from dgm_engine.services.layouts import LayoutState
from dgm_engine.services.map_look import Look
from dgm_engine.services.mapping import Followed, Places
from dgm_engine.services.palette import class_colour, cluster_colour
from dgm_engine.services.projects import Project
from dgm_engine.services.snapshot import Snapshot
from dgm_engine.services.viewing import View, view
from pages import _component, _plotly_map, _safely, _state
from pages._colours import Colour, look
from pages._map_messages import Enclosed, Live, MapState, MapTriggers, Opened, Pick, Pictures, PicturesState, Wanted
from pages._pictures import BY_PROJECT, data_uri, source, tip
from pages._state import Key, Panel
from pages._wire import packed, sent

THUMBNAIL_PIXELS = 72
_COMPONENT_FILES = tuple(f"map/map.{kind}" for kind in ("js", "html", "css"))


def draw(seen: Snapshot, where: Places, colour: Colour) -> None:
    """Draws the map; a lasso or box changes the session's selection, a click opens an image.

    Args:
        seen: what the person looks at.
        where: places of the images, in the order of the view.
        colour: what colours mean.
    """
    scope = _state.scope()
    drawn = look(seen, where, colour, scope)
    if reason := st.session_state.get(Key.MAP_UNABLE):
        _plotly_map.draw(view(seen), where, drawn, lambda mask: _select(seen, mask, Pick.REPLACE), reason)
        return
    _component.registered("dgm_places", "map/places.js")(key="map_places", data=_positions(where))
    _component.registered("dgm_map", *_COMPONENT_FILES)(
        key=Key.MAP,
        data=_buffer(where, drawn),
        height="stretch",
        on_enclosed_change=lambda: _on_enclosed(seen, where, drawn),
        on_opened_change=lambda: _on_opened(seen, where),
        on_ended_change=_on_ended,
        on_unable_change=_on_unable,
    )
    st.fragment(_pictures)(seen, where)


@st.cache_resource(max_entries=8, show_spinner=False, hash_funcs={**BY_PROJECT, LayoutState: lambda of: of.token})
def places(project: Project, layout: LayoutState) -> Places | None:
    """The places of the images; None during the first layout."""
    if layout.xy is None:
        return None
    token, order_token = (mapping.token_of(source(project), of) for of in (layout.token, len(layout.xy)))
    return mapping.places(layout.xy, token, order_token)


def _pictures(seen: Snapshot, where: Places) -> None:
    """Answers the map when it asks what some points look like."""
    state, data = st.session_state.get(Key.MAP_PICTURES) or {}, Pictures()
    if state.get("wanted"):
        wanted: Wanted = sent(PicturesState, "wanted", state)
        if wanted.token == where.token:
            place, now = where.items_at(wanted.indices), view(seen)
            sprite = _sprite(seen.project, tuple(now.rows[place].tolist()))
            titles = tuple(tip(now, p) for p in place)
            data = Pictures(where.order_token, wanted.indices, titles, THUMBNAIL_PIXELS, sprite)
    answer = _component.registered("dgm_pictures", "pictures.js")
    answer(key=Key.MAP_PICTURES, data=packed(data), on_wanted_change=lambda: None)


@st.cache_data(max_entries=16, show_spinner=False, hash_funcs=BY_PROJECT)
def _sprite(project: Project, rows: tuple[int, ...]) -> str:
    return data_uri(thumbnails.sprite(project, rows, max(len(rows), 1), THUMBNAIL_PIXELS))


def follow(seen: Snapshot, where: Places, colour: Colour) -> None:
    """Shows on the map what a run at work makes of a sample of the images; nothing if none is at work."""
    found, data = jobs.active_status(seen.project), Live()
    live = jobs.live_map(found[0]) if found is not None and found[1].alive else None
    if live is not None and (sample := mapping.followed(where, view(seen), live)) is not None:
        hues = hues_of(view(seen), sample, colour)
        data = Live(
            where.order_token,
            tuple(sample.points),
            tuple(sample.xy),
            None if hues is None else tuple(hues),
            tuple(sample.under.tolist()),
        )
    _component.registered("dgm_follow", "map/follow.js")(key="map_follow", data=packed(data))


def hues_of(now: View, sample: Followed, colour: Colour) -> list[str] | None:
    """The colours of a sample's points; None if colours mean confidence or labels, and the points keep their own."""
    if colour is Colour.CLASS:
        return [class_colour(name, now.colours) for name in sample.class_name.tolist()]
    return [cluster_colour(k) for k in sample.component.tolist()] if colour is Colour.CLUSTER else None


@lru_cache(maxsize=4)
def _positions(where: Places) -> bytes:
    return map_wire.encoded_places(where)


@lru_cache(maxsize=6)
def _buffer(where: Places, drawn: Look) -> bytes:
    return map_wire.encoded(where, drawn)


@_safely.callback
def _on_enclosed(seen: Snapshot, where: Places, drawn: Look) -> None:
    event: Enclosed = sent(MapTriggers, "enclosed", st.session_state[Key.MAP])
    if event.token != where.token or (event.dimmed and event.look != drawn.token):
        _state.notify("The map has moved on since you drew; draw again", ":material/refresh:")
        return
    mask = where.enclosed(event.polygon) & ~np.isin(drawn.group, event.dimmed)
    _select(seen, mask, event.mode)


def _select(seen: Snapshot, mask: np.ndarray, mode: Pick) -> None:
    scope = _state.scope()
    before = scoping.picked(seen, scope)
    mask = mask & scoping.filtered(seen, scope)
    wanted = {Pick.REPLACE: mask, Pick.ADD: before | mask, Pick.SUBTRACT: before & ~mask}[mode]
    _state.set_scope(scoping.pick(seen, scope, wanted))
    if wanted.any():
        _state.show_panel(Panel.IMAGES)


@_safely.callback
def _on_opened(seen: Snapshot, where: Places) -> None:
    event: Opened = sent(MapTriggers, "opened", st.session_state[Key.MAP])
    if event.token == where.token:
        for place in where.items_at([event.index]):
            _state.open_image(str(view(seen).items[place]))


@_safely.callback
def _on_ended() -> None:
    _state.end_selection()


@_safely.callback
def _on_unable() -> None:
    st.session_state[Key.MAP_UNABLE] = sent(MapState, "unable", st.session_state[Key.MAP])
