"""Charts of a training run: the curves, and the map while training changes it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from dgm_engine.services.jobs import LiveMap
from dgm_engine.services.palette import CLUSTER_COLOURS, class_colour, cluster_colour
from dgm_engine.training.terms import AGREEMENT, BOUND, TERMS
from pages._state import Key
from pages._text import escaped

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

_BY_NAME = {term.name: term for term in TERMS}
CHART_HEIGHT = 210
_BY_CLUSTER, _BY_CLASS = "Cluster", "Class"


def figures(curves: "pd.DataFrame") -> None:
    """Draws the newest values of the curves as numbers."""
    last = curves.iloc[-1]
    columns = st.columns(3)
    columns[0].metric("Passes over the images", _shown(last.get("epoch"), "{:.0f}"))
    columns[1].metric("Clusters in use", _shown(last.get("components_used"), "{:.0f}"))
    agreement = _BY_NAME[AGREEMENT]
    columns[2].metric(agreement.title, _shown(last.get(AGREEMENT), "{:.0%}"), help=agreement.help)


def curves(table: "pd.DataFrame") -> None:
    """Draws the curves of the bound and of the agreement or the clusters in use; the bound's parts in an expander."""
    train = table.query("phase == 'train'")
    if train.empty:
        st.caption("**Getting to know the images**: how well they are redrawn; higher is better")
        _line(table, BOUND, "curve_start")
        return
    left, right = st.columns(2)
    with left:
        st.caption(f"**{_BY_NAME[BOUND].title}**", help=_BY_NAME[BOUND].help)
        _line(train, BOUND, "curve_fit")
    with right:
        if _known(train, AGREEMENT):
            st.caption(f"**{_BY_NAME[AGREEMENT].title}**")
            _line(train, AGREEMENT, "curve_agreement", ".0%")
        elif _known(train, "components_used"):
            st.caption("**Clusters in use**")
            _line(train, "components_used", "curve_used")
    with st.expander("What the fit is made of"):
        shown = [term for term in TERMS if term.name not in (BOUND, AGREEMENT) and _known(train, term.name)]
        for start in range(0, len(shown), 3):
            for column, term in zip(st.columns(3), shown[start : start + 3], strict=False):
                with column:
                    st.caption(term.title, help=term.help)
                    _line(train, term.name, f"curve_{term.name}", ".0%" if term.is_share else "", height=150)


def live_map(live: LiveMap, colours: Mapping[str, str]) -> None:
    """Draws a sample of the images as the model at work sees them now, coloured by cluster or class.

    Args:
        live: the sample.
        colours: class to "#rrggbb".
    """
    by = _BY_CLUSTER
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption(f"**Map after pass {live.epoch}**: {len(live.rows):,} of the images", width="content")
        if (live.class_name != "").any():
            by = st.segmented_control(
                "Colour by",
                [_BY_CLUSTER, _BY_CLASS],
                default=_BY_CLASS,
                required=True,
                key=Key.LIVE_COLOUR,
                label_visibility="collapsed",
                persist_state="session",
            )
    figure = go.Figure([_by_cluster(live)] if by == _BY_CLUSTER else _by_class(live, colours))
    figure.update_layout(
        height=300,
        margin={"l": 0, "r": 0, "t": 0, "b": 0},
        xaxis={"visible": False},
        yaxis={"visible": False},
        uirevision="live",
    )
    st.plotly_chart(figure, key="live_map", config={"displayModeBar": False}, alt="Map of a sample of the images")


def _by_cluster(live: LiveMap) -> go.Scattergl:
    colour = [cluster_colour(int(k)) for k in live.component]
    return _points(live, slice(None), colour, showlegend=False)


def _by_class(live: LiveMap, colours: Mapping[str, str]) -> list[go.Scattergl]:
    names, count = np.unique(live.class_name, return_counts=True)
    largest_first = names[np.lexsort((-count, names == ""))].tolist()  # those without a class last in the legend
    shown = ((name, live.class_name == name) for name in largest_first)
    return [
        _points(live, here, class_colour(name, colours), name=escaped(name) or "no class yet") for name, here in shown
    ]


def _points(
    live: LiveMap, which: "NDArray[np.bool_] | slice", colour: str | list[str], **settings: str | bool
) -> go.Scattergl:
    x, y = live.xy[which].T
    marker = {"size": 5, "color": colour, "opacity": 0.8}
    return go.Scattergl(x=x, y=y, mode="markers", marker=marker, hoverinfo="skip", **settings)


def _line(table: "pd.DataFrame", column: str, key: str, form: str = "", height: int = CHART_HEIGHT) -> None:
    known = table.dropna(subset=[column])
    figure = go.Figure(
        go.Scatter(x=known["seconds"], y=known[column], mode="lines", line={"color": CLUSTER_COLOURS[0], "width": 2})
    )
    figure.update_layout(
        height=height,
        margin={"l": 0, "r": 6, "t": 4, "b": 0},
        xaxis={"title": "seconds"},
        yaxis={"tickformat": form, "range": [0, 1.03] if form else None},
        uirevision=column,
    )
    st.plotly_chart(figure, key=key, config={"displayModeBar": False})


def _known(table: "pd.DataFrame", column: str) -> bool:
    return column in table.columns and bool(table[column].notna().any())


def _shown(value: float | None, form: str) -> str:
    return "-" if value is None or value != value else form.format(value)
