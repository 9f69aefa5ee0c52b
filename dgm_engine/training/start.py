"""The clustering start of a fresh model.

From random weights q(y | x) stays near uniform for many epochs. So a model starts from a clustering: a sample of the
images is embedded so that neighbours gather (t-SNE for small piles, UMAP for large ones), a Gaussian mixture is fitted
there, with more components than asked for, which are merged to K along the links between neighbours, and q(y | x) is
fitted to the assignment. Before that a VAE (the same encoder and decoder,
its y-row at zero) is trained for a few epochs, so that p(z | y) can take the moments of the components in its z.

The distance of images is that of the features that the model sees (`dgm_engine.extractors`; oriented gradients by
default), the distance of feature vectors that of their values; both in principal components. With pixels instead of
features, clusters followed the classes of the training images of MNIST and Fashion-MNIST less closely.
"""

import math
import warnings
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from statistics import fmean

import numpy as np
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits
from torch import Tensor
from torch.nn import functional

from dgm_engine import machine
from dgm_engine.config import TrainingConfig
from dgm_engine.discovery.merging import merge
from dgm_engine.discovery.projections import MIN_ITEMS_EMBEDDED, Method, default_method, tsne, umap
from dgm_engine.distributions import DiagonalGaussian
from dgm_engine.models.base import DeepGenerativeModel
from dgm_engine.training.batches import Augmentation, Table
from dgm_engine.training.loop import TrainingState, bfloat16

CLUSTERED_SAMPLE = 15_000
"""Items that are embedded and clustered, at most; q(y | x) extends the clustering to the others."""
PCA_SAMPLE = 5_000
START_DIMENSIONS = 50
N_NEIGHBOURS = 10
MAX_EXACT_SEARCH = 100_000
"""Up to this many items, the search for neighbours compares all pairs."""
POINTS_BATCH = 2048
TSNE_STEPS = (150, 100)
"""Steps with early exaggeration and without. Groups separate long before a map is finished: a third of a map's steps
gave the same clusters of digits, MNIST and Fashion-MNIST (1,500 and 4,000 training images, three seeds)."""
START_MIN_STEPS, START_MAX_STEPS = 250, 1_000
"""Limits of the steps of the VAE, and of the fit of q(y | x). Without the upper one, a person with a million images
would wait for clusters that a sample of them gives."""
START_RATE_FACTOR = 3.0
"""The learning rate of the VAE and of the fit of q(y | x), as a multiple of the model's, whose terms compete. At the
end of training on the digits, over three seeds, 77 % of the samples of a class were recognised as that class; with the
model's own rate for the VAE, 72 % after 400 of its steps and 51 % after 250."""
FITTED_LOSS, FIT_WINDOW = 0.1, 20
"""The fit of q(y | x) ends once its mean loss, in nats, over the last `FIT_WINDOW` steps is below `FITTED_LOSS`: on the
digits after 80 (K = 10) to 200 steps (K = 20). At 0.15 the clusters of MNIST's test images were right in 96.5 % of
cases, at 0.1 in 97.1 %. A network of 16 units takes 100 steps to learn four blobs."""
VAE_EPOCHS, FIT_EPOCHS = 2, 4
MIXTURE_RESTARTS = 3
MAX_PARTS, PART_SIZE = 40, 20
"""The mixture is fitted with this many parts, which are then merged to fewer components: with only K parts, which are
ellipses, it would cut large groups in two and join small ones. A small pile gets one part per `PART_SIZE` items."""
VAE_TIME_SHARE, FIT_TIME_SHARE = 0.3, 0.15
"""The VAE, and the fit of q(y | x), may take these shares of a run's time budget at most."""
FIT_MIN_STEPS = 100
"""The fit takes at least this many steps whatever the time budget: with fewer, all items may end in one cluster."""


@dataclass(frozen=True)
class StartRecord:
    """Progress of the start.

    Attributes:
        phase: the text for the screen.
        progress: share of the start that is done, 0 to 1.
        elbo: the VAE's bound, while the VAE is trained.
    """

    phase: str
    progress: float
    elbo: float | None = None


