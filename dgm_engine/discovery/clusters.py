"""The clusters of a trained model: their sizes, confidence and typical images, and how alike they are."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dgm_engine.discovery.halves import halves
from dgm_engine.errors import InputError

N_EXEMPLARS = 12
"""The number of exemplars of a cluster, at most."""
SIMILARITY_FLOOR = 1e-6
"""Smaller similarities are raised to this before their logarithm is taken, so such components are equally far apart."""


@dataclass(frozen=True)
class Cluster:
    """A component and the items assigned to it (those for which it is the most probable one).

    Attributes:
        component: its number, 0 to K - 1.
        size: number of its items; 0 for a component that is not in use.
        class_name: the class that owns it; None if it has no name.
        confidence: mean of q(y = component | x) over its items, 0 to 1; 0 if it has no items.
        exemplars: (<= N_EXEMPLARS,) int64 rows of typical items that the model is sure of, the most typical first.
        two_like: whether it looks like two clusters (`discovery.halves`).
        by_training: whether its name comes from labels of single images or from the clusters of an earlier model,
            rather than from a person who named this cluster.
        named: the label event that last gave its present name to images that it holds; 0 if there is none.
        named_size: the number of images that this event named, if all of them are known; else 0.
        ignored: whether people chose to ignore it.
        closed: whether it was merged into another or dissolved, so that a split may use it.
    """

    component: int
    size: int
    class_name: str | None
    confidence: float
    exemplars: np.ndarray
    two_like: bool = False
    by_training: bool = False
    named: int = 0
    named_size: int = 0
    ignored: bool = False
    closed: bool = False


def summarise(q_y: np.ndarray, z: np.ndarray, owner: Sequence[str | None]) -> list[Cluster]:
    """One cluster per component, in the order of the components.

    Exemplars are the items nearest the mean of the component's z: first those of the surer half of its items, then,
    if these are too few, those of the other half.

    Args:
        q_y: (N, K) probabilities of the components.
        z: (N, Z) latent means.
        owner: (K,) the class that owns each component, or None.

    Raises:
        InputError: the shapes do not match.
    """
    check_shapes(q_y, z, owner)
    component = q_y.argmax(axis=1)
    rows = np.argsort(component, kind="stable")
    members = np.split(rows, np.searchsorted(component[rows], np.arange(1, len(owner))))
    return [_cluster(k, members[k], q_y, z, owner[k]) for k in range(len(owner))]


def distances(z: np.ndarray, component: np.ndarray, n_components: int) -> np.ndarray:
    """(N,) float32, the distance of each item's z (N, Z) from the mean over the items of its component (N,)."""
    size = np.maximum(np.bincount(component, minlength=n_components), 1)
    mean = np.stack([np.bincount(component, column, n_components) / size for column in z.T], axis=1).astype(np.float32)
    own = np.take_along_axis(z @ mean.T, component[:, None].astype(np.int64), axis=1)[:, 0]
    squared = np.einsum("nz,nz->n", z, z) - 2 * own + np.einsum("kz,kz->k", mean, mean)[component]
    return np.sqrt(np.maximum(squared, 0))


def class_groups(q_y: np.ndarray, owner: Sequence[str | None]) -> tuple[list[str | None], np.ndarray]:
    """The names of what a person tells apart so far, and their probabilities (N, G): classes, and unnamed components.

    Args:
        q_y: (N, K) float32 probabilities of the components.
        owner: (K,) the class that owns each component; each component without an owner is a group, named None.
    """
    names: list[str | None] = [*dict.fromkeys(name for name in owner if name is not None)]
    group: list[int] = []
    for name in owner:
        if name is None:
            names.append(None)
        group.append(len(names) - 1 if name is None else names.index(name))
    return names, q_y @ np.eye(len(names), dtype=np.float32)[group]  # (N, K) @ (K, G)


def check_shapes(q_y: np.ndarray, z: np.ndarray, owner: Sequence[str | None]) -> None:
    """Raises InputError unless q_y is (N, K), z is (N, Z) and owner has K entries."""
    if q_y.ndim != 2 or z.ndim != 2 or len(q_y) != len(z) or q_y.shape[1] != len(owner):
        raise InputError(
            f"q_y has shape {q_y.shape}, z {z.shape} and owner {len(owner)} entries; "
            "expected (N, K), (N, Z) and K of the same run"
        )


def _cluster(k: int, rows: np.ndarray, q_y: np.ndarray, z: np.ndarray, class_name: str | None) -> Cluster:
    if rows.size == 0:
        return Cluster(k, 0, class_name, 0.0, rows)
    probability = q_y[rows, k].astype(np.float32)
    latent = z[rows].astype(np.float32)
    distance = np.linalg.norm(latent - latent.mean(axis=0), axis=1)
    typical = np.lexsort((distance, probability < np.median(probability)))[:N_EXEMPLARS]
    two_like = rows.size > 1 and halves(latent).two_like
    return Cluster(k, rows.size, class_name, float(probability.mean()), rows[typical], two_like)


@dataclass(frozen=True)
class Similarity:
    """How alike the components in use are, measured by q(y | x).

    Attributes:
        components: (C,) int64, those that hold items, ascending.
        matrix: (C, C) average of the mean of q(j | x) over the items of i and that of q(i | x) over the items of j;
            1 for i = j.
        order: (C,) int64 positions in `components` that put similar components side by side: the leaves of an
            average-linkage tree.
    """

    components: np.ndarray
    matrix: np.ndarray
    order: np.ndarray


def similarity(q_y: np.ndarray) -> Similarity:
    """How alike the components in use are.

    Args:
        q_y: (N, K) probabilities of the components.
    """
    from scipy.cluster import hierarchy
    from scipy.spatial.distance import squareform

    components, position = np.unique(q_y.argmax(axis=1), return_inverse=True)
    seen = np.stack([q_y[position == i][:, components].mean(axis=0, dtype=np.float64) for i in range(len(components))])
    matrix = (seen + seen.T) / 2
    np.fill_diagonal(matrix, 1)
    if len(components) < 2:
        return Similarity(components, matrix, np.arange(len(components)))
    distance = squareform(-np.log(matrix.clip(SIMILARITY_FLOOR, 1)), checks=False)  # shares span orders of magnitude
    order = hierarchy.leaves_list(hierarchy.linkage(distance, "average", optimal_ordering=True))
    return Similarity(components, matrix, order.astype(np.int64))
