"""From many small groups to fewer large ones, along the links between neighbours."""

import numpy as np
from numpy.typing import NDArray


def merge(part: NDArray[np.int64], neighbours: NDArray[np.integer], n_groups: int) -> NDArray[np.int64]:
    """Merges parts until `n_groups` are left, each time the two whose union gives the highest modularity.

    Modularity is the share of links within groups, less the share that chance would put there; merging greedily by it
    is the algorithm of Clauset, Newman & Moore (2004).

    Args:
        part: (N,) which part each item is in.
        neighbours: (N, n) positions of each item's neighbours.
        n_groups: how many groups are to be left.

    Returns:
        (N,) which group each item is in, 0 to n_groups - 1; the parts as they are where there are no more of them.
    """
    _, part = np.unique(part, return_inverse=True)
    n_parts = int(part.max()) + 1
    links = np.zeros((n_parts, n_parts))
    np.add.at(links, (np.repeat(part, neighbours.shape[1]), part[neighbours].ravel()), 1.0)
    links = (links + links.T) / (2 * links.sum())
    group = np.arange(n_parts)
    for _ in range(n_parts - n_groups):
        ends = links.sum(1)
        gain = links - np.outer(ends, ends)
        gone = group != np.arange(n_parts)
        gain[gone] = gain[:, gone] = -np.inf
        np.fill_diagonal(gain, -np.inf)
        first, second = np.unravel_index(gain.argmax(), gain.shape)
        links[first] += links[second]
        links[:, first] += links[:, second]
        links[second] = links[:, second] = 0
        group[group == second] = first
    return np.unique(group[part], return_inverse=True)[1]
