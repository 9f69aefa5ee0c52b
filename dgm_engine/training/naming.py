"""Finds the owners of components from the names that people gave to images.

A person who names a cluster means the images that they see in it, but the component may hold other images after further
training. So a name is stored as anchors, some images of the cluster (`LabelState.anchors`), and belongs to the
component that holds most of them.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dgm_engine.discovery.sampling import evenly_spread
from dgm_engine.labels.state import Anchor, LabelState

MAX_ANCHORS = 1_000
"""Anchors per name, at most, which training pins under it. With Fashion-MNIST, named at first sight, 93 % of the images
kept their name, or had their true one, with 200 anchors of the surer half of a cluster, and 98 % with 1,000 of all; at
the end 74.4 and 75.3 % of all images were right."""
MIN_CLAIM_SHARE = 0.2
"""A further component has a name too if it holds at least this share of the name's images, and they are this share of
its own images. `MAX_ANCHORS` images stand for a cluster of unknown size."""
MIN_SHARE_OF_COMPONENT = 0.05
"""The component that holds most of a name's images has the name only if they are this share of its own images."""

SIZE_SAMPLE = 2_000
"""Items from which the sizes of the components are estimated."""

Rows = Callable[[Sequence[str]], NDArray[np.int64]]
"""Maps item ids to pool rows."""

Claims = tuple[str | None, ...]
"""(K,) the class that each component has by its images; "" if people left them without one on purpose, None if nobody
named any of them."""


@dataclass(frozen=True)
class Overruled:
    """A component that labels of single images gave to another class than its name.

    Attributes:
        class_name: the class of the labels; "" is none of the classes.
        names: the events of the overruled names; a later name overrules the labels again.
        answers: the items with such labels; none if the component was made for a class that owned nothing.
    """

    class_name: str
    names: frozenset[int]
    answers: frozenset[str] = frozenset()

    def holds(self, labels: LabelState) -> bool:
        """Whether the class still exists, and most of the items still have such labels."""
        if self.class_name not in ("", *labels.classes):
            return False
        left = sum(self._stands(item, labels) for item in self.answers)
        return 2 * left > len(self.answers) or not self.answers

    def _stands(self, item: str, labels: LabelState) -> bool:
        if self.class_name:
            return labels.positive.get(item) == self.class_name
        return item in labels.none_of_named or item in labels.rejected


NONE_OVERRULED: Mapping[int, Overruled] = MappingProxyType({})


def overruled_to_json(overruled: Mapping[int, Overruled]) -> list[list[Any]]:
    """As plain JSON values."""
    return [[k, said.class_name, sorted(said.names), sorted(said.answers)] for k, said in sorted(overruled.items())]


def overruled_from_json(values: Sequence[Sequence[Any]]) -> dict[int, Overruled]:
    """What `overruled_to_json` wrote."""
    return {k: Overruled(name, frozenset(names), frozenset(answers)) for k, name, names, answers in values}


def still_overruled(overruled: Mapping[int, Overruled], labels: LabelState) -> dict[int, Overruled]:
    """Those components for which the labels still hold."""
    return {k: said for k, said in overruled.items() if said.holds(labels)}


