"""A mixture of Gaussians, whose density is known, is recovered by the real loop: classes, means and density."""

import time
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from scipy import special, stats
from torch import Tensor

from dgm_engine.config import LikelihoodName, ModelConfig, ModelName, TrainingConfig
from dgm_engine.models.base import DeepGenerativeModel
from dgm_engine.models.registry import build_model
from dgm_engine.objective import Sampling, bound, component_prior
from dgm_engine.training.batches import Table, fit_inputs
from dgm_engine.training.checkpoint import new_state
from dgm_engine.training.knowledge import Knowledge
from dgm_engine.training.loop import Schedule, train
from dgm_engine.training.start import clustering_start
from tests.small import generator

MEANS = 4 * np.array([[1, 1, 1, 0, 0], [-1, -1, 0, 1, 0], [1, -1, 0, 0, 1], [-1, 1, -1, 0, -1]], dtype=np.float32)
"""(4, D): the nearest two classes are 9 standard deviations apart."""
N_CLASSES, D = MEANS.shape
K = 6
PLAIN = {
    "consistency_weight": 0.0,
    "neighbour_weight": 0.0,
    "mutual_information_weight": 0.0,
    "batch_size": 100,
    "learning_rate": 5e-3,
    "warm_up_steps": 0,
}
"""The terms of the paper alone."""


@dataclass(frozen=True)
class Items:
    """(N, D) draws from the mixture and (N,) which Gaussian each came out of."""

    x: np.ndarray
    y: np.ndarray


def draw(n: int, seed: int) -> Items:
    y = np.arange(n) % N_CLASSES
    return Items((MEANS[y] + np.random.default_rng(seed).normal(size=(n, D))).astype(np.float32), y)


@dataclass(frozen=True)
class Trained:
    model: DeepGenerativeModel
    log_prior: Tensor

    @torch.no_grad()
    def component(self, items: Items) -> np.ndarray:
        return self.model.classify(torch.from_numpy(items.x)).argmax(1).numpy()

    @torch.no_grad()
    def elbo(self, items: Items) -> float:
        """The mean bound per item, as a density of the raw values, and more Monte Carlo than training takes."""
        encoded = self.model.encode(self.model.inputs(torch.from_numpy(items.x)), 20, random := generator())
        value = bound(self.model, encoded, encoded.log_q_y, self.log_prior, Sampling(random, 20)).value
        return float(value.mean() - self.model.inputs.scale.log().sum())


def fit(name: ModelName, n_labels: int, config: TrainingConfig) -> Trained:
    """Trains on 400 items; component c is that of class c where there are labels."""
    items = draw(400, 0)
    table = Table(items.x, np.arange(len(items.x)))
    torch.manual_seed(config.seed)
    shape = ModelConfig(D, K, LikelihoodName.GAUSSIAN, name, n_latent=4, n_auxiliary=2, n_hidden=32)
    inputs = fit_inputs(table, LikelihoodName.GAUSSIAN, 0.0, np.random.default_rng(0))
    state = new_state(build_model(shape, inputs, config.output_scale), config, len(items.x))
    if config.clustering_start:
        list(clustering_start(state, table, config))
    rows = np.arange(n_labels * N_CLASSES)
    owner = tuple("abcd") + (None,) * (K - N_CLASSES) if n_labels else (None,) * K
    knowledge = Knowledge(
        rows,
        torch.arange(K) == torch.from_numpy(items.y[rows])[:, None],
        component_prior(owner, N_CLASSES).log(),
        len(items.x),
    )
    list(train(state, table, lambda: knowledge, config, Schedule(config.max_epochs, None, time.monotonic())))
    return Trained(state.model, knowledge.log_prior)


def true_log_density(items: Items) -> float:
    """The mean over items of log p(x), of the mixture that they were drawn from."""
    squares = stats.norm.logpdf(items.x[:, None], MEANS).sum(-1)  # (N, C)
    return float(special.logsumexp(squares - np.log(N_CLASSES), axis=1).mean())


def one_gaussian_log_density(items: Items) -> float:
    """The mean log density of the items under the best single Gaussian: what a model without components may reach."""
    one = stats.multivariate_normal(items.x.mean(0), np.cov(items.x.T))
    return float(one.logpdf(items.x).mean())


@pytest.mark.parametrize(
    "name", [ModelName.GM_DGM, *(pytest.param(name, marks=pytest.mark.slow) for name in ModelName if name != "gm-dgm")]
)
def test_three_labels_a_class_recover_the_mixture(name):
    """With the terms of the paper alone, from random weights."""
    # 320 steps: after 200 the AGM-DGM, which has most to learn, still lies under the single Gaussian.
    config = TrainingConfig(max_epochs=80, clustering_start=False, exact_components=0, **PLAIN)
    trained, fresh = fit(name, 3, config), draw(1_000, 1)
    assert (trained.component(fresh) == fresh.y).mean() > 0.98
    # No model's density can beat the true one on average, and no bound the model's density.
    assert one_gaussian_log_density(fresh) < trained.elbo(fresh) < true_log_density(fresh)
    with torch.no_grad():
        distance = np.linalg.norm(trained.model.prototypes()[:N_CLASSES].numpy()[:, None] - MEANS, axis=-1)
    assert (distance.argmin(1) == np.arange(N_CLASSES)).all()


@pytest.mark.parametrize(("name", "exact"), [(ModelName.GM_DGM, 0), (ModelName.AGM_DGM, 1)])
def test_mixture_is_recovered_without_labels(name, exact):
    """From the clustering start and with the further terms of preset `fast`; there are more components than classes."""
    config = TrainingConfig(max_epochs=20, exact_components=exact, batch_size=100, learning_rate=3e-3)
    trained, fresh = fit(name, 0, config), draw(1_000, 1)
    component = trained.component(fresh)
    majority = sum(np.bincount(fresh.y[component == k]).max() for k in np.unique(component))
    assert majority / len(fresh.y) > 0.95
    assert {int(np.bincount(fresh.y[component == k]).argmax()) for k in np.unique(component)} == set(range(N_CLASSES))
    assert trained.elbo(fresh) < true_log_density(fresh)
