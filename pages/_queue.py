"""Which images wait on the Label page, and why: suggestions, labels that may be wrong, or an audit's."""

from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from enum import StrEnum

import streamlit as st

from dgm_engine.discovery.suggestions import Strategy
from dgm_engine.services import auditing, jobs, suggesting
from dgm_engine.services import suspects as suspicion
from dgm_engine.services.snapshot import Snapshot
from pages._safely import callback
from pages._state import Key

MIN_QUEUED = 8
"""The next images are chosen once this many are left, in a thread, because it takes seconds in a large project."""
WAIT_SECONDS = 0.3
"""A page waits this long for the next images, so that in a small project they appear at once."""

EARLIER_NOTE = "Why this one: it was chosen by the results before these"


class QueueKind(StrEnum):
    """Where images to label come from; the words are those on screen."""

    MIXED = "Most helpful"
    UNCERTAIN = "Least sure"
    DIVERSE = "Unlike anything labelled"
    CLUSTERS = "Typical of each cluster"
    DISAGREEMENT = "Where the model may be mistaken"
    SUSPECTS = "Labels that may be wrong"
    AUDIT = "Drawn at random, to check accuracy"


_STRATEGY_OF_SOURCE = {
    QueueKind.MIXED: Strategy.MIXED,
    QueueKind.UNCERTAIN: Strategy.UNCERTAIN,
    QueueKind.DIVERSE: Strategy.DIVERSE,
    QueueKind.CLUSTERS: Strategy.CLUSTERS,
    QueueKind.DISAGREEMENT: Strategy.DISAGREEMENT,
}


@dataclass(frozen=True)
class Queued:
    """An image that waits, or waited, for a word.

    Attributes:
        item: its id.
        note: why it is here.
        expected: the class that it probably is of, where that is not what the model predicts for it; else None.
    """

    item: str
    note: str
    expected: str | None = None


@dataclass
class _Kept:
    """What a session goes through: an object that changes, since a page can be cut off whenever it stores something.

    `passed` are images that the person wanted others for, `coming` are the next ones while they are chosen.
    """

    queued: list[Queued] = field(default_factory=list[Queued])
    choice: tuple[str, QueueKind, int] | None = None
    made_from: tuple[object, ...] = ()
    passed: frozenset[str] = frozenset()
    coming: Future[list[Queued]] | None = None


@st.cache_resource(show_spinner=False)
def _chooser() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, "chooser")


def queue(seen: Snapshot, source: QueueKind, n: int, looked: str | None) -> list[Queued]:
    """The images of a source in the order to show, judged ones included.

    An audit has its own; the others are kept in the session, and chosen again on another choice or when all are judged.
    If images are shown one by one, they are also chosen again after a training, behind those next in view: keys are
    on their way to them; more follow before the last is judged; and those judged last stay before them, to go back to.
    What a run says while it is still at work leaves them as they are.

    Args:
        seen: the snapshot on the screen.
        source: the kind of queue.
        n: the number of images.
        looked: the image that the person looked at last, "" for none; None if many are in view, which then stay.
    """
    if source is QueueKind.AUDIT:
        audit = auditing.current(seen)
        return [] if audit is None else [Queued(item.item, "") for item in audit.items]
    kept: _Kept = st.session_state.setdefault(Key.QUEUE, _Kept())
    return _kept_up(kept, seen, source, n, looked)


def _kept_up(kept: _Kept, seen: Snapshot, source: QueueKind, n: int, looked: str | None) -> list[Queued]:
    """What `queue` says of the sources that a session goes through."""
    choice, results = (str(seen.project.paths.root), source, n), seen.results_key
    training = jobs.active_status(seen.project)
    if kept.choice != choice:
        kept.queued, kept.coming = [], None
    left = _from_the_one_in_view(seen, source, kept.queued, looked)
    old = looked is not None and kept.made_from != results and not (training and training[1].alive)
    if old and source in _STRATEGY_OF_SOURCE:  # what was said of the clusters then may be true no more
        left = [replace(one, note=EARLIER_NOTE) for one in left]
    few = looked is not None and len(left) <= MIN_QUEUED and len(kept.queued) >= n
    first = left[:MIN_QUEUED]
    others = _coming(kept, seen, source, n, first) if few and not old else []
    if old or not (left or others):
        others = _next(kept, seen, source, n, first)
    if others or old or kept.choice != choice:
        gone = {one.item for one in left}
        judged = [one for one in kept.queued if one.item not in gone][-n:] if looked is not None else []
        kept.queued, kept.choice, kept.made_from = judged + first + others, choice, results
    return kept.queued


def _next(kept: _Kept, seen: Snapshot, source: QueueKind, n: int, first: list[Queued]) -> list[Queued]:
    """The images to follow the first ones, at once."""
    kept.coming = None
    others = _chosen(seen, source, n - len(first), kept.passed.union(one.item for one in first))
    if not first and not others and kept.passed:  # all have been in view: from the beginning
        kept.passed, others = frozenset(), _chosen(seen, source, n, frozenset())
    return others


def _coming(kept: _Kept, seen: Snapshot, source: QueueKind, n: int, first: list[Queued]) -> list[Queued]:
    """The images to follow the first ones once they are chosen, for which nobody waits long who has some; else none."""
    known = {one.item for one in first}
    if kept.coming is None:
        kept.coming = _chooser().submit(_chosen, seen, source, n, kept.passed | known)
    if not wait([kept.coming], WAIT_SECONDS if first else None).done:
        return []
    others, kept.coming = kept.coming.result(), None
    left = waiting(seen, source, others) - known
    return [one for one in others if one.item in left]


def _from_the_one_in_view(seen: Snapshot, source: QueueKind, queued: list[Queued], looked: str | None) -> list[Queued]:
    """Those that wait, from the one looked at last on: it, or the next one after it, is what the browser shows."""
    left = waiting(seen, source, queued)
    at = next((i for i, one in enumerate(queued) if one.item == looked), 0)
    return [one for one in queued[at:] + queued[:at] if one.item in left]


def waiting(seen: Snapshot, source: QueueKind, queued: list[Queued]) -> frozenset[str]:
    """Those of the images that nobody has judged; an image whose judgement is undone waits again."""
    items = {one.item for one in queued}
    state = seen.labels
    if source is QueueKind.AUDIT:
        audit = auditing.current(seen)
        left = () if audit is None else audit.unanswered
        return frozenset(one.item for one in left) - state.skipped
    if source is QueueKind.SUSPECTS:
        return frozenset(one.item for one in suspicion.suspects(seen)) & items - state.skipped
    return frozenset(items - (state.positive.keys() | state.rejected.keys() | state.none_of_named | state.skipped))


@callback
def others() -> None:
    """Has the next images chosen again, but not among those in view."""
    kept: _Kept = st.session_state.setdefault(Key.QUEUE, _Kept())
    kept.passed = kept.passed.union(one.item for one in kept.queued)
    kept.choice = None


def _chosen(seen: Snapshot, source: QueueKind, n: int, without: frozenset[str]) -> list[Queued]:
    if source is QueueKind.SUSPECTS:
        passed = seen.labels.skipped | without
        found = [one for one in suspicion.suspects(seen) if one.item not in passed]
        return [Queued(one.item, one.reason, one.expected) for one in found[:n]]
    found = suggesting.suggestions(seen, _STRATEGY_OF_SOURCE[source], n, without)
    return [Queued(one.item, f"Why this one: {one.reason}") for one in found]