def size_sample(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """An evenly spread sample of rows (n,), from which the sizes of components are estimated."""
    return rows[evenly_spread(len(rows), SIZE_SAMPLE)]


def chosen_anchors(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Positions of a cluster's anchors among its images: all, or `MAX_ANCHORS` evenly spread over the pool's order.

    Args:
        rows: (n,) pool rows of its images.
    """
    order = np.argsort(rows, kind="stable")
    return order[evenly_spread(len(order), MAX_ANCHORS)]


def claims(
    component: NDArray[np.integer],
    anchors: Sequence[Anchor],
    overruled: Mapping[int, Overruled],
    sizes: NDArray[np.integer] | NDArray[np.floating],
) -> Claims:
    """The class of each component by its images.

    A name goes to the component that holds most of its images, and to others that hold `MIN_CLAIM_SHARE` of them and
    have no other name. A few images do not name a much larger component that they have moved to.

    Args:
        component: (A,) where the images under a name are.
        anchors: (A,) what the names say of them.
        overruled: by component, where labels spoke against the names given so far.
        sizes: (K,) about how many images each component holds.
    """
    n_components = len(sizes)
    names = sorted({anchor.class_name for anchor in anchors})
    number = {name: index for index, name in enumerate(names)}
    events = np.array([anchor.event for anchor in anchors], dtype=np.int64)
    sure = np.array([anchor.sure for anchor in anchors], dtype=np.float64)
    first, second = np.zeros((len(names), n_components)), np.zeros((len(names), n_components))
    for event in np.unique(events):
        mine = np.flatnonzero(events == event)
        said = anchors[mine[0]]
        count = np.bincount(component[mine], minlength=n_components)
        strength = np.bincount(component[mine], sure[mine], minlength=n_components)
        whole = np.maximum(sizes, np.maximum(count, 1))
        share_of_component = np.ones(n_components) if said.named >= MAX_ANCHORS else count / whole
        most = int(count.argmax())
        fair = (count >= MIN_CLAIM_SHARE * said.named) & (share_of_component >= MIN_CLAIM_SHARE)
        fair[most] = False
        second[number[said.class_name]] += strength * fair
        if share_of_component[most] >= MIN_SHARE_OF_COMPONENT:
            first[number[said.class_name], most] += strength[most]
    strength = np.where(first.any(axis=0), first, second)
    found: list[str | None] = [None] * n_components
    for k in np.flatnonzero(strength.any(axis=0)).tolist():
        found[k] = names[int(strength[:, k].argmax())]
    for k, overrule in overruled.items():
        if k < n_components:
            weight = sure * (component == k)
            over = np.isin(events, list(overrule.names))
            if weight[over].sum() >= weight[~over].sum():
                found[k] = overrule.class_name
    return tuple(found)


def named_by(
    component: NDArray[np.integer], anchors: Sequence[Anchor], owner: Sequence[str | None]
) -> tuple[Anchor | None, ...]:
    """(K,) the most recent anchor in each component that has the component's name; None if there is none.

    Whoever gave the name knew the earlier answers about single images, so those do not contradict it.

    Args:
        component: (A,) where the images under a name are.
        anchors: (A,) what the names say of them.
        owner: (K,) the names of the components.
    """
    found: list[Anchor | None] = [None] * len(owner)
    for k, anchor in zip(component.tolist(), anchors, strict=True):
        newest = found[k]
        if owner[k] == anchor.class_name and (newest is None or newest.event < anchor.event):
            found[k] = anchor
    return tuple(found)


def still_named(
    labels: LabelState, component: NDArray[np.integer], overruled: Mapping[int, Overruled]
) -> NDArray[np.bool_]:
    """(A,) whether the images under a name, in the order of `labels.anchors`, still have it.

    They do not if they were left without a name on purpose, if somebody judged them singly, or if labels overruled the
    name.

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


def spoken_against(
    labels: LabelState, evident: Mapping[str, str], rows: Rows, neighbours: NDArray[np.integer]
) -> NDArray[np.bool_]:
    """(A,) whether, of the labelled images next to one under a name, more are of other classes than of the name's.

    Names of the images around it do not count: with them, 7 % of the images of grocery at 32 pixels lost their name,
    and no more images were right at the end.

    Args:
        labels: what people said.
        evident: the labels that training uses, item to class.
        rows: from item ids to pool rows.
        neighbours: (N, n) pool rows of the nearest of each.
    """
    number = {name: index for index, name in enumerate(labels.classes)}
    said = np.full(len(neighbours), -1, dtype=np.int32)
    labelled = rows(list(evident))
    said[labelled] = [number[name] for name in evident.values()]
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
    """The classes that have images: labelled ones, or some that still have the name of their cluster.

    Args:
        labels: what people said.
        named: the images that still have such a name.
    """
    meant = {*labels.positive.values(), *names_by_number(labels).values()}
    meant |= {labels.anchors[item].class_name for item in named if item in labels.anchors}
    return tuple(name for name in labels.classes if name in meant)


def names_by_number(state: LabelState) -> dict[int, str | None]:
    """The names by component that do not belong to images, as callers give them that show no images."""
    return {k: name for k, name in state.names.items() if k not in state.anchored}


def pinned_by_names(
    labels: LabelState, named: NDArray[np.bool_], owner: Sequence[str | None]
) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.float64]]:
    """The images that training pins under the name that a person gave them, beside the labels of single images.

    Args:
        labels: what people said.
        named: (A,) bool, which of the images under a name, in the order of `labels.anchors`, still have it.
        owner: (K,) the owners.

    Returns:
        Positions (H,) among these images, the components (H, K) bool within which each is pinned, and its firmness
        (H,), at most 1: it is higher the surer the model was when the person saw the image there.
    """
    owners = np.array([name or "" for name in owner], dtype=object)
    anchors = list(labels.anchors.values())
    within = {name: owners == name for name in {anchor.class_name for anchor in anchors}}
    positions = [at for at in np.flatnonzero(named).tolist() if within[anchors[at].class_name].any()]
    rows = np.array([within[anchors[at].class_name] for at in positions], dtype=bool)
    firmness = np.array([(1 + anchors[at].sure) / 2 for at in positions])
    return np.array(positions, dtype=np.int64), rows.reshape(len(positions), len(owners)), firmness
