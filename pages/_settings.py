"""The settings of a training run: three simple ones, and the rest in a person's words behind an expander."""

from typing import Any, TypeVar

import streamlit as st

from dgm_engine.config import LikelihoodName, ModelName, Preset, TrainingConfig
from dgm_engine.services import jobs, labelling
from dgm_engine.services.jobs import RunSummary
from dgm_engine.services.projects import Project
from dgm_engine.training.ownership import MIN_LABELS_CHECKED
from dgm_engine.training.planning import DEFAULT_COMPONENTS, TrainRequest
from dgm_engine.training.terms import TERMS, Choice
from pages import _guards, _safely

DURATIONS: dict[str, float | None] = {
    "as long as it needs": None,
    "20 s": 1 / 3,
    "1 min": 1.0,
    "3 min": 3.0,
    "10 min": 10.0,
    "30 min": 30.0,
    "2 h": 120.0,
    "8 h": 480.0,
    "24 h": 1440.0,
}
_MODELS = {model: f"{model.acronym}: {model.help}" for model in ModelName}
_AUXILIARY = {
    LikelihoodName.GAUSSIAN: "Gaussian",
    LikelihoodName.BERNOULLI: "Bernoulli: zeros and ones",
}
_PRESETS = {
    Preset.FAST: "Fast: clusters in minutes",
    Preset.PAPER: "As in the paper: without a first clustering, many hours",
}


_ADVANCED = (
    *(term.weight for term in TERMS if term.weight is not None),
    Choice(
        "held_out_fraction",
        "Labels held out",
        "Share of your labels that training does not see, so that it can be checked on them. To compare a run with the "
        f"one before, the fast way of training always holds out {TrainingConfig.checked_fraction:.0%} of the labels of "
        f"every class with {MIN_LABELS_CHECKED} or more.",
        0.0,
        0.9,
    ),
    Choice("learning_rate", "Size of a learning step", "Smaller is slower and steadier.", 1e-5, 1e-1),
    Choice("batch_size", "Images per step", "More is steadier and needs more memory.", 16, 4096),
    Choice(
        "n_samples",
        "Draws per image and cluster",
        "Monte Carlo samples of the latent variables. More are steadier and slower.",
        1,
        16,
    ),
    Choice(
        "exact_components",
        "Clusters weighed exactly",
        "This many of each image's likeliest clusters, and one of the others at random. 0 weighs all: slower.",
        0,
        100,
    ),
)


def form(project: Project, runs: list[RunSummary]) -> None:
    """The settings and the button that starts a run with them."""
    before = next((run for run in runs if run.in_use), None)
    latest = before.model if before else None
    with st.container(border=True):
        st.subheader("Train again" if latest else "Find clusters")
        most = max(min(100, len(project.pool.shown)), 3, latest.n_components if latest else 0)
        components = st.slider(
            "How many clusters",
            2,
            most,
            latest.n_components if latest else min(DEFAULT_COMPONENTS, most),
            help="Choose more than the classes you expect, such as twice as many: several clusters may have one name.",
        )
        duration = st.select_slider("How long", list(DURATIONS), value="as long as it needs")
        fresh = st.checkbox(
            "Start again from scratch",
            disabled=latest is None,
            help="Finds new clusters. Labels of single images stay, and a new cluster takes over the name of the old "
            "ones that most of its images come from.",
        )
        with st.expander("Advanced settings"):
            model = _choice("Model", _MODELS, latest.name if latest else ModelName.GM_DGM)
            auxiliary = None
            if model.auxiliary:
                family = latest.auxiliary if latest else LikelihoodName.GAUSSIAN
                auxiliary = _choice("Auxiliary latent", _AUXILIARY, family)
            preset = _choice("Way of training", _PRESETS, before.training.preset if before else Preset.FAST)
            seed, n_classes, overrides = _advanced(project, preset, before.training if before else None)
        request = TrainRequest(
            model=model,
            auxiliary=auxiliary,
            n_components=components,
            preset=preset,
            minutes=DURATIONS[duration],
            seed=seed,
            fresh=fresh,
            n_classes=n_classes,
            overrides=overrides,
        )
        if latest and not fresh and not jobs.continues(project, request):
            st.caption("These settings need a new model: it starts from scratch. Labels stay, names are carried over.")
        minutes = DURATIONS[duration]
        if preset is Preset.PAPER and minutes is not None and minutes < 120:
            st.caption("Trained as in the paper, clusters take many hours to form: choose a longer time.")
        # Not a callback: it would be given the settings as they were when the page was drawn.
        if st.button("Train" if latest else "Find clusters", type="primary", icon=":material/play_arrow:", key="start"):
            with _safely.to_the_end():
                _guards.start_training(project, request)
            st.rerun()


_Option = TypeVar("_Option", ModelName, LikelihoodName, Preset)


def _choice(label: str, options: dict[_Option, str], default: _Option) -> _Option:
    """A choice among members of an enumeration, by their explanations."""
    return st.selectbox(label, list(options), list(options).index(default), format_func=options.__getitem__) or default


def _advanced(
    project: Project, preset: Preset, before: TrainingConfig | None
) -> tuple[int, int | None, dict[str, Any]]:
    """Draws the advanced settings, which begin with those of the run before if it had the same preset.

    Returns:
        The seed, the number of classes, and the settings that differ from the preset.
    """
    defaults = TrainingConfig.for_preset(preset)
    shown = before if before and before.preset is preset else defaults
    known = len(labelling.class_names(project))
    n_classes = st.number_input(
        "How many classes there are, if you know",
        min_value=max(known, 1),
        max_value=1000,
        value=shown.n_classes and max(shown.n_classes, known),
        placeholder="not known",
    )
    st.caption("Tells training how many images to expect in classes without a label.")
    overrides: dict[str, Any] = {}
    for setting in _ADVANCED:
        default = getattr(defaults, setting.field)
        whole = isinstance(default, int)
        value = st.number_input(
            setting.title,
            min_value=int(setting.low) if whole else setting.low,
            max_value=int(setting.high) if whole else setting.high,
            value=getattr(shown, setting.field),
            format="%d" if whole else "%g",
            placeholder="from the number of labels",  # only the paper's classification weight has no fixed default
            key=f"setting_{setting.field}_{preset}_{getattr(shown, setting.field)}",  # a new value, a new field
        )
        st.caption(setting.help)
        if value != default:
            overrides[setting.field] = value
    seed = st.number_input("Random seed", 0, 2**31 - 1, 0)
    st.caption("Another seed gives a different, equally good result.")
    return seed, n_classes, overrides
