"""The methods that our models are compared with, as functions of arrays.

Settings that are not given here are the defaults of the libraries.

Heavy libraries are imported by the function that needs them.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from dgm_engine.config import Preset
from dgm_engine.data.compat import import_torchvision
from dgm_engine.data.pool import Pool
from dgm_engine.reproduction.tables import CLASSIFIERS, PeerName

PEER_DIMENSIONS = 50
"""The number of principal components that all peers but the deep ones work on."""
DEEP_PEERS = frozenset({PeerName.VADE, PeerName.DEC})
DEEP_EPOCHS = {Preset.FAST: (10, 15), Preset.PAPER: (100, 150)}
"""Passes of the deep peers over the images, (pretraining, clustering): the defaults of clustpy with preset `paper`, a
tenth of them with `fast`, which takes about as long as a run of our models."""
MISSING_NOTE = "not installed: pip install 'dgm-studio[dev]'"


@dataclass(frozen=True)
class PeerTask:
    """What a peer is asked to do.

    Attributes:
        peer: the method.
        n_components: the number of clusters to find; None for a classifier.
        seed: the seed of every random draw.
        epochs: (pretraining, clustering) passes of a deep peer.
    """

    peer: PeerName
    n_components: int | None
    seed: int
    epochs: tuple[int, int]

    @property
    def stages(self) -> str:
        """The passes as text; "" for a peer without passes."""
        return f"{self.epochs[0]} + {self.epochs[1]}" if self.peer in DEEP_PEERS else ""


def deep_epochs(preset: Preset, epochs: int | None) -> tuple[int, int]:
    """Passes (pretraining, clustering) of a deep peer; `epochs`, if given, is the second, and 2/3 of it the first."""
    return DEEP_EPOCHS[preset] if epochs is None else (max(1, 2 * epochs // 3), epochs)


def missing(peer: PeerName) -> str:
    """Why a peer cannot run here; "" if it can."""
    return MISSING_NOTE if peer in DEEP_PEERS and find_spec("clustpy") is None else ""


def run_peer(task: PeerTask, x: NDArray[np.float32], known: NDArray[np.int64], fitted: int) -> NDArray[np.int64]:
    """Fits a peer to the first images and predicts all images.

    Args:
        task: the peer and its settings.
        x: (N, D) pixels between 0 and 1, or features.
        known: (fitted,) the labelled class of each image, numbered from 0, or -1; clusterers ignore it.
        fitted: the number of images to fit to, from the first on.

    Returns:
        (N,) the cluster of each image, or its class if the peer is a classifier.

    Raises:
        ValueError: the task of a clusterer has no number of clusters.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # from the libraries: deprecations, and fits that end before they converge
        if task.peer in CLASSIFIERS:
            return _CLASSIFIERS[task.peer](task, _reduced(x, fitted, task.seed), known, fitted)
        return _CLUSTERERS[task.peer](task, x, fitted)


def run_on_pool(
    task: PeerTask, pool: Pool, known: NDArray[np.int64], features: NDArray[np.floating] | None = None
) -> NDArray[np.int64]:
    """Fits a peer to the images that a model would train on, and predicts all images.

    The process uses one thread from then on, as the training worker does on two cores, so that times can be compared.

    Args:
        task: the peer and its settings.
        pool: the images.
        known: (N,) the labelled class of each image, numbered from 0, or -1.
        features: (N, D) the input of the peer; None takes the pixels, scaled to [0, 1].

    Returns:
        (N,) the cluster or class of each image.
    """
    import torch

    order = np.concatenate([pool.shown, np.setdiff1d(np.arange(pool.n_items), pool.shown)])
    seen = pool.x.reshape(pool.n_items, -1) / np.float32(255) if features is None else features
    x = seen[order].astype(np.float32)
    found = np.empty(pool.n_items, dtype=np.int64)
    torch.set_num_threads(1)
    with threadpool_limits(1):
        found[order] = run_peer(task, x, known[pool.shown], len(pool.shown))
    return found


