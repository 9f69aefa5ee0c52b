"""Where the items lie on the map in the browser, what its lassos and clicks mean, and how it follows a run at work.

Points travel in one random order, the same for as long as the pool is, so that no class is painted over another and any
beginning of the buffer is a fair sample. What comes back from the browser is a place in that order, or a polygon.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from dgm_engine.discovery.projections import align
from dgm_engine.services.viewing import View
from dgm_engine.training.results import LiveMap

COORDINATE_STEPS = 65_535
"""The side of the map in steps; a coordinate is a whole number of them. They are finer than the pixels of any screen
until the map is enlarged a hundred times."""


@dataclass(frozen=True, eq=False)
class Places:
    """Where M items lie on the map.

    Attributes:
        token: of these positions; the browser sends it back with what it selects.
        order_token: of the drawing order.
        order: (M,) int64; the browser's point i is item order[i].
        xy: (M, 2) uint16, in the order of the items; the layout's aspect is kept.
    """

    token: str
    order_token: str
    order: NDArray[np.int64]
    xy: NDArray[np.uint16]

    @property
    def points(self) -> NDArray[np.int64]:
        """(M,) the browser's point that each item is; read-only."""
        return _points(len(self.order))

    def items_at(self, points: Sequence[int]) -> NDArray[np.int64]:
        """(n,) the items that the browser's points are; those that there are none of are left out."""
        return self.order[[p for p in points if 0 <= p < len(self.order)]]

    def enclosed(self, polygon: Sequence[Sequence[float]]) -> NDArray[np.bool_]:
        """(M,) which items lie in a polygon of the browser's unit square."""
        return in_polygon(self.xy, np.asarray(polygon, dtype=np.float64).reshape(-1, 2) * COORDINATE_STEPS)

    def centre(self, members: NDArray[np.bool_]) -> tuple[float, float]:
        """Where, in the unit square, the member lies that is nearest to the members' median; there must be one."""
        own = self.xy[members].astype(np.float64)
        x, y = own[np.argmin(np.linalg.norm(own - np.median(own, axis=0), axis=1))] / COORDINATE_STEPS
        return float(x), float(y)


@dataclass(frozen=True, eq=False)
class Followed:
    """A sample of the items as a model at work sees them.

    Attributes:
        points: (n,) the browser's numbers of the items.
        xy: (2n,) x and y of each in turn, in the browser's unit square, to three decimals.
        component: (n,) their clusters now.
        class_name: (n,) their labels, else the classes predicted for them now; "" for none of them.
        under: (n,) of the clusters whose names are on the map, the one whose name they have now; -1 for none of them.
    """

    points: list[int]
    xy: list[float]
    component: NDArray[np.int32]
    class_name: NDArray[np.str_]
    under: NDArray[np.int32]


def followed(where: Places, view: View, live: LiveMap) -> Followed | None:
    """A live map laid onto the places of the same items; None if too few of them are shown.

    Args:
        where: places of the items.
        view: of them, in the same order.
        live: of a run at work.
    """
    sample, of_view, of_live = np.intersect1d(view.rows, live.rows, return_indices=True)
    if len(sample) < 2:
        return None
    xy = align(live.xy[of_live], where.xy[of_view] / COORDINATE_STEPS)
    component, predicted = live.component[of_live], live.class_name[of_live]
    label = view.label[of_view]
    return Followed(
        where.points[of_view].tolist(),
        np.round(xy, 3).ravel().tolist(),
        component,
        np.where(label == "", predicted, label),
        _under(component, predicted, view.owner),
    )


def _under(
    component: NDArray[np.int32], class_name: NDArray[np.str_], owner: Sequence[str | None]
) -> NDArray[np.int32]:
    """(n,) whose name items have: a component may hold others by now than those that its name was given to."""
    owners = [name or "" for name in owner]
    first = {name: k for k, name in reversed(list(enumerate(owners))) if name}
    pairs = zip(component.tolist(), class_name.tolist(), strict=True)
    return np.array(
        [k if k >= len(owners) or owners[k] == name else first.get(name, -1) for k, name in pairs], dtype=np.int32
    )


def places(xy: NDArray[np.floating], token: str, order_token: str) -> Places:
    """Fits positions (M, 2) into the unit square, in its middle and as large as it allows."""
    low, high = xy.min(axis=0).astype(np.float64), xy.max(axis=0).astype(np.float64)
    side = max(float((high - low).max()), 1e-9)
    unit = (xy - (low + high) / 2) / side + 0.5
    steps = np.clip(np.round(unit * COORDINATE_STEPS), 0, COORDINATE_STEPS).astype(np.uint16)
    return Places(token, order_token, _order(len(xy)), steps)


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


def token_of(*parts: object) -> str:
    """A short name for what the parts say."""
    return hashlib.blake2b(repr(parts).encode(), digest_size=8).hexdigest()


@lru_cache(maxsize=4)
def _order(n: int) -> NDArray[np.int64]:
    order = np.random.default_rng(0).permutation(n)
    order.flags.writeable = False
    return order


@lru_cache(maxsize=4)
def _points(n: int) -> NDArray[np.int64]:
    """The inverse of `_order`."""
    points = np.empty(n, dtype=np.int64)
    points[_order(n)] = np.arange(n)
    points.flags.writeable = False
    return points
