"""Pins some images of each half of a split, so that training leaves them in it."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from dgm_engine.discovery.sampling import evenly_spread
from dgm_engine.labels.schema import Edit

PINNED_PER_HALF = 25
"""Pinned images per half of a split, at most. With none, the halves of a cluster of digits that is hardly two things
kept 48 and 100 % of their images through three passes; with 10, 81 and 99 %; with 25, 90 and 100 %."""


def kept_apart(
    edits: Sequence[Edit], contents: Mapping[int, NDArray[np.void]], trained_on: NDArray[np.int64], n_components: int
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Images of the halves of splits, to be pinned in their half until a later edit divides it or joins the two.

    Otherwise training, which pulls neighbours into one component, would merge two halves that are much alike.

    Args:
        edits: the edits in force.
        contents: for each edit, by event, the images of its component just before it (`Contained.contents`).
        trained_on: (M,) pool rows; no others are returned.
        n_components: K.

    Returns:
        rows: (A,) pool rows, at most `PINNED_PER_HALF` of each half, evenly spread; and (A, K) bool, the half of each.
    """
    rows, component = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for place, edit in enumerate(edits):
        if edit.opens is None or edit.event not in contents:
            continue
        row, moved = contents[edit.event]["row"], contents[edit.event]["moved"]
        known = np.isin(row, trained_on)
        for half, k in ((row[known & ~moved], edit.component), (row[known & moved], edit.opens)):
            if not any(later.changes(k) or later.rejoins(edit) for later in edits[place + 1 :]):
                some = half[evenly_spread(len(half), PINNED_PER_HALF)]
                rows.append(some)
                component.append(np.full(len(some), k))
    return np.concatenate(rows), np.concatenate(component)[:, None] == np.arange(n_components)
