"""Two-dimensional layouts of z for the map: UMAP, t-SNE or PCA, steady from one training run to the next.

A layout depends on its arguments alone. Piles too small, or too uniform, for neighbours to mean anything are laid out
by PCA whatever method was asked for, down to a single item.
"""

import warnings
from enum import StrEnum
from typing import Any

import numpy as np
from scipy.linalg import orthogonal_procrustes
from threadpoolctl import threadpool_limits

from dgm_engine.errors import InputError
from dgm_engine.progress import Progress

FIT_LIMIT = 10_000
"""UMAP and t-SNE are fitted on so many items at most, drawn at random; the others are placed among them."""

SMALLEST = 8
"""UMAP and t-SNE need so many items; fewer are laid out by PCA."""

N_NEIGHBOURS = 15
"""Neighbours that UMAP looks at, and that an item which was not fitted is placed among."""

DIMENSIONS = 50
"""Longer z are reduced to so many dimensions by PCA before neighbours are sought."""

TRUSTED = 0.8
"""An earlier layout whose trustworthiness for the new z is at least this is worth refining."""


class Method(StrEnum):
    """How z is laid out in two dimensions."""

    UMAP = "umap"
    TSNE = "tsne"
    PCA = "pca"


def default_method(n: int) -> Method:
    """The method that shows n items well in the shorter time: t-SNE grows slow, UMAP compiles for a quarter minute."""
    return Method.TSNE if n <= 5_000 else Method.UMAP


def n_fitted(n: int, method: Method) -> int:
    """How many of n items a layout is fitted on; the others are placed among them. PCA is exact on all."""
    return n if method is Method.PCA else min(n, FIT_LIMIT)


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
        method: how.
        seed: of every random draw.
        previous: (N, 2) an earlier layout of the same items, onto which the new one is turned, scaled and shifted.
        progress: told the share done.

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
    """Moves an earlier layout towards a slightly changed z by a few cheap steps, in place of a new layout.

    Args and errors are those of `project`; PCA has no steps and is computed and aligned.

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
    return trustworthiness(latent[rows], previous[rows], n_neighbors=neighbours) >= TRUSTED


def align(xy: np.ndarray, previous: np.ndarray) -> np.ndarray:
    """Turns, mirrors, scales and shifts a layout (N, 2) so that it lies on an earlier one (N, 2) as well as it can.

    The scale is that of equal spread. The least-squares scale is smaller wherever the two differ, and the map would
    shrink with every training run.
    """
    xy, previous = xy.astype(np.float64), previous.astype(np.float64)
    centre = previous.mean(axis=0)
    old, new = previous - centre, xy - xy.mean(axis=0)
    old_spread, new_spread = np.linalg.norm(old), np.linalg.norm(new)
    if old_spread == 0 or new_spread == 0:  # all items in one place: there is nothing to turn or to scale to
        return new + centre
    rotation, _ = orthogonal_procrustes(new, old)
    return new @ rotation * (old_spread / new_spread) + centre


def _layout(z: np.ndarray, method: Method, seed: int, start: np.ndarray | None, progress: Progress) -> np.ndarray:
    """(N, 2) by the method: all its steps from PCA, or a few from `start` (N, 2)."""
    progress(0.0, "Laying out the map")
    if method is Method.PCA or len(z) < SMALLEST or _is_constant(z):
        xy = pca(z, 2)
    else:
        xy = _neighbour_layout(z, method, seed, start, progress)
    progress(1.0, "Map laid out")
    return xy


def _neighbour_layout(
    z: np.ndarray, method: Method, seed: int, start: np.ndarray | None, progress: Progress
) -> np.ndarray:
    if z.shape[1] > DIMENSIONS:
        z = pca(z, DIMENSIONS)
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(z))
    fitted, others = np.sort(order[:FIT_LIMIT]), np.sort(order[FIT_LIMIT:])
    xy = np.empty((len(z), 2))
    begin = None if start is None else start[fitted]
    if method is Method.TSNE:
        xy[fitted] = tsne(z[fitted], seed, begin, progress)
    else:
        xy[fitted] = umap(z[fitted], seed, start=begin)
    if others.size:
        progress(0.9, "Placing the other items")
        _, nearest = _neighbours(z[fitted], z[others], N_NEIGHBOURS)
        xy[others] = _among(xy[fitted][nearest], rng)
    return xy


def tsne(
    z: np.ndarray,
    seed: int,
    start: np.ndarray | None = None,
    progress: Progress | None = None,
    steps: tuple[int, int] | None = None,
) -> np.ndarray:
    """t-SNE of z (N, Z), at least `SMALLEST` rows, on exact neighbours.

    Args:
        z: what to lay out.
        seed: of every random draw.
        start: (N, 2) positions to refine by a few steps; None lays out anew, from principal components.
        progress: told the share done.
        steps: how many while the attraction of neighbours is exaggerated, and how many after that; None takes as many
            as make a fine map, or few where there is a `start`.

    Returns:
        (N, 2).
    """
    from openTSNE import TSNEEmbedding
    from openTSNE.affinity import PerplexityBasedNN

    # Exact neighbours: fast enough up to FIT_LIMIT, and the same on every machine.
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
    n_neighbours: int = N_NEIGHBOURS,
    start: np.ndarray | None = None,
) -> np.ndarray:
    """UMAP of z (N, Z), at least `SMALLEST` rows, on exact neighbours.

    Args:
        z: what to embed.
        seed: of every random draw.
        dimensions: of the embedding.
        min_dist: how close neighbours may lie; 0 gathers groups for a clustering.
        n_neighbours: how many count as near.
        start: (N, dimensions) positions to refine by a few steps; None lays out anew, from principal components.

    Returns:
        (N, dimensions).
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Tensorflow not installed", ImportWarning)
        from umap import UMAP

    # Exact neighbours found here spare a new process the 40 s that umap spends on compiling its own search.
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
        force_approximation_algorithm=True,  # otherwise it ignores the neighbours of a small pile
        random_state=seed,
        n_jobs=1,
    )
    # numba sets the number of OpenMP threads of everything else in the process, torch too; this sets it back after.
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.filterwarnings("ignore", r".*knn_search_index\) is not an NNDescent object", UserWarning)
        return reducer.fit_transform(z)  # pyright: ignore[reportReturnType] - an array, as no other output was asked for


