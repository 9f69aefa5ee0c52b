"""What the components of a trained model hold: their sizes, confidence and typical images."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dgm_engine.errors import InputError

N_EXEMPLARS = 12
"""How many exemplars a cluster shows at most."""


@dataclass(frozen=True)
class Cluster:
    """A component and the items assigned to it (those for which it is the most probable one).

    Attributes:
        component: its number, 0 to K - 1.
        size: number of its items; 0 for a component that is not in use.
        class_name: the class that owns it, None while it has no name.
        confidence: mean of q(y = component | x) over its items, 0 to 1; 0 where it has none.
        exemplars: (<= N_EXEMPLARS,) int64 rows of typical items that the model is sure of, the most typical first.
    """

    component: int
    size: int
    class_name: str | None
    confidence: float
    exemplars: np.ndarray


def summarise(q_y: np.ndarray, z: np.ndarray, owner: Sequence[str | None]) -> list[Cluster]:
    """One cluster per component, in the order of the components.

    Exemplars are the items nearest the mean of the component's z among the surer half of its items.

    Args:
        q_y: (N, K) probabilities of the components.
        z: (N, Z) latent means.
        owner: (K,) the class that owns each component, None for none.

    Raises:
        InputError: shapes that do not belong together.
    """
    check_shapes(q_y, z, owner)
    component = q_y.argmax(axis=1)
    rows = np.argsort(component, kind="stable")
    members = np.split(rows, np.searchsorted(component[rows], np.arange(1, len(owner))))
    return [_cluster(k, members[k], q_y, z, owner[k]) for k in range(len(owner))]


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
    sure = np.flatnonzero(probability >= np.median(probability))
    typical = sure[np.argsort(distance[sure], kind="stable")[:N_EXEMPLARS]]
    return Cluster(k, rows.size, class_name, float(probability.mean()), rows[typical])
