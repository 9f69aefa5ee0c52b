"""Maps components to classes: their owners, the allowed sets of items, and the probabilities of classes.

Naming, labelling, rejecting and adding classes change only what is computed here (docs/architecture.md, "One
objective"): the map from components to classes and the allowed sets A(x).
"""

import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dgm_engine.config import TrainingConfig
from dgm_engine.labels.schema import Edit
from dgm_engine.labels.state import LabelState
from dgm_engine.training.naming import Claims, names_by_number

MIN_EXAMPLES = 0.5
MIN_SHARE_OF_EXAMPLES = 0.05
MIN_RATIO = 1.1
"""A class gets a component only if the component holds at least this many of its examples, this share of them, and this
many times the number that an even spread over all components would give."""
DENSEST_SHARE = 0.1
MIN_DENSITY = 0.75
"""A class gets a component only if its examples there have at least this share of the density of the densest tenth of
them: a large component with few examples most probably belongs to a class that nobody has labelled yet. On
the training images of Fashion-MNIST 0.5 and 0.75 did equally well, and 1 worse by 2 points."""

MIN_FREE_SHARE = 0.3
"""A class that owns nothing takes a free component only if it holds this share of its examples."""

MIN_LABELS_CHECKED = 20
"""Some labels of a class are held out to compare runs by if it has at least this many."""

Owner = tuple[str | None, ...]
"""(K,) the class that owns each component; None if the component is free."""


@dataclass(frozen=True)
class ClassPosterior:
    """The probabilities of the person's classes by q(y | x).

    Attributes:
        classes: the named classes that own a component, sorted.
        probability: (N, C) float32, q(class | x): the sum of q(y | x) over the class's components.
        p_new: (N,) float32, the probability that an item belongs to none of them.
    """

    classes: tuple[str, ...]
    probability: NDArray[np.float32]
    p_new: NDArray[np.float32]

    def predicted(self) -> NDArray[np.str_]:
        """(N,) the most probable class; "" if "none of them" is more probable than each."""
        names = np.array([*self.classes, ""])
        return names[np.argmax(np.column_stack([self.probability, self.p_new]), axis=1)]


def effective_owner(trained: Sequence[str | None], state: LabelState, claims: Claims = ()) -> Owner:
    """The owners of the components, after what people said.

    A name that a person gave or took back overrules the owner that training gave. A class that no label or name
    mentions any more owns nothing, and nobody owns a closed component.

    Args:
        trained: (K,) the owners that training gave.
        state: the labels, with the cluster names of the run's lineage.
        claims: (K,) the classes that components have by their images; empty if nobody named any.
    """
    classes = set(state.classes)
    known = [owner if owner in classes else None for owner in trained]
    for component, name in enumerate(claims):
        if name is not None:
            known[component] = name if name in classes else None
    for component, name in names_by_number(state).items():
        if component < len(known):
            known[component] = name
    closed = state.closed
    return tuple(None if k in closed else name for k, name in enumerate(known))


def unowned(trained: Sequence[str | None], edits: Sequence[Edit]) -> Owner:
    """(K,) the owners that training gave, without those of components that later edits redefined."""
    other = redefined(edits)
    return tuple(None if k in other else name for k, name in enumerate(trained))


def redefined(edits: Sequence[Edit]) -> frozenset[int]:
    """The components that edits closed or gave other images to; earlier decisions about them no longer hold."""
    return frozenset(edit.redefines for edit in edits if edit.redefines is not None)


def class_probabilities(q_y: NDArray[np.floating], owner: Sequence[str | None]) -> ClassPosterior:
    """Sums q(y | x) over the components of each class.

    Args:
        q_y: (N, K).
        owner: (K,).
    """
    classes = tuple(sorted({name for name in owner if name is not None}))
    members = np.array([[name == c for c in (*classes, None)] for name in owner], dtype=np.float32)
    total = np.asarray(q_y, dtype=np.float32) @ members
    total /= np.maximum(total.sum(axis=1, keepdims=True), np.finfo(np.float32).tiny)
    return ClassPosterior(classes, total[:, :-1], total[:, -1])


