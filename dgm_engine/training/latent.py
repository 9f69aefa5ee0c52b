"""What a trained model keeps in z: the KL of each of its units (Appendix C), and pictures decoded from it."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dgm_engine.distributions import DiagonalGaussian
from dgm_engine.models.base import DeepGenerativeModel
from dgm_engine.training.batches import Table

_MAX_TENSOR_NUMBERS = 4_000_000
"""Numbers in the largest tensor of a batch of `unit_activity`: 16 MB."""


@dataclass(frozen=True)
class ActivitySums:
    """Eq. 36 summed over items, by their most probable component and their group.

    Attributes:
        kl: (K, G, Z) float64 sums over the items with y* = k in group g, in nats.
        count: (K, G) int64 numbers of such items.
    """

    kl: NDArray[np.float64]
    count: NDArray[np.int64]


@torch.no_grad()
def unit_kl(model: DeepGenerativeModel, x: Tensor) -> tuple[Tensor, Tensor]:
    """Eq. 36 of each item: the expectation over y ~ q(y | x) of KL[q(z_i | x, y*) || p(z_i | y)], with y* fixed.

    For models with an auxiliary latent, q(z | x, y*) is the Gaussian that `DeepGenerativeModel.posterior` returns.

    Args:
        model: a trained model.
        x: (B, D) raw values.

    Returns:
        (B, Z) nats, and y* (B,).
    """
    q_y, q_z = model.posterior(x)
    p_z = _prior(model)  # (K, Z)
    each = DiagonalGaussian(q_z.mean[:, None], q_z.log_var[:, None]).kl_by_unit(p_z)  # (B, K, Z)
    return torch.einsum("bk,bkz->bz", q_y, each), q_y.argmax(-1)


def unit_activity(
    model: DeepGenerativeModel, table: Table, rows: NDArray[np.int64], group: NDArray[np.integer], n_groups: int
) -> ActivitySums:
    """Sums `unit_kl` over items, broken out by y* and by group.

    Args:
        model: a trained model.
        table: the pool's values.
        rows: (n,) pool rows.
        group: (n,) of each, below `n_groups`; the ground-truth class, for instance.
        n_groups: G.
    """
    n_components, n_latent = model.config.n_components, model.config.n_latent
    kl = np.zeros((n_components * n_groups, n_latent))
    count = np.zeros(len(kl), dtype=np.int64)
    batch_size = max(1, _MAX_TENSOR_NUMBERS // (n_components * n_latent))
    for begin in range(0, len(rows), batch_size):
        part = slice(begin, begin + batch_size)
        values, y = unit_kl(model, table.values(rows[part]))
        cell = y.numpy() * n_groups + group[part]
        np.add.at(kl, cell, values.double().numpy())
        np.add.at(count, cell, 1)
    return ActivitySums(kl.reshape(n_components, n_groups, n_latent), count.reshape(n_components, n_groups))


@torch.no_grad()
def prior_kl(model: DeepGenerativeModel) -> NDArray[np.float32]:
    """(K, K, Z) nats: KL[p(z_i | y = k) || p(z_i | y = l)] of each ordered pair of components (Fig. C.6)."""
    p_z = _prior(model)
    return DiagonalGaussian(p_z.mean[:, None], p_z.log_var[:, None]).kl_by_unit(p_z).numpy()


@torch.no_grad()
def samples(model: DeepGenerativeModel, n: int, seed: int = 0) -> NDArray[np.float32]:
    """(K, n, D) raw values: the means of p(x | ...) at `n` draws of z ~ p(z | y), for each component."""
    z = _prior(model).sample(n, torch.Generator().manual_seed(seed))  # (n, K, Z)
    k = torch.arange(model.config.n_components).expand(n, -1)
    return model.decode(z, k).transpose(0, 1).numpy()


@torch.no_grad()
def decoded(model: DeepGenerativeModel, z: NDArray[np.floating], k: NDArray[np.integer]) -> NDArray[np.float32]:
    """(n, D) raw values: the means of p(x | ...) at z (n, Z) and components k (n,)."""
    return model.decode(torch.from_numpy(z).float(), torch.from_numpy(k)).numpy()


@torch.no_grad()
def walk(model: DeepGenerativeModel, ends: Tensor, n: int) -> NDArray[np.float32]:
    """(n, D) raw values along the straight line between the means of q(z | x, y*) of two items, both ends included.

    Where p(x | y, z) looks at y too (M2, ADGM), the first half of the steps takes the first item's y* and the second
    half the second's: y has no values in between.

    Args:
        model: a trained model.
        ends: (2, D) raw values of the two items.
        n: steps, at least 2.
    """
    q_y, q_z = model.posterior(ends)
    share = torch.linspace(0, 1, n, dtype=q_z.mean.dtype)[:, None]
    z = (1 - share) * q_z.mean[0] + share * q_z.mean[1]  # (n, Z)
    k = q_y.argmax(-1)[(share[:, 0] > 0.5).long()]
    return model.decode(z, k).numpy()


def _prior(model: DeepGenerativeModel) -> DiagonalGaussian:
    """p(z | y) of all components: (K, Z)."""
    return model.p_z(torch.arange(model.config.n_components))
