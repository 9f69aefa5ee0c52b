"""The arrays behind the paper's figures, of any run that has results, and the pictures that its model imagines.

They are about the items that `evaluate` scores: the test split, or all whose truth is known. Where no truth is known
they are about all items shown, and the classes that people named and labelled stand in for the true ones.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.cluster import hierarchy
from scipy.spatial.distance import squareform

from dgm_engine.config import ModelName
from dgm_engine.discovery.clusters import Cluster
from dgm_engine.discovery.projections import Method
from dgm_engine.discovery.projections import project as lay_out
from dgm_engine.errors import InputError
from dgm_engine.paths import RunPaths
from dgm_engine.services import evaluating, exploring, pictures, projects
from dgm_engine.services.evaluating import Evaluation
from dgm_engine.services.latest import model_of, q_y_of, results_of, results_stamp, run_of
from dgm_engine.services.palette import class_colours
from dgm_engine.services.projects import Project
from dgm_engine.training.ownership import class_probabilities
from dgm_engine.training.runs import is_readable, read_config

ACTIVE_KL = 0.01
"""Nats above which a unit of z counts as active. A unit that the data moves by a tenth of its prior's standard
deviation has 0.005; an unused one, whose q(z_i | x) equals p(z_i | y), has 0 up to the noise of training."""

WALK_STEPS = 9
SAMPLES = 8


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
        n_all: how many items there are; where they are more than n, those drawn are a random sample.
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
        kl: (K, G, Z) nats: means over the items with y* = k in class g; 0 where there are none.
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
        """How many units have a KL above `ACTIVE_KL` over all items."""
        return int((self.overall > ACTIVE_KL).sum())


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
        """How many units tell components apart by more than `ACTIVE_KL`, on average over the ordered pairs."""
        n = len(self.kl)
        return int((self.kl.sum((0, 1)) / (n * (n - 1)) > ACTIVE_KL).sum())


@dataclass(frozen=True)
class Strip:
    """What a component's images look like.

    Attributes:
        component: its number.
        size: its items among those shown.
        prototype: the mean of p(x | ...) at the mean of p(z | y), as an item of the pool.
        samples: (n, *shape) the means of p(x | ...) at draws of z ~ p(z | y), likewise.
    """

    component: int
    size: int
    prototype: NDArray[np.generic]
    samples: NDArray[np.generic]


def stamp(project: Project, run: int | None = None) -> tuple[str, int, int]:
    """Changes whenever any figure of a run may have changed: its folder, its results, the labels."""
    chosen = run_of(project, run)
    return str(chosen.root), results_stamp(chosen), project.labels.version()


def n_items(project: Project) -> int:
    """How many items the figures are about."""
    return len(_rows(project))


def titled(project: Project, run: int | None = None) -> Titled:
    """The names of a run's clusters and classes, under the current labels."""
    chosen = run_of(project, run)
    return _subject(project, chosen, results_stamp(chosen), project.labels.version()).titled


def latent_map(project: Project, run: int | None = None, limit: int = 2_000) -> LatentMap:
    """Fig. 3 of a run, the newest by default, from a random sample of at most `limit` items; cached.

    Raises:
        StateError: nothing was trained yet.
        NotFoundError: there is no such run, or it has no results.
    """
    chosen = run_of(project, run)
    subject = _subject(project, chosen, results_stamp(chosen), project.labels.version())
    drawn = _sample(len(subject.rows), limit)
    rows = subject.rows[drawn]
    return LatentMap(
        titled=subject.titled,
        items=project.pool.items[rows],
        xy=_layout(chosen, results_stamp(chosen), tuple(rows.tolist())),
        component=_q_y(project, chosen, rows).argmax(1),
        group=subject.group[drawn],
        n_all=len(subject.rows),
    )


def activity(project: Project, run: int | None = None) -> Activity:
    """Fig. C.5 of a run, the newest by default; cached.

    Raises:
        StateError: nothing was trained yet, or the run has no checkpoint.
        NotFoundError: there is no such run, or it has no results.
        CorruptError: its checkpoints are damaged.
    """
    chosen = run_of(project, run)
    return _activity(project, chosen, results_stamp(chosen), project.labels.version())


