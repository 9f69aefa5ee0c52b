"""Training runs as the rest of the program sees them: configured, launched, followed, stopped and resumed.

Pages and the command line import this module, so it does not import torch; `TRAINING_WORKER` trains in its own process.
"""

import json
from dataclasses import dataclass
from typing import Any, Self

from dgm_engine import jobs
from dgm_engine.config import ModelConfig, TrainingConfig
from dgm_engine.errors import CorruptError, InputError, StateError
from dgm_engine.json_files import read_json
from dgm_engine.paths import ProjectPaths, RunPaths

TRAINING_WORKER = "dgm_engine.training.worker"
"""The module whose process does the work."""


@dataclass(frozen=True)
class RunConfig:
    """What a run does: written once as ``config.json``, read by the worker.

    Attributes:
        model: the model's shape.
        training: how it is trained.
        parent: the run whose weights it continues from; None if it starts fresh.
        lineage: the fresh run that it descends from; components keep their meaning within a lineage.
        goes_on: whether it continues its parent's stopped schedule, with its learning rate and moments, instead of a
            schedule of its own.
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


def launch(run: RunPaths) -> jobs.JobStatus:
    """Starts the worker on a run, or on the rest of it, in its own process."""
    run.stop_request.unlink(missing_ok=True)
    return jobs.spawn(TRAINING_WORKER, [str(run.root)], run.status, run.log)


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
    """The status of a run; `INTERRUPTED` if it was created and no process works on it."""
    return jobs.read_status(run.status) or jobs.JobStatus(jobs.JobState.INTERRUPTED, "Not started")


def request_stop(run: RunPaths) -> None:
    """Asks the worker to stop; it keeps what it has learned."""
    run.stop_request.touch()


def metrics(run: RunPaths) -> list[dict[str, Any]]:
    """The run's records, oldest first."""
    if not run.metrics.exists():
        return []
    return [json.loads(line) for line in run.metrics.read_text(encoding="utf-8").splitlines() if line]


def active_run(paths: ProjectPaths) -> RunPaths | None:
    """The run that is at work now, or None."""
    runs = (paths.run(number) for number in reversed(paths.run_numbers()))
    return next((run for run in runs if status(run).alive), None)
