"""The models by name."""

from collections.abc import Callable

from dgm_engine.config import ModelConfig, ModelName
from dgm_engine.models.adgm import ADGM
from dgm_engine.models.agm_dgm import AGMDGM
from dgm_engine.models.base import DeepGenerativeModel
from dgm_engine.models.gm_dgm import GMDGM
from dgm_engine.models.m2 import M2
from dgm_engine.nn import InputMap

_MODELS: dict[ModelName, Callable[[ModelConfig, InputMap, float], DeepGenerativeModel]] = {
    ModelName.GM_DGM: GMDGM,
    ModelName.AGM_DGM: AGMDGM,
    ModelName.M2: M2,
    ModelName.ADGM: ADGM,
}


def build_model(config: ModelConfig, inputs: InputMap, output_scale: float = 0.01) -> DeepGenerativeModel:
    """A model with random weights; torch's global generator draws them."""
    return _MODELS[config.name](config, inputs, output_scale)
