"""Training runs as the rest of the program sees them: created, launched, followed, stopped, resumed.

No torch here: pages and the command line import this module; the work is done by `WORKER` in a process of its own.
"""

import json
from dataclasses import dataclass, field, replace
from typing import Any, Self

from dgm_engine import jobs
from dgm_engine.config import LikelihoodName, ModelConfig, ModelName, Preset, TrainingConfig
from dgm_engine.data.pool import Pool
from dgm_engine.errors import CorruptError, InputError, StateError
from dgm_engine.paths import ProjectPaths, RunPaths, read_json, write_json

WORKER = "dgm_engine.training.worker"
"""The module whose process does the work."""
DEFAULT_COMPONENTS = 20
PAPER_LATENT = 200
"""Z of preset `paper`."""
WARM_MINUTES = 10 / 60
"""How long a retrain of preset `fast` from an earlier run takes where nothing else is asked for."""
_ASKED_FOR = frozenset({"seed", "max_minutes", "max_epochs", "n_classes"})
"""The fields of a training's configuration that have one of their own in a `TrainRequest`."""


@dataclass(frozen=True)
class TrainRequest:
    """What a person asks a training run to do.

    Attributes:
        model: which model; None keeps the earlier run's, or takes the GM-DGM.
        n_components: K; None keeps the earlier run's, or takes `DEFAULT_COMPONENTS`, in a small pile
            one for each image.
        preset: where the other settings come from.
        minutes: wall-clock budget.
        epochs: passes over the pool.
        seed: of every random draw.
        fresh: start from nothing even where an earlier run could be continued.
        auxiliary: the family of a, for models that have one; None keeps the earlier run's, or takes a Gaussian.
        n_latent: Z; None takes what preset `paper` says, or keeps the earlier run's.
        n_classes: how many classes the person believes there are, for the prior (Eq. 34-35).
        overrides: further fields of `TrainingConfig`.
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


@dataclass(frozen=True)
class RunConfig:
    """What a run does: written once as ``config.json``, read by the worker.

    Attributes:
        model: the model's shape.
        training: how it is trained.
        parent: the run whose weights it continues from; None where it starts fresh.
        lineage: the fresh run that it descends from; components keep their meaning within a lineage.
    """

    model: ModelConfig
    training: TrainingConfig
    parent: int | None
    lineage: int

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            "model": self.model.to_json(),
            "training": self.training.to_json(),
            "parent": self.parent,
            "lineage": self.lineage,
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """What `to_json` wrote."""
        return cls(
            ModelConfig.from_json(value["model"]),
            TrainingConfig.from_json(value["training"]),
            value["parent"],
            value["lineage"],
        )


def read_config(run: RunPaths) -> RunConfig:
    """The configuration of a run.

    Raises:
        CorruptError: it is missing or damaged.
    """
    value = read_json(run.config)
    try:
        return RunConfig.from_json(value)
    except (KeyError, TypeError, InputError) as error:
        raise CorruptError(f"{run.config} is not a run's configuration ({error}); delete {run.root}") from error


def create_run(paths: ProjectPaths, pool: Pool, request: TrainRequest) -> RunPaths:
    """Makes the folder of a new run; `launch` starts it.

    The run continues from the latest results where those have the shape that is asked for, unless `request.fresh`.

    Raises:
        StateError: another run is at work.
        InputError: a setting is not allowed, or there are fewer images than clusters.
    """
    active = active_run(paths)
    if active is not None:
        raise StateError(f"run {active.number} is still at work; stop it or wait for it")
    model, parent = _plan(paths, pool, request)
    number = max(paths.run_numbers(), default=0) + 1
    run = paths.run(number)
    config = RunConfig(
        model,
        _training_config(request, warm=parent is not None),
        None if parent is None else parent.number,
        number if parent is None else read_config(parent).lineage,
    )
    write_json(run.config, config.to_json())
    return run


def continues(paths: ProjectPaths, pool: Pool, request: TrainRequest) -> bool:
    """Whether such a run would go on from the latest results, and not from nothing.

    Raises:
        InputError: as `create_run`.
    """
    return _plan(paths, pool, request)[1] is not None


def as_before(paths: ProjectPaths) -> TrainRequest:
    """To go on from the latest results, if there are any, with the settings of their run, for some seconds."""
    latest = latest_results(paths)
    if latest is None:
        return TrainRequest()
    before = read_config(latest)
    usual, chosen = TrainingConfig.for_preset(before.training.preset).to_json(), before.training.to_json()
    return TrainRequest(
        preset=before.training.preset,
        minutes=WARM_MINUTES,
        seed=before.training.seed,
        n_latent=before.model.n_latent,
        n_classes=before.training.n_classes,
        overrides={k: v for k, v in chosen.items() if v != usual[k] and k not in _ASKED_FOR},
    )


def launch(run: RunPaths) -> jobs.JobStatus:
    """Starts the worker on a run, or on what is left of it, in a process of its own."""
    run.stop_request.unlink(missing_ok=True)
    return jobs.spawn(WORKER, [str(run.root)], run.status, run.log)


def resume(run: RunPaths) -> jobs.JobStatus:
    """Continues a run that was stopped, interrupted or failed, from its last checkpoint.

    Raises:
        StateError: the run is at work or finished.
    """
    now = status(run)
    if now.alive or now.state is jobs.JobState.FINISHED:
        raise StateError(f"run {run.number} is {now.state}; only a run that was stopped or interrupted can be resumed")
    return launch(run)


def status(run: RunPaths) -> jobs.JobStatus:
    """How a run stands; `INTERRUPTED` where it was created and nobody works on it."""
    return jobs.read_status(run.status) or jobs.JobStatus(jobs.JobState.INTERRUPTED, "Not started")


def request_stop(run: RunPaths) -> None:
    """Asks the worker to stop; it keeps what it has learned."""
    run.stop_request.touch()


def metrics(run: RunPaths) -> list[dict[str, Any]]:
    """The run's records, oldest first."""
    if not run.metrics.exists():
        return []
    return [json.loads(line) for line in run.metrics.read_text(encoding="utf-8").splitlines() if line]


