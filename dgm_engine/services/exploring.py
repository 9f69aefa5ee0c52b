"""What the screens show of a trained model: the view of all items, pictures, suggestions, one item's details."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from dgm_engine.discovery.clusters import Cluster, distances, summarise
from dgm_engine.discovery.sampling import evenly_spread
from dgm_engine.discovery.suggestions import Strategy, SuggestRequest, suggest
from dgm_engine.errors import InputError, StateError
from dgm_engine.labels.schema import Edit, Event
from dgm_engine.labels.state import LabelState
from dgm_engine.paths import RunPaths, load_array
from dgm_engine.services import pictures
from dgm_engine.services.latest import (
    check_component,
    latest_run,
    model_of,
    owners_of,
    q_y_of,
    results_of,
    results_stamp,
    run_in_use,
    run_of,
)
from dgm_engine.services.palette import class_colours
from dgm_engine.services.projects import Project
from dgm_engine.training.naming import N_ANCHORS, named_by, names_by_number
from dgm_engine.training.ownership import Owner, class_probabilities

LINKED = 20_000
"""Images whose neighbours tell which clusters lie close to each other."""


class ItemState(StrEnum):
    """What people said about an item."""

    LABELLED = "labelled"
    REJECTED = "rejected"
    NONE = "none"
    UNLABELLED = "unlabelled"


class Order(StrEnum):
    """How images can be ordered."""

    UNSURE = "Least sure first"
    SURE = "Surest first"
    NOVEL = "Least like the named classes"
    TYPICAL = "Most typical of its cluster"
    ODD = "Least typical of its cluster"
    STORED = "As stored"


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
    """The results in use under the current labels. M items are shown; arrays are read-only.

    Attributes:
        run: number of the run that is shown.
        stamp: changes whenever the run leaves other results.
        labels_version: of the labels that are shown.
        rows: (M,) int64 pool rows.
        items: (M,) str item ids.
        opinion: what the model says of them.
        label: (M,) str the person's label; "" where there is none.
        class_name: (M,) str `label` where there is one, else `predicted`.
        state: (M,) str values of `ItemState`.
        edits: what people did with the clusters.
        ignored: (M,) bool, whether the item is in a cluster that people do not care for.
        clusters: one per component, by component; `exemplars` are pool rows.
        classes: classes that people speak of, in order of first appearance.
        colours: of these classes.
        owner: (K,) the class of each component, or None.
    """

    run: int
    stamp: int
    labels_version: int
    rows: NDArray[np.int64]
    items: NDArray[np.str_]
    opinion: Opinion
    label: NDArray[np.str_]
    class_name: NDArray[np.str_]
    state: NDArray[np.str_]
    edits: tuple[Edit, ...]
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


def view(project: Project, number: int | None = None) -> View:
    """A run's results under the current labels; cached on both, so that a page may ask on every rerun.

    Args:
        project: whose run it is.
        number: the run's; None is the one in use.

    Raises:
        StateError: nothing was trained yet.
        NotFoundError: there is no such run, or it has no results.
    """
    run = run_of(project, number)
    return _view(project, run, results_stamp(run), project.labels.version())


def clusters_of(project: Project, run: RunPaths) -> tuple[Cluster, ...]:
    """The clusters of a run that has results, one per component, under the current labels; exemplars are pool rows."""
    state = project.labels.state(results_of(run).config.lineage)
    return _named(project, run, results_stamp(run), state, owners_of(project, run, state))


def component_seen(project: Project, component: int, seen: View | None) -> int:
    """The lineage of the results in use, where one of its components is still what a person saw.

    Args:
        project: whose clusters they are.
        component: its number.
        seen: the view that the person saw; None is the newest.

    Raises:
        StateError: the project has no clusters yet, or others than the person saw.
        NotFoundError: there is no such component.
    """
    results = results_of(latest_run(project))
    lineage = results.config.lineage
    if seen is not None and results_of(run_of(project, seen.run)).config.lineage != lineage:
        raise StateError(
            "the clusters have been found anew since you saw them; look at them again and then change them"
        )
    check_component(results, component)
    edits = project.labels.state(lineage).edits
    if seen is not None and any(component in (edit.component, edit.other) for edit in {*seen.edits} ^ {*edits}):
        raise StateError(f"cluster {component} has been changed since you saw it; look at it again and then change it")
    return lineage


def lineage_of(project: Project, seen: View) -> int:
    """The lineage whose components a view shows."""
    return results_of(project.paths.run(seen.run)).config.lineage


def in_polygon(xy: NDArray[np.number], polygon: NDArray[np.floating]) -> NDArray[np.bool_]:
    """(N,) which of the points ``xy`` (N, 2) lie in the polygon (P, 2), which is closed by itself.

    Where it crosses itself, everything that it goes round is inside (nonzero winding), as browsers fill it. Counts the
    edges that a ray to the right crosses, upwards less downwards. Points are sorted by height once, so that an edge
    only looks at those beside it: a lasso of many short edges costs little more than one of a few long ones.
    """
    order = np.argsort(xy[:, 1], kind="stable")
    x, y = np.asarray(xy, dtype=np.float64)[order].T
    winding = np.zeros(len(xy), dtype=np.int32)
    for (x0, y0), (x1, y1) in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
        if y0 == y1:
            continue
        low, high = np.searchsorted(y, [min(y0, y1), max(y0, y1)])
        crosses = x[low:high] < x0 + (y[low:high] - y0) * (x1 - x0) / (y1 - y0)
        winding[low:high] += crosses if y1 > y0 else -crosses.astype(np.int32)
    inside = np.empty(len(xy), dtype=bool)
    inside[order] = winding != 0
    return inside


def thumbnails(project: Project, rows: Sequence[int] | NDArray[np.int64], size: int = 64) -> list[bytes]:
    """A PNG of ``size`` x ``size`` pixels for each pool row; feature vectors are drawn as bars."""
    return [pictures.png(image) for image in _cells(project, rows, size)]


def sprite(
    project: Project, rows: Sequence[int] | NDArray[np.int64], columns: int, size: int = 64, gap: int = 0
) -> bytes:
    """One PNG with the thumbnails in reading order, ``columns`` to a line, ``gap`` pixels after each of ``size``."""
    return pictures.png(pictures.sheet(_cells(project, rows, size), columns, size, gap))


def own_size(project: Project, most: int) -> int:
    """Pixels a side at which images need not be enlarged, at most so many; feature vectors are drawn as large."""
    return min(most, max(project.pool.shape[:2])) if project.pool.is_images else most


def prototype_image(project: Project, component: int, size: int = 96) -> bytes:
    """A PNG of a component's decoded prototype.

    Raises:
        StateError: nothing was trained yet.
        NotFoundError: there is no such component.
    """
    results = results_of(latest_run(project))
    check_component(results, component)
    return pictures.png(pictures.items(project.pool, results.prototypes[component : component + 1], size)[0])


def prototype_sprite(project: Project, components: Sequence[int], size: int) -> bytes:
    """One PNG with components' decoded prototypes side by side. Raises as `prototype_image`."""
    results = results_of(latest_run(project))
    for component in components:
        check_component(results, component)
    images = pictures.items(project.pool, results.prototypes[list(components)], size)
    return pictures.png(pictures.sheet(images, max(len(images), 1), size))


