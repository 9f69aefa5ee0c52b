"""Label: the images whose label helps most, one after the other or as a grid."""

import streamlit as st

from dgm_engine.services import auditing, exploring
from dgm_engine.services.auditing import Audit
from dgm_engine.services.projects import Project
from pages import _board, _details, _outcome, _queue, _standing, _state, _suspect_names
from pages._board import Mode, Shown
from pages._queue import Queued, Source
from pages._state import Key
from pages._text import count

BATCH = {Mode.SINGLE: 20, Mode.GRID: 60}
AUDITED = 40


def label(project: Project) -> None:
    """The page."""
    with st.container(horizontal=True, vertical_alignment="center", key="toolbar"):
        mode = st.segmented_control(
            "How",
            [Mode.SINGLE, Mode.GRID],
            default=Mode.SINGLE,
            required=True,
            format_func={Mode.SINGLE: "One by one", Mode.GRID: "Grid"}.__getitem__,
            key=Key.LABEL_MODE,
            bind="query-params",
            label_visibility="collapsed",
            persist_state="session",
        )
        source = st.selectbox(
            "Which images",
            list(Source),
            key=Key.SOURCE,
            bind="query-params",
            label_visibility="collapsed",
            width=270,
            persist_state="session",
        )
        if source != Source.AUDIT:
            st.button("Other images", icon=":material/refresh:", type="tertiary", on_click=_queue.others)
        if source != Source.AUDIT:  # which says itself how far it has come
            st.space("stretch")
            _standing.line(project)
    audit = auditing.current(project) if source == Source.AUDIT else None
    if source == Source.AUDIT:
        _audit(project, audit)
    _images(project, Source(source), Mode(mode), 0 if audit is None else audit.number)


def _images(project: Project, source: Source, mode: Mode, audit: int) -> None:
    if source is Source.SUSPECTS:
        _suspect_names.listed(project, exploring.view(project))
    key = f"label_{mode}"
    queued = _queue.queue(project, source, BATCH[mode], _board.looked(key) if mode is Mode.SINGLE else None)
    waiting = _queue.waiting(project, source, queued)
    if not waiting:
        _outcome.show(project)
        if queued or source is not Source.AUDIT:
            st.success(_none_left(project, source))
        return
    view = exploring.view(project)
    images, beside = st.columns([8, 5], gap="medium")
    with images:
        looked = _board.board(project, view, _shown(queued, waiting, audit), (source, audit), key, mode)
    with beside:  # where it moves neither the image nor its keys
        _outcome.show(project)
        if looked is not None and source is not Source.AUDIT:
            _details.show(project, view, looked, picture=mode is Mode.GRID)


def _none_left(project: Project, source: Source) -> str:
    if source is Source.AUDIT:
        return "All images of this audit are judged, or were skipped."
    if source is not Source.SUSPECTS:
        return "No more images to suggest this way. Choose another way, or train again."
    if not project.labels.state().positive:
        return "No image has a label yet, so that none can be wrong."
    return "No label looks wrong: the model and the most similar images agree with all of them."


def _shown(queued: list[Queued], waiting: frozenset[str], audit: int) -> Shown:
    return Shown(
        items=[one.item for one in queued],
        notes={one.item: one.note for one in queued},
        expected={one.item: one.expected for one in queued if one.expected is not None},
        waiting=waiting,
        audit=audit,
        watched=not audit,
    )


def _audit(project: Project, audit: Audit | None) -> None:
    """What an audit is, how the last one stands, and a way to begin one."""
    with st.container(horizontal=True, vertical_alignment="center"):
        if audit is None:
            st.markdown(
                f"How often is the model right? Judge {AUDITED} images drawn at random, without seeing what it says of "
                "them: their answers estimate its accuracy on the images that nobody has judged."
            )
        else:
            answered = audit.accuracy.n
            found = f"accuracy {_standing.estimate(audit.accuracy)}" if answered else "no answer yet"
            st.markdown(
                f"**Audit of run {audit.run}**: {answered} of {count(len(audit.items), 'image')} judged, {found}"
            )
        if audit is None or not audit.unanswered:
            _draw_button(project)
            return
        with st.popover("Draw others", icon=":material/casino:"):
            st.write("This audit ends then, and its answers count as labels only.")
            _draw_button(project)


def _draw_button(project: Project) -> None:
    st.button(f"Draw {AUDITED} images", icon=":material/casino:", type="primary", on_click=_draw, args=(project,))


@_state.callback
def _draw(project: Project) -> None:
    auditing.start(project, AUDITED)


open_now = _state.require_project()
_state.require_results(open_now)
label(open_now)
