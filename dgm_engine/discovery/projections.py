"""Two-dimensional layouts of z for the map: UMAP, t-SNE or PCA, aligned from one training run to the next.

A layout depends on its arguments alone. If there are too few items for neighbours to mean anything, or all are equal,
the layout is PCA for every method, even for a single item.
"""

import warnings
from enum import StrEnum
from typing import Any

import numpy as np
from scipy.linalg import orthogonal_procrustes
from threadpoolctl import threadpool_limits

from dgm_engine.errors import InputError
from dgm_engine.progress import Progress

MAX_ITEMS_FITTED = 10_000
"""UMAP and t-SNE are fitted to this many random items at most; the others are placed among them."""

MIN_ITEMS_EMBEDDED = 8
"""UMAP and t-SNE need at least this many items; fewer are laid out by PCA."""

LAYOUT_NEIGHBOURS = 15
"""Neighbours per item for UMAP, and for placing an item that was not fitted."""

MAX_SEARCH_DIMENSIONS = 50
"""PCA reduces z to this many dimensions at most before the search for neighbours."""

MIN_TRUSTWORTHINESS = 0.8
"""An earlier layout is refined if its trustworthiness for the new z is at least this."""


class Method(StrEnum):
    """How z is laid out in two dimensions."""

    UMAP = "umap"
    TSNE = "tsne"
    PCA = "pca"


def default_method(n: int) -> Method:
    """The faster good method for n items: t-SNE is slow for many items, and UMAP first compiles for 15 seconds."""
    return Method.TSNE if n <= 5_000 else Method.UMAP


def n_fitted(n: int, method: Method) -> int:
    """The number of n items that a layout is fitted to; the others are placed among them. PCA is fitted to all."""
    return n if method is Method.PCA else min(n, MAX_ITEMS_FITTED)


def project(
    z: np.ndarray,
    method: Method,
    seed: int = 0,
    previous: np.ndarray | None = None,
    progress: Progress | None = None,
) -> np.ndarray:
    """Lays z out from scratch.

    Args:
        z: (N, Z) latent means, any float type.
        method: the method.
        seed: the seed of every random draw.
        previous: (N, 2) an earlier layout of the same items, with which the new one is aligned.
        progress: called with the share done.

    Returns:
        (N, 2) float32.

    Raises:
        InputError: z is not an array of finite numbers with two axes, or `previous` has another number of rows.
    """
    latent = _checked(z, previous)
    xy = _layout(latent, method, seed, None, progress or _quiet)
    return (xy if previous is None else align(xy, previous)).astype(np.float32)


def refine(
    z: np.ndarray,
    previous: np.ndarray,
    method: Method,
    seed: int = 0,
    progress: Progress | None = None,
) -> np.ndarray:
    """Adapts an earlier layout to a slightly changed z by a few cheap steps, instead of a new layout.

    Arguments and errors are those of `project`; PCA, which has no steps, is computed and aligned.

    Returns:
        (N, 2) float32.
    """
    latent = _checked(z, previous)
    xy = _layout(latent, method, seed, previous.astype(np.float64), progress or _quiet)
    return align(xy, previous).astype(np.float32)


