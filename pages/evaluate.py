"""Evaluate: how good the clusters and classes are."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from dgm_engine.discovery.metrics import Confusion
from dgm_engine.services import charts, evaluating, jobs
from dgm_engine.services.evaluating import Evaluation
from dgm_engine.services.figure_words import FIGURE_TEXTS, Figure
from dgm_engine.services.projects import Project
from dgm_engine.services.run_pairs import listed
from dgm_engine.services.snapshot import Snapshot, take
from pages import _figures, _guards
from pages._text import count, plain

_FIGURES = (
    (
        "accuracy_named",
        "Predicted classes",
        "Share of images whose predicted class is the true one, from your names and labels alone.",
    ),
    (
        "accuracy_cluster_and_label",
        "Clusters, best naming",
        "If every cluster had the name of its most frequent class: the most that naming alone could reach.",
    ),
    (
        "accuracy_hungarian",
        "One cluster per class",
        "If every class had only one cluster. Low if there are more clusters than classes.",
    ),
    ("all", "All classes", "Classes and unnamed clusters matched with the true classes as well as possible."),
    ("old", "Of these, known ones", "The same, on the classes that you named or labelled."),
    ("new", "Of these, new ones", "The same, on the classes that nobody has named or labelled yet."),
)


def evaluate(project: Project) -> None:
    """The page."""
    seen = take(project, _run(project))
    result = evaluating.evaluate(seen)
    truth_known = result.confusion is not None
    if truth_known:
        which = "of the test split, which training never saw" if result.split == "test" else "whose true class is known"
        st.caption(f"Run {result.run}, scored on {result.n:,} images {which}.")
        _accuracies(result)
        _unknown_names(seen)
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
    _figures.section(seen)


def _run(project: Project) -> int | None:
    """The run to look at; the one in use unless the person chooses another."""
    runs = [run for run in jobs.runs(project) if run.has_results]
    if len(runs) < 2:
        return None
    titles = {run.number: f"Run {run.number}: {run.model.name}, {run.model.n_components} clusters" for run in runs}
    return st.selectbox(
        "Run",
        titles,
        next((place for place, run in enumerate(runs) if run.in_use), 0),
        format_func=titles.__getitem__,
        width=320,
        help="The newest comes first; at first it is the one in use.",
    )


def _accuracies(result: Evaluation) -> None:
    for column, (field, name, explanation) in zip(st.columns(len(_FIGURES)), _FIGURES, strict=True):
        value: float | None = getattr(result, field)
        column.metric(name, "-" if value is None else f"{value:.1%}", help=explanation)
    st.caption("  \n".join(f"**{name}**: {explanation}" for _, name, explanation in _FIGURES[:2]))


def _unknown_names(seen: Snapshot) -> None:
    """Says which classes cannot be right because the ground truth calls them otherwise."""
    names, truth = seen.labels.classes, seen.project.pool.classes
    unknown = [name for name in names if name not in truth]
    if names and len(unknown) == len(names):
        st.warning(
            f"The ground truth knows none of your classes; its own are {_quoted(truth)}. Where these "
            "are only the names of folders, the accuracies above say how well the clusters fit these. For an estimate "
            "take an audit: on **Label**, choose “Drawn at random, to check accuracy”.",
            icon=":material/folder_off:",
        )
    elif unknown:
        st.warning(
            f"The ground truth knows no {_quoted(unknown)}: these names count as wrong above. It calls its classes "
            f"{_quoted(truth)}.",
            icon=":material/spellcheck:",
        )


def _quoted(names: Sequence[str]) -> str:
    return listed([f"“{plain(name)}”" for name in names], most=10)


def _confusion(confusion: Confusion) -> None:
    st.subheader(FIGURE_TEXTS[Figure.CONFUSION].title)
    config = {"displayModeBar": False}
    st.plotly_chart(charts.confusion(confusion), key="confusion", config=config, alt="Confusion matrix")


def _per_class(result: Evaluation) -> None:
    st.subheader("Class by class")
    st.dataframe(
        [
            {
                "Class": c.class_name,
                "Found": 100 * c.recall,
                "Right": 100 * c.precision,
                "Both": 100 * c.f1,
                "Images": c.n,
            }
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
    return st.column_config.ProgressColumn(help=explanation, width=90, min_value=0.0, max_value=100.0, format="%.0f%%")


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


open_now = _guards.require_project()
_guards.require_results(open_now)
evaluate(open_now)