def clustering_start(state: TrainingState, table: Table, config: TrainingConfig) -> Iterator[StartRecord]:
    """Gives a fresh model its clusters, in place; yields progress."""
    for share, elbo in _fit_vae(state, table, config):
        yield StartRecord("Learning what the images look like", 0.6 * share, elbo)
    yield StartRecord("Looking for groups", 0.6)
    sample = replace(table, rows=table.sample(CLUSTERED_SAMPLE, state.rng))
    points = principal_components(state.model, sample, state.rng)
    component = cluster(points, state.model.config.n_components, int(state.rng.integers(2**31)))
    model, device = state.model, state.model.inputs.fill.device

    def latent(rows: NDArray[np.int64]) -> DiagonalGaussian:
        return model.vae_posterior(model.inputs(table.values(rows).to(device)))

    model.set_p_z(*moments(*latents(latent, sample.rows), component, model.config.n_components))
    yield StartRecord("Fitting the clusters", 0.9)
    for share in fit_q_y(state, sample, component, config):
        yield StartRecord("Fitting the clusters", 0.9 + 0.1 * share)


def nearest_rows(state: TrainingState, table: Table) -> NDArray[np.int32]:
    """(N, N_NEIGHBOURS) pool rows of the nearest neighbours of each row to train on; zeros for the other rows."""
    nearest = np.zeros((len(table.x), N_NEIGHBOURS), dtype=np.int32)
    nearest[table.rows] = table.rows[find_neighbours(principal_components(state.model, table, state.rng))]
    return nearest


