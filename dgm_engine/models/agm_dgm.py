"""The auxiliary Gaussian-mixture deep generative model."""

from torch import Tensor

from dgm_engine.config import ModelConfig
from dgm_engine.distributions import Categorical, DiagonalGaussian, Likelihood
from dgm_engine.models.base import DeepGenerativeModel
from dgm_engine.nn import Body, CategoricalNet, GaussianNet, GaussianTable, InputMap, likelihood_net


class AGMDGM(DeepGenerativeModel):
    """p(y) p(z | y) p(x | z) p(a | x, y, z) with q(a | x) q(y | a, x) q(z | a, x, y) (Eq. 32, 29-31 and 16-20)."""

    def __init__(self, config: ModelConfig, inputs: InputMap, output_scale: float) -> None:
        super().__init__(config, inputs)
        n_x, n_y, n_z, hidden = inputs.n_kept, config.n_components, config.n_latent, config.hidden
        n_a, family = config.n_auxiliary, config.auxiliary
        self._q_a = likelihood_net(family, Body([n_x], hidden), n_a, output_scale)
        self._q_y = CategoricalNet(Body([n_x, n_a], hidden), n_y, output_scale)
        self._q_z = GaussianNet(Body([n_x, n_a], hidden, n_y), n_z, output_scale)
        self._p_z = GaussianTable(n_y, n_z, output_scale)
        self._p_x = likelihood_net(config.likelihood, Body([n_z], hidden), n_x, output_scale)
        self._p_a = likelihood_net(family, Body([n_x, n_z], hidden, n_y), n_a, output_scale)
        self.fix_draws(self._q_a)

    def q_a(self, x: Tensor) -> Likelihood:
        """Eq. 18."""
        return self._q_a(x)

    def q_y(self, x: Tensor, a: Tensor | None) -> Categorical:
        """Eq. 19."""
        return self._q_y(x, a)

    def q_z(self, x: Tensor, a: Tensor | None, k: Tensor | None) -> DiagonalGaussian:
        """Eq. 20."""
        return self._q_z(x, a, k=k)

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

    def p_a(self, x: Tensor, z: Tensor, k: Tensor) -> Likelihood:
        """Eq. 16."""
        return self._p_a(x, z, k=k)
