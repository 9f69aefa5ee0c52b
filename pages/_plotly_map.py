"""The map for browsers without WebGL2: a Plotly chart of a sample of the images, in the same colours."""

from collections.abc import Callable
from typing import Any

import numpy as np
import plotly.graph_objects as go
import streamlit as st
from numpy.typing import NDArray

from dgm_engine.services.map_look import MUTED, SELECTED, Look
from dgm_engine.services.mapping import COORDINATE_STEPS, Places
from dgm_engine.services.viewing import View
from pages import _safely
from pages._text import escaped

MAX_POINTS_DRAWN = 10_000
"""Points drawn at most; a selection still reaches all images."""
_CHART_KEY = "plotly_map"


def draw(view: View, where: Places, seen: Look, select: Callable[[NDArray[np.bool_]], None], reason: str) -> None:
    """Draws the map.

    Args:
        view: the items, in the order of the view.
        where: their places.
        seen: their look.
        select: is called with (M,) bool, the items that a lasso or box encloses.
        reason: why this browser cannot draw the full map, in words.
    """
    drawn = min(MAX_POINTS_DRAWN, len(where.order))
    st.caption(
        f"This browser cannot draw the full map ({reason}). Here is a plain one of {drawn:,} images, which forgets "
        "where you zoomed to when colours change; a selection still reaches all images."
    )

    @_safely.callback
    def on_select() -> None:
        select(enclosed(where, st.session_state[_CHART_KEY]["selection"]))

    st.plotly_chart(_figure(view, where, seen), key=_CHART_KEY, height="stretch", on_select=on_select)


def _figure(view: View, where: Places, seen: Look) -> go.Figure:
    rows = where.order[:MAX_POINTS_DRAWN]
    xy = where.xy[rows] / COORDINATE_STEPS
    hues = np.array(seen.palette)[seen.group[rows]]
    quiet = 0.25 if (seen.flags & SELECTED).any() else 0.8
    opacity = np.where(seen.flags[rows] & MUTED, 0.06, np.where(seen.flags[rows] & SELECTED, 1, quiet))
    names = [escaped(item) for item in view.items[rows].tolist()]
    marker: dict[str, Any] = {"size": 5, "color": hues, "opacity": opacity}
    points = go.Scatter(x=xy[:, 0], y=xy[:, 1], mode="markers", marker=marker, text=names, hoverinfo="text")
    labels = [
        {"x": label.x, "y": label.y, "text": f"<b>{escaped(label.text)}</b>", "showarrow": False}
        for label in seen.labels
    ]
    axis = {"visible": False}
    return go.Figure(points).update_layout(
        annotations=labels,
        margin={"l": 0, "r": 0, "t": 0, "b": 0},
        dragmode="lasso",
        xaxis=axis,
        yaxis={**axis, "scaleanchor": "x"},
        uirevision="map",
    )


def enclosed(where: Places, event: dict[str, Any]) -> NDArray[np.bool_]:
    """(M,) bool, the items inside any lasso or box of a selection event of Plotly."""
    mask = np.zeros(len(where.order), dtype=bool)
    for lasso in event.get("lasso", []):
        mask |= where.enclosed(np.column_stack([lasso["x"], lasso["y"]]).tolist())
    for box in event.get("box", []):
        (x0, x1), (y0, y1) = box["x"], box["y"]
        mask |= where.enclosed([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])
    return mask
