"""Merges many small groups into fewer large ones along the links between neighbours."""

import numpy as np
from numpy.typing import NDArray

BASE_LINKS = 1e-6
"""Added to the links between any two groups, so that the smallest of those without links are merged first."""


def merge(part: NDArray[np.int64], neighbours: NDArray[np.integer], n_groups: int) -> NDArray[np.int64]:
    """Merges the two most closely linked parts until `n_groups` are left.

    Closeness is the average linkage of agglomerative clustering: the number of links between the items of two groups,
    divided by the number of pairs. Large and small groups are treated alike; merging by modularity (Clauset, Newman &
    Moore 2004) instead cuts large groups in two and joins small ones.

    Args:
        part: (N,) the part of each item.
        neighbours: (N, n) positions of each item's neighbours.
        n_groups: the number of groups to leave.

    Returns:
        (N,) the group of each item, 0 to n_groups - 1; no parts are merged if there are `n_groups` or fewer.
    """
    _, part = np.unique(part, return_inverse=True)
    size = np.bincount(part).astype(np.float64)
    links = np.zeros((len(size), len(size)))
    np.add.at(links, (np.repeat(part, neighbours.shape[1]), part[neighbours].ravel()), 1.0)
    links += links.T
    group = np.arange(len(size))
    for _ in range(len(size) - n_groups):
        linkage = (links + BASE_LINKS) / np.outer(size, size)
        gone = group != np.arange(len(size))
        linkage[gone] = linkage[:, gone] = -1.0
        np.fill_diagonal(linkage, -1.0)
        first, second = np.unravel_index(linkage.argmax(), linkage.shape)
        links[first] += links[second]
        links[:, first] += links[:, second]
        size[first] += size[second]
        group[group == second] = first
    return np.unique(group[part], return_inverse=True)[1]
