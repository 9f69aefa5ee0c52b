"""The map of the images: a Plotly scatter chart whose lasso and box pick out images, drawn or not."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import plotly.graph_objects as go
import streamlit as st
from numpy.typing import NDArray

from dgm_engine.discovery.clusters import Cluster
from dgm_engine.services import exploring
from dgm_engine.services.exploring import ItemState, View
from dgm_engine.services.palette import UNKNOWN, class_colour, cluster_colour
from pages import _state
from pages._state import Key

DRAWN = 20_000
"""Points drawn at most; a selection still reaches all images."""
_LEGEND_LIMIT = 16
_CONFIG = {
    "scrollZoom": True,
    "displaylogo": False,
    "displayModeBar": True,
    "modeBarButtonsToRemove": ["toImage", "autoScale2d", "zoomIn2d", "zoomOut2d", "zoom2d"],
}


class Colour(StrEnum):
    """What the colours of the map mean."""

    CLUSTER = "Cluster"
    CLASS = "Class"
    CONFIDENCE = "Confidence"
    STATE = "Labels"


STATES = {
    ItemState.UNLABELLED: ("no label", UNKNOWN),
    ItemState.LABELLED: ("labelled", "#0072b2"),
    ItemState.REJECTED: ("a class ruled out", "#d55e00"),
    ItemState.NONE: ("none of the named", "#009e73"),
}


@dataclass(frozen=True)
class _Group:
    """Points of one colour: their name in the legend, the colour, and which they are."""

    name: str
    colour: str
    member: NDArray[np.bool_]


def draw(view: View, xy: NDArray[np.float32], colour: Colour, panel: str) -> None:
    """Draws the map; a lasso or box becomes the session's selection, a double click ends it.

    Args:
        view: the newest results.
        xy: (M, 2) positions, in the order of the view.
        colour: what colours mean.
        panel: value to set `Key.PANEL` to when images are selected.
    """
    figure = _figure(view, xy, colour, (view.run, view.stamp, view.labels_version, float(np.abs(xy[:64]).sum())))
    st.plotly_chart(
        figure,
        key=Key.MAP,
        height="stretch",
        config=_CONFIG,
        on_select=lambda: _on_select(view, xy, panel),
        selection_mode=("lasso", "box"),
        alt="Map of the images: similar images lie close together",
    )


def selected(xy: NDArray[np.float32], event: dict[str, Any]) -> NDArray[np.bool_]:
    """(M,) which points lie in any of the lassos and boxes of a selection event of Plotly."""
    mask = np.zeros(len(xy), dtype=bool)
    for lasso in event.get("lasso", []):
        mask |= exploring.in_polygon(xy, np.column_stack([lasso["x"], lasso["y"]]))
    for box in event.get("box", []):
        (x0, x1), (y0, y1) = box["x"], box["y"]
        mask |= exploring.in_polygon(xy, np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]]))
    return mask


def drawn_rows(n: int) -> NDArray[np.int64]:
    """The positions of the view that are drawn: all, or the same random sample every time."""
    if n <= DRAWN:
        return np.arange(n)
    return np.sort(np.random.default_rng(0).choice(n, DRAWN, replace=False))


@_state.callback
def _on_select(view: View, xy: NDArray[np.float32], panel: str) -> None:
    mask = selected(xy, st.session_state[Key.MAP]["selection"])
    _state.select(view.items[mask].tolist(), "on the map")
    if mask.any():
        st.session_state[Key.PANEL] = panel


@st.cache_resource(max_entries=12, show_spinner=False)
def _figure(
    _view: View, _xy: NDArray[np.float32], colour: Colour, stamp: tuple[int, int, int, float]
) -> go.Figure:  # stamp: what is drawn, for the cache
    points = drawn_rows(len(_xy))
    size = 7 if len(points) <= 3_000 else 5 if len(points) <= 10_000 else 3.5
    traces: list[go.Scattergl] = []
    if colour is Colour.CONFIDENCE:
        bar = {"title": "sure", "tickformat": ".0%", "thickness": 10, "len": 0.6}
        hues = {"color": _view.confidence[points], "colorscale": "Cividis", "cmin": 0, "cmax": 1, "colorbar": bar}
        marker: dict[str, Any] = {"size": size, **hues}
        traces.append(_points(_view, _xy, points, "confidence", marker))
    else:
        for group in _groups(_view, colour):
            members = points[group.member[points]]
            if len(members):
                marker = {"size": size, "color": group.colour, "opacity": 0.8}
                traces.append(_points(_view, _xy, members, group.name, marker))
    figure = go.Figure(traces)
    figure.update_layout(
        annotations=_numbers(_view, _xy),
        margin={"l": 0, "r": 0, "t": 0, "b": 0},
        dragmode="lasso",
        hovermode="closest",
        showlegend=colour in (Colour.CLASS, Colour.STATE) and len(traces) <= _LEGEND_LIMIT,
        legend={"orientation": "h", "y": 0, "yanchor": "bottom", "x": 0, "itemsizing": "constant"},
        xaxis={"visible": False},
        yaxis={"visible": False},
        uirevision="map",
    )
    return figure


def _points(
    view: View, xy: NDArray[np.float32], rows: NDArray[np.int64], name: str, marker: dict[str, Any]
) -> go.Scattergl:
    return go.Scattergl(
        x=xy[rows, 0],
        y=xy[rows, 1],
        mode="markers",
        name=name,
        marker=marker,
        customdata=view.items[rows],
        hovertemplate="%{customdata}<extra>%{fullData.name}</extra>",
        selected={"marker": {"opacity": 1}},
        unselected={"marker": {"opacity": 0.15}},
    )


def _groups(view: View, colour: Colour) -> list[_Group]:
    if colour is Colour.CLUSTER:
        return [
            _Group(
                f"cluster {_title(c)}",
                cluster_colour(c.component),
                view.component == c.component,
            )
            for c in view.clusters
        ]
    if colour is Colour.CLASS:
        groups = [_Group("no class yet", UNKNOWN, view.class_name == "")]
        return groups + [_Group(c, class_colour(c, view.classes), view.class_name == c) for c in view.classes]
    return [_Group(words, hue, view.state == state) for state, (words, hue) in STATES.items()]


def _title(cluster: Cluster) -> str:
    return f"{cluster.component}: {cluster.class_name}" if cluster.class_name else str(cluster.component)


def _numbers(view: View, xy: NDArray[np.float32]) -> list[dict[str, Any]]:
    """A label at the point of each cluster that is nearest to the cluster's median position."""
    labels: list[dict[str, Any]] = []
    for cluster in view.clusters:
        if cluster.size < max(3, len(xy) // 1000):
            continue
        own = xy[view.component == cluster.component]
        x, y = own[np.argmin(np.linalg.norm(own - np.median(own, axis=0), axis=1))].tolist()
        labels.append(
            {
                "x": x,
                "y": y,
                "text": f"<b>{_escaped(_title(cluster))}</b>",
                "showarrow": False,
                "font": {"size": 12, "color": "#10181d"},
                "bgcolor": "rgba(255,255,255,0.82)",
                "borderpad": 2,
            }
        )
    return labels


def _escaped(text: str) -> str:
    short = text if len(text) <= 18 else f"{text[:17]}…"
    return short.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
