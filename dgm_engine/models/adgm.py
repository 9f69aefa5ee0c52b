"""The auxiliary deep generative model of Maaløe et al. (2016)."""

from dgm_engine.models.m2 import M2


class ADGM(M2):
    """p(y) p(z) p(x | y, z) p(a | x, y, z) (Eq. 12-16)."""

    auxiliary = True


MODEL = ADGM
