"""Which images are most worth labelling next."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from dgm_engine.discovery.sampling import evenly_spread
from dgm_engine.discovery.suggestions import Strategy, SuggestRequest, suggest
from dgm_engine.errors import InputError
from dgm_engine.npy import load_array
from dgm_engine.services.snapshot import Snapshot
from dgm_engine.services.viewing import ItemState, positions, shown_q_y, view

LINK_SAMPLE = 20_000
"""Images whose neighbours show which clusters are close to each other, at most."""


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


def suggestions(
    seen: Snapshot, strategy: Strategy = Strategy.MIXED, n: int = 20, without: frozenset[str] = frozenset()
) -> list[SuggestedItem]:
    """The ``n`` items most worth labelling next, none of them judged or skipped already, or in an ignored cluster.

    Args:
        seen: whose items.
        strategy: how they are chosen.
        n: how many at most.
        without: ids of items that are not to be among them either.

    Raises:
        InputError: ``n`` is below 1.
    """
    if n < 1:
        raise InputError(f"{n} suggestions were asked for; ask for at least 1")
    shown = view(seen)
    available = (shown.state == ItemState.UNLABELLED) & ~shown.ignored
    available[positions(seen.project, shown.rows, seen.labels.skipped | without)] = False
    chosen = suggest(
        SuggestRequest(
            q_y=shown_q_y(seen),
            z=seen.results.z[shown.rows],
            owner=seen.owner,
            labels=shown.label,
            available=available,
            strategy=strategy,
            n=n,
            links=_links(seen) if strategy is Strategy.MIXED else None,
        )
    )
    return [
        SuggestedItem(
            item=str(shown.items[s.row]),
            row=int(shown.rows[s.row]),
            reason=s.reason,
            predicted=str(shown.predicted[s.row]),
            confidence=float(shown.confidence[s.row]),
            component=int(shown.component[s.row]),
        )
        for s in chosen
    ]


@lru_cache(maxsize=2)
def _links(seen: Snapshot) -> NDArray[np.int64] | None:
    """(K, K) how many of the nearest neighbours of a sample of each component's items lie in each component.

    None if the lineage looked for no neighbours.
    """
    path = seen.project.paths.run(seen.lineage).neighbours
    if not path.exists():
        return None
    shown = view(seen)
    component = np.full(seen.project.pool.n_items, -1, dtype=np.int64)
    component[shown.rows] = shown.component
    some = evenly_spread(len(shown.rows), LINK_SAMPLE)
    near = component[load_array(path)[shown.rows[some]]]
    n_components = len(shown.owner)
    pairs = shown.component[some][:, None] * n_components + near
    counts = np.bincount(pairs[near >= 0], minlength=n_components**2)
    return counts.reshape(n_components, n_components)
