"""The four models, small: in float64 for exact references, one case for each choice of families, and in training."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from dgm_engine.config import HOG, LikelihoodName, ModelConfig, ModelName, TrainingConfig
from dgm_engine.models.base import DeepGenerativeModel
from dgm_engine.models.registry import build_model
from dgm_engine.nn import InputMap
from dgm_engine.training.batches import Table, fit_inputs
from dgm_engine.training.checkpoint import new_state
from dgm_engine.training.loop import TrainingState
from dgm_engine.training.runs import RunConfig

AUXILIARY = (ModelName.ADGM, ModelName.AGM_DGM)
"""The models with an auxiliary latent."""


@dataclass(frozen=True)
class Case:
    """A model, the family of p(x | ...) and, where the model has an auxiliary latent, that of a."""

    name: ModelName
    likelihood: LikelihoodName
    auxiliary: LikelihoodName | None = None

    def __str__(self) -> str:
        parts = [self.name, f"x-{self.likelihood}", *([f"a-{self.auxiliary}"] if self.auxiliary else [])]
        return "-".join(parts)

    def config(self, n_features: int, n_components: int, n_latent: int, n_auxiliary: int) -> ModelConfig:
        return ModelConfig(
            n_features,
            n_components,
            self.likelihood,
            self.name,
            n_latent,
            n_auxiliary,
            self.auxiliary or LikelihoodName.GAUSSIAN,
            n_hidden=8,
        )

    def items(self, n: int, n_features: int) -> Tensor:
        """(n, D) values such as the family of x can have."""
        x = 0.6 * torch.randn(n, n_features, dtype=torch.float64, generator=generator(1))
        return (x > 0).double() if self.likelihood is LikelihoodName.BERNOULLI else x


CASES = [
    Case(name, likelihood, auxiliary)
    for name in ModelName
    for likelihood in LikelihoodName
    for auxiliary in (LikelihoodName if name in AUXILIARY else [None])
]
"""All of them: 2 for each of M2 and GM-DGM, 4 for each of ADGM and AGM-DGM."""


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def small_model(config: ModelConfig, inputs: InputMap | None = None) -> DeepGenerativeModel:
    """A float64 model with weights of ordinary size in every layer and biases of its own.

    With the tiny output weights that training starts from, every component would explain x alike and prove nothing.
    Variances are kept near one: with tiny ones a Monte Carlo estimate would say little.
    """
    torch.manual_seed(5)  # weights for which the reference's grids are wide and fine enough
    n = config.n_features
    identity = InputMap(torch.arange(n), torch.zeros(n), torch.ones(n), torch.zeros(n))
    model = build_model(config, inputs or identity, output_scale=0.5).double()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim == 1 or name == "_p_z.log_var":
                parameter.normal_(std=0.3)
            if name.endswith("log_var.weight"):
                parameter.mul_(0.25)
    return model


def small_table(n: int) -> Table:
    """n images of 6 by 6 random pixels."""
    return Table(np.random.default_rng(0).random((n, 6, 6, 1)).astype(np.float32), np.arange(n))


def fresh_run(
    table: Table, name: ModelName, n_components: int, training: TrainingConfig
) -> tuple[RunConfig, TrainingState]:
    """A run on such a table, before its first step, in the type that training uses."""
    config = ModelConfig(
        36,
        n_components,
        LikelihoodName.BERNOULLI,
        name,
        n_latent=2,
        n_auxiliary=2,
        n_hidden=8,
        image_shape=(6, 6, 1),
        extractor=HOG,
    )
    torch.manual_seed(0)
    model = build_model(config, fit_inputs(table, config.likelihood, 0.0, np.random.default_rng(0)))
    return RunConfig(config, training, None, 1), new_state(model, training, len(table.x))
