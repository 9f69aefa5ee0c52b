"""The images that wait on the Label page, and why: suggestions, labels that may be wrong, or those of an audit."""

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
    """Where images to label come from; the values are the words on the screen."""

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
    """An image of the queue, which a person has judged or should judge.

    Attributes:
        item: its id.
        note: why it is in the queue.
        expected: the class that it probably has, if that is not the class that the model predicts; else None.
    """

    item: str
    note: str
    expected: str | None = None


@dataclass
class _Kept:
    """The queue of a session.

    It is one object that changes, because Streamlit can end a run of the page at each write to the session's state.

    Attributes:
        queued: the images, judged ones included.
        choice: the project, the source and the number of images that `queued` was chosen for; None chooses again.
        made_from: the key of the results that `queued` was chosen from.
        passed: the images in place of which the person wanted others.
        coming: the next images, while a thread chooses them.
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

    The images of an audit are fixed. Other queues are kept in the session, and chosen again if the source or `n`
    changes, or when all images are judged. If images are shown one by one,

    - the queue is also chosen again after a training, except for the next few images, for which a person may already
      have pressed a key;
    - more images are added before the last one is judged;
    - the images judged last stay in front of the others, so that a person can go back to them.

    Results that a run saves while it is still at work do not change the queue.

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
    """The result of `queue` for the sources that are kept in the session."""
    choice, results = (str(seen.project.paths.root), source, n), seen.results_key
    training = jobs.active_status(seen.project)
    if kept.choice != choice:
        kept.queued, kept.coming = [], None
    left = _from_the_one_in_view(seen, source, kept.queued, looked)
    old = looked is not None and kept.made_from != results and not (training and training[1].alive)
    if old and source in _STRATEGY_OF_SOURCE:  # the reasons may not hold for the new clusters
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
    """Chooses the images that follow the first ones, and waits for them."""
    kept.coming = None
    others = _chosen(seen, source, n - len(first), kept.passed.union(one.item for one in first))
    if not first and not others and kept.passed:  # all have been in view: begin again
        kept.passed, others = frozenset(), _chosen(seen, source, n, frozenset())
    return others


def _coming(kept: _Kept, seen: Snapshot, source: QueueKind, n: int, first: list[Queued]) -> list[Queued]:
    """The images that follow the first ones, chosen in a thread; none if they are not ready yet.

    The page waits for them at most `WAIT_SECONDS` if there are first ones to show, and to the end if there are none.
    """
    known = {one.item for one in first}
    if kept.coming is None:
        kept.coming = _chooser().submit(_chosen, seen, source, n, kept.passed | known)
    if not wait([kept.coming], WAIT_SECONDS if first else None).done:
        return []
    others, kept.coming = kept.coming.result(), None
    left = waiting(seen, source, others) - known
    return [one for one in others if one.item in left]


def _from_the_one_in_view(seen: Snapshot, source: QueueKind, queued: list[Queued], looked: str | None) -> list[Queued]:
    """The images that wait, from the one looked at last: the browser shows that one, or the next one that waits."""
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
    """Makes the next run of the page choose other images than those of the queue."""
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
