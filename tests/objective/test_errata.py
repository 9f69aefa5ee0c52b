"""Errata of the paper, each shown, and what stands in their place."""

import math

import numpy as np
import pytest
import torch

from dgm_engine.config import LikelihoodName
from dgm_engine.distributions import Bernoulli, DiagonalGaussian
from dgm_engine.objective import component_prior, restrict
from tests.objective.settings import SIGMAS, A, B, Z, setting_of
from tests.small import CASES, generator


@pytest.mark.parametrize("n_aug", [5, 20])
def test_erratum_equation_35_does_not_sum_to_one_and_its_correction_does(n_aug):
    """10 classes, 5 of them labelled: 1/10 for each labelled class, the rest shared by masked and added components."""
    n_gt, n_mask = 10, 5
    n_free = n_aug + n_mask
    prior = component_prior(("5", "6", "7", "8", "9") + (None,) * n_free, n_gt)
    torch.testing.assert_close(prior[:5], torch.full((5,), 1 / n_gt))  # Eq. 34
    torch.testing.assert_close(prior[5:], torch.full((n_free,), n_mask / (n_gt * n_free)))
    as_printed = ((n_gt + n_aug) + n_gt - n_aug - n_mask) / (n_gt * n_free)
    assert 5 / n_gt + n_free * as_printed == pytest.approx(2)


def test_erratum_the_classification_term_of_equation_8_has_the_wrong_sign():
    """Maximised with the plus of `restrict`'s log mass q goes to the label; as printed, away from it."""
    allowed = torch.tensor([[True, False, False]])
    logits = torch.zeros(1, 3, dtype=torch.float64, requires_grad=True)
    _, log_mass = restrict(logits.log_softmax(-1), allowed)
    (uphill,) = torch.autograd.grad(log_mass.sum(), logits)
    torch.testing.assert_close(uphill, torch.tensor([[2 / 3, -1 / 3, -1 / 3]], dtype=torch.float64))
    assert (logits + uphill).softmax(-1)[0, 0] > 1 / 3 > (logits - uphill).softmax(-1)[0, 0]


def test_erratum_a_bernoulli_p_of_a_gaussian_a_is_no_density_and_leaves_the_bound_unbounded():
    """Eq. 16's second form with Eq. 18: "E log p(a) - log q(a)" grows without end, so it bounds nothing."""
    p_a = Bernoulli(torch.tensor([2.0], dtype=torch.float64))
    wide = [torch.linspace(-end, end, 20_001, dtype=torch.float64)[:, None] for end in (2.0, 20.0, 40.0)]
    masses = [float(torch.trapezoid(p_a.log_prob(a).exp(), a[:, 0])) for a in wide]
    assert masses[0] > 1  # a density integrates to one
    assert masses[2] > 1e10 * masses[1]
    gains = []
    for mean in (0.0, 10.0, 100.0, 1_000.0):
        q_a = DiagonalGaussian(torch.tensor([mean], dtype=torch.float64), torch.zeros(1, dtype=torch.float64))
        a = q_a.sample(2_000, generator())
        gains.append(float((p_a.log_prob(a) - q_a.log_prob(a)).mean()))
    assert np.allclose(np.diff(gains), [20, 180, 1_800])  # the logit for every unit that q moves


def test_of_one_family_the_auxiliary_term_costs_and_never_gains():
    """E log q(a) - log p(a), over any q and p of one family, is a divergence."""
    random = generator()
    for family, n_parameters in ((Bernoulli, 1), (DiagonalGaussian, 2)):
        q, p = (family(*torch.randn(n_parameters, 50, 2, dtype=torch.float64, generator=random)) for _ in range(2))
        a = q.sample(4_000, random)
        difference = q.log_prob(a) - p.log_prob(a)
        assert (difference.mean(0) > -SIGMAS * difference.std(0) / math.sqrt(4_000)).all()
        assert difference.mean() > 0.1


@pytest.mark.parametrize("case", [case for case in CASES if case.auxiliary], ids=str)
def test_models_take_q_and_p_of_a_from_one_family(case):
    setting = setting_of(case, Z, A)
    family = {LikelihoodName.BERNOULLI: Bernoulli, LikelihoodName.GAUSSIAN: DiagonalGaussian}[case.auxiliary]
    k, z = torch.zeros(1, B, dtype=torch.long), torch.zeros(1, 1, B, Z, dtype=torch.float64)
    assert type(setting.model.q_a(setting.x)) is family
    assert type(setting.model.p_a(setting.x, z, k)) is family
