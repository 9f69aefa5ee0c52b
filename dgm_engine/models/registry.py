"""The models by name. A module is imported when its model is built."""

from importlib import import_module

from dgm_engine.config import ModelConfig
from dgm_engine.models.base import DeepGenerativeModel
from dgm_engine.nn import InputMap


def build_model(config: ModelConfig, inputs: InputMap, output_scale: float = 0.01) -> DeepGenerativeModel:
    """A model with random weights; torch's global generator draws them."""
    module = import_module(f"dgm_engine.models.{config.name.replace('-', '_')}")
    return module.MODEL(config, inputs, output_scale)
