"""Training runs as the rest of the program sees them: created, launched, followed, stopped, resumed.

No torch here: pages and the command line import this module; the work is done by `WORKER` in a process of its own.
"""

import json
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

from dgm_engine import jobs
from dgm_engine.config import LikelihoodName, ModelConfig, ModelName, Preset, TrainingConfig, batches_per_epoch
from dgm_engine.data.pool import Pool
from dgm_engine.errors import CorruptError, InputError, StateError
from dgm_engine.labels.schema import Use
from dgm_engine.paths import ProjectPaths, RunPaths, load_array, read_json, write_json
from dgm_engine.training.comparing import Comparison

WORKER = "dgm_engine.training.worker"
"""The module whose process does the work."""
DEFAULT_COMPONENTS = 20
PAPER_LATENT = 200
"""Z of preset `paper`."""
WARM_STEPS = 100
"""How long a retrain from a finished run is where nothing else is asked for. Steps and not seconds: on
a loaded machine it takes longer and gives the same model."""
NEARLY_DONE = 0.9
"""A run that was stopped beyond this share of its schedule is not gone on with."""
ARRAYS = ("q_y", "z", "shown", "prototypes")
"""The fields of `results.Results` that are files."""
_NOT_TAKEN_OVER = frozenset({"seed", "max_minutes", "max_epochs", "n_classes", "checked_fraction"})
"""The fields of a training's configuration that have one of their own in a `TrainRequest`, and what is left aside to
compare runs by: of runs of earlier versions nothing was."""


@dataclass(frozen=True)
class TrainRequest:
    """What a person asks a training run to do.

    Attributes:
        model: which model; None keeps the earlier run's, or takes the GM-DGM.
        n_components: K; None keeps the earlier run's, or takes `DEFAULT_COMPONENTS`, in a small pile
            one for each image.
        preset: where the other settings come from.
        minutes: budget of time, as `TrainingConfig.max_minutes`.
        epochs: passes over the pool.
        seed: of every random draw.
        fresh: start from nothing even where an earlier run could be continued.
        auxiliary: the family of a, for models that have one; None keeps the earlier run's, or takes a Gaussian.
        n_latent: Z; None takes what preset `paper` says, or keeps the earlier run's.
        n_classes: how many classes the person believes there are, for the prior (Eq. 34-35).
        overrides: further fields of `TrainingConfig`.
        brief: take `WARM_STEPS` where it goes on from a finished run and neither passes nor minutes are given, as
            preset `fast` does anyway.
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


@dataclass(frozen=True)
class RunConfig:
    """What a run does: written once as ``config.json``, read by the worker.

    Attributes:
        model: the model's shape.
        training: how it is trained.
        parent: the run whose weights it continues from; None where it starts fresh.
        lineage: the fresh run that it descends from; components keep their meaning within a lineage.
        goes_on: whether it takes up its parent's schedule where that was stopped, with its learning rate and moments,
            and has none of its own.
    """

    model: ModelConfig
    training: TrainingConfig
    parent: int | None
    lineage: int
    goes_on: bool = False

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            "model": self.model.to_json(),
            "training": self.training.to_json(),
            "parent": self.parent,
            "lineage": self.lineage,
            "goes_on": self.goes_on,
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """What `to_json` wrote."""
        return cls(
            ModelConfig.from_json(value["model"]),
            TrainingConfig.from_json(value["training"]),
            value["parent"],
            value["lineage"],
            value.get("goes_on", False),  # runs of earlier versions have none
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


def create_run(paths: ProjectPaths, pool: Pool, request: TrainRequest, use: Use | None = None) -> RunPaths:
    """Makes the folder of a new run; `launch` starts it.

    The run continues from the results in use where those have the shape that is asked for, unless `request.fresh`. A
    schedule that is `unfinished` is continued to its end, unless passes or minutes are asked for.

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
    """Whether such a run would go on from the results in use, and not from nothing.

    Raises:
        InputError: as `create_run`.
    """
    return _plan(paths, pool, request, use)[1] is not None


def unfinished(run: RunPaths) -> bool:
    """Whether a run that has results was ended before its schedule was, and no later run has come to that end for it.

    Just before the end counts as the end: there the learning rate has all but come to nothing, and to go on at it would
    teach the model no new label. Nor is a schedule gone on with twice. Where the run that came to its end is not in use
    its results were worse, or a person went back from them, and the same steps would lead there again.
    """
    now = status(run)
    ended = now.alive or now.state is jobs.JobState.FINISHED or _share_done(now) >= NEARLY_DONE
    return not ended and not _finished_by_another(run)


def as_before(paths: ProjectPaths, use: Use | None = None) -> TrainRequest:
    """To go on from the results in use, if there are any, with the settings of their run, as long as that needs."""
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


def latest_results(paths: ProjectPaths, use: Use | None = None) -> RunPaths | None:
    """The run whose results are in use, or None where none has any that can be read.

    It is the newest one whose results were kept (see `comparing`) and, where a person chose one, the chosen one until a
    later one is kept.
    """
    found = [paths.run(number) for number in reversed(paths.run_numbers())]
    newest = next(filter(is_kept, found), None) or next(filter(is_readable, found), None)
    if use is None or newest is None or newest.number > use.newest:
        return newest
    return next((run for run in found if run.number == use.run and is_readable(run)), newest)


