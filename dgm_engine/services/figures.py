"""The arrays behind the paper's figures, of any run that has results.

They are about the items that `evaluate` scores: the test split, or all whose truth is known. Where no truth is known
they are about all items shown, and the classes that people named and labelled stand in for the true ones.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.cluster import hierarchy
from scipy.spatial.distance import squareform

from dgm_engine.config import ModelName
from dgm_engine.discovery.projections import Method
from dgm_engine.discovery.projections import project as lay_out
from dgm_engine.paths import RunPaths
from dgm_engine.services.latest import model_of
from dgm_engine.services.palette import class_colours
from dgm_engine.services.projects import Project
from dgm_engine.services.snapshot import Snapshot
from dgm_engine.services.viewing import clusters_of
from dgm_engine.training.ownership import class_probabilities
from dgm_engine.training.results import Results
from dgm_engine.training.runs import read_config

MIN_ACTIVE_KL = 0.01
"""Nats above which a unit of z counts as active. A unit that the data moves by a tenth of its prior's standard
deviation has 0.005; an unused one, whose q(z_i | x) equals p(z_i | y), has 0 up to the noise of training."""


@dataclass(frozen=True)
class Titled:
    """What the figures of a run are called by.

    Attributes:
        run: its number.
        model: which model it trained.
        clusters: (K,) the components' titles, "7" or "7: trouser".
        by: what `groups` are: "true class", or "predicted class" where no truth is known.
        groups: (G,) names of the classes; "" is "no class yet".
        colours: of the classes; as on the other screens where people speak of them.
    """

    run: int
    model: ModelName
    clusters: tuple[str, ...]
    by: str
    groups: tuple[str, ...]
    colours: Mapping[str, str]


@dataclass(frozen=True, eq=False)
class LatentMap:
    """Fig. 3: a t-SNE of the means of q(z | x, y*).

    Attributes:
        titled: names of clusters and classes.
        items: (n,) ids of the items drawn.
        xy: (n, 2) float32 positions.
        component: (n,) y* of each.
        group: (n,) their classes, into `titled.groups`.
        n_all: how many items there are; if they are more than n, those drawn are a random sample.
    """

    titled: Titled
    items: NDArray[np.str_]
    xy: NDArray[np.float32]
    component: NDArray[np.int64]
    group: NDArray[np.int64]
    n_all: int


@dataclass(frozen=True, eq=False)
class Activity:
    """Fig. C.5: Eq. 36, the KL of each unit of z, averaged over items.

    Attributes:
        titled: names of clusters and classes.
        kl: (K, G, Z) nats: means over the items with y* = k in class g; 0 if there are none.
        count: (K, G) numbers of such items.
        overall: (Z,) means over all items.
        order: (Z,) the units by `overall`, the most active first.
    """

    titled: Titled
    kl: NDArray[np.float64]
    count: NDArray[np.int64]
    overall: NDArray[np.float64]
    order: NDArray[np.int64]

    @property
    def n_active(self) -> int:
        """How many units have a KL above `MIN_ACTIVE_KL` over all items."""
        return int((self.overall > MIN_ACTIVE_KL).sum())


@dataclass(frozen=True, eq=False)
class Divergence:
    """Fig. C.6: KL[p(z_i | k) || p(z_i | l)] of each ordered pair of components.

    Attributes:
        titled: names of clusters.
        kl: (K, K, Z) nats.
        alike: (K,) the components in an order that puts those with small KL side by side.
        order: (Z,) the units in the order of Fig. C.5.
    """

    titled: Titled
    kl: NDArray[np.float32]
    alike: NDArray[np.int64]
    order: NDArray[np.int64]

    @property
    def shared(self) -> bool:
        """Whether p(z | y) is the same for every component (M2, ADGM): all of `kl` is zero."""
        return not self.kl.any()

    @property
    def n_active(self) -> int:
        """How many units tell components apart by more than `MIN_ACTIVE_KL`, on average over the ordered pairs."""
        n = len(self.kl)
        return int((self.kl.sum((0, 1)) / (n * (n - 1)) > MIN_ACTIVE_KL).sum())


def n_items(project: Project) -> int:
    """How many items the figures are about."""
    return len(_rows(project))


def titled(seen: Snapshot) -> Titled:
    """The names of a snapshot's clusters and classes."""
    return _subject(seen).titled


