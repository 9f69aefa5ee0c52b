"""Label: the images whose label helps most, one after the other or as a grid."""

import streamlit as st

from dgm_engine.services import auditing
from dgm_engine.services.auditing import Audit
from dgm_engine.services.projects import Project
from dgm_engine.services.snapshot import Snapshot, take
from pages import _board, _details, _guards, _outcome, _queue, _safely, _standing, _suspect_names
from pages._board_messages import Mode
from pages._queue import Queued, QueueKind
from pages._state import Key
from pages._text import count
from pages._tiles import Shown

BATCH_SIZE = {Mode.SINGLE: 20, Mode.GRID: 60}
AUDIT_SIZE = 40


def label(seen: Snapshot) -> None:
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
            list(QueueKind),
            key=Key.SOURCE,
            bind="query-params",
            label_visibility="collapsed",
            width=270,
            persist_state="session",
        )
        if source != QueueKind.AUDIT:
            st.button("Other images", icon=":material/refresh:", type="tertiary", on_click=_queue.others)
        if source != QueueKind.AUDIT:  # which says itself how far it has come
            st.space("stretch")
            _standing.line(seen)
    audit = auditing.current(seen) if source == QueueKind.AUDIT else None
    if source == QueueKind.AUDIT:
        _audit(seen.project, audit)
    _images(seen, QueueKind(source), Mode(mode), 0 if audit is None else audit.number)


def _images(seen: Snapshot, source: QueueKind, mode: Mode, audit: int) -> None:
    if source is QueueKind.SUSPECTS:
        _suspect_names.listed(seen)
    key = f"label_{mode}"
    queued = _queue.queue(seen, source, BATCH_SIZE[mode], _board.looked(key) if mode is Mode.SINGLE else None)
    waiting = _queue.waiting(seen, source, queued)
    if not waiting:
        _outcome.show(seen)
        if queued or source is not QueueKind.AUDIT:
            st.success(_none_left(seen, source))
        return
    images, beside = st.columns([8, 5], gap="medium")
    with images:
        looked = _board.board(seen, _shown(queued, waiting, audit), (source, audit), key, mode)
    with beside:  # where it moves neither the image nor its keys
        _outcome.show(seen)
        if looked is not None and source is not QueueKind.AUDIT:
            _details.show(seen, looked, picture=mode is Mode.GRID)


def _none_left(seen: Snapshot, source: QueueKind) -> str:
    if source is QueueKind.AUDIT:
        return "All images of this audit are judged, or were skipped."
    if source is not QueueKind.SUSPECTS:
        return "No more images to suggest this way. Choose another way, or train again."
    if not seen.labels.positive:
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
                f"How often is the model right? Judge {AUDIT_SIZE} images drawn at random, without seeing what it says "
                "of them: your answers estimate its accuracy on the images that nobody has judged."
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
    st.button(f"Draw {AUDIT_SIZE} images", icon=":material/casino:", type="primary", on_click=_draw, args=(project,))


@_safely.callback
def _draw(project: Project) -> None:
    auditing.start(take(project), AUDIT_SIZE)


label(_guards.require_snapshot(_guards.require_project()))