def positions(project: Project, rows: NDArray[np.int64], items: Sequence[str] | frozenset[str]) -> NDArray[np.int64]:
    """(n,) where in pool rows (M,) the items are; those that are not among them are left out.

    Raises:
        NotFoundError: there is no such item.
    """
    position = np.full(project.pool.n_items, -1, dtype=np.int64)
    position[rows] = np.arange(len(rows))
    found = position[project.pool.rows(list(items))]
    return found[found >= 0]


def shown_q_y(project: Project, view: View) -> NDArray[np.floating]:
    """(M, K) q(y | x) of the view's items, under what people did with clusters."""
    return q_y_of(project.paths.run(view.run), view.edits)[view.rows]


def ordered(project: Project, view: View, place: NDArray[np.int64], order: Order) -> NDArray[np.int64]:
    """Positions in the view (n,) in the order asked for; equals stay as they are.

    Novelty is the probability of belonging to none of the named classes, how typical an image is the distance of its z
    to the mean over its cluster.
    """
    match order:
        case Order.STORED:
            return place
        case Order.UNSURE | Order.SURE:
            key = view.confidence if order is Order.UNSURE else -view.confidence
        case Order.NOVEL:
            key = -_novelty(project, view)
        case _:
            key = _distance(project, view) if order is Order.TYPICAL else -_distance(project, view)
    return place[key[place].argsort(kind="stable")]