def latest_results(paths: ProjectPaths) -> RunPaths | None:
    """The newest run that has results to show, or None."""
    runs = (paths.run(number) for number in reversed(paths.run_numbers()))
    return next((run for run in runs if has_results(run)), None)


def has_results(run: RunPaths) -> bool:
    """Whether a run has written its arrays; the owners are written last."""
    return run.results.exists()


def active_run(paths: ProjectPaths) -> RunPaths | None:
    """The run that is at work now, or None."""
    runs = (paths.run(number) for number in reversed(paths.run_numbers()))
    return next((run for run in runs if status(run).alive), None)


def _plan(paths: ProjectPaths, pool: Pool, request: TrainRequest) -> tuple[ModelConfig, RunPaths | None]:
    """The model of a new run, and the run that it continues from."""
    latest = latest_results(paths)
    before = None if latest is None else read_config(latest)
    model = _model_config(pool, request, before)
    # A model that was trained without a look at edges, as by preset `paper`, goes on without.
    if before is None or request.fresh or before.model not in (model, replace(model, image_shape=None)):
        return model, None
    return before.model, latest


def _model_config(pool: Pool, request: TrainRequest, before: RunConfig | None) -> ModelConfig:
    usual = before.model.n_components if before else min(DEFAULT_COMPONENTS, max(2, len(pool.shown)))
    components = request.n_components or usual
    if len(pool.shown) < components:
        raise InputError(
            f"{components} clusters were asked for and there are {len(pool.shown)} images; ask for fewer clusters"
        )
    n_features = 1
    for side in pool.shape:
        n_features *= side
    default = before.model if before else ModelConfig
    sees_edges = pool.is_images and _training_config(request, warm=False).edges
    return ModelConfig(
        n_features=n_features,
        n_components=components,
        likelihood=LikelihoodName.BERNOULLI if pool.is_images else LikelihoodName.GAUSSIAN,
        name=request.model or default.name,
        n_latent=request.n_latent or (PAPER_LATENT if request.preset is Preset.PAPER else default.n_latent),
        auxiliary=request.auxiliary or default.auxiliary,
        image_shape=pool.shape if sees_edges else None,
    )


def _training_config(request: TrainRequest, *, warm: bool) -> TrainingConfig:
    minutes = request.minutes
    if warm and minutes is None and request.epochs is None and request.preset is Preset.FAST:
        minutes = WARM_MINUTES
    return TrainingConfig.for_preset(
        request.preset,
        seed=request.seed,
        **({} if minutes is None else {"max_minutes": minutes}),
        **({} if request.epochs is None else {"max_epochs": request.epochs}),
        **({} if request.n_classes is None else {"n_classes": request.n_classes}),
        **request.overrides,
    )
