"""The paper's figures of a run, below its accuracies; each is computed when a person chooses it."""

from enum import StrEnum
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from dgm_engine.services import charts, divergence_charts, evaluating, figure_files, figures, run_pairs
from dgm_engine.services.charts import MAX_UNITS
from dgm_engine.services.figure_words import FIGURE_TEXTS, Figure, active_words, shared_words
from dgm_engine.services.snapshot import Snapshot
from pages import _imagined, _safely
from pages._pictures import BY_SNAPSHOT
from pages._state import Key
from pages._text import plain

_MAP_SIZES = (2_000, 5_000, 10_000)
"""The numbers of images on the map that a person can choose from; they take about 5, 15 and 60 seconds."""


class Look(StrEnum):
    """The figures that a person can choose from."""

    MAP = "Map"
    COMPARE = "Compare runs"
    IMAGES = "Typical images"
    WALK = "Walk"
    UNITS = "Numbers in use"
    DISTANCES = "Distances"


def section(seen: Snapshot) -> None:
    """Draws a choice of figures and the chosen one; another choice does not draw the rest of the page again."""
    st.subheader("A closer look")
    _safely.polling(_chosen, None)(seen)


def _chosen(seen: Snapshot) -> None:
    left, right = st.columns([5, 1], vertical_alignment="bottom")
    look = left.segmented_control("Figure", Look, key=Key.LOOK, label_visibility="collapsed")
    if look is None:
        st.caption(
            "Choose a figure: how images group, how two runs compare, what the model imagines and what it notes."
        )
        return
    drawn = look not in (Look.IMAGES, Look.WALK)
    form = right.segmented_control(
        "Save charts as",
        ["PNG", "SVG"],
        default="PNG",
        required=True,
        key=Key.FORMAT,
        disabled=not drawn,
        help="The camera above a chart saves it.",
    )
    _DRAW_BY_LOOK[look](seen, str(form).lower())


def _map(seen: Snapshot, form: str) -> None:
    _explain(Figure.LATENT_MAP)
    limit = _MAP_SIZES[0]
    n = figures.n_items(seen.project)
    if n > limit:
        sizes = [*(size for size in _MAP_SIZES if size < n), *([n] if n <= _MAP_SIZES[-1] else [])]
        limit = st.select_slider("Images drawn", sizes, format_func="{:,}".format, width=300)
    chart, words = _map_chart(seen, limit)
    _show(chart, Figure.LATENT_MAP, seen, form)
    st.caption(words)


@st.cache_resource(
    max_entries=8, show_spinner="Laying out the map; the first time takes some seconds", hash_funcs=BY_SNAPSHOT
)
def _map_chart(seen: Snapshot, limit: int) -> tuple[go.Figure, str]:
    found = figures.latent_map(seen, limit)
    return charts.latent_map(found), figure_files.drawn_words(found)


def _compare(seen: Snapshot, form: str) -> None:
    _explain(Figure.CONFUSION)
    if evaluating.evaluate(seen).best_naming is None:
        st.info("The true classes of these images are not known: there is nothing to compare.", icon=":material/info:")
        return
    others = run_pairs.comparable(seen.project, seen.run.number)
    other = st.selectbox(
        "Beside it",
        others,
        index=0 if others else None,
        format_func=lambda value: others.get(value) or value,
        accept_new_options=True,
        placeholder="The folder of another project of the same source",
        width=520,
        help="Another run of this project, or another project made from the same source; type its folder to add one.",
    )
    if not other:
        st.caption("Train another model, or once more, to compare the two.")
        return
    both = run_pairs.compared(seen, other)
    chart = charts.confusions(tuple(scores for _, scores in both), tuple(title for title, _ in both))
    _show(chart, Figure.CONFUSION, seen, form)


def _units(seen: Snapshot, form: str) -> None:
    _explain(Figure.ACTIVITY)
    n_latent, n_active = _activity(seen)
    st.markdown(f"**{active_words(n_active, n_latent)}**")
    n_units = st.slider("Numbers shown", 5, n_latent, min(MAX_UNITS, n_latent), width=300) if n_latent > 5 else n_latent
    _show(_units_chart(seen, n_units), Figure.ACTIVITY, seen, form)


@st.cache_resource(max_entries=8, show_spinner="Reading what the model notes of each image", hash_funcs=BY_SNAPSHOT)
def _activity(seen: Snapshot) -> tuple[int, int]:
    found = figures.activity(seen)
    return len(found.order), found.n_active


@st.cache_resource(max_entries=8, show_spinner=False, hash_funcs=BY_SNAPSHOT)
def _units_chart(seen: Snapshot, n_units: int) -> go.Figure:
    return charts.activity(figures.activity(seen), n_units)


def _distances(seen: Snapshot, form: str) -> None:
    _explain(Figure.DIVERGENCE)
    _activity(seen)  # computed here, with its spinner, because the order of the units depends on it
    found = figures.divergence(seen)
    if found.shared:
        words = shared_words(found.titled.model)
        st.info(f"{words[0].upper()}{words[1:]}. There is nothing to draw.", icon=":material/info:")
        return
    left, right = st.columns([5, 4], gap="medium")
    with left:
        _show(divergence_charts.divergence(found), Figure.DIVERGENCE, seen, form)
    with right:
        order = found.alike.tolist()
        names = found.titled.clusters
        columns = st.columns(2)
        pair = [
            columns[i].selectbox(
                ("Images of cluster", "from images of cluster")[i],
                order,
                index=i,
                format_func=names.__getitem__,
                key=f"pair_{seen.run.number}_{i}",
            )
            for i in range(2)
        ]
        _show(divergence_charts.pair(found, pair[0], pair[1]), f"{Figure.DIVERGENCE}_{pair[0]}_{pair[1]}", seen, form)
        st.caption(
            f"The distance of this pair, number by number, the most used first. {found.n_active} of "
            f"{len(found.order)} numbers tell clusters apart by more than {figures.MIN_ACTIVE_KL} nats on average."
        )


_DRAW_BY_LOOK = {
    Look.MAP: _map,
    Look.COMPARE: _compare,
    Look.IMAGES: _imagined.clusters,
    Look.WALK: _imagined.walk,
    Look.UNITS: _units,
    Look.DISTANCES: _distances,
}


def _explain(figure: Figure) -> None:
    about = FIGURE_TEXTS[figure]
    st.caption(f"{plain(about.words)}  \n:small[{plain(about.paper)}]")


def _show(chart: go.Figure, name: str, seen: Snapshot, form: str) -> None:
    config: dict[str, Any] = charts.download_config(f"{seen.project.name}_run{seen.run.number}_{name}", form)
    st.plotly_chart(
        chart,
        key=f"figure_{name}",
        config=config,
        alt=FIGURE_TEXTS[Figure(name)].title if name in FIGURE_TEXTS else name,
    )