def _neighbours(among: np.ndarray, of: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Distances (n, k) and rows (n, k) of the k nearest rows, the nearest first."""
    from sklearn.neighbors import NearestNeighbors

    return NearestNeighbors(n_neighbors=min(k, len(among)), algorithm="brute").fit(among).kneighbors(of)


def _among(near: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(n, 2) places among neighbours (n, k, 2): a random mixture of the half that lie closest to their middle.

    Medians alone would line items up in rows and columns, and means would lie between clusters.
    """
    distance = np.linalg.norm(near - np.median(near, axis=1, keepdims=True), axis=2)
    half = np.argsort(distance, axis=1)[:, : near.shape[1] // 2 + 1]
    weight = rng.exponential(size=half.shape)
    weight /= weight.sum(axis=1, keepdims=True)
    return np.einsum("nk,nkd->nd", weight, np.take_along_axis(near, half[..., None], axis=1))


def _pca_start(z: np.ndarray, seed: int, dimensions: int = 2) -> np.ndarray:
    """(n, dimensions) principal components at unit scale, with noise that lets equal items and flat piles unfold."""
    xy = pca(z, dimensions)
    return xy / xy[:, 0].std() + np.random.default_rng(seed).normal(scale=0.01, size=xy.shape)


def pca(z: np.ndarray, dimensions: int) -> np.ndarray:
    """(N, dimensions) principal components of z (N, Z); zeros beyond those that there are."""
    from sklearn.decomposition import PCA

    found = np.zeros((len(z), dimensions))
    if not _is_constant(z):
        k = min(dimensions, *z.shape)
        found[:, :k] = PCA(k, svd_solver="covariance_eigh").fit_transform(z)
    return found


def _is_constant(z: np.ndarray) -> bool:
    return bool(np.all(z == z[:1]))


def _checked(z: np.ndarray, previous: np.ndarray | None) -> np.ndarray:
    """Z as float64, since some of it comes as float16."""
    if z.ndim != 2 or z.shape[1] == 0:
        raise InputError(f"z has shape {z.shape}; expected (items, dimensions)")
    if not np.isfinite(z).all():
        raise InputError("z holds numbers that are not finite; train again, with a lower learning rate")
    if previous is not None and previous.shape != (len(z), 2):
        raise InputError(f"the earlier layout has shape {previous.shape}; expected ({len(z)}, 2), or none")
    return z.astype(np.float64)


def _quiet(_share: float, _what: str) -> None:
    """Where nobody wants to know."""
