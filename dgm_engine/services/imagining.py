"""What a model imagines: prototypes and samples of its clusters, and the way from one item to another."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dgm_engine.discovery.clusters import Cluster
from dgm_engine.errors import InputError
from dgm_engine.paths import RunPaths
from dgm_engine.services import pictures
from dgm_engine.services.latest import model_of
from dgm_engine.services.projects import Project
from dgm_engine.services.snapshot import Snapshot
from dgm_engine.services.viewing import clusters_of
from dgm_engine.training.results import Results

WALK_STEPS = 9
SAMPLES_PER_COMPONENT = 8


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


def strips(seen: Snapshot) -> tuple[Strip, ...]:
    """Prototype and samples of every component that holds items, the largest first; the samples are cached.

    Errors are those of `Snapshot.model`.
    """
    drawn, prototypes = _drawn(seen.project, seen.run, seen.results), seen.results.prototypes
    used = _largest_first(seen)
    return tuple(Strip(c.component, c.size, prototypes[c.component], drawn[c.component]) for c in used)


def walk(seen: Snapshot, items: tuple[str, str], steps: int = WALK_STEPS) -> NDArray[Any]:
    """(steps, *shape) items decoded on the way through z from one item to another (`training.latent.walk`).

    Raises:
        InputError: fewer than 2 steps.
        NotFoundError: there is no such item.
        StateError: the run has no checkpoint.
    """
    if steps < 2:
        raise InputError(f"a walk of {steps} steps was asked for; it has at least 2, its ends")
    from dgm_engine.training import latent  # torch: only where it is used
    from dgm_engine.training.batches import Table

    pool = seen.project.pool
    table = Table(pool.x, pool.shown)
    ends = table.values(pool.rows(list(items)))
    return table.items(latent.walk(seen.model, ends, steps))


def exemplars(seen: Snapshot) -> dict[int, str]:
    """The most typical item of every component that holds any, the largest component first."""
    return {c.component: str(seen.project.pool.items[c.exemplars[0]]) for c in _largest_first(seen)}


def strip_sheet(project: Project, found: Sequence[Strip], size: int = 48, *, samples: bool = True) -> bytes:
    """A PNG with a line for each component: its number, its prototype, and its samples where they are asked for."""
    rows = [(s.component, np.stack([s.prototype, *(s.samples if samples else ())])) for s in found]
    lines = [(component, pictures.items(project.pool, row, size)) for component, row in rows]
    return pictures.png(pictures.numbered(lines, size))


def walk_sheet(project: Project, items: tuple[str, str], decoded: NDArray[Any], size: int = 72) -> bytes:
    """A PNG of one line: the first item, the walk, the second item."""
    first, last = project.pool.x[project.pool.rows(list(items))]
    images = pictures.items(project.pool, np.stack([first, *decoded, last]), size)
    return pictures.png(pictures.sheet(images, len(images), size, pictures.GAP_PIXELS))


@lru_cache(maxsize=8)
def _drawn(project: Project, run: RunPaths, results: Results) -> NDArray[np.generic]:
    """(K, SAMPLES_PER_COMPONENT, *shape) samples of every component, as items of the pool."""
    from dgm_engine.training import latent
    from dgm_engine.training.batches import Table

    return Table(project.pool.x, project.pool.shown).items(
        latent.samples(model_of(run, results), SAMPLES_PER_COMPONENT)
    )


def _largest_first(seen: Snapshot) -> list[Cluster]:
    """The components that hold items."""
    used = (c for c in clusters_of(seen) if c.size)
    return sorted(used, key=lambda c: (-c.size, c.component))
