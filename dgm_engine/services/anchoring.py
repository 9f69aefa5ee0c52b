"""The images that a person means when they name a cluster, or edit one that has a name."""

import numpy as np
from numpy.typing import NDArray

from dgm_engine.labels.schema import Anchored
from dgm_engine.services.snapshot import Snapshot
from dgm_engine.services.viewing import view
from dgm_engine.training.naming import chosen_anchors


def named(now: Snapshot, seen: Snapshot, *components: int) -> tuple[Anchored, ...]:
    """The images that a new name of clusters is kept by: some of those that they hold, and those that kept another one.

    Args:
        now: the newest snapshot.
        seen: the snapshot that the person saw.
        components: their numbers.
    """
    shown = view(seen)
    inside = np.isin(shown.component, components)
    place = np.flatnonzero(inside)
    sure = shown.confidence[place].astype(np.float64)  # as they saw it: the run may have left other results since
    images = {one.item: one for one in earlier(now, seen, inside)}
    for position in chosen_anchors(shown.rows[place]).tolist():
        item = str(shown.items[place[position]])
        images[item] = Anchored(item, round(float(min(max(sure[position], 1e-3), 1.0)), 3))
    return tuple(images.values())


def earlier(now: Snapshot, seen: Snapshot, which: NDArray[np.bool_]) -> tuple[Anchored, ...]:
    """The images of a view that keep a name already, among some of them.

    Args:
        now: the newest snapshot, with the names that images keep.
        seen: the snapshot that the person saw.
        which: (M,) bool.
    """
    anchors = now.labels.anchors
    rows = now.project.pool.rows(list(anchors))
    inside = np.isin(rows, view(seen).rows[which])
    pairs = zip(anchors.items(), inside.tolist(), strict=True)
    return tuple(Anchored(item, anchor.sure) for (item, anchor), keeps in pairs if keeps)
