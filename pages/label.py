"""Label: the images whose label helps most, one after the other or as a grid."""

import streamlit as st

from dgm_engine.discovery.suggestions import Strategy
from dgm_engine.services import exploring, jobs, labelling
from dgm_engine.services.exploring import SuggestedItem
from dgm_engine.services.projects import Project
from pages import _bulk, _details, _header, _state
from pages._gallery import gallery
from pages._shortcuts import RESERVED, keys_for
from pages._state import Key
from pages._text import plain

ONE, GRID = "One by one", "Grid"
BATCH = {ONE: 20, GRID: 40}
_WORDS = {
    Strategy.MIXED: "Most helpful",
    Strategy.UNCERTAIN: "Least sure",
    Strategy.DIVERSE: "Unlike anything labelled",
    Strategy.CLUSTERS: "Typical of each cluster",
    Strategy.DISAGREEMENT: "Perhaps mistaken",
}


def label(project: Project) -> None:
    """The page."""
    with st.container(horizontal=True, vertical_alignment="center"):
        mode = st.segmented_control(
            "How",
            [ONE, GRID],
            default=ONE,
            required=True,
            key=Key.LABEL_MODE,
            label_visibility="collapsed",
            persist_state="session",
        )
        strategy = st.selectbox(
            "Which images",
            list(Strategy),
            format_func=_WORDS.__getitem__,
            key=Key.STRATEGY,
            label_visibility="collapsed",
            width=230,
            persist_state="session",
        )
        st.button("Other images", icon=":material/refresh:", type="tertiary", on_click=_forget_queue)
    queue = _queue(project, strategy, BATCH[mode])
    waiting = _waiting(project, queue)
    if not waiting:
        st.success("No more images to suggest this way. Choose another way above, or train again with your labels.")
    elif mode == GRID:
        _grid(project, waiting)
    else:
        _one(project, waiting, len(queue))


def _queue(project: Project, strategy: Strategy, n: int) -> list[SuggestedItem]:
    """The session's suggestions; made anew after a training, another choice, or when all are judged.

    What a run says while it is still at work leaves them as they are: somebody is looking at one of them.
    """
    choice, results = (str(project.paths.root), strategy, n), jobs.newest_results(project)
    queue: list[SuggestedItem] = st.session_state.get(Key.QUEUE, [])
    chosen, made_from = st.session_state.get(Key.QUEUE_STAMP, (None, None))
    training = jobs.active_status(project)
    old = made_from != results and not (training and training[1].alive)
    if chosen != choice or old or not _waiting(project, queue):
        queue = exploring.suggestions(project, strategy, n)
        st.session_state[Key.QUEUE], st.session_state[Key.QUEUE_STAMP] = queue, (choice, results)
    return queue


def _waiting(project: Project, queue: list[SuggestedItem]) -> list[SuggestedItem]:
    """Those that nobody has judged; an item whose judgement is undone waits again."""
    state = project.labels.state()
    judged = state.positive.keys() | state.rejected.keys() | state.none_of_named | state.skipped
    return [s for s in queue if s.item not in judged]


def _one(project: Project, waiting: list[SuggestedItem], total: int) -> None:
    now = waiting[0]
    image, side = st.columns([2, 3], gap="large")
    with image:
        _details.picture(project, now.row, 320)
        st.caption(f"{plain(now.item)} · {total - len(waiting) + 1} of {total}")
    with side:
        if now.predicted:
            st.markdown(f"The model says **{plain(now.predicted)}** ({now.confidence:.0%} sure).")
        else:
            st.markdown(f"The model puts it in cluster {now.component}, which has no name yet.")
        st.caption(f"Why this one: {plain(now.reason)}")
        _class_buttons(project, now)
        _new_class(project, now)
        _other_buttons(project, now)
        with st.expander("What else the model considers"):
            _details.probabilities(exploring.item_details(project, now.item))


def _class_buttons(project: Project, now: SuggestedItem) -> None:
    classes = labelling.class_names(project)
    if not classes:
        st.info("No classes yet. Type the name of what you see.", icon=":material/edit:")
        return
    with st.container(horizontal=True, gap="small"):
        for name, shortcut in keys_for(classes).items():
            st.button(
                plain(name),
                key=f"class_{name}",
                shortcut=shortcut,
                type="primary" if name == now.predicted else "secondary",
                on_click=_say,
                args=(project, now, name),
            )


def _new_class(project: Project, now: SuggestedItem) -> None:
    with st.form("new", clear_on_submit=True, border=False):
        field, button = st.columns([3, 2], vertical_alignment="bottom")
        field.text_input("New class", key=Key.NEW_CLASS, max_chars=80, placeholder="A class not listed above")
        button.form_submit_button("Add class", icon=":material/add:", on_click=_say_new, args=(project, now))


def _other_buttons(project: Project, now: SuggestedItem) -> None:
    with st.container(horizontal=True, gap="small"):
        if now.predicted:
            st.button(
                f"Accept {plain(now.predicted)}",
                shortcut=RESERVED["accept"],
                on_click=_say,
                args=(project, now, now.predicted),
            )
            st.button(
                f"Not {plain(now.predicted)}", shortcut=RESERVED["reject"], on_click=_not_this, args=(project, now)
            )
        st.button("None of these", shortcut=RESERVED["none"], on_click=_none, args=(project, now))
        st.button("Skip", shortcut=RESERVED["skip"], on_click=_skip, args=(project, now))
        st.button("Undo", shortcut=RESERVED["undo"], key="label_undo", on_click=_header.undo_last, args=(project,))


def _grid(project: Project, waiting: list[SuggestedItem]) -> None:
    items = [s.item for s in waiting]
    actions = st.container()
    picked = gallery(project, exploring.view(project), items, "suggested", size=84)
    with actions:
        _bulk.actions(project, items, picked, "suggested_bulk")


def _forget_queue() -> None:
    st.session_state.pop(Key.QUEUE_STAMP, None)


@_state.callback
def _say(project: Project, now: SuggestedItem, name: str) -> None:
    labelling.label_items(project, [now.item], name, _state.annotator())


@_state.callback
def _say_new(project: Project, now: SuggestedItem) -> None:
    labelling.label_items(project, [now.item], st.session_state[Key.NEW_CLASS], _state.annotator())


@_state.callback
def _not_this(project: Project, now: SuggestedItem) -> None:
    labelling.reject_class(project, [now.item], now.predicted, _state.annotator())


@_state.callback
def _none(project: Project, now: SuggestedItem) -> None:
    labelling.mark_none_of_named(project, [now.item], _state.annotator())


@_state.callback
def _skip(project: Project, now: SuggestedItem) -> None:
    labelling.skip_items(project, [now.item], _state.annotator())


open_now = _state.require_project()
_state.require_results(open_now)
label(open_now)