def _k_means(task: PeerTask, x: NDArray[np.float32], fitted: int) -> NDArray[np.int64]:
    from sklearn.cluster import KMeans

    x = _reduced(x, fitted, task.seed)
    found = KMeans(_k(task), n_init=10, random_state=task.seed).fit(x[:fitted])  # pyright: ignore[reportArgumentType]
    return np.asarray(found.predict(x), dtype=np.int64)


def _umap_gmm(task: PeerTask, x: NDArray[np.float32], fitted: int) -> NDArray[np.int64]:
    """UMAP to 10 dimensions for clustering (min_dist 0), then a Gaussian mixture with full covariances."""
    from sklearn.mixture import GaussianMixture
    from umap import UMAP

    x = _reduced(x, fitted, task.seed)
    reducer = UMAP(n_components=10, n_neighbors=20, min_dist=0.0, random_state=task.seed, n_jobs=1)
    embedded = np.asarray(reducer.fit_transform(x[:fitted]))
    others = [np.asarray(reducer.transform(x[fitted:]))] if fitted < len(x) else []
    mixture = GaussianMixture(_k(task), n_init=5, random_state=task.seed).fit(embedded)
    return mixture.predict(np.concatenate([embedded, *others]))


def _vade(task: PeerTask, x: NDArray[np.float32], fitted: int) -> NDArray[np.int64]:
    import_torchvision()  # clustpy imports it
    from clustpy.deep import VaDE

    return _deep(VaDE, task, x, fitted)


def _dec(task: PeerTask, x: NDArray[np.float32], fitted: int) -> NDArray[np.int64]:
    import_torchvision()  # clustpy imports it
    from clustpy.deep import DEC

    return _deep(DEC, task, x, fitted)


def _deep(kind: Callable[..., Any], task: PeerTask, x: NDArray[np.float32], fitted: int) -> NDArray[np.int64]:
    pretraining, clustering = task.epochs
    model = kind(
        n_clusters=_k(task),
        pretrain_epochs=pretraining,
        clustering_epochs=clustering,
        device="cpu",
        random_state=task.seed,
    )
    return model.fit(x[:fitted]).predict(x)


def _label_spreading(
    task: PeerTask, x: NDArray[np.float32], known: NDArray[np.int64], fitted: int
) -> NDArray[np.int64]:
    from sklearn.semi_supervised import LabelSpreading

    return LabelSpreading(kernel="knn", n_neighbors=10).fit(x[:fitted], known).predict(x)


def _self_training(task: PeerTask, x: NDArray[np.float32], known: NDArray[np.int64], fitted: int) -> NDArray[np.int64]:
    from sklearn.linear_model import LogisticRegression
    from sklearn.semi_supervised import SelfTrainingClassifier

    base = LogisticRegression(max_iter=1_000, random_state=task.seed)
    return SelfTrainingClassifier(base).fit(x[:fitted], known).predict(x)


_CLUSTERERS = {
    PeerName.K_MEANS: _k_means,
    PeerName.UMAP_GMM: _umap_gmm,
    PeerName.VADE: _vade,
    PeerName.DEC: _dec,
}
_CLASSIFIERS = {PeerName.LABEL_SPREADING: _label_spreading, PeerName.SELF_TRAINING: _self_training}


def _reduced(x: NDArray[np.float32], fitted: int, seed: int) -> NDArray[np.float32]:
    """(N, at most `PEER_DIMENSIONS`) principal components, fitted to the first `fitted` images."""
    from sklearn.decomposition import PCA

    size = min(PEER_DIMENSIONS, fitted, x.shape[1])
    return PCA(size, random_state=seed).fit(x[:fitted]).transform(x).astype(np.float32)


def _k(task: PeerTask) -> int:
    if task.n_components is None:
        raise ValueError(f"{task.peer} needs a number of clusters")
    return task.n_components
