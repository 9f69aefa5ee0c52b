"""Models, their references and the items that both are asked about."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from dgm_engine.models.base import DeepGenerativeModel
from dgm_engine.objective import Sampling, bound, restrict
from tests.reference import Reference
from tests.small import Case, generator, small_model

B, D, K, Z, A = 2, 5, 4, 2, 2
PRIOR = torch.tensor([0.1, 0.2, 0.3, 0.4], dtype=torch.float64)
SIGMAS = 5
"""Standard errors that two estimates of one number may be apart."""


def allowed_sets() -> dict[str, Tensor]:
    every = torch.ones(B, K, dtype=torch.bool)
    one = torch.zeros(B, K, dtype=torch.bool)
    one[torch.arange(B), torch.arange(B) % K] = True
    return {"unknown": every, "labelled": one, "class of two components": one | one.roll(1, 1), "not this": ~one}


@dataclass(frozen=True)
class Setting:
    """A model, its reference and the items that both are asked about."""

    case: Case
    model: DeepGenerativeModel
    reference: Reference
    x: Tensor

    def draws(self, allowed: Tensor, n: int, n_samples: int, exact: int = 0, seed: int = 0) -> Tensor:
        """(n, B) independent draws of the engine's L_A(x)."""
        encoded = self.model.encode(self.x.repeat(n, 1), n_samples, random := generator(seed))
        log_q_a, _ = restrict(encoded.log_q_y, allowed.repeat(n, 1))
        return bound(self.model, encoded, log_q_a, PRIOR.log(), Sampling(random, n_samples, exact)).value.view(n, -1)

    def estimate(self, allowed: Tensor, n: int, n_samples: int) -> tuple[np.ndarray, np.ndarray]:
        """(B,) the engine's L_A(x) and the standard error."""
        with torch.no_grad():
            draws = self.draws(allowed, n, n_samples)
        return draws.mean(0).numpy(), (draws.std(0) / math.sqrt(n)).numpy()


def setting_of(case: Case, n_latent: int, n_auxiliary: int) -> Setting:
    model = small_model(case.config(D, K, n_latent, n_auxiliary))
    return Setting(case, model, Reference(model, PRIOR.log().numpy()), case.items(B, D))


def assert_close(ours, error, expected, expected_error=0.0, precision=0.025):
    """Agreement within standard errors that are small enough to mean something."""
    total = np.hypot(error, expected_error)
    assert (total < precision * np.maximum(1, np.abs(expected))).all()
    assert (np.abs(ours - expected) < SIGMAS * total + 1e-9).all()


def per_item(compute) -> tuple[np.ndarray, np.ndarray]:
    """(B,) values and standard errors of a reference that takes the items one by one."""
    values, errors = zip(*(compute(i) for i in range(B)), strict=True)
    return np.array(values), np.array(errors)
