"""What the screens show of a trained model: the view of all items, pictures, suggestions, one item's details."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from dgm_engine.discovery.clusters import Cluster, summarise
from dgm_engine.discovery.suggestions import Strategy, SuggestRequest, suggest
from dgm_engine.errors import InputError
from dgm_engine.labels.schema import Event
from dgm_engine.labels.state import LabelState
from dgm_engine.paths import RunPaths
from dgm_engine.services import pictures
from dgm_engine.services.latest import check_component, latest_run, results_of, results_stamp
from dgm_engine.services.projects import Project
from dgm_engine.training import runs
from dgm_engine.training.ownership import class_probabilities, effective_owner


class ItemState(StrEnum):
    """What people said about an item."""

    LABELLED = "labelled"
    REJECTED = "rejected"
    NONE = "none"
    UNLABELLED = "unlabelled"


@dataclass(frozen=True, eq=False)
class View:
    """The newest results under the current labels. M items are shown; arrays are read-only.

    Attributes:
        run: number of the run that is shown.
        stamp: changes whenever the run leaves other results.
        labels_version: of the labels that are shown.
        rows: (M,) int64 pool rows.
        items: (M,) str item ids.
        component: (M,) int32 most probable component, y*.
        confidence: (M,) float32 probability of the item's class, or of its component where that has no class.
        predicted: (M,) str class that the model predicts; "" = none of the named classes.
        label: (M,) str the person's label; "" where there is none.
        class_name: (M,) str `label` where there is one, else `predicted`.
        state: (M,) str values of `ItemState`.
        clusters: one per component, by component; `exemplars` are pool rows.
        classes: classes that people speak of, in order of first appearance.
        owner: (K,) the class of each component, or None.
    """

    run: int
    stamp: int
    labels_version: int
    rows: NDArray[np.int64]
    items: NDArray[np.str_]
    component: NDArray[np.int32]
    confidence: NDArray[np.float32]
    predicted: NDArray[np.str_]
    label: NDArray[np.str_]
    class_name: NDArray[np.str_]
    state: NDArray[np.str_]
    clusters: tuple[Cluster, ...]
    classes: tuple[str, ...]
    owner: tuple[str | None, ...]


@dataclass(frozen=True)
class SuggestedItem:
    """An item worth labelling next.

    Attributes:
        item: its id.
        row: its pool row.
        reason: why, in the person's words.
        predicted: the class that the model predicts; "" = none of the named classes.
        confidence: as in `View`.
        component: its cluster.
    """

    item: str
    row: int
    reason: str
    predicted: str
    confidence: float
    component: int


@dataclass(frozen=True)
class ItemDetails:
    """All that is known about one item.

    Attributes:
        item: its id.
        row: its pool row.
        split: "train", "test" or "".
        component: its cluster, or None before training.
        posterior: (class, probability), most probable first; "" is "none of the named classes". Empty before training.
        label: the person's label, or None.
        rejected: the classes that it is not.
        state: what people said.
        history: the events on it, undos and redos of them included, oldest first (who, when, what).
    """

    item: str
    row: int
    split: str
    component: int | None
    posterior: tuple[tuple[str, float], ...]
    label: str | None
    rejected: tuple[str, ...]
    state: ItemState
    history: tuple[Event, ...]


def view(project: Project) -> View:
    """The newest results under the current labels; cached on both, so that a page may ask on every rerun.

    Raises:
        StateError: nothing was trained yet.
    """
    run = latest_run(project)
    return _view(project, run, results_stamp(run), project.labels.version())


def clusters_of(project: Project, run: RunPaths) -> tuple[Cluster, ...]:
    """The clusters of a run that has results, one per component, under the current labels; exemplars are pool rows."""
    results = results_of(run)
    owner = effective_owner(results.owner, project.labels.state(results.config.lineage))
    return tuple(replace(c, class_name=owner[c.component]) for c in _clusters(run, results_stamp(run)))


def in_polygon(xy: NDArray[np.floating], polygon: NDArray[np.floating]) -> NDArray[np.bool_]:
    """(N,) which of the points ``xy`` (N, 2) lie in the polygon (P, 2), which is closed by itself.

    Counts the edges that a ray to the right crosses. Points are sorted by height once, so that an edge only looks at
    those beside it: a lasso of many short edges costs little more than one of a few long ones.
    """
    order = np.argsort(xy[:, 1], kind="stable")
    x, y = np.asarray(xy, dtype=np.float64)[order].T
    crossings = np.zeros(len(xy), dtype=bool)
    for (x0, y0), (x1, y1) in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
        if y0 == y1:
            continue
        low, high = np.searchsorted(y, [min(y0, y1), max(y0, y1)])
        crossings[low:high] ^= x[low:high] < x0 + (y[low:high] - y0) * (x1 - x0) / (y1 - y0)
    inside = np.empty_like(crossings)
    inside[order] = crossings
    return inside


def thumbnails(project: Project, rows: Sequence[int] | NDArray[np.int64], size: int = 64) -> list[bytes]:
    """A PNG of ``size`` x ``size`` pixels for each pool row; feature vectors are drawn as bars."""
    return [pictures.png(image) for image in _cells(project, rows, size)]


def sprite(project: Project, rows: Sequence[int] | NDArray[np.int64], columns: int, size: int = 64) -> bytes:
    """One PNG with the thumbnails in reading order, ``columns`` to a line, cells of ``size`` pixels without gaps."""
    return pictures.png(pictures.sheet(_cells(project, rows, size), columns, size))


def prototype_image(project: Project, component: int, size: int = 96) -> bytes:
    """A PNG of a component's decoded prototype.

    Raises:
        StateError: nothing was trained yet.
        NotFoundError: there is no such component.
    """
    results = results_of(latest_run(project))
    check_component(results, component)
    return pictures.png(pictures.items(project.pool, results.prototypes[component : component + 1], size)[0])


def suggestions(project: Project, strategy: Strategy = Strategy.MIXED, n: int = 20) -> list[SuggestedItem]:
    """The ``n`` items most worth labelling next, none of them judged or skipped already.

    Raises:
        StateError: nothing was trained yet.
        InputError: ``n`` is below 1.
    """
    if n < 1:
        raise InputError(f"{n} suggestions were asked for; ask for at least 1")
    seen = view(project)
    results = results_of(project.paths.run(seen.run))
    available = seen.state == ItemState.UNLABELLED
    available[_positions(project, seen.rows, project.labels.state().skipped)] = False
    chosen = suggest(
        SuggestRequest(
            q_y=results.q_y[seen.rows],
            z=results.z[seen.rows],
            owner=seen.owner,
            labels=seen.label,
            available=available,
            strategy=strategy,
            n=n,
        )
    )
    return [
        SuggestedItem(
            item=str(seen.items[s.row]),
            row=int(seen.rows[s.row]),
            reason=s.reason,
            predicted=str(seen.predicted[s.row]),
            confidence=float(seen.confidence[s.row]),
            component=int(seen.component[s.row]),
        )
        for s in chosen
    ]


def item_details(project: Project, item: str) -> ItemDetails:
    """All that is known about one item.

    Raises:
        NotFoundError: there is no such item.
    """
    row = int(project.pool.rows([item])[0])
    state = project.labels.state()
    component, posterior = _posterior(project, row)
    return ItemDetails(
        item=item,
        row=row,
        split=str(project.pool.split[row]),
        component=component,
        posterior=posterior,
        label=state.positive.get(item),
        rejected=tuple(sorted(state.rejected.get(item, ()))),
        state=_state_of(item, state),
        history=tuple(project.labels.history(item)),
    )


@lru_cache(maxsize=8)
def _view(project: Project, run: RunPaths, stamp: int, version: int) -> View:
    results = results_of(run)
    state = project.labels.state(results.config.lineage)
    rows = np.asarray(results.shown)
    q_y = np.asarray(results.q_y[rows], dtype=np.float32)
    owner = effective_owner(results.owner, state)
    predicted = class_probabilities(q_y, owner).predicted()
    label = _labels(project, rows, state)
    component, confidence = _assignment(q_y, owner)
    return View(
        run=run.number,
        stamp=stamp,
        labels_version=state.version,
        rows=rows,
        items=project.pool.items[rows],
        component=component,
        confidence=confidence,
        predicted=predicted,
        label=label,
        class_name=np.where(label == "", predicted, label),
        state=_states(project, rows, state),
        clusters=clusters_of(project, run),
        classes=state.classes,
        owner=owner,
    )


@lru_cache(maxsize=8)
def _clusters(run: RunPaths, stamp: int) -> tuple[Cluster, ...]:
    """The clusters of a run, whatever their names, with pool rows for exemplars."""
    results = results_of(run)
    rows = np.asarray(results.shown)
    clusters = summarise(results.q_y[rows], results.z[rows], results.owner)
    return tuple(replace(cluster, exemplars=rows[cluster.exemplars]) for cluster in clusters)


def _assignment(q_y: NDArray[np.float32], owner: Sequence[str | None]) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """(M,) y* and (M,) the probability of its class; of y* itself where it has none."""
    component = q_y.argmax(axis=1).astype(np.int32)
    groups = [name if name is not None else k for k, name in enumerate(owner)]
    together = np.array([[a == b for b in groups] for a in groups], dtype=np.float32)  # (K, K)
    confidence = np.take_along_axis(q_y @ together, component[:, None], axis=1)[:, 0]
    return component, np.minimum(confidence, 1)


def _positions(project: Project, rows: NDArray[np.int64], items: Sequence[str] | frozenset[str]) -> NDArray[np.int64]:
    """Where in ``rows`` the items are; those that are not shown are left out."""
    position = np.full(project.pool.n_items, -1, dtype=np.int64)
    position[rows] = np.arange(len(rows))
    found = position[project.pool.rows(list(items))]
    return found[found >= 0]


def _labels(project: Project, rows: NDArray[np.int64], state: LabelState) -> NDArray[np.str_]:
    names = np.array(["", *state.classes])
    number = {name: index for index, name in enumerate(names.tolist())}
    of_pool = np.zeros(project.pool.n_items, dtype=np.int64)
    of_pool[project.pool.rows(list(state.positive))] = [number[name] for name in state.positive.values()]
    return names[of_pool[rows]]


def _states(project: Project, rows: NDArray[np.int64], state: LabelState) -> NDArray[np.str_]:
    result = np.full(len(rows), ItemState.UNLABELLED.value)
    result[_positions(project, rows, list(state.rejected))] = ItemState.REJECTED
    result[_positions(project, rows, state.none_of_named)] = ItemState.NONE
    result[_positions(project, rows, list(state.positive))] = ItemState.LABELLED
    return result


def _state_of(item: str, state: LabelState) -> ItemState:
    if item in state.positive:
        return ItemState.LABELLED
    if item in state.none_of_named:
        return ItemState.NONE
    return ItemState.REJECTED if item in state.rejected else ItemState.UNLABELLED


def _posterior(project: Project, row: int) -> tuple[int | None, tuple[tuple[str, float], ...]]:
    run = runs.latest_results(project.paths)
    if run is None:
        return None, ()
    results = results_of(run)
    q_y = results.q_y[row : row + 1]
    owner = effective_owner(results.owner, project.labels.state(results.config.lineage))
    posterior = class_probabilities(q_y, owner)
    pairs = [*zip(posterior.classes, posterior.probability[0].tolist(), strict=True), ("", float(posterior.p_new[0]))]
    return int(q_y[0].argmax()), tuple(sorted(pairs, key=lambda pair: -pair[1]))


def _cells(project: Project, rows: Sequence[int] | NDArray[np.int64], size: int) -> list[pictures.Image.Image]:
    return pictures.items(project.pool, project.pool.x[np.asarray(rows, dtype=np.int64)], size)
