"""Whose the components are by the names that people gave to images.

Somebody who names a cluster speaks of the images that they see in it. The component may come to hold others while the
model learns on. So a name is kept as anchors, some images of the cluster (`LabelState.anchors`), and the component that
holds most of them has the name.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dgm_engine.labels.state import Anchor, LabelState

N_ANCHORS = 200
"""Images that a name is kept by, and that training holds under it, at most."""
CLAIM = 0.2
"""A component has a name's class if it holds this share of its anchors, and more of them than of any other name's."""

Rows = Callable[[Sequence[str]], NDArray[np.int64]]
"""From item ids to pool rows."""

Claims = tuple[str | None, ...]
"""(K,) the class that a component has by its images; "" where they were left without one on purpose, None where nobody
named any of them."""


@dataclass(frozen=True)
class Overruled:
    """A component whose name labels of single images spoke against, until the training gave it to their class.

    Attributes:
        class_name: that class.
        names: the events that named its images otherwise. A later name stands above the labels again.
    """

    class_name: str
    names: frozenset[int]


NONE_OVERRULED: Mapping[int, Overruled] = MappingProxyType({})


def overruled_to_json(overruled: Mapping[int, Overruled]) -> list[list[Any]]:
    """As plain JSON values."""
    return [[k, said.class_name, sorted(said.names)] for k, said in sorted(overruled.items())]


def overruled_from_json(values: Sequence[Sequence[Any]]) -> dict[int, Overruled]:
    """What `overruled_to_json` wrote."""
    return {k: Overruled(class_name, frozenset(names)) for k, class_name, names in values}


def still_overruled(overruled: Mapping[int, Overruled], labels: LabelState) -> dict[int, Overruled]:
    """Those whose class somebody still speaks of; "" is none of the classes."""
    return {k: said for k, said in overruled.items() if said.class_name in ("", *labels.classes)}


def chosen_anchors(rows: NDArray[np.int64], sure: NDArray[np.floating]) -> NDArray[np.int64]:
    """Positions of the images (n,) of a cluster that its name is kept by.

    Of many images, the surer half, evenly spread over the order of the pool: the others may be of something else, and
    the model may still find that out.

    Args:
        rows: (n,) pool rows.
        sure: (n,) probability of the cluster.
    """
    n_sure = max((len(rows) + 1) // 2, min(N_ANCHORS, len(rows)))
    surest = np.argsort(-sure, kind="stable")[:n_sure]
    surest = surest[np.argsort(rows[surest], kind="stable")]
    return surest[np.linspace(0, len(surest) - 1, min(N_ANCHORS, len(surest))).astype(np.int64)]


def claims(q_y: NDArray[np.floating], anchors: Sequence[Anchor], overruled: Mapping[int, Overruled]) -> Claims:
    """Which class each component has by its images.

    Args:
        q_y: (A, K) of the images under a name.
        anchors: (A,) what the names say of them.
        overruled: by component, where labels spoke against the names given so far.
    """
    n_components = q_y.shape[1]
    if not anchors:
        return tuple(overruled[k].class_name if k in overruled else None for k in range(n_components))
    names = sorted({anchor.class_name for anchor in anchors})
    number = {name: index for index, name in enumerate(names)}
    strength, claimed = np.zeros((len(names), n_components)), np.zeros((len(names), n_components), dtype=bool)
    events = np.array([anchor.event for anchor in anchors])
    sure = np.array([anchor.sure for anchor in anchors])
    of_class = np.array([number[anchor.class_name] for anchor in anchors])
    for event in np.unique(events):
        mine = events == event
        held = sure[mine] @ np.asarray(q_y[mine], dtype=np.float64)
        share = held / max(held.sum(), np.finfo(np.float64).tiny)
        which = of_class[mine][0]
        strength[which] += held
        claimed[which] |= (share >= CLAIM) | (share == share.max())
    strength[~claimed] = 0
    best = strength.argmax(axis=0)
    found: list[str | None] = [names[c] if strength[c, k] > 0 else None for k, c in enumerate(best.tolist())]
    for k, overrule in overruled.items():
        if k < n_components:
            held = sure * q_y[:, k]
            over = np.isin(events, list(overrule.names))
            if held[over].sum() >= held[~over].sum():
                found[k] = overrule.class_name
    return tuple(found)


def still_named(
    labels: LabelState, component: NDArray[np.integer], overruled: Mapping[int, Overruled]
) -> NDArray[np.bool_]:
    """(A,) whether the images under a name, in the order of `labels.anchors`, still have it.

    Not so those that were left without a name on purpose, that somebody judged by themselves, or whose name labels
    spoke against.

    Args:
        labels: what people said.
        component: (A,) where the model has the images.
        overruled: by component, where labels spoke against the names.
    """
    kept = np.zeros(len(labels.anchors), dtype=bool)
    for position, (item, anchor) in enumerate(labels.anchors.items()):
        said = overruled.get(int(component[position]))
        over = said is not None and anchor.event in said.names
        judged = item in labels.positive or item in labels.rejected or item in labels.none_of_named
        kept[position] = bool(anchor.class_name) and not over and not judged
    return kept


def spoken_against(labels: LabelState, rows: Rows, neighbours: NDArray[np.integer]) -> NDArray[np.bool_]:
    """(A,) whether, of the labelled images next to one under a name, more are of other classes than of the name's.

    Names around it say nothing against its own: to heed them took 7 % of the images of grocery at 32 pixels out of
    their names, and no more images were right at the end.

    Args:
        labels: what people said.
        rows: from item ids to pool rows.
        neighbours: (N, n) pool rows of the nearest of each.
    """
    number = {name: index for index, name in enumerate(labels.classes)}
    said = np.full(len(neighbours), -1, dtype=np.int32)
    labelled = rows(list(labels.positive))
    said[labelled] = [number[name] for name in labels.positive.values()]
    anchored = rows(list(labels.anchors))
    own = np.array([number.get(anchor.class_name, -1) for anchor in labels.anchors.values()], dtype=np.int32)
    near = said[neighbours[anchored]]  # (A, n)
    balance = ((near >= 0) & (near != own[:, None])).sum(axis=1) - (near == own[:, None]).sum(axis=1)
    place = np.full(len(neighbours), -1, dtype=np.int64)
    place[anchored] = np.arange(len(anchored))
    beside = place[neighbours[labelled]]  # (L, n), the images of names that labelled ones are next to
    label, column = np.nonzero(beside >= 0)
    at = beside[label, column]
    np.add.at(balance, at, np.where(said[labelled[label]] == own[at], -1, 1))
    return balance > 0


def spoken_of(labels: LabelState, named: Collection[str]) -> tuple[str, ...]:
    """The classes that images stand for: labelled ones, or some that still have the name of their cluster.

    Args:
        labels: what people said.
        named: the images that still have such a name.
    """
    meant = {*labels.positive.values(), *names_by_number(labels).values()}
    meant |= {labels.anchors[item].class_name for item in named if item in labels.anchors}
    return tuple(name for name in labels.classes if name in meant)


def names_by_number(state: LabelState) -> dict[int, str | None]:
    """Component to its name, where that does not belong to images: as callers that show none give it."""
    return {k: name for k, name in state.names.items() if k not in state.anchored}


def held_by_names(
    labels: LabelState, named: NDArray[np.bool_], owner: Sequence[str | None]
) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.float64]]:
    """The images that training holds under the name that a person gave them, beside what is said of single ones.

    Args:
        labels: what people said.
        named: (A,) bool, which of the images under a name, in the order of `labels.anchors`, still have it.
        owner: (K,) the owners.

    Returns:
        Positions (H,) among these images, the components (H, K) bool in which each is held, and how firmly (H,), at
        most 1: the surer the model was when the person saw it there.
    """
    owners = np.array([name or "" for name in owner], dtype=object)
    anchors = list(labels.anchors.values())
    within = {name: owners == name for name in {anchor.class_name for anchor in anchors}}
    positions = [at for at in np.flatnonzero(named).tolist() if within[anchors[at].class_name].any()]
    rows = np.array([within[anchors[at].class_name] for at in positions], dtype=bool)
    firmness = np.array([(1 + anchors[at].sure) / 2 for at in positions])
    return np.array(positions, dtype=np.int64), rows.reshape(len(positions), len(owners)), firmness
