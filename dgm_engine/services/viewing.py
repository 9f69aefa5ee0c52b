"""What the screens show of a snapshot: what the model and people say of every item, and the clusters."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from dgm_engine.discovery.clusters import Cluster, summarise
from dgm_engine.errors import StateError
from dgm_engine.labels.schema import Edit
from dgm_engine.labels.state import LabelState
from dgm_engine.services.latest import check_component
from dgm_engine.services.palette import class_colours
from dgm_engine.services.projects import Project
from dgm_engine.services.snapshot import Snapshot, edited_q_y
from dgm_engine.training.naming import MAX_ANCHORS, named_by, names_by_number
from dgm_engine.training.ownership import Owner, class_probabilities
from dgm_engine.training.results import Results


class ItemState(StrEnum):
    """What people said about an item."""

    LABELLED = "labelled"
    REJECTED = "rejected"
    NONE = "none"
    UNLABELLED = "unlabelled"


@dataclass(frozen=True, eq=False)
class Opinion:
    """What the model says of M items: the same object while labels change nothing of it. Arrays are read-only.

    Attributes:
        component: (M,) int32 most probable component, y*.
        confidence: (M,) float32 probability of the item's class, or of its component where that has no class.
        predicted: (M,) str class that the model predicts; "" = none of the named classes.
    """

    component: NDArray[np.int32]
    confidence: NDArray[np.float32]
    predicted: NDArray[np.str_]


@dataclass(frozen=True, eq=False)
class View:
    """A snapshot item by item. M items are shown; arrays are read-only.

    Attributes:
        run: number of the run that is shown.
        rows: (M,) int64 pool rows.
        items: (M,) str item ids.
        opinion: what the model says of them.
        label: (M,) str the person's label; "" if there is none.
        class_name: (M,) str `label` if there is one, else `predicted`.
        state: (M,) str values of `ItemState`.
        ignored: (M,) bool, whether the item is in a cluster that people do not care for.
        clusters: one per component, by component; `exemplars` are pool rows.
        classes: classes that people speak of, in order of first appearance.
        colours: of these classes.
        owner: (K,) the class of each component, or None.
    """

    run: int
    rows: NDArray[np.int64]
    items: NDArray[np.str_]
    opinion: Opinion
    label: NDArray[np.str_]
    class_name: NDArray[np.str_]
    state: NDArray[np.str_]
    ignored: NDArray[np.bool_]
    clusters: tuple[Cluster, ...]
    classes: tuple[str, ...]
    colours: Mapping[str, str]
    owner: tuple[str | None, ...]

    @property
    def component(self) -> NDArray[np.int32]:
        """(M,) y* of each item."""
        return self.opinion.component

    @property
    def confidence(self) -> NDArray[np.float32]:
        """(M,) how sure the model is of each item."""
        return self.opinion.confidence

    @property
    def predicted(self) -> NDArray[np.str_]:
        """(M,) the class that it predicts; "" for none of the named ones."""
        return self.opinion.predicted


@lru_cache(maxsize=4)
def view(seen: Snapshot) -> View:
    """Everything shown of a snapshot, item by item; the same object again for the same snapshot."""
    rows, labels = np.asarray(seen.results.shown), seen.labels
    opinion = _opinion(seen.results, labels.edits, seen.owner)
    label = _labels(seen, rows)
    return View(
        run=seen.run.number,
        rows=rows,
        items=seen.project.pool.items[rows],
        opinion=opinion,
        label=label,
        class_name=np.where(label == "", opinion.predicted, label),
        state=_states(seen, rows, label),
        ignored=np.isin(opinion.component, list(labels.ignored)),
        clusters=clusters_of(seen),
        classes=labels.classes,
        colours=class_colours({name: labels.numbers[name] for name in labels.classes}),
        owner=seen.owner,
    )


@lru_cache(maxsize=8)
def clusters_of(seen: Snapshot) -> tuple[Cluster, ...]:
    """The clusters of a snapshot with all that people said of them, one per component; exemplars are pool rows."""
    state, owner = seen.labels, seen.owner
    ignored, closed = state.ignored, state.within(len(owner)).closed
    component = seen.q_y[seen.project.pool.rows(list(state.anchors))].argmax(axis=1)
    named, by_number = named_by(component, list(state.anchors.values()), owner), names_by_number(state)
    clusters = _clusters(seen.results, state.edits)
    return tuple(
        replace(
            c,
            class_name=name,
            by_training=name is not None and anchor is None and k not in by_number,
            named=0 if anchor is None else anchor.event,
            named_size=0 if anchor is None or anchor.named >= MAX_ANCHORS else anchor.named,
            ignored=k in ignored,
            closed=k in closed,
        )
        for k, (c, name, anchor) in enumerate(zip(clusters, owner, named, strict=True))
    )


def component_seen(now: Snapshot, component: int, seen: Snapshot | None) -> None:
    """Makes sure that one of the components is still what a person saw.

    Args:
        now: the newest snapshot.
        component: its number.
        seen: the snapshot that the person saw; None is the newest.

    Raises:
        StateError: the project has other clusters than the person saw.
        NotFoundError: there is no such component.
    """
    if seen is not None and seen.lineage != now.lineage:
        raise StateError(
            "the clusters have been found again since you saw them; look at the new ones and then change them"
        )
    check_component(now.results, component)
    changes = {*now.labels.edits} ^ {*(seen or now).labels.edits}
    if any(component in edit.touched for edit in changes):
        raise StateError(f"cluster {component} has been changed since you saw it; look at it again and then change it")


def shown_q_y(seen: Snapshot) -> NDArray[np.floating]:
    """(M, K) q(y | x) of the items shown, under what people did with clusters."""
    return seen.q_y[seen.results.shown]


def positions(project: Project, rows: NDArray[np.int64], items: Sequence[str] | frozenset[str]) -> NDArray[np.int64]:
    """(n,) where in pool rows (M,) the items are; those that are not among them are left out.

    Raises:
        NotFoundError: there is no such item.
    """
    position = np.full(project.pool.n_items, -1, dtype=np.int64)
    position[rows] = np.arange(len(rows))
    found = position[project.pool.rows(list(items))]
    return found[found >= 0]


def state_of(item: str, state: LabelState) -> ItemState:
    """What people said about an item."""
    if item in state.positive:
        return ItemState.LABELLED
    if item in state.none_of_named:
        return ItemState.NONE
    return ItemState.REJECTED if item in state.rejected else ItemState.UNLABELLED


@lru_cache(maxsize=8)
def _clusters(results: Results, edits: tuple[Edit, ...]) -> tuple[Cluster, ...]:
    """The clusters of results under edits, before names of people, with pool rows for exemplars."""
    rows = np.asarray(results.shown)
    clusters = summarise(edited_q_y(results, edits)[rows], results.z[rows], results.owner)
    return tuple(replace(cluster, exemplars=rows[cluster.exemplars]) for cluster in clusters)


@lru_cache(maxsize=4)
def _opinion(results: Results, edits: tuple[Edit, ...], owner: Owner) -> Opinion:
    q_y = np.asarray(edited_q_y(results, edits)[results.shown], dtype=np.float32)
    component = q_y.argmax(axis=1).astype(np.int32)
    groups = [name if name is not None else k for k, name in enumerate(owner)]
    together = np.array([[a == b for b in groups] for a in groups], dtype=np.float32)  # (K, K)
    confidence = np.take_along_axis(q_y @ together, component[:, None], axis=1)[:, 0]
    return Opinion(component, np.minimum(confidence, 1), class_probabilities(q_y, owner).predicted())


def _labels(seen: Snapshot, rows: NDArray[np.int64]) -> NDArray[np.str_]:
    pool, state = seen.project.pool, seen.labels
    names = np.array(["", *state.classes])
    number = {name: index for index, name in enumerate(names.tolist())}
    of_pool = np.zeros(pool.n_items, dtype=np.int64)
    of_pool[pool.rows(list(state.positive))] = [number[name] for name in state.positive.values()]
    return names[of_pool[rows]]


def _states(seen: Snapshot, rows: NDArray[np.int64], label: NDArray[np.str_]) -> NDArray[np.str_]:
    project, labels = seen.project, seen.labels
    result = np.full(len(rows), ItemState.UNLABELLED.value)
    result[positions(project, rows, list(labels.rejected))] = ItemState.REJECTED
    result[positions(project, rows, labels.none_of_named)] = ItemState.NONE
    result[label != ""] = ItemState.LABELLED
    return result
