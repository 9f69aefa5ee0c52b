"""Adds a component to a model."""

import torch
from torch import Tensor

from dgm_engine.config import TrainingConfig
from dgm_engine.models.registry import build_model
from dgm_engine.nn import InputMap
from dgm_engine.training.loop import TrainingState, new_optimiser


def grow(state: TrainingState, source: int, config: TrainingConfig, n_items: int) -> int:
    """Adds a component to a model in place, which begins as a copy of another; returns its number.

    K grows by one: p(z | y), q(y | x), the other tensors over y and Adam's moments get a row. The new one is open.

    Args:
        state: the training state of the model.
        source: the component to copy.
        config: the training configuration.
        n_items: as in `new_optimiser`.
    """
    old = state.model
    inputs = InputMap(*(getattr(old.inputs, name).clone() for name in ("kept", "shift", "scale", "fill")))
    shape = old.config.replaced(n_components=old.config.n_components + 1)
    with torch.random.fork_rng(devices=[]):  # all random weights are replaced
        model = build_model(shape, inputs, config.output_scale)
    sizes = {name: value.shape for name, value in model.state_dict().items()}
    model.load_state_dict({name: _longer(value, sizes[name], source) for name, value in old.state_dict().items()})
    model.open[-1] = True
    model.to(old.inputs.fill.device)
    optimiser = new_optimiser(model, config, n_items)
    parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    before = state.optimiser.state_dict()
    moments = {
        index: {
            name: _longer(value, parameters[index].shape, source) if value.ndim else value for name, value in of.items()
        }
        for index, of in before["state"].items()
    }
    optimiser.load_state_dict({"state": moments, "param_groups": before["param_groups"]})
    state.model, state.optimiser = model, optimiser
    return shape.n_components - 1


def _longer(value: Tensor, shape: torch.Size, source: int) -> Tensor:
    """A tensor (K, ...) with a copy of row `source` at the end if that gives `shape`; otherwise the tensor itself."""
    return value if value.shape == shape else torch.cat([value, value[source : source + 1]])