def latent_map(seen: Snapshot, limit: int = 2_000) -> LatentMap:
    """Fig. 3, from a random sample of at most `limit` items; the layout is cached."""
    subject = _subject(seen)
    drawn = _sample(len(subject.rows), limit)
    rows = subject.rows[drawn]
    return LatentMap(
        titled=subject.titled,
        items=seen.project.pool.items[rows],
        xy=_layout(seen.results, tuple(rows.tolist())),
        component=np.asarray(seen.q_y[rows]).argmax(1),
        group=subject.group[drawn],
        n_all=len(subject.rows),
    )


@lru_cache(maxsize=8)
def activity(seen: Snapshot) -> Activity:
    """Fig. C.5; cached.

    Raises:
        StateError: the run has no checkpoint.
        CorruptError: its checkpoints are damaged.
    """
    from dgm_engine.training import latent
    from dgm_engine.training.batches import Table

    subject = _subject(seen)
    table = Table(seen.project.pool.x, seen.project.pool.shown)
    sums = latent.unit_activity(seen.model, table, subject.rows, subject.group, len(subject.titled.groups))
    overall = sums.kl.sum((0, 1)) / len(subject.rows)
    kl = sums.kl / np.maximum(sums.count, 1)[..., None]
    return Activity(subject.titled, kl, sums.count, overall, np.argsort(-overall, kind="stable"))


def divergence(seen: Snapshot) -> Divergence:
    """Fig. C.6; cached. Errors are those of `activity`."""
    known = activity(seen)
    kl = _prior_kl(seen.run, seen.results)
    return Divergence(known.titled, kl, _alike(kl.sum(-1)), known.order)


@dataclass(frozen=True, eq=False)
class _Subject:
    """What the figures of a run are about: pool rows (n,), their classes (n,) into `titled.groups`, and the names."""

    rows: NDArray[np.int64]
    group: NDArray[np.int64]
    titled: Titled


def _rows(project: Project) -> NDArray[np.int64]:
    """The items that the figures are about, (n,) pool rows."""
    scored = project.pool.scored
    return scored if len(scored) else project.pool.shown


@lru_cache(maxsize=8)
def _subject(seen: Snapshot) -> _Subject:
    project, state, clusters = seen.project, seen.labels, clusters_of(seen)
    rows = _rows(project)
    if len(project.pool.scored):
        by = "true class"
        names = np.array(project.pool.classes)[project.pool.truth[rows]]
    else:
        by = "predicted class"
        names = class_probabilities(np.asarray(seen.q_y[rows]), seen.owner).predicted()
    groups, group = np.unique(names, return_inverse=True)
    titles = tuple(f"{c.component}: {c.class_name}" if c.class_name else str(c.component) for c in clusters)
    model = read_config(seen.run).model.name
    numbers = {name: state.numbers[name] for name in state.classes}
    numbers |= {name: k for k, name in enumerate(groups.tolist()) if name and name not in numbers}
    titled = Titled(seen.run.number, model, titles, by, tuple(groups.tolist()), class_colours(numbers))
    return _Subject(rows, group, titled)


@lru_cache(maxsize=4)
def _layout(results: Results, rows: tuple[int, ...]) -> NDArray[np.float32]:
    return lay_out(np.asarray(results.z[list(rows)]), Method.TSNE)


@lru_cache(maxsize=8)
def _prior_kl(run: RunPaths, results: Results) -> NDArray[np.float32]:
    from dgm_engine.training import latent

    return latent.prior_kl(model_of(run, results))


def _sample(n: int, limit: int) -> NDArray[np.int64]:
    """Positions of at most `limit` of n items: the same random ones every time, ascending."""
    if n <= limit:
        return np.arange(n)
    return np.sort(np.random.default_rng(0).choice(n, limit, replace=False))


def _alike(total: NDArray[np.floating]) -> NDArray[np.int64]:
    """(K,) an order of the components for KL (K, K): the leaves of an average-linkage tree of log(1 + mean KL)."""
    distance = np.log1p((total + total.T) / 2)
    np.fill_diagonal(distance, 0)
    tree = hierarchy.linkage(squareform(distance, checks=False), "average", optimal_ordering=True)
    return hierarchy.leaves_list(tree).astype(np.int64)
