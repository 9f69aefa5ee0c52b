"""Allowed sets, priors, and the terms that the paper does not have."""

import itertools
import math

import pytest
import torch

from dgm_engine.objective import component_prior, consistency, marginal_divergence, neighbour_agreement, restrict


def test_restrict_renormalises_on_the_allowed_set():
    log_q = torch.tensor([[0.1, 0.2, 0.3, 0.4]], dtype=torch.float64).log()
    log_q_a, log_mass = restrict(log_q, torch.tensor([[True, False, True, False]]))
    torch.testing.assert_close(log_q_a.exp(), torch.tensor([[0.25, 0, 0.75, 0]], dtype=torch.float64))
    assert float(log_mass.exp()) == pytest.approx(0.4)


def test_restrict_to_everything_changes_nothing():
    log_q = torch.tensor([[0.1, 0.2, 0.3, 0.4]], dtype=torch.float64).log()
    for allowed in (None, torch.ones(1, 4, dtype=torch.bool)):
        log_q_a, log_mass = restrict(log_q, allowed)
        torch.testing.assert_close(log_q_a, log_q)
        assert float(log_mass) == pytest.approx(0, abs=1e-12)


OWNERS = [
    (None,) * 10,
    ("a", None, None, "b", "b", None),
    ("a", "b", "c"),
    ("a", "a", None),
]


@pytest.mark.parametrize(("owner", "n_classes"), list(itertools.product(OWNERS, [None, 1, 3, 10])))
def test_priors_sum_to_one(owner, n_classes):
    prior = component_prior(owner, n_classes)
    assert float(prior.sum()) == pytest.approx(1, abs=1e-6)
    assert (prior > 0).all()


def test_prior_gives_a_labelled_class_its_share_however_many_components_it_owns():
    prior = component_prior(("a", None, None, "b", "b", None), 3)
    torch.testing.assert_close(prior, torch.tensor([1 / 3, 1 / 9, 1 / 9, 1 / 6, 1 / 6, 1 / 9]))


def test_prior_is_uniform_where_no_label_exists():
    torch.testing.assert_close(component_prior((None,) * 4, 3), torch.full((4,), 0.25))


def test_components_share_the_prior_in_proportion_to_their_mass():
    prior = component_prior(("a", None, None, "b", None), 3, (1, 1, 0, 1, 0))
    torch.testing.assert_close(prior, torch.tensor([1 / 3, 1 / 3, 0, 1 / 3, 0]))
    prior = component_prior(("a", None, None, "a", None), 4, (1, 3, 0, 2, 1))
    torch.testing.assert_close(prior, torch.tensor([1 / 12, 9 / 16, 0, 1 / 6, 3 / 16]))
    torch.testing.assert_close(component_prior((None,) * 4, None, (1, 0, 2, 1)), torch.tensor([1, 0, 2, 1]) / 4)
    torch.testing.assert_close(component_prior(("a", "b", None), 5, (1, 1, 0)), torch.tensor([1, 1, 0]) / 2)


# The terms that the paper does not have
def test_marginal_divergence_is_zero_for_balanced_components_and_log_k_for_a_single_one():
    balanced = torch.eye(4, dtype=torch.float64).clamp_min(1e-12).log()
    alone = balanced[:1].expand(4, 4)
    prior = torch.full((4,), 0.25, dtype=torch.float64).log()
    assert float(marginal_divergence(balanced, prior)) == pytest.approx(0, abs=1e-9)
    assert float(marginal_divergence(alone, prior)) == pytest.approx(math.log(4), abs=1e-6)


def test_consistency_is_the_mean_divergence_and_leaves_its_target_alone():
    p = torch.tensor([[0.5, 0.5], [0.9, 0.1]], dtype=torch.float64)
    q = torch.tensor([[0.25, 0.75], [0.9, 0.1]], dtype=torch.float64)
    log_p, log_q = p.log().requires_grad_(), q.log().requires_grad_()
    value = consistency(log_p, log_q)
    expected = float((0.5 * math.log(2) + 0.5 * math.log(2 / 3)) / 2)
    assert value.item() == pytest.approx(expected)
    value.backward()
    assert log_p.grad is None
    assert log_q.grad is not None


def test_neighbour_agreement_is_the_log_probability_of_one_component_for_both():
    p = torch.tensor([[0.5, 0.5], [0.9, 0.1]], dtype=torch.float64)
    q = torch.tensor([[0.25, 0.75], [0.2, 0.8]], dtype=torch.float64)
    expected = (math.log(0.5) + math.log(0.9 * 0.2 + 0.1 * 0.8)) / 2
    assert float(neighbour_agreement(p.log(), q.log())) == pytest.approx(expected)
