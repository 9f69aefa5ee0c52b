"""The orders in which images can be looked at."""

from enum import StrEnum
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from dgm_engine.discovery.clusters import distances
from dgm_engine.services.snapshot import Snapshot
from dgm_engine.services.viewing import shown_q_y, view
from dgm_engine.training.ownership import class_probabilities


class Order(StrEnum):
    """How images can be ordered."""

    UNSURE = "Least sure first"
    SURE = "Surest first"
    NOVEL = "Least like the named classes"
    TYPICAL = "Most typical of its cluster"
    ODD = "Least typical of its cluster"
    STORED = "As stored"


def ordered(seen: Snapshot, place: NDArray[np.int64], order: Order) -> NDArray[np.int64]:
    """Positions in the view (n,) in the order asked for; equals stay as they are.

    Novelty is the probability of belonging to none of the named classes, how typical an image is the distance of its z
    to the mean over its cluster.
    """
    match order:
        case Order.STORED:
            return place
        case Order.UNSURE | Order.SURE:
            confidence = view(seen).confidence
            key = confidence if order is Order.UNSURE else -confidence
        case Order.NOVEL:
            key = -_novelty(seen)
        case _:
            key = _distance(seen) if order is Order.TYPICAL else -_distance(seen)
    return place[key[place].argsort(kind="stable")]


@lru_cache(maxsize=2)
def _novelty(seen: Snapshot) -> NDArray[np.float32]:
    """(M,) the probability that an item is of none of the named classes."""
    return class_probabilities(shown_q_y(seen), seen.owner).p_new


@lru_cache(maxsize=2)
def _distance(seen: Snapshot) -> NDArray[np.float32]:
    """(M,) the distance of each item's z to the mean over its cluster."""
    z = seen.results.z[seen.results.shown].astype(np.float32)
    return distances(z, view(seen).component, len(seen.owner))
