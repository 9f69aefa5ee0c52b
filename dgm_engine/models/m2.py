"""The semi-supervised deep generative model M2 of Kingma et al. (2014)."""

from torch import Tensor

from dgm_engine.config import ModelConfig
from dgm_engine.distributions import DiagonalGaussian, Likelihood
from dgm_engine.models.base import DeepGenerativeModel
from dgm_engine.nn import Body, InputMap, StandardGaussian, likelihood_net


class M2(DeepGenerativeModel):
    """p(y) p(z) p(x | y, z) (Eq. 4-5)."""

    def __init__(self, config: ModelConfig, inputs: InputMap, output_scale: float) -> None:
        super().__init__(config, inputs, output_scale)
        body = Body([config.n_latent], config.hidden, config.n_components)
        self._p_z = StandardGaussian(config.n_latent)
        self._p_x = likelihood_net(config.likelihood, body, inputs.n_kept, output_scale)

    def p_z(self, k: Tensor) -> DiagonalGaussian:
        """N(0, I) for every component."""
        return self._p_z(k)

    def p_x(self, z: Tensor, k: Tensor | None) -> Likelihood:
        """p(x | y, z)."""
        return self._p_x(z, k=k)


MODEL = M2
