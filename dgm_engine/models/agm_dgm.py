"""The auxiliary Gaussian-mixture deep generative model."""

from dgm_engine.models.gm_dgm import GMDGM


class AGMDGM(GMDGM):
    """p(y) p(z | y) p(x | z) p(a | x, y, z) (Eq. 32, 29-31 and 16)."""

    auxiliary = True


MODEL = AGMDGM
