"""Evaluate: how good the clusters and classes are."""

from typing import Any

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from dgm_engine.discovery.metrics import Confusion
from dgm_engine.services import evaluating
from dgm_engine.services.evaluating import Evaluation
from dgm_engine.services.projects import Project
from pages import _state
from pages._text import count

_FIGURES = (
    (
        "accuracy_named",
        "Your classes",
        "Share of images whose predicted class is the true one, from your names and labels alone.",
    ),
    (
        "accuracy_cluster_and_label",
        "Clusters, best naming",
        "If every cluster had the name of the class that is most frequent in it. What naming alone could reach.",
    ),
    (
        "accuracy_hungarian",
        "One cluster per class",
        "If every class had to make do with a single cluster. Low where there are more clusters than classes.",
    ),
    ("all", "All classes", "Classes and unnamed clusters matched with the true classes as well as possible."),
    ("old", "Of these, known ones", "The same, on the classes that you named or labelled."),
    ("new", "Of these, new ones", "The same, on the classes that nobody has named or labelled yet."),
)


def evaluate(project: Project) -> None:
    """The page."""
    result = evaluating.evaluate(project)
    truth_known = result.confusion is not None
    if truth_known:
        which = "of the test split, which training never saw" if result.split == "test" else "whose true class is known"
        st.caption(f"Run {result.run}, scored on {result.n:,} images {which}.")
        _accuracies(result)
    else:
        st.info(
            "The true classes of these images are not known, so the program checks itself on your labels: "
            "each run is compared with the labels that you gave after it, which it cannot have learned from.",
            icon=":material/info:",
        )
    left, right = st.columns([4, 3], gap="medium")
    with left:
        if result.confusion is not None:
            _confusion(result.confusion)
        else:
            _held_out(result)
    with right:
        if result.per_class:
            _per_class(result)
        elif truth_known:
            st.info("Name clusters or label images to see how well each class is recognised.")
        if truth_known:
            _held_out(result)


def _accuracies(result: Evaluation) -> None:
    for column, (field, name, explanation) in zip(st.columns(len(_FIGURES)), _FIGURES, strict=True):
        value: float | None = getattr(result, field)
        column.metric(name, "-" if value is None else f"{value:.1%}", help=explanation)
    st.caption("  \n".join(f"**{name}**: {explanation}" for _, name, explanation in _FIGURES[:2]))


def _confusion(confusion: Confusion) -> None:
    st.subheader("What is taken for what")
    counts, names = _columns(confusion)
    share = counts / counts.sum(axis=1, keepdims=True).clip(min=1)
    text = [[f"{n}" if n else "" for n in row] for row in counts.tolist()]
    figure = go.Figure(
        go.Heatmap(
            z=share,
            x=[_cell(name) for name in names],
            y=[_cell(name) for name in confusion.truth],
            text=text if len(names) <= 24 else None,
            texttemplate="%{text}" if len(names) <= 24 else None,
            customdata=counts,
            hovertemplate="true %{y}<br>taken for %{x}<br>%{customdata} images, %{z:.0%}<extra></extra>",
            colorscale="Blues",
            zmin=0,
            zmax=1,
            showscale=False,
            xgap=1,
            ygap=1,
        )
    )
    figure.update_layout(
        height=max(320, 60 + 30 * len(confusion.truth)),
        margin={"l": 0, "r": 0, "t": 8, "b": 0},
        xaxis={"title": "taken for", "type": "category", "side": "bottom"},
        yaxis={"title": "true class", "type": "category", "autorange": "reversed"},
    )
    st.plotly_chart(figure, key="confusion", config={"displayModeBar": False}, alt="Confusion matrix")


def _columns(confusion: Confusion) -> tuple[np.ndarray, list[str]]:
    """The columns worth drawing: classes in the order of the rows, then clusters by the class they hold most of."""
    truth = list(confusion.truth)
    filled = np.flatnonzero(confusion.counts.sum(axis=0))
    main = confusion.counts.argmax(axis=0)
    named = [j for j in filled if confusion.predicted[j] in truth]
    others = sorted((j for j in filled if confusion.predicted[j] not in truth), key=lambda j: main[j])
    order = [*named, *others]
    return confusion.counts[:, order], [confusion.predicted[j] or "no class" for j in order]


def _per_class(result: Evaluation) -> None:
    st.subheader("Class by class")
    st.dataframe(
        [
            {"Class": c.class_name, "Found": c.recall, "Right": c.precision, "Both": c.f1, "Images": c.n}
            for c in result.per_class
        ],
        hide_index=True,
        column_config={
            "Found": _share("Share of the class's images that are found"),
            "Right": _share("Share of the images said to be it that are it"),
            "Both": _share("Harmonic mean of the two (F1)"),
        },
    )


def _share(explanation: str) -> Any:  # noqa: ANN401 - Streamlit does not publish the type
    return st.column_config.ProgressColumn(help=explanation, width=90, min_value=0.0, max_value=1.0, format="percent")


def _held_out(result: Evaluation) -> None:
    st.subheader("Checked on your later labels")
    runs = [a for a in result.held_out_agreement if a.n]
    if not runs:
        st.caption(
            "Nothing yet. Label images after a training run; this then says how many of them it had predicted right."
        )
        return
    for agreement in reversed(runs):
        share = agreement.agreement or 0.0
        unknown = f", {count(agreement.n_unknown, 'label')} of classes it could not know" if agreement.n_unknown else ""
        st.progress(share, text=f"Run {agreement.run}: {share:.0%} of {count(agreement.n, 'later label')}{unknown}")


def _cell(name: str) -> str:
    """A class name for an axis, which reads some HTML."""
    short = name if len(name) <= 20 else f"{name[:19]}…"
    return short.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


open_now = _state.require_project()
_state.require_results(open_now)
evaluate(open_now)