def still_fits(z: np.ndarray, previous: np.ndarray, seed: int = 0) -> bool:
    """Whether neighbours in an earlier layout are mostly still neighbours in z, so that `refine` is enough."""
    from sklearn.manifold import trustworthiness

    latent = _checked(z, previous)
    rows = np.random.default_rng(seed).permutation(len(latent))[:1_000]
    neighbours = min(10, (len(rows) - 1) // 2)
    if neighbours < 1:
        return True
    return trustworthiness(latent[rows], previous[rows], n_neighbors=neighbours) >= MIN_TRUSTWORTHINESS


def align(xy: np.ndarray, previous: np.ndarray) -> np.ndarray:
    """Rotates, mirrors, scales and shifts a layout (N, 2) to match an earlier one (N, 2) as closely as possible.

    The scale gives both the same spread. The least-squares scale is smaller whenever the two differ, so the map would
    shrink with every training run.
    """
    xy, previous = xy.astype(np.float64), previous.astype(np.float64)
    centre = previous.mean(axis=0)
    old, new = previous - centre, xy - xy.mean(axis=0)
    old_spread, new_spread = np.linalg.norm(old), np.linalg.norm(new)
    if old_spread == 0 or new_spread == 0:  # all items in one place: there is nothing to rotate or scale
        return new + centre
    rotation, _ = orthogonal_procrustes(new, old)
    return new @ rotation * (old_spread / new_spread) + centre


def _layout(z: np.ndarray, method: Method, seed: int, start: np.ndarray | None, progress: Progress) -> np.ndarray:
    """(N, 2) by the method: all its steps from PCA, or a few from `start` (N, 2)."""
    progress(0.0, "Laying out the map")
    if method is Method.PCA or len(z) < MIN_ITEMS_EMBEDDED or _is_constant(z):
        xy = pca(z, 2)
    else:
        xy = _neighbour_layout(z, method, seed, start, progress)
    progress(1.0, "Map laid out")
    return xy


def _neighbour_layout(
    z: np.ndarray, method: Method, seed: int, start: np.ndarray | None, progress: Progress
) -> np.ndarray:
    if z.shape[1] > MAX_SEARCH_DIMENSIONS:
        z = pca(z, MAX_SEARCH_DIMENSIONS)
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(z))
    fitted, others = np.sort(order[:MAX_ITEMS_FITTED]), np.sort(order[MAX_ITEMS_FITTED:])
    xy = np.empty((len(z), 2))
    begin = None if start is None else start[fitted]
    if method is Method.TSNE:
        xy[fitted] = tsne(z[fitted], seed, begin, progress)
    else:
        xy[fitted] = umap(z[fitted], seed, start=begin)
    if others.size:
        progress(0.9, "Placing the other items")
        _, nearest = _neighbours(z[fitted], z[others], LAYOUT_NEIGHBOURS)
        xy[others] = _among(xy[fitted][nearest], rng)
    return xy