def reconstruction(project: Project, item: str, size: int = 96) -> bytes:
    """A PNG of the mean of p(x | z) at an item's own z and most probable component: what the model keeps of it.

    The model is loaded once for each run's results, in 0.1 s with 50 units of z and 500 hidden ones; the first one of a
    process waits another 1.3 s for torch. Then a picture takes 2 ms.

    Raises:
        NotFoundError: there is no such item.
        StateError: nothing was trained yet, or the model is not saved yet.
        CorruptError: the model's checkpoints are damaged.
    """
    row = project.pool.rows([item])
    run = latest_run(project)
    results, model = results_of(run), model_of(run)
    from dgm_engine.training import latent  # here, so that pages start without torch
    from dgm_engine.training.batches import Table

    component = q_y_of(run, view(project).edits)[row].argmax(axis=1)
    values = latent.decoded(model, results.z[row], component)
    return pictures.png(pictures.items(project.pool, Table(project.pool.x, row).items(values), size)[0])


def suggestions(
    project: Project, strategy: Strategy = Strategy.MIXED, n: int = 20, without: frozenset[str] = frozenset()
) -> list[SuggestedItem]:
    """The ``n`` items most worth labelling next, none of them judged or skipped already, or in an ignored cluster.

    Args:
        project: whose items.
        strategy: how they are chosen.
        n: how many at most.
        without: ids of items that are not to be among them either.

    Raises:
        StateError: nothing was trained yet.
        InputError: ``n`` is below 1.
    """
    if n < 1:
        raise InputError(f"{n} suggestions were asked for; ask for at least 1")
    seen = view(project)
    available = (seen.state == ItemState.UNLABELLED) & ~seen.ignored
    available[positions(project, seen.rows, project.labels.state().skipped | without)] = False
    chosen = suggest(
        SuggestRequest(
            q_y=shown_q_y(project, seen),
            z=results_of(project.paths.run(seen.run)).z[seen.rows],
            owner=seen.owner,
            labels=seen.label,
            available=available,
            strategy=strategy,
            n=n,
            links=_links(project, seen) if strategy is Strategy.MIXED else None,
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


@lru_cache(maxsize=4)
def _view(project: Project, run: RunPaths, stamp: int, version: int) -> View:
    results = results_of(run)
    state = project.labels.state(results.config.lineage)
    rows = np.asarray(results.shown)
    owner = owners_of(project, run, state)
    opinion = _opinion(run, stamp, state.edits, owner)
    label = _labels(project, rows, state)
    return View(
        run=run.number,
        stamp=stamp,
        labels_version=state.version,
        rows=rows,
        items=project.pool.items[rows],
        opinion=opinion,
        label=label,
        class_name=np.where(label == "", opinion.predicted, label),
        state=_states(project, rows, state, label),
        edits=state.edits,
        ignored=np.isin(opinion.component, list(state.ignored)),
        clusters=_named(project, run, stamp, state, owner),
        classes=state.classes,
        colours=class_colours({name: state.numbers[name] for name in state.classes}),
        owner=owner,
    )


def _named(project: Project, run: RunPaths, stamp: int, state: LabelState, owner: Owner) -> tuple[Cluster, ...]:
    """The clusters of a run with all that people said of them."""
    ignored, closed = state.ignored, state.within(len(owner)).closed
    component = q_y_of(run, state.edits)[project.pool.rows(list(state.anchors))].argmax(axis=1)
    named, by_number = named_by(component, list(state.anchors.values()), owner), names_by_number(state)
    return tuple(
        replace(
            c,
            class_name=name,
            by_training=name is not None and anchor is None and k not in by_number,
            named=0 if anchor is None else anchor.event,
            named_size=0 if anchor is None or anchor.named >= N_ANCHORS else anchor.named,
            ignored=k in ignored,
            closed=k in closed,
        )
        for k, (c, name, anchor) in enumerate(zip(_clusters(run, stamp, state.edits), owner, named, strict=True))
    )


@lru_cache(maxsize=8)
def _clusters(run: RunPaths, stamp: int, edits: tuple[Edit, ...]) -> tuple[Cluster, ...]:
    """The clusters of a run under edits, whatever their names, with pool rows for exemplars."""
    results = results_of(run)
    rows = np.asarray(results.shown)
    clusters = summarise(q_y_of(run, edits)[rows], results.z[rows], results.owner)
    return tuple(replace(cluster, exemplars=rows[cluster.exemplars]) for cluster in clusters)


@lru_cache(maxsize=2)
def _links(project: Project, view: View) -> NDArray[np.int64] | None:
    """(K, K) how many of the nearest neighbours of a sample of each component's items lie in each component.

    None where the lineage looked for no neighbours.
    """
    path = project.paths.run(lineage_of(project, view)).neighbours
    if not path.exists():
        return None
    component = np.full(project.pool.n_items, -1, dtype=np.int64)
    component[view.rows] = view.component
    some = evenly_spread(len(view.rows), LINKED)
    near = component[load_array(path)[view.rows[some]]]
    n_components = len(view.owner)
    pairs = view.component[some][:, None] * n_components + near
    counts = np.bincount(pairs[near >= 0], minlength=n_components**2)
    return counts.reshape(n_components, n_components)


@lru_cache(maxsize=2)
def _novelty(project: Project, view: View) -> NDArray[np.float32]:
    """(M,) the probability that an item is of none of the named classes."""
    return class_probabilities(shown_q_y(project, view), view.owner).p_new


@lru_cache(maxsize=2)
def _distance(project: Project, view: View) -> NDArray[np.float32]:
    """(M,) the distance of each item's z to the mean over its cluster."""
    z = results_of(project.paths.run(view.run)).z[view.rows].astype(np.float32)
    return distances(z, view.component, len(view.owner))


@lru_cache(maxsize=4)
def _opinion(run: RunPaths, stamp: int, edits: tuple[Edit, ...], owner: tuple[str | None, ...]) -> Opinion:
    q_y = np.asarray(q_y_of(run, edits)[results_of(run).shown], dtype=np.float32)
    component = q_y.argmax(axis=1).astype(np.int32)
    groups = [name if name is not None else k for k, name in enumerate(owner)]
    together = np.array([[a == b for b in groups] for a in groups], dtype=np.float32)  # (K, K)
    confidence = np.take_along_axis(q_y @ together, component[:, None], axis=1)[:, 0]
    return Opinion(component, np.minimum(confidence, 1), class_probabilities(q_y, owner).predicted())


def _labels(project: Project, rows: NDArray[np.int64], state: LabelState) -> NDArray[np.str_]:
    names = np.array(["", *state.classes])
    number = {name: index for index, name in enumerate(names.tolist())}
    of_pool = np.zeros(project.pool.n_items, dtype=np.int64)
    of_pool[project.pool.rows(list(state.positive))] = [number[name] for name in state.positive.values()]
    return names[of_pool[rows]]


def _states(project: Project, rows: NDArray[np.int64], state: LabelState, label: NDArray[np.str_]) -> NDArray[np.str_]:
    result = np.full(len(rows), ItemState.UNLABELLED.value)
    result[positions(project, rows, list(state.rejected))] = ItemState.REJECTED
    result[positions(project, rows, state.none_of_named)] = ItemState.NONE
    result[label != ""] = ItemState.LABELLED
    return result


def _state_of(item: str, state: LabelState) -> ItemState:
    if item in state.positive:
        return ItemState.LABELLED
    if item in state.none_of_named:
        return ItemState.NONE
    return ItemState.REJECTED if item in state.rejected else ItemState.UNLABELLED


def _posterior(project: Project, row: int) -> tuple[int | None, tuple[tuple[str, float], ...]]:
    run = run_in_use(project)
    if run is None:
        return None, ()
    results = results_of(run)
    state = project.labels.state(results.config.lineage)
    q_y = q_y_of(run, state.edits)[row : row + 1]
    owner = owners_of(project, run, state)
    posterior = class_probabilities(q_y, owner)
    pairs = [*zip(posterior.classes, posterior.probability[0].tolist(), strict=True), ("", float(posterior.p_new[0]))]
    return int(q_y[0].argmax()), tuple(sorted(pairs, key=lambda pair: -pair[1]))


def _cells(project: Project, rows: Sequence[int] | NDArray[np.int64], size: int) -> list[pictures.Image.Image]:
    return pictures.items(project.pool, project.pool.x[np.asarray(rows, dtype=np.int64)], size)
