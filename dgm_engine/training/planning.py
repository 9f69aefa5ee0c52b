"""Plans a new run from what a person asks for and from the run whose results are in use.

Pages and the command line import this module, so it does not import torch.
"""

from dataclasses import dataclass, field, replace
from typing import Any

from dgm_engine.config import LikelihoodName, ModelConfig, ModelName, Preset, TrainingConfig, batches_per_epoch
from dgm_engine.data.pool import Pool
from dgm_engine.errors import InputError, StateError
from dgm_engine.extractors.registry import known
from dgm_engine.json_files import write_json
from dgm_engine.labels.schema import Use
from dgm_engine.paths import ProjectPaths, RunPaths
from dgm_engine.training.run_results import latest_results, model_now, unfinished
from dgm_engine.training.runs import RunConfig, active_run, read_config

DEFAULT_COMPONENTS = 20
PAPER_LATENT = 200
"""Z of preset `paper`."""
RETRAIN_STEPS = 100
"""Length of a retrain from a finished run if a person gives none. The unit is steps, not seconds: on a loaded machine
a retrain takes longer and gives the same model."""
_NOT_TAKEN_OVER = frozenset({"seed", "max_minutes", "max_epochs", "n_classes", "checked_fraction"})
"""The fields of `TrainingConfig` that are also fields of `TrainRequest`, and the share of labels by which runs are
compared, which is zero in runs of earlier versions."""


@dataclass(frozen=True)
class TrainRequest:
    """What a person asks a training run to do.

    Attributes:
        model: the model; None keeps the earlier run's, or takes the GM-DGM.
        n_components: K; None keeps the earlier run's, or takes `DEFAULT_COMPONENTS`, in a small pile
            one for each image.
        preset: the origin of the other settings.
        minutes: time budget, as `TrainingConfig.max_minutes`.
        epochs: passes over the pool.
        seed: the seed of all random draws.
        fresh: start from scratch even if an earlier run could be continued.
        auxiliary: the family of a, for models that have one; None keeps the earlier run's, or takes a Gaussian.
        n_latent: Z; None takes what preset `paper` says, or keeps the earlier run's.
        n_classes: the number of classes that the person expects, for the prior (Eq. 34-35).
        overrides: further fields of `TrainingConfig`.
        brief: take `RETRAIN_STEPS` if the run continues a finished one and neither passes nor minutes are given, as
            preset `fast` always does.
    """

    model: ModelName | None = None
    n_components: int | None = None
    preset: Preset = Preset.FAST
    minutes: float | None = None
    epochs: int | None = None
    seed: int = 0
    fresh: bool = False
    auxiliary: LikelihoodName | None = None
    n_latent: int | None = None
    n_classes: int | None = None
    overrides: dict[str, Any] = field(default_factory=dict[str, Any])
    brief: bool = False


def create_run(paths: ProjectPaths, pool: Pool, request: TrainRequest, use: Use | None = None) -> RunPaths:
    """Makes the folder of a new run; `launch` starts it.

    The run continues from the results in use if they have the requested shape, unless `request.fresh`. It completes an
    `unfinished` schedule, unless passes or minutes are requested.

    Raises:
        StateError: another run is at work.
        InputError: a setting is not allowed, or there are fewer images than clusters.
    """
    active = active_run(paths)
    if active is not None:
        raise StateError(f"run {active.number} is still at work; stop it or wait for it")
    model, parent = _plan(paths, pool, request, use)
    number = max(paths.run_numbers(), default=0) + 1
    run = paths.run(number)
    training = _training_config(request, len(pool.shown), warm=parent is not None)
    before = None if parent is None else read_config(parent)
    unlimited = request.minutes is None and request.epochs is None
    goes_on = parent is not None and unlimited and unfinished(parent)
    if before is not None and goes_on:
        limits = {"max_epochs": before.training.max_epochs, "max_minutes": before.training.max_minutes}
        training = training.replaced(**limits, seed=before.training.seed)
    config = RunConfig(
        model,
        training,
        None if parent is None else parent.number,
        number if before is None else before.lineage,
        goes_on,
    )
    write_json(run.config, config.to_json())
    return run


