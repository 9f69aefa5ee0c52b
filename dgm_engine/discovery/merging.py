"""From many small groups to fewer large ones, along the links between neighbours."""

import numpy as np
from numpy.typing import NDArray

TRACE = 1e-6
"""Of a link between any two: of groups that nothing links, the smallest are merged first."""


def merge(part: NDArray[np.int64], neighbours: NDArray[np.integer], n_groups: int) -> NDArray[np.int64]:
    """Merges parts in pairs until `n_groups` are left, each time the two that are linked most closely.

    How closely is the average linkage of agglomerative clustering: the links between the items of one and those of the
    other, as a share of all that there could be. Large groups and small ones are treated alike; merging by modularity
    (Clauset, Newman & Moore 2004) instead cuts large groups in two and joins small ones.

    Args:
        part: (N,) which part each item is in.
        neighbours: (N, n) positions of each item's neighbours.
        n_groups: how many groups are to be left.

    Returns:
        (N,) which group each item is in, 0 to n_groups - 1; the parts as they are where there are no more of them.
    """
    _, part = np.unique(part, return_inverse=True)
    size = np.bincount(part).astype(np.float64)
    links = np.zeros((len(size), len(size)))
    np.add.at(links, (np.repeat(part, neighbours.shape[1]), part[neighbours].ravel()), 1.0)
    links += links.T
    group = np.arange(len(size))
    for _ in range(len(size) - n_groups):
        linkage = (links + TRACE) / np.outer(size, size)
        gone = group != np.arange(len(size))
        linkage[gone] = linkage[:, gone] = -1.0
        np.fill_diagonal(linkage, -1.0)
        first, second = np.unravel_index(linkage.argmax(), linkage.shape)
        links[first] += links[second]
        links[:, first] += links[:, second]
        size[first] += size[second]
        group[group == second] = first
    return np.unique(group[part], return_inverse=True)[1]
