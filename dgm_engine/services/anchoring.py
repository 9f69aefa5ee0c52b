"""The images that a person speaks of when they name a cluster, or change one that has a name."""

import numpy as np
from numpy.typing import NDArray

from dgm_engine.labels.schema import Anchored
from dgm_engine.services.exploring import View
from dgm_engine.services.projects import Project
from dgm_engine.training.naming import chosen_anchors


def named(project: Project, seen: View, *components: int) -> tuple[Anchored, ...]:
    """The images that a new name of clusters is kept by: some of those that they hold, and those that kept another one.

    Args:
        project: whose clusters they are.
        seen: the view that the person saw.
        components: their numbers.
    """
    inside = np.isin(seen.component, components)
    place = np.flatnonzero(inside)
    sure = seen.confidence[place].astype(np.float64)  # as they saw it: the run may have left other results since
    images = {one.item: one for one in earlier(project, seen, inside)}
    for position in chosen_anchors(seen.rows[place]).tolist():
        item = str(seen.items[place[position]])
        images[item] = Anchored(item, round(float(min(max(sure[position], 1e-3), 1.0)), 3))
    return tuple(images.values())


def earlier(project: Project, seen: View, which: NDArray[np.bool_]) -> tuple[Anchored, ...]:
    """The images of a view that keep a name already, among some of them.

    Args:
        project: whose images.
        seen: the view that the person saw.
        which: (M,) bool.
    """
    anchors = project.labels.state().anchors
    rows = project.pool.rows(list(anchors))
    inside = np.isin(rows, seen.rows[which])
    pairs = zip(anchors.items(), inside.tolist(), strict=True)
    return tuple(Anchored(item, anchor.sure) for (item, anchor), keeps in pairs if keeps)
