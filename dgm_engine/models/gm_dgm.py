"""The Gaussian-mixture deep generative model."""

from torch import Tensor

from dgm_engine.config import ModelConfig
from dgm_engine.distributions import DiagonalGaussian, Likelihood
from dgm_engine.models.base import DeepGenerativeModel
from dgm_engine.nn import Body, GaussianTable, InputMap, likelihood_net


class GMDGM(DeepGenerativeModel):
    """p(y) p(z | y) p(x | z) (Eq. 28-31)."""

    def __init__(self, config: ModelConfig, inputs: InputMap, output_scale: float) -> None:
        super().__init__(config, inputs, output_scale)
        self._p_z = GaussianTable(config.n_components, config.n_latent, output_scale)
        self._p_x = likelihood_net(
            config.likelihood, Body([config.n_latent], config.hidden), inputs.n_kept, output_scale
        )

    def p_z(self, k: Tensor) -> DiagonalGaussian:
        """Eq. 30."""
        return self._p_z(k)

    def set_p_z(self, mean: Tensor, log_var: Tensor, k: Tensor | None = None) -> None:
        """Sets the parameters of p(z | y)."""
        self._p_z.set(mean, log_var, k)

    def p_x(self, z: Tensor, k: Tensor | None) -> Likelihood:
        """Eq. 31: x depends on y only through z."""
        del k
        return self._p_x(z)


MODEL = GMDGM