def principal_components(model: DeepGenerativeModel, table: Table, rng: np.random.Generator) -> NDArray[np.float32]:
    """(M, at most 50) principal components of the rows to train on, fitted on a sample.

    They are components of the features of images if the model sees any, and otherwise of the networks' input.
    """
    from sklearn.decomposition import PCA

    fill = model.inputs.fill

    def described(rows: NDArray[np.int64]) -> NDArray[np.float32]:
        seen = table.features_of(rows, fill)
        if seen is None:
            raw = table.values(rows).to(fill)
            seen = model.features(raw)
            seen = model.inputs(raw) if seen is None else seen
        return seen.cpu().numpy()

    sample = described(table.sample(PCA_SAMPLE, rng))
    found = PCA(min(START_DIMENSIONS, *sample.shape), random_state=0).fit(sample)
    parts = np.array_split(table.rows, len(table.rows) // POINTS_BATCH + 1)
    return np.concatenate([found.transform(described(rows)) for rows in parts]).astype(np.float32)


def find_neighbours(points: NDArray[np.floating]) -> NDArray[np.int64]:
    """(N, N_NEIGHBOURS) positions of the nearest other points (N, Z), nearest first; if there are too few, they repeat.

    Beyond `MAX_EXACT_SEARCH` points the search is approximate (nearest neighbour descent).
    """
    n = min(N_NEIGHBOURS + 1, len(points))
    if len(points) <= MAX_EXACT_SEARCH:
        from sklearn.neighbors import NearestNeighbors

        found = NearestNeighbors(n_neighbors=n, algorithm="brute").fit(points).kneighbors(points, return_distance=False)
    else:
        from pynndescent import NNDescent

        with threadpool_limits(1):  # as in `projections.umap`
            graph = NNDescent(points, n_neighbors=n, random_state=0, n_jobs=1).neighbor_graph
        found = np.asarray(graph[0])  # type: ignore[index]
    itself = np.arange(len(points))[:, None]
    found = np.where(found < 0, itself, found)  # pynndescent found fewer
    # Among equal points, an item need not be the first of its own neighbours.
    others = np.take_along_axis(found, np.argsort(found == itself, axis=1, kind="stable"), axis=1)[:, : max(1, n - 1)]
    return others[:, np.arange(N_NEIGHBOURS) % others.shape[1]]


def cluster(points: NDArray[np.floating], n_components: int, seed: int) -> NDArray[np.int64]:
    """(N,) the groups of points (N, Z): of a Gaussian mixture after an embedding that gathers neighbours, then merged.

    If there are fewer points than components, the last components get none.
    """
    from sklearn.mixture import GaussianMixture

    if default_method(len(points)) is Method.UMAP:
        embedded = umap(points, seed, dimensions=10, min_dist=0.0, n_neighbours=20)
    else:
        embedded = tsne(points, seed, steps=TSNE_STEPS) if len(points) >= MIN_ITEMS_EMBEDDED else points
    parts = max(n_components, min(MAX_PARTS, len(points) // PART_SIZE))
    mixture = GaussianMixture(min(parts, len(points)), n_init=MIXTURE_RESTARTS, reg_covar=1e-4, random_state=seed)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=UserWarning, module="sklearn")  # not converged: good enough
        part = mixture.fit_predict(embedded)
    return merge(part, find_neighbours(points), n_components) if parts > n_components else part


def _fit_vae(state: TrainingState, table: Table, config: TrainingConfig) -> Iterator[tuple[float, float]]:
    """Trains the plain VAE inside the model; yields (share done, bound)."""
    model = state.model
    optimiser = torch.optim.Adam(model.parameters(), lr=START_RATE_FACTOR * config.learning_rate)
    device = model.inputs.fill.device
    for share, rows in _steps(state, table, config, VAE_EPOCHS, VAE_TIME_SHARE):
        x = model.inputs(table.values(rows).to(device))
        with bfloat16(device, config):
            elbo = model.vae_bound(x, state.generator).mean()
        _descend(optimiser, -elbo)
        yield share, elbo.item()


def fit_q_y(
    state: TrainingState, table: Table, component: NDArray[np.int64], config: TrainingConfig
) -> Iterator[float]:
    """Fits q(y | x) to an assignment of the table's rows, on changed copies of the images; yields the share done."""
    model = state.model
    device = model.inputs.fill.device
    optimiser = torch.optim.Adam(model.parameters(), lr=START_RATE_FACTOR * config.learning_rate)
    augment = Augmentation(model.inputs, tuple(table.x.shape[1:]), state.generator)
    target = np.zeros(len(table.x), dtype=np.int64)
    target[table.rows] = component
    losses = deque([math.inf] * FIT_WINDOW, FIT_WINDOW)
    for share, batch in _steps(state, table, config, FIT_EPOCHS, FIT_TIME_SHARE, FIT_MIN_STEPS):
        raw = table.values(batch).to(device)
        with bfloat16(device, config):
            x, changed = augment(raw)
            log_q = model.encode(x, 1, state.generator, model.features(changed)).log_q_y
        loss = functional.nll_loss(log_q, torch.from_numpy(target[batch]).to(device))
        _descend(optimiser, loss)
        losses.append(loss.item())
        yield share
        if fmean(losses) < FITTED_LOSS:
            return


def _steps(
    state: TrainingState, table: Table, config: TrainingConfig, epochs: int, time_share: float, least: int = 0
) -> Iterator[tuple[float, NDArray[np.int64]]]:
    """(share done, rows) for `epochs` passes, `START_MIN_STEPS` to `START_MAX_STEPS` steps.

    If the run has a time budget, this takes at most `time_share` of it by `machine.work_clock`, and `least` steps
    even so.
    """
    total = min(max(epochs * table.batches_per_epoch(config.batch_size), START_MIN_STEPS), START_MAX_STEPS)
    seconds = np.inf if config.max_minutes is None else time_share * 60 * config.max_minutes
    clock = machine.work_clock(state.model.inputs.fill.device.type)
    began, done, share = clock(), 0, 0.0
    while share < 1:
        for rows in table.shuffled(config.batch_size, state.rng):
            done += 1
            of_time = (clock() - began) / seconds if done >= least else 0.0
            share = min(1.0, max(done / total, of_time))
            yield share, rows
            if share == 1:
                return


@torch.no_grad()
def latents(
    latent: Callable[[NDArray[np.int64]], DiagonalGaussian], rows: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Means and log variances (M, Z) of q(z | ...) of some pool rows, computed batch by batch."""
    found = [latent(part) for part in np.array_split(rows, len(rows) // POINTS_BATCH + 1)]
    mean, log_var = (
        torch.cat(values).cpu().numpy() for values in zip(*((q.mean, q.log_var) for q in found), strict=True)
    )
    return mean, log_var


def moments(
    mean: NDArray[np.float32], log_var: NDArray[np.float32], component: NDArray[np.int64], n_components: int
) -> tuple[Tensor, Tensor]:
    """Means and log variances (K, Z) of the components; a variance is that of the items' means plus their own.

    A component without items takes the moments of all.
    """
    members = [component == k if (component == k).any() else np.ones_like(component, bool) for k in range(n_components)]
    means = np.stack([mean[mine].mean(0) for mine in members])
    variances = np.stack([mean[mine].var(0) + np.exp(log_var[mine]).mean(0) for mine in members])
    return torch.from_numpy(means), torch.from_numpy(np.log(variances))


def _descend(optimiser: torch.optim.Optimizer, loss: Tensor) -> None:
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    optimiser.step()
