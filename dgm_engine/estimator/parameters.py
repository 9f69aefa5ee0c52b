"""Makes configurations from the parameters of an estimator; errors name the parameter that is not allowed."""

from enum import StrEnum
from numbers import Integral, Real
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import torch
from sklearn.utils import check_random_state, check_scalar

from dgm_engine.config import LikelihoodName, ModelConfig, ModelName, Preset, TrainingConfig
from dgm_engine.errors import InputError
from dgm_engine.training.batches import Table
from dgm_engine.training.planning import PAPER_LATENT

if TYPE_CHECKING:
    from dgm_engine.estimator.classifier import SemiUnsupervisedClassifier

Choice = TypeVar("Choice", bound=StrEnum)


def model_config(
    estimator: "SemiUnsupervisedClassifier", table: Table, n_known: int, extractor: str | None
) -> ModelConfig:
    """The model that the parameters ask for.

    Args:
        estimator: the estimator with the parameters.
        table: X.
        n_known: the number of classes with labels.
        extractor: the name of the extractor that the training configuration asks for.

    Raises:
        ValueError: a parameter is not allowed.
    """
    for name in ("n_components", "n_hidden"):
        check_scalar(getattr(estimator, name), name, Integral, min_val=1)
    if estimator.n_latent is not None:
        check_scalar(estimator.n_latent, "n_latent", Integral, min_val=1)
    default = PAPER_LATENT if estimator.preset == Preset.PAPER else ModelConfig.n_latent
    in_unit = table.is_images and estimator.likelihood == LikelihoodName.BERNOULLI
    return ModelConfig(
        n_features=int(np.prod(table.x.shape[1:])),
        n_components=max(int(estimator.n_components), n_known, 2),
        likelihood=_choice(LikelihoodName, "likelihood", estimator.likelihood),
        name=_choice(ModelName, "model", estimator.model),
        auxiliary=_choice(LikelihoodName, "auxiliary", estimator.auxiliary),
        n_latent=default if estimator.n_latent is None else int(estimator.n_latent),
        n_hidden=int(estimator.n_hidden),
        image_shape=table.x.shape[1:] if in_unit else None,
        extractor=extractor if in_unit else None,
    )


def training_config(estimator: "SemiUnsupervisedClassifier", default_epochs: int) -> TrainingConfig:
    """The training configuration that the parameters ask for.

    Args:
        estimator: the estimator with the parameters.
        default_epochs: passes over X if the parameters limit neither passes nor minutes.

    Raises:
        ValueError: a parameter is not allowed.
    """
    limits = {
        "max_epochs": estimator.max_epochs,
        "max_minutes": estimator.max_minutes,
        "n_classes": estimator.n_classes,
    }
    for name, value in limits.items():
        if value is not None:
            check_scalar(value, name, Real if name == "max_minutes" else Integral)
    changes = {name: value for name, value in limits.items() if value is not None}
    seed = int(check_random_state(estimator.random_state).randint(2**31 - 1))
    config = TrainingConfig.for_preset(_choice(Preset, "preset", estimator.preset), seed=seed, **changes)
    # No run is compared with this one, so no labels are held out for it. The other two settings protect a project to
    # which people add labels and names one by one while it trains, which does not happen here.
    config = config.replaced(checked_fraction=0.0, full_weight_from=1, warm_up_steps=0)
    config = TrainingConfig.from_json({**config.to_json(), **(estimator.training or {})})
    endless = config.max_epochs is None and config.max_minutes is None
    return config.replaced(max_epochs=default_epochs) if endless else config


def device_of(name: str) -> torch.device:
    """The device to train on.

    Raises:
        ValueError: the name is none of the three, or this machine does not have the device.
    """
    if name not in ("auto", "cpu", "cuda"):
        raise InputError(f"device is {name!r}; give 'auto', 'cpu' or 'cuda'")
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("device is 'cuda' and there is no such device here; give 'auto' or 'cpu'")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def _choice(choices: type[Choice], parameter: str, value: object) -> Choice:
    """The value of a parameter as one of its choices; InputError if it is none of them."""
    try:
        return choices(value)
    except ValueError as error:
        names = ", ".join(repr(str(choice)) for choice in choices)
        raise InputError(f"{parameter} is {value!r}; give one of {names}") from error