def is_kept(run: RunPaths) -> bool:
    """Whether a run's results took the place of those before; not so damaged ones, or where there are none."""
    if not is_readable(run):
        return False
    compared = comparison(run)
    return compared is None or compared.kept


def is_damaged(run: RunPaths) -> bool:
    """Whether the results of a run cannot be read: what they are of, or an array that is lost or was cut short.

    Every rerun of a page asks many times; the files are opened again only when one of them has changed.
    """
    files = (run.config, run.results, *sorted(run.arrays.glob("*.npy")))
    return _is_damaged(run, tuple((file.name, _last_change(file)) for file in files))


@lru_cache(maxsize=256)
def _is_damaged(run: RunPaths, _files: tuple[tuple[str, tuple[int, int] | None], ...]) -> bool:
    try:
        comparison(run)
        model_now(run)
        if has_results(run):
            step = read_json(run.results)["step"]
            for name in ARRAYS:
                load_array(run.array(name, step))
    except CorruptError:
        return True
    return False


def _last_change(file: Path) -> tuple[int, int] | None:
    """When a file was changed, in nanoseconds, and its size in bytes; None where there is none."""
    try:
        now = file.stat()
    except FileNotFoundError:
        return None
    return now.st_mtime_ns, now.st_size


def is_readable(run: RunPaths) -> bool:
    """Whether a run has results that can be read."""
    return has_results(run) and not is_damaged(run)


def comparison(run: RunPaths) -> Comparison | None:
    """The results of a run beside those that it went on from; None where it has none or began from nothing."""
    found = read_json(run.results).get("compared") if has_results(run) else None
    return None if found is None else Comparison.from_json(found)


def unlearned(run: RunPaths) -> tuple[str, ...]:
    """The classes that people speak of and a run's results predict of no image."""
    return tuple(read_json(run.results).get("unlearned", ())) if has_results(run) else ()


def model_now(run: RunPaths) -> ModelConfig:
    """The model of a run as its results have it: with the components that were added to what the run was asked for."""
    asked = read_config(run).model
    if not has_results(run):
        return asked
    return asked.replaced(n_components=len(read_json(run.results)["owner"]))


def has_results(run: RunPaths) -> bool:
    """Whether a run has written its arrays; the owners are written last."""
    return run.results.exists()


def active_run(paths: ProjectPaths) -> RunPaths | None:
    """The run that is at work now, or None."""
    runs = (paths.run(number) for number in reversed(paths.run_numbers()))
    return next((run for run in runs if status(run).alive), None)


def _share_done(now: jobs.JobStatus) -> float:
    """The share of its schedule that a run has behind it, by passes or by time, whichever is further.

    Not that of its progress bar, a part of which a first run spends on its start; that stands in for runs of earlier
    versions.
    """
    told = (("epoch", "of_epochs"), ("work", "of_seconds"))
    done = [now.details[part] / now.details[of] for part, of in told if part in now.details and now.details.get(of)]
    return max(done, default=now.progress)


def _finished_by_another(run: RunPaths) -> bool:
    """Whether a later run took up the schedule of this one, or of one that had taken it up, and came to its end."""
    paths = ProjectPaths(run.root.parent.parent)
    same_schedule = {run.number}
    for number in paths.run_numbers():
        later = paths.run(number)
        if number <= run.number or not is_readable(later):
            continue
        config = read_config(later)
        if config.goes_on and config.parent in same_schedule:
            if status(later).state is jobs.JobState.FINISHED:
                return True
            same_schedule.add(number)
    return False


def _plan(
    paths: ProjectPaths, pool: Pool, request: TrainRequest, use: Use | None
) -> tuple[ModelConfig, RunPaths | None]:
    """The model of a new run, and the run that it continues from."""
    latest = latest_results(paths, use)
    before = None if latest is None else model_now(latest)
    model = _model_config(pool, request, before)
    if latest is None or before is None or request.fresh:
        return model, None
    # Whoever asks for the same number of clusters once more has seen them grow.
    grown = request.n_components == _first_asked_for(paths, latest)
    wanted = _model_config(pool, replace(request, n_components=None), before) if grown else model
    # A model that was trained without a look at edges, as by preset `paper`, goes on without.
    return (before, latest) if before in (wanted, replace(wanted, image_shape=None)) else (model, None)


def _first_asked_for(paths: ProjectPaths, run: RunPaths) -> int | None:
    """The number of clusters with which a run's lineage began; None where that run is gone."""
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
    sees_edges = pool.is_images and _training_config(request, len(pool.shown), warm=False).edges
    return ModelConfig(
        n_features=n_features,
        n_components=components,
        likelihood=LikelihoodName.BERNOULLI if pool.is_images else LikelihoodName.GAUSSIAN,
        name=request.model or default.name,
        n_latent=request.n_latent or (PAPER_LATENT if request.preset is Preset.PAPER else default.n_latent),
        auxiliary=request.auxiliary or default.auxiliary,
        image_shape=pool.shape if sees_edges else None,
    )


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
        return config.replaced(max_epochs=WARM_STEPS / batches_per_epoch(n_items, config.batch_size))
    return config
