"""Checkpoints: safetensors beside a small JSON file with a checksum; nothing in them can run code.

The last two checkpoints are kept, and the one of the results that the screens show.
"""

import contextlib
import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from torch import Tensor

from dgm_engine.config import ModelConfig, TrainingConfig
from dgm_engine.errors import CorruptError, StateError
from dgm_engine.json_files import read_json, write_json
from dgm_engine.labels.schema import Edit
from dgm_engine.models.base import DeepGenerativeModel
from dgm_engine.models.registry import build_model
from dgm_engine.nn import InputMap
from dgm_engine.paths import RunPaths
from dgm_engine.training.loop import TrainingState, new_optimiser
from dgm_engine.training.naming import NONE_OVERRULED, Overruled, overruled_from_json, overruled_to_json
from dgm_engine.training.results import results_step
from dgm_engine.training.runs import RunConfig, read_config
from dgm_engine.whole import write_atomic

CHECKPOINTS_KEPT = 2
"""The newest checkpoints that are kept: one more than needed, in case the last is damaged."""
FIRST_FEATURES = 1
"""The version of the features of a model whose checkpoint does not state it."""

Cause = tuple[int | None, str]
"""The cause for which a component was made: a class that owned nothing, with None, or a class whose answers parted it
from another component, with the number of that component."""


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint read back.

    Attributes:
        tensors: weights ("model."), Adam's moments ("adam."), and the generator's state.
        about: step, epoch, batch, seconds, numpy's generator, the version of the features that the model sees, and what
            happened to the components.
    """

    tensors: dict[str, Tensor]
    about: dict[str, Any]

    @property
    def owner(self) -> tuple[str | None, ...]:
        """(K,) the owners of the components at the time."""
        return tuple(self.about["owner"])

    @property
    def edits(self) -> tuple[Edit, ...]:
        """The edits that the model contains."""
        return tuple(Edit.from_json(values) for values in self.about.get("edits", ()))

    @property
    def overruled(self) -> dict[int, Overruled]:
        """By component, the names that labels overruled."""
        return overruled_from_json(self.about.get("overruled", ()))

    @property
    def made(self) -> frozenset[Cause]:
        """The causes for which this schedule made components."""
        return frozenset((source, name) for source, name in self.about.get("made", ()))


def save_checkpoint(
    run: RunPaths,
    state: TrainingState,
    owner: tuple[str | None, ...],
    edits: tuple[Edit, ...] = (),
    overruled: Mapping[int, Overruled] = NONE_OVERRULED,
    made: Collection[Cause] = (),
) -> None:
    """Writes a checkpoint and removes those that are no longer needed.

    Args:
        run: the run of the checkpoint.
        state: the training state to save.
        owner: (K,) the owners that training gave to components.
        edits: the edits that the model contains.
        overruled: by component, the names that labels overruled.
        made: the causes for which this schedule made components.
    """
    tensors = {f"model.{name}": value for name, value in state.model.state_dict().items()}
    for index, moments in state.optimiser.state_dict()["state"].items():
        tensors |= {f"adam.{index}.{name}": value for name, value in moments.items()}
    tensors["generator"] = state.generator.get_state()
    data = safetensors.torch.save({name: value.detach().cpu().contiguous() for name, value in tensors.items()})
    write_atomic(run.weights(state.step), data)
    about = {
        "sha256": hashlib.sha256(data).hexdigest(),
        "step": state.step,
        "epoch": state.epoch,
        "batch": state.batch,
        "seconds": state.seconds,
        "work": state.work,
        "rng": state.rng.bit_generator.state,
        "features": _version(state.model),
        "owner": owner,
        "edits": edits,
        "overruled": overruled_to_json(overruled),
        "made": sorted(made, key=repr),
    }
    write_json(run.about_weights(state.step), about)  # written last: it says that the checkpoint is whole
    _remove_others(run, state.step)


def _remove_others(run: RunPaths, step: int) -> None:
    """Removes the checkpoints that are not needed beside the one after `step` steps."""
    shown = results_step(run)
    # Checkpoints of later steps were damaged; otherwise the run would have continued from them.
    written = run.checkpoint_steps()
    kept = [old for old in written if old <= step][-CHECKPOINTS_KEPT:]
    for old in written:
        if old not in kept and old != shown:
            run.about_weights(old).unlink()
            run.weights(old).unlink(missing_ok=True)


def read_checkpoint(run: RunPaths, step: int | None = None) -> Checkpoint | None:
    """The newest undamaged checkpoint of a run, or that of `step` if it is undamaged; None if none was ever written.

    Raises:
        CorruptError: there are checkpoints and all are damaged.
    """
    candidates = run.checkpoint_steps()[::-1]
    if step is not None:
        candidates.sort(key=lambda candidate: candidate != step)
    for candidate in candidates:
        with contextlib.suppress(CorruptError, KeyError, TypeError):
            about = read_json(run.about_weights(candidate))
            data = _read_bytes(run.weights(candidate))
            if hashlib.sha256(data).hexdigest() == about["sha256"]:
                return Checkpoint(safetensors.torch.load(data), about)
    if candidates:
        raise CorruptError(f"the checkpoints in {run.checkpoints} are damaged; start a new run from scratch")
    return None


def model_of(checkpoint: Checkpoint, config: ModelConfig) -> DeepGenerativeModel:
    """The checkpoint's model: its shape is `config`, with the number of components at the checkpoint.

    Raises:
        CorruptError: an earlier version of the program wrote it, whose networks or features were others.
    """
    weights = {k.removeprefix("model."): v for k, v in checkpoint.tensors.items() if k.startswith("model.")}
    weights.setdefault("open", torch.ones(config.n_components, dtype=torch.bool))  # of before any could be closed
    config = config.replaced(n_components=len(weights["open"]))
    inputs = InputMap(*(weights[f"inputs.{name}"].clone() for name in ("kept", "shift", "scale", "fill")))
    model = build_model(config, inputs)
    other = CorruptError("an earlier version of the program trained this model; train again from scratch")
    if _version(model) not in (None, checkpoint.about.get("features", FIRST_FEATURES)):
        raise other
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise other from error
    return model


def restore_state(checkpoint: Checkpoint, config: RunConfig, n_items: int, device: torch.device) -> TrainingState:
    """The saved training state, with which training continues."""
    model = model_of(checkpoint, config.model).to(device)
    state = new_state(model, config.training, n_items)
    moments: dict[int, dict[str, Tensor]] = {}
    for name, value in checkpoint.tensors.items():
        if name.startswith("adam."):
            _, index, part = name.split(".")
            moments.setdefault(int(index), {})[part] = value
    state.optimiser.load_state_dict({**state.optimiser.state_dict(), "state": moments})
    draws = checkpoint.tensors["generator"]
    if draws.shape == state.generator.get_state().shape:
        state.generator.set_state(draws)
    else:  # saved on another kind of device, whose draws cannot be continued
        state.generator.manual_seed(config.training.seed + checkpoint.about["step"])
    state.rng.bit_generator.state = checkpoint.about["rng"]
    for key in ("step", "epoch", "batch", "seconds"):
        setattr(state, key, checkpoint.about[key])
    state.work = checkpoint.about.get("work", state.seconds)
    return state


def new_state(model: DeepGenerativeModel, config: TrainingConfig, n_items: int) -> TrainingState:
    """A training state at step zero."""
    device = model.inputs.fill.device
    return TrainingState(
        model,
        new_optimiser(model, config, n_items),
        torch.Generator(device).manual_seed(config.seed),
        np.random.default_rng(config.seed),
    )


def load_model(run: RunPaths, step: int | None = None) -> tuple[DeepGenerativeModel, RunConfig]:
    """The model of a run's results, or else its newest, in evaluation mode, with the run's configuration.

    Args:
        run: whose model.
        step: of the results; None takes that of those that are there now.

    Raises:
        StateError: the run has no checkpoint yet.
        CorruptError: its checkpoints are damaged.
    """
    checkpoint = read_checkpoint(run, results_step(run) if step is None else step)
    if checkpoint is None:
        raise StateError(f"run {run.number} has not saved a model yet; wait a moment or train again")
    config = read_config(run)
    model = model_of(checkpoint, config.model).eval()
    return model, replace(config, model=model.config)


def _version(model: DeepGenerativeModel) -> int | None:
    """The version of the features that a model sees; None if it sees none."""
    return None if model.extractor is None else model.extractor.version


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
