"""Every model as a setting; those of one latent dimension have exact integrals."""

import pytest

from dgm_engine.config import LikelihoodName
from tests.objective.settings import A, Setting, Z, setting_of
from tests.small import CASES


@pytest.fixture(params=CASES, ids=str)
def setting(request) -> Setting:
    return setting_of(request.param, Z, A)


@pytest.fixture(params=CASES, ids=str)
def line(request) -> Setting:
    """With a z of one dimension, and an a of one (of two, where it is binary): integrals are exact."""
    return setting_of(request.param, 1, 2 if request.param.auxiliary is LikelihoodName.BERNOULLI else 1)