def divergence(project: Project, run: int | None = None) -> Divergence:
    """Fig. C.6 of a run, the newest by default; cached. Errors are those of `activity`."""
    chosen = run_of(project, run)
    known = activity(project, chosen.number)
    kl = _prior_kl(chosen, results_stamp(chosen))
    return Divergence(known.titled, kl, _alike(kl.sum(-1)), known.order)


def strips(project: Project, run: int | None = None) -> tuple[Strip, ...]:
    """Prototype and samples of every component that holds items, the largest first; the samples are cached.

    Errors are those of `activity`.
    """
    chosen = run_of(project, run)
    drawn, prototypes = _drawn(project, chosen, results_stamp(chosen)), results_of(chosen).prototypes
    used = _largest_first(project, chosen)
    return tuple(Strip(c.component, c.size, prototypes[c.component], drawn[c.component]) for c in used)


def walk(project: Project, items: tuple[str, str], run: int | None = None, steps: int = WALK_STEPS) -> NDArray[Any]:
    """(steps, *shape) items decoded on the way through z from one item to another (`training.latent.walk`).

    Raises:
        InputError: fewer than 2 steps.
        NotFoundError: there is no such item or run.
        StateError: nothing was trained yet, or the run has no checkpoint.
    """
    if steps < 2:
        raise InputError(f"a walk of {steps} steps was asked for; it has at least 2, its ends")
    from dgm_engine.training import latent  # torch: only where it is used
    from dgm_engine.training.batches import Table

    chosen = run_of(project, run)
    table = Table(project.pool.x, project.pool.shown)
    ends = table.values(project.pool.rows(list(items)))
    return table.items(latent.walk(model_of(chosen), ends, steps))


def exemplars(project: Project, run: int | None = None) -> dict[int, str]:
    """The most typical item of every component that holds any, the largest component first."""
    return {c.component: str(project.pool.items[c.exemplars[0]]) for c in _largest_first(project, run_of(project, run))}


def strip_sheet(project: Project, found: Sequence[Strip], size: int = 48, *, samples: bool = True) -> bytes:
    """A PNG with a line for each component: its number, its prototype, and its samples where they are asked for."""
    rows = [(s.component, np.stack([s.prototype, *(s.samples if samples else ())])) for s in found]
    lines = [(component, pictures.items(project.pool, row, size)) for component, row in rows]
    return pictures.png(pictures.numbered(lines, size))


def walk_sheet(project: Project, items: tuple[str, str], decoded: NDArray[Any], size: int = 72) -> bytes:
    """A PNG of one line: the first item, the walk, the second item."""
    first, last = project.pool.x[project.pool.rows(list(items))]
    images = pictures.items(project.pool, np.stack([first, *decoded, last]), size)
    return pictures.png(pictures.sheet(images, len(images), size, pictures.GAP))


def run_title(project: Project, run: int) -> str:
    """What a run is called beside others: "digits, run 2: m2"."""
    return f"{project.name}, run {run}: {read_config(project.paths.run(run)).model.name}"


def comparable(project: Project, run: int) -> dict[str, str]:
    """What a run can be compared with, as `compared` takes it, and its title.

    They are the project's other runs and, of the projects in `projects_home`, those with results and the same classes.
    """
    others = (project.paths.run(n) for n in reversed(project.paths.run_numbers()) if n != run)
    found = {str(other.number): run_title(project, other.number) for other in others if is_readable(other)}
    for card in projects.list_projects():
        if card.state == "clustered" and card.root != project.paths.root:
            other = projects.open_project(card.root)
            if other.manifest.classes == project.manifest.classes:
                found[str(card.root)] = run_title(other, run_of(other).number)
    return found


