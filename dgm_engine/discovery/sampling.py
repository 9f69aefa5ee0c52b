"""A sample of many items, for work that would take too long on all of them: evenly spread, or far apart."""

import numpy as np
from numpy.typing import NDArray


def evenly_spread(n: int, most: int) -> NDArray[np.int64]:
    """At most `most` of the positions 0 to n - 1, ascending and evenly spread; all of them if n is not larger."""
    return np.linspace(0, n - 1, min(most, n)).astype(np.int64)


def far_apart(z: np.ndarray, rows: np.ndarray, weight: np.ndarray, known: np.ndarray, n: int) -> list[int]:
    """Up to n of the rows, one by one: the largest weight times squared distance from what is known or chosen.

    Args:
        z: (N, Z) latent means.
        rows: (m,) rows to choose from.
        weight: (m,) of each of them.
        known: (k,) rows to keep away from.
        n: how many at most.
    """
    from sklearn.metrics import pairwise_distances_argmin_min

    latent = z[rows]
    gap = pairwise_distances_argmin_min(latent, z[known])[1] ** 2 if known.size and rows.size else np.ones(len(rows))
    left = np.ones(len(rows), dtype=bool)
    chosen: list[int] = []
    for _ in range(min(n, len(rows))):
        pick = int(np.argmax(np.where(left, weight * gap, -1)))
        away = np.sum((latent - latent[pick]) ** 2, axis=1)
        gap = np.minimum(gap, away) if known.size or chosen else away
        left[pick] = False
        chosen.append(int(rows[pick]))
    return chosen
