"""The filters beside the map; the map, the grid and the clusters all show what they let through."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

import streamlit as st

from dgm_engine.services.scoping import Scope
from dgm_engine.services.viewing import ItemState, View
from pages import _safely, _state
from pages._colours import ITEM_STATES

_PREFIX = "filter_"
Value = TypeVar("Value")


def bar(view: View) -> None:
    """Draws a search field, a button that opens the filters and counts those set, and a button that clears them."""
    scope = _state.scope()
    _field("text", scope.text)
    st.text_input(
        "Search",
        key=f"{_PREFIX}text",
        placeholder="Search file names",
        icon=":material/search:",
        label_visibility="collapsed",
        width=170,
        on_change=_changed,
        help="Part of an image's name or folder",
    )
    count = sum(getattr(scope.filters, name) != getattr(Scope(), name) for name in Scope.__dataclass_fields__)
    with st.popover(f"Filter ({count})" if count else "Filter", icon=":material/filter_list:"):
        _fields(view, scope)
    if scope.filtering:
        st.button("", icon=":material/filter_list_off:", type="tertiary", help="Clear all filters", on_click=_clear)


def _fields(view: View, scope: Scope) -> None:
    clusters = {
        c.component: f"{c.component}: {c.class_name}" if c.class_name else f"{c.component}"
        for c in view.clusters
        if c.size or c.component in scope.clusters
    }
    _multiple("clusters", "Clusters", clusters, scope.clusters)
    _multiple("classes", "Classes", {"": "no class yet"} | {name: name for name in view.classes}, scope.classes)
    _multiple("states", "Labels", {state: words for state, (words, _) in ITEM_STATES.items()}, scope.states)
    _field("confidence", scope.confidence)
    st.slider("How sure the model is", 0, 100, key=f"{_PREFIX}confidence", format="%d%%", on_change=_changed)
    _field("disputed", scope.disputed)
    st.toggle("Label and model disagree", key=f"{_PREFIX}disputed", on_change=_changed)


def _multiple(name: str, label: str, options: Mapping[Value, str], chosen: Sequence[Value]) -> None:
    _field(name, [value for value in chosen if value in options])
    st.multiselect(
        label,
        list(options),
        format_func=options.__getitem__,
        key=f"{_PREFIX}{name}",
        placeholder="All",
        on_change=_changed,
    )


def _field(name: str, value: object) -> None:
    """Gives a widget its value in the scope, which can change without the widget.

    A widget that has the value already is left alone: setting it would lose what a person has half typed.
    """
    if st.session_state.get(f"{_PREFIX}{name}") != value:
        st.session_state[f"{_PREFIX}{name}"] = value


@_safely.callback
def _changed() -> None:
    said = {name: st.session_state[f"{_PREFIX}{name}"] for name in ("text", "confidence", "disputed")}
    lists = {name: tuple(st.session_state.get(f"{_PREFIX}{name}", ())) for name in ("clusters", "classes", "states")}
    lists["states"] = tuple(ItemState(state) for state in lists["states"])
    said["text"] = said["text"].strip()
    _state.set_scope(replace(_state.scope(), **said, **lists))


@_safely.callback
def _clear() -> None:
    _state.set_scope(Scope(selection=_state.scope().selection))