def compared(project: Project, other: str, run: int | None = None) -> tuple[tuple[str, Evaluation], ...]:
    """Titles and scores of two runs, to put side by side (Fig. 4): one of this project and another.

    Args:
        project: whose run comes first.
        other: the number of another run of the project, or the folder of another project (its newest run), or of one
            of its runs (``PROJECT/runs/0002``).
        run: the first run; None is the newest.

    Raises:
        InputError: the other project has other classes, or the truth is not known.
        NotFoundError: there is no such run or project.
        StateError: nothing was trained yet.
    """
    second, number = _other(project, other)
    if second.pool.classes != project.pool.classes:
        raise InputError(
            f"{second.paths.root} has the classes {listed(second.pool.classes)} and {project.paths.root} has "
            f"{listed(project.pool.classes)}; compare projects made from the same source"
        )
    both = (project, evaluating.evaluate(project, run)), (second, evaluating.evaluate(second, number))
    if any(scores.best_naming is None for _, scores in both):
        raise InputError(f"the true classes of {project.paths.root} are not known; there is nothing to compare")
    return tuple((run_title(whose, scores.run), scores) for whose, scores in both)


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


def _q_y(project: Project, run: RunPaths, rows: NDArray[np.int64]) -> NDArray[np.floating]:
    """q(y | x) (n, K) of pool rows (n,), under what people did with the clusters."""
    return np.asarray(q_y_of(run, project.labels.state(read_config(run).lineage).edits)[rows])


@lru_cache(maxsize=8)
def _subject(project: Project, run: RunPaths, stamp: int, version: int) -> _Subject:
    clusters = exploring.clusters_of(project, run)
    rows = _rows(project)
    if len(project.pool.scored):
        by = "true class"
        names = np.array(project.pool.classes)[project.pool.truth[rows]]
    else:
        by = "predicted class"
        owner = tuple(c.class_name for c in clusters)
        names = class_probabilities(_q_y(project, run, rows), owner).predicted()
    groups, group = np.unique(names, return_inverse=True)
    titles = tuple(f"{c.component}: {c.class_name}" if c.class_name else str(c.component) for c in clusters)
    model = read_config(run).model.name
    state = project.labels.state()
    numbers = {name: state.numbers[name] for name in state.classes}
    numbers |= {name: k for k, name in enumerate(groups.tolist()) if name and name not in numbers}
    titled = Titled(run.number, model, titles, by, tuple(groups.tolist()), class_colours(numbers))
    return _Subject(rows, group, titled)


@lru_cache(maxsize=4)
def _layout(run: RunPaths, stamp: int, rows: tuple[int, ...]) -> NDArray[np.float32]:
    return lay_out(np.asarray(results_of(run).z[list(rows)]), Method.TSNE)


@lru_cache(maxsize=8)
def _activity(project: Project, run: RunPaths, stamp: int, version: int) -> Activity:
    from dgm_engine.training import latent
    from dgm_engine.training.batches import Table

    subject = _subject(project, run, stamp, version)
    table = Table(project.pool.x, project.pool.shown)
    sums = latent.unit_activity(model_of(run), table, subject.rows, subject.group, len(subject.titled.groups))
    overall = sums.kl.sum((0, 1)) / len(subject.rows)
    kl = sums.kl / np.maximum(sums.count, 1)[..., None]
    return Activity(subject.titled, kl, sums.count, overall, np.argsort(-overall, kind="stable"))


@lru_cache(maxsize=8)
def _prior_kl(run: RunPaths, stamp: int) -> NDArray[np.float32]:
    from dgm_engine.training import latent

    return latent.prior_kl(model_of(run))


@lru_cache(maxsize=8)
def _drawn(project: Project, run: RunPaths, stamp: int) -> NDArray[np.generic]:
    """(K, SAMPLES, *shape) samples of every component, as items of the pool."""
    from dgm_engine.training import latent
    from dgm_engine.training.batches import Table

    return Table(project.pool.x, project.pool.shown).items(latent.samples(model_of(run), SAMPLES))


def _largest_first(project: Project, run: RunPaths) -> list[Cluster]:
    """The components that hold items."""
    used = (c for c in exploring.clusters_of(project, run) if c.size)
    return sorted(used, key=lambda c: (-c.size, c.component))


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


def _other(project: Project, other: str) -> tuple[Project, int | None]:
    """The project and run that a person means by a run's number or a folder."""
    if other.isdecimal():
        return project, int(other)
    folder = Path(other).expanduser()
    if folder.parent.name == "runs" and folder.name.isdecimal():
        return projects.open_project(folder.parent.parent), int(folder.name)
    return projects.open_project(folder), None


def listed(names: Sequence[str], most: int = 4) -> str:
    """The first names, and how many more there are."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "") or "(none)"
