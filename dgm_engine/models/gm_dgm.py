"""The Gaussian-mixture deep generative model."""

from torch import Tensor

from dgm_engine.config import ModelConfig
from dgm_engine.distributions import Categorical, DiagonalGaussian, Likelihood
from dgm_engine.models.base import DeepGenerativeModel
from dgm_engine.nn import Body, CategoricalNet, GaussianNet, GaussianTable, InputMap, likelihood_net


class GMDGM(DeepGenerativeModel):
    """p(y) p(z | y) p(x | z) with q(y | x) q(z | x, y) (Eq. 28-31 and 5-7)."""

    def __init__(self, config: ModelConfig, inputs: InputMap, output_scale: float) -> None:
        super().__init__(config, inputs)
        n_x, n_y, n_z, hidden = inputs.n_kept, config.n_components, config.n_latent, config.hidden
        self._q_y = CategoricalNet(Body([n_x], hidden), n_y, output_scale)
        self._q_z = GaussianNet(Body([n_x], hidden, n_y), n_z, output_scale)
        self._p_z = GaussianTable(n_y, n_z, output_scale)
        self._p_x = likelihood_net(config.likelihood, Body([n_z], hidden), n_x, output_scale)

    def q_y(self, x: Tensor, a: Tensor | None) -> Categorical:
        """Eq. 6."""
        del a
        return self._q_y(x)

    def q_z(self, x: Tensor, a: Tensor | None, k: Tensor | None) -> DiagonalGaussian:
        """Eq. 7."""
        del a
        return self._q_z(x, k=k)

    def p_z(self, k: Tensor) -> DiagonalGaussian:
        """Eq. 30."""
        return self._p_z(k)

    def set_p_z(self, mean: Tensor, log_var: Tensor) -> None:
        """Sets the parameters of p(z | y)."""
        self._p_z.set(mean, log_var)

    def p_x(self, z: Tensor, k: Tensor | None) -> Likelihood:
        """Eq. 31: x depends on y only through z."""
        del k
        return self._p_x(z)