def group_names(owner: Sequence[str | None]) -> NDArray[np.str_]:
    """(K,) a name for the items of each component: the class that owns it, or "cluster 7"."""
    return np.array([name if name is not None else f"cluster {k}" for k, name in enumerate(owner)])


def allowed_sets(
    items: Sequence[str], owner: Sequence[str | None], state: LabelState
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """A(x) of the items that something is known of.

    Args:
        items: (N,) item ids.
        owner: (K,) the owners; every labelled class should own at least one component.
        state: the labels.

    Returns:
        positions: (L,) into `items`, and allowed: (L, K) bool, no row of which is empty. An item whose labels leave no
        component at all (everything was rejected) is treated as if nothing were known.
    """
    owners = np.array([name or "" for name in owner], dtype=object)
    usable = ~np.isin(np.arange(len(owners)), list(state.closed))
    free = owners == ""
    positions: list[int] = []
    rows: list[NDArray[np.bool_]] = []
    known = state.positive.keys() | state.rejected.keys() | state.none_of_named
    for position, item in enumerate(items):
        if item not in known:
            continue
        allowed = usable.copy()
        if item in state.positive:
            allowed = owners == state.positive[item]
        elif item in state.none_of_named:
            allowed = free.copy()
        for rejected in state.rejected.get(item, frozenset()):
            allowed &= owners != rejected
        allowed &= usable
        if allowed.any() and (allowed != usable).any():
            positions.append(position)
            rows.append(allowed)
    return np.array(positions, dtype=np.int64), np.array(rows, dtype=bool).reshape(len(rows), len(owners))


def class_evidence(q_y: NDArray[np.floating], classes: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    """The number of each class's examples in each component.

    Args:
        q_y: (L, K) of labelled items.
        classes: (L,) their classes.

    Returns:
        For each class, (K,) the sum of q(k | x) over its examples.
    """
    names = np.array(classes, dtype=object)
    return {name: np.asarray(q_y[names == name], dtype=np.float64).sum(0) for name in dict.fromkeys(classes)}


def give_components(  # noqa: PLR0913 - who may have what, and by which rules
    owner: Sequence[str | None],
    evidence: dict[str, NDArray[np.float64]],
    named: frozenset[int] = frozenset(),
    unnamed: frozenset[int] = frozenset(),
    *,
    size: NDArray[np.number] | None = None,
    several: bool = True,
    seen: bool = False,
    strays: bool = True,
) -> Owner:
    """Gives components to the classes whose labelled examples they hold.

    A component goes to the class with the most labelled examples in it, if they are more than strays and not far
    sparser than elsewhere; training then moves the examples of other classes, and images like them, out. A class keeps
    a component until another class has more examples in it, or until its own become far sparser than elsewhere and
    people have not seen that the component is the class's; a class without labelled examples keeps its components. A
    class that still owns nothing gets the free component that holds most of its examples. The class with the most
    examples in one chooses first; components that a person un-named come after the other free ones, and those that
    their class can spare come last.

    Args:
        owner: (K,) the owners so far.
        evidence: the result of `class_evidence`.
        named: components that a person named, or closed; they keep their owner, or stay without one.
        unnamed: components that a person un-named.
        size: (K,) items in each component; None if all are equally large.
        several: whether a class that owns a component may be given more.
        seen: whether people have seen what the classes own so far. They label few images that the model is sure of, so
            sparse examples then do not contradict the owner: of 120 nines 5 had a label, all as nines.
        strays: whether a class that owns nothing gets a component with few of its examples if no other is left, instead
            of waiting for a new one (`settling`).

    Returns:
        (K,) the owners; a class owns nothing only if there are too few components for all, or if it waits.
    """
    owners = list(owner)
    size = np.ones(len(owners)) if size is None else np.asarray(size, dtype=np.float64)
    dense = {name: _is_dense(scores, size) for name, scores in evidence.items()}
    kept = {name: _is_dense(scores, size, in_doubt=2.0) for name, scores in evidence.items()}
    for k in (set(range(len(owners))) - named - unnamed) if several else ():
        now = owners[k]
        if now in evidence and owners.count(now) > 1 and not (seen or kept[now][k]):
            owners[k] = None
        best = max(evidence, key=lambda c: evidence[c][k], default=None)
        if best is not None and dense[best][k] and _is_clear(evidence[best], k) and _may_take(evidence, best, now, k):
            owners[k] = best
    waiting = [name for name in evidence if name not in owners]
    while waiting and (available := _available(owners, named, unnamed, strays=strays)):
        name, k = max(((name, k) for name in waiting for k in available), key=lambda pair: evidence[pair[0]][pair[1]])
        if not strays and evidence[name][k] < MIN_FREE_SHARE * evidence[name].sum():
            break
        owners[k] = name
        waiting.remove(name)
    return tuple(owners)


def _available(
    owners: Sequence[str | None], named: frozenset[int], unnamed: frozenset[int], *, strays: bool
) -> list[int]:
    """The components that a class without any may choose from."""
    free = [k for k, name in enumerate(owners) if name is None and k not in named]
    if not strays:
        return free
    spare = [k for k, name in enumerate(owners) if k not in named and owners.count(name) > 1]
    return [k for k in free if k not in unnamed] or free or spare


def _is_clear(scores: NDArray[np.float64], k: int) -> bool:
    """Whether component k holds enough of a class's examples (K,), more than strays or an even spread would be."""
    return bool(scores[k] >= max(MIN_EXAMPLES, MIN_SHARE_OF_EXAMPLES * scores.sum(), MIN_RATIO * scores.mean()))


def _is_dense(scores: NDArray[np.float64], size: NDArray[np.float64], in_doubt: float = 1.0) -> NDArray[np.bool_]:
    """(K,) whether components of these sizes (K,) hold a class's examples (K,) densely enough.

    The numbers are small, so a doubtful component counts as dense: the expected number of examples is lowered by
    `in_doubt` standard deviations of a Poisson number. A class keeps a component in more doubt than it gets one.
    """
    size = np.maximum(size, 1.0)
    density = scores / size
    order = np.argsort(-density)
    densest = np.searchsorted(np.cumsum(scores[order]), DENSEST_SHARE * scores.sum())
    expected = MIN_DENSITY * density[order[min(densest, len(order) - 1)]] * size
    return scores >= expected - in_doubt * np.sqrt(expected)


def _may_take(evidence: dict[str, NDArray[np.float64]], name: str, owner: str | None, k: int) -> bool:
    """Whether a class may have component k, which may have an owner."""
    return owner is None or (owner in evidence and evidence[name][k] > evidence[owner][k])


def carried_over(
    q_y: NDArray[np.floating], owner: Sequence[str | None], component: NDArray[np.integer], n_components: int
) -> Owner:
    """Names for the components of a new lineage, from the classes that an earlier one predicts for their items.

    Args:
        q_y: (N, K') of the earlier lineage.
        owner: (K',) its owners.
        component: (N,) the items' components in the new one.
        n_components: K of the new one.

    Returns:
        (K,) for each component the class that was predicted for more than half of its items, or None.
    """
    predicted = class_probabilities(q_y, owner).predicted()
    owners: list[str | None] = []
    for k in range(n_components):
        names, counts = np.unique(predicted[component == k], return_counts=True)
        clear = counts.size > 0 and 2 * counts.max() > counts.sum()
        owners.append(str(names[counts.argmax()]) or None if clear else None)
    return tuple(owners)


def held_out_items(state: LabelState, fraction: float) -> frozenset[str]:
    """The labelled items that training does not use: about `fraction` of them, the same in every run."""
    return frozenset(item for item in state.positive if zlib.crc32(item.encode()) < fraction * 2**32)


def unseen_items(state: LabelState, config: TrainingConfig) -> frozenset[str]:
    """All labelled items that training does not use.

    They are the share that the person holds out and, of classes with many labels (`MIN_LABELS_CHECKED`), some by which
    runs are compared.
    """
    count = Counter(state.positive.values())
    checked = (
        item
        for item, name in state.positive.items()
        if count[name] >= MIN_LABELS_CHECKED and zlib.crc32(b"check " + item.encode()) < config.checked_fraction * 2**32
    )
    return held_out_items(state, config.held_out_fraction).union(checked if config.checked_fraction else ())