def tsne(
    z: np.ndarray,
    seed: int,
    start: np.ndarray | None = None,
    progress: Progress | None = None,
    steps: tuple[int, int] | None = None,
) -> np.ndarray:
    """t-SNE of z (N, Z), at least `MIN_ITEMS_EMBEDDED` rows, on exact neighbours.

    Args:
        z: the points to lay out.
        seed: the seed of every random draw.
        start: (N, 2) positions to refine by a few steps; None starts from principal components.
        progress: called with the share done.
        steps: the numbers of steps with early exaggeration and without; None for enough steps for a good map, or a few
            if there is a `start`.

    Returns:
        (N, 2).
    """
    from openTSNE import TSNEEmbedding
    from openTSNE.affinity import PerplexityBasedNN

    # Exact neighbours: fast enough up to MAX_ITEMS_FITTED, and the same on every machine.
    affinities = PerplexityBasedNN(
        z, perplexity=min(30, (len(z) - 1) // 3), method="exact", n_jobs=1, random_state=seed
    )
    begin = _pca_start(z, seed) * 1e-4 if start is None else start
    exaggerated, plain = steps or ((250, 500) if start is None else (0, 100))
    done = 0

    def report(_iteration: int, _error: float, _embedding: np.ndarray) -> None:
        nonlocal done
        done += 25
        (progress or _quiet)(0.9 * done / (exaggerated + plain), "Laying out the map")

    optimise: dict[str, Any] = {"inplace": True, "callbacks": report, "callbacks_every_iters": 25}
    embedding = TSNEEmbedding(begin, affinities, n_jobs=1, random_state=seed)
    embedding.optimize(exaggerated, exaggeration=12, momentum=0.8, **optimise)
    embedding.optimize(plain, momentum=0.8, **optimise)
    return np.asarray(embedding)


def umap(
    z: np.ndarray,
    seed: int,
    dimensions: int = 2,
    min_dist: float = 0.1,
    n_neighbours: int = LAYOUT_NEIGHBOURS,
    start: np.ndarray | None = None,
) -> np.ndarray:
    """UMAP of z (N, Z), at least `MIN_ITEMS_EMBEDDED` rows, on exact neighbours.

    Args:
        z: the points to embed.
        seed: the seed of every random draw.
        dimensions: the number of dimensions of the embedding.
        min_dist: the smallest distance of neighbours in the embedding; 0 makes dense groups for a clustering.
        n_neighbours: the number of neighbours per point.
        start: (N, dimensions) positions to refine by a few steps; None starts from principal components.

    Returns:
        (N, dimensions).
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Tensorflow not installed", ImportWarning)
        from umap import UMAP

    # Finding exact neighbours here spares a new process the 40 s that umap needs to compile its own search.
    k = min(n_neighbours, len(z) - 1)
    distances, nearest = _neighbours(z, z, k)
    begin = _pca_start(z, seed, dimensions) if start is None else start
    reducer = UMAP(
        n_neighbors=k,
        n_components=dimensions,
        min_dist=min_dist,
        init=begin.astype(np.float32),  # pyright: ignore[reportArgumentType] - it takes arrays as well as names
        n_epochs=200 if start is None else 30,
        precomputed_knn=(nearest, distances),
        force_approximation_algorithm=True,  # otherwise umap ignores the given neighbours if there are few items
        random_state=seed,
        n_jobs=1,
    )
    # numba changes the number of OpenMP threads of the whole process, including torch; this restores it afterwards.
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.filterwarnings("ignore", r".*knn_search_index\) is not an NNDescent object", UserWarning)
        return reducer.fit_transform(z)  # pyright: ignore[reportReturnType] - an array, as no other output was asked for


def _neighbours(among: np.ndarray, of: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Distances (n, k) and rows (n, k) in `among` of the k nearest neighbours of the points `of`, nearest first."""
    from sklearn.neighbors import NearestNeighbors

    return NearestNeighbors(n_neighbors=min(k, len(among)), algorithm="brute").fit(among).kneighbors(of)


def _among(near: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(n, 2) places among neighbours (n, k, 2): a random mixture of the half of them that is nearest their median.

    Medians alone would line items up in rows and columns, and means would fall between clusters.
    """
    distance = np.linalg.norm(near - np.median(near, axis=1, keepdims=True), axis=2)
    half = np.argsort(distance, axis=1)[:, : near.shape[1] // 2 + 1]
    weight = rng.exponential(size=half.shape)
    weight /= weight.sum(axis=1, keepdims=True)
    return np.einsum("nk,nkd->nd", weight, np.take_along_axis(near, half[..., None], axis=1))


def _pca_start(z: np.ndarray, seed: int, dimensions: int = 2) -> np.ndarray:
    """(n, dimensions) principal components at unit scale, with noise that separates equal items and flat data."""
    xy = pca(z, dimensions)
    return xy / xy[:, 0].std() + np.random.default_rng(seed).normal(scale=0.01, size=xy.shape)


def pca(z: np.ndarray, dimensions: int) -> np.ndarray:
    """(N, dimensions) principal components of z (N, Z); zeros in the dimensions beyond their number."""
    from sklearn.decomposition import PCA

    found = np.zeros((len(z), dimensions))
    if not _is_constant(z):
        k = min(dimensions, *z.shape)
        found[:, :k] = PCA(k, svd_solver="covariance_eigh").fit_transform(z)
    return found


def _is_constant(z: np.ndarray) -> bool:
    return bool(np.all(z == z[:1]))


def _checked(z: np.ndarray, previous: np.ndarray | None) -> np.ndarray:
    """Z as float64, because some callers pass float16."""
    if z.ndim != 2 or z.shape[1] == 0:
        raise InputError(f"z has shape {z.shape}; expected (items, dimensions)")
    if not np.isfinite(z).all():
        raise InputError("z holds numbers that are not finite; train again, with a lower learning rate")
    if previous is not None and previous.shape != (len(z), 2):
        raise InputError(f"the earlier layout has shape {previous.shape}; expected ({len(z)}, 2), or none")
    return z.astype(np.float64)


def _quiet(_share: float, _what: str) -> None:
    """Ignores the progress."""
