"""The Gaussian-mixture deep generative model."""

from torch import Tensor

from dgm_engine.config import ModelConfig
from dgm_engine.distributions import Categorical, DiagonalGaussian, Likelihood
from dgm_engine.models.base import DeepGenerativeModel
from dgm_engine.nn import CategoricalNet, GaussianNet, GaussianTable, InputMap, JointFirstLayer, LikelihoodNet


class GMDGM(DeepGenerativeModel):
    """p(y) p(z | y) p(x | z) with q(y | x) q(z | x, y) (Eq. 28-31 and 5-7)."""

    def __init__(self, config: ModelConfig, inputs: InputMap, output_scale: float = 0.01) -> None:
        super().__init__(config, inputs)
        hidden = [config.n_hidden] * config.n_layers
        n_x = inputs.n_kept
        self._q_y = CategoricalNet(n_x, hidden, config.n_components, output_scale)
        self._q_z_first = JointFirstLayer(n_x, config.n_components, config.n_hidden)
        self._q_z_rest = GaussianNet(hidden, config.n_latent, output_scale)
        self._p_z = GaussianTable(config.n_components, config.n_latent)
        self._p_x = LikelihoodNet([config.n_latent, *hidden], n_x, config.likelihood, output_scale)

    def q_y(self, x: Tensor) -> Categorical:
        """Eq. 6."""
        return self._q_y(x)

    def q_z(self, x: Tensor, k: Tensor | None) -> DiagonalGaussian:
        """Eq. 7."""
        return self._q_z_rest(self._q_z_first(x, k))

    def p_z(self, k: Tensor) -> DiagonalGaussian:
        """Eq. 30."""
        return self._p_z(k)

    def set_p_z(self, mean: Tensor, log_var: Tensor) -> None:
        """Sets the parameters of p(z | y)."""
        self._p_z.set(mean, log_var)

    def p_x(self, z: Tensor, k: Tensor) -> Likelihood:
        """Eq. 31: x depends on y only through z."""
        del k
        return self._p_x(z)