def continues(paths: ProjectPaths, pool: Pool, request: TrainRequest, use: Use | None = None) -> bool:
    """Whether such a run would continue from the results in use instead of starting from scratch.

    Raises:
        InputError: as `create_run`.
    """
    return _plan(paths, pool, request, use)[1] is not None


def as_before(paths: ProjectPaths, use: Use | None = None) -> TrainRequest:
    """A request for a brief run that continues from the results in use, if any, with the settings of their run."""
    latest = latest_results(paths, use)
    if latest is None:
        return TrainRequest()
    before = read_config(latest)
    usual, chosen = TrainingConfig.for_preset(before.training.preset).to_json(), before.training.to_json()
    return TrainRequest(
        preset=before.training.preset,
        seed=before.training.seed,
        n_latent=before.model.n_latent,
        n_classes=before.training.n_classes,
        overrides={k: v for k, v in chosen.items() if v != usual[k] and k not in _NOT_TAKEN_OVER},
        brief=True,
    )


def _plan(
    paths: ProjectPaths, pool: Pool, request: TrainRequest, use: Use | None
) -> tuple[ModelConfig, RunPaths | None]:
    """The model of a new run, and the run that it continues from."""
    latest = latest_results(paths, use)
    # Earlier versions told the shape of images to those models alone that saw their features.
    before = None if latest is None else model_now(latest).replaced(image_shape=_image_shape(pool))
    model = _model_config(pool, request, before)
    if latest is None or before is None or request.fresh:
        return model, None
    # Whoever asks for the same number of clusters once more has seen them grow.
    grown = request.n_components == _first_asked_for(paths, latest)
    wanted = _model_config(pool, replace(request, n_components=None), before) if grown else model
    # A model that was trained without features of images, as by preset `paper`, goes on without.
    return (before, latest) if before in (wanted, replace(wanted, extractor=None)) else (model, None)


def _first_asked_for(paths: ProjectPaths, run: RunPaths) -> int | None:
    """The number of clusters with which a run's lineage began; None if that run is gone."""
    first = paths.run(read_config(run).lineage)
    return read_config(first).model.n_components if first.config.exists() else None


def _model_config(pool: Pool, request: TrainRequest, before: ModelConfig | None) -> ModelConfig:
    usual = before.n_components if before else min(DEFAULT_COMPONENTS, max(2, len(pool.shown)))
    components = request.n_components or usual
    if len(pool.shown) < components != usual:  # a small pile's may have grown beyond its images
        raise InputError(
            f"{components} clusters were asked for and there are {len(pool.shown)} images; ask for fewer clusters"
        )
    n_features = 1
    for side in pool.shape:
        n_features *= side
    default = before or ModelConfig
    extractor = _training_config(request, len(pool.shown), warm=False).extractor if pool.is_images else None
    return ModelConfig(
        n_features=n_features,
        n_components=components,
        likelihood=LikelihoodName.BERNOULLI if pool.is_images else LikelihoodName.GAUSSIAN,
        name=request.model or default.name,
        n_latent=request.n_latent or (PAPER_LATENT if request.preset is Preset.PAPER else default.n_latent),
        auxiliary=request.auxiliary or default.auxiliary,
        image_shape=_image_shape(pool),
        extractor=None if extractor is None else known(extractor),
    )


def _image_shape(pool: Pool) -> tuple[int, ...] | None:
    return pool.shape if pool.is_images else None


def _training_config(request: TrainRequest, n_items: int, *, warm: bool) -> TrainingConfig:
    """The configuration of a training on `n_items` images; a `warm` one goes on from an earlier run."""
    asked: dict[str, Any] = {
        "max_minutes": request.minutes,
        "max_epochs": request.epochs,
        "n_classes": request.n_classes,
    }
    config = TrainingConfig.for_preset(
        request.preset,
        seed=request.seed,
        **{name: value for name, value in asked.items() if value is not None},
        **request.overrides,
    )
    brief = request.brief or request.preset is Preset.FAST
    if warm and brief and request.minutes is None and request.epochs is None:
        return config.replaced(max_epochs=RETRAIN_STEPS / batches_per_epoch(n_items, config.batch_size))
    return config
