"""The one objective, over allowed sets (docs/architecture.md), for every model.

    L_A(x) = sum_{k in A} q_A(k|x) [ L(x, k) - log q_A(k|x) ]
    J      = mean over unlabelled L_A(x) + mean over labelled [ L_A(x) + alpha log sum_{k in A} q(k|x) ]   (maximised)

The classification term enters with a plus: the minus of Eq. 8 is a misprint.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dgm_engine.models.base import DeepGenerativeModel, Encoded, Terms

NEGLIGIBLE_PROBABILITY = 1e-5
"""`fixed_bound` leaves out the least probable components, as long as their q(y | x) sum to no more than this."""


@dataclass(frozen=True)
class Bound:
    """L_A(x) and its parts, for each item.

    Attributes:
        value: (B,) L_A(x).
        log_px: (B,) the reconstruction term E log p(x | ...).
        kl_z: (B,) the term KL(q(z | x, y) || p(z | y)).
        kl_y: (B,) the term KL(q_A(y | x) || p(y)).
        kl_a: (B,) the term E [log q(a | x) - log p(a | x, y, z)]; None for models without a.
    """

    value: Tensor
    log_px: Tensor
    kl_z: Tensor
    kl_y: Tensor
    kl_a: Tensor | None = None


@dataclass(frozen=True)
class Sampling:
    """How the bound's expectations are taken.

    Attributes:
        generator: the source of every draw.
        n_samples: S, draws of z (and of a).
        exact_components: m; sum over the m most probable allowed components and draw one of the rest. 0 sums over all.
    """

    generator: torch.Generator
    n_samples: int = 1
    exact_components: int = 0


def restrict(log_q: Tensor, allowed: Tensor | None) -> tuple[Tensor, Tensor]:
    """q_A(k | x), which is q(k | x) normalised over A(x), and the mass of q(k | x) on A(x).

    Args:
        log_q: (B, K) normalised log q(k | x).
        allowed: (B, K) bool, A(x), at least one component in each row; None allows all components.

    Returns:
        log q_A (B, K), -inf outside A, and log sum_{k in A} q(k | x) (B,).
    """
    if allowed is None:
        return log_q, log_q.new_zeros(len(log_q))
    masked = log_q.masked_fill(~allowed, -torch.inf)
    log_mass = masked.logsumexp(-1)
    return masked - log_mass[:, None], log_mass


def bound(
    model: DeepGenerativeModel, encoded: Encoded, log_q_a: Tensor, log_prior: Tensor, sampling: Sampling
) -> Bound:
    """L_A(x) of Eq. 2 (A = all components), Eq. 3 (A = {k}) and everything between.

    The entropy and the prior are summed exactly over all components. The costly terms are summed over all of them
    too, or, with `sampling.exact_components` = m, exactly over the m most probable ones and by one weighted draw from
    the rest: unbiased in value and gradient.

    With an auxiliary latent, q(y | x) is the average over S draws of a (Eq. 33), and the same draws serve every
    component. The expectation is a lower bound of log p(x) for every S: it is that of the inference model which draws
    a_1..a_S from q(a | x), y from that average, takes one of the draws at random as a, and z from q(z | a, x, y). At
    S = 1 it is Eq. 21.

    Args:
        model: gives the terms of L(x, k).
        encoded: B items, from `model.encode`.
        log_q_a: (B, K) log q_A(k | x), from `restrict`.
        log_prior: (K,) log p(y).
        sampling: how expectations are taken.
    """
    k, weight, n_exact = _choose_components(log_q_a, sampling)  # (M, B), (M, B), the first n_exact are exact
    terms = model.terms(encoded, k, sampling.n_samples, sampling.generator)
    return _combined(terms, weight, n_exact, log_q_a, log_prior)


def fixed_bound(model: DeepGenerativeModel, raw: Tensor, log_prior: Tensor) -> Bound:
    """L_A(x) of raw x (B, D) from fixed draws, so that the bound of an item is not random and depends on no other item.

    A(x) is the smallest set of the most probable components whose q(y | x) sum to at least
    1 - `NEGLIGIBLE_PROBABILITY`. So the result is that of Eq. 2 up to a rounding error, in a fraction of the time.
    `log_prior` (K,) is log p(y).
    """
    encoded = model.encode_fixed(model.inputs(raw), model.features(raw))
    log_q, order = encoded.log_q_y.sort(dim=-1, descending=True)
    before = log_q.exp().cumsum(-1) - log_q.exp()
    allowed = before < 1 - NEGLIGIBLE_PROBABILITY  # (B, K), in the order of probability
    log_q_a, _ = restrict(log_q, allowed)
    n = int(allowed.sum(-1).max())
    terms = model.terms_fixed(encoded, order.T[:n])
    return _combined(terms, log_q_a.T[:n].exp(), n, log_q_a, log_prior[order])


def component_prior(owner: Sequence[str | None], n_classes: int | None, mass: Sequence[float] | None = None) -> Tensor:
    """p(y): Eq. 34 and the corrected Eq. 35; proportional to `mass` if no class owns a component or N_gt is not known.

    Each labelled class has the probability 1 / N_gt, which its components share. The N_mask = N_gt - (number of
    labelled classes) other classes have N_mask / N_gt together, which the free components share. The paper's own Eq. 35
    does not sum to one.

    Args:
        owner: (K,) the classes that own the components, None for the free ones.
        n_classes: N_gt; None if it is not known.
        mass: (K,) the proportions in which components share a probability; None shares evenly, as in the paper. A
            component without mass has no owner.

    Returns:
        (K,) probabilities.
    """
    share = torch.ones(len(owner)) if mass is None else torch.tensor(mass, dtype=torch.float32)
    classes = {name for name in owner if name is not None}
    if n_classes is None or not classes:
        return share / share.sum()
    total = {name: sum(m for m, of in zip(share.tolist(), owner, strict=True) if of == name) for name in {*owner}}
    n_masked = max(n_classes - len(classes), 0)
    if n_masked == 0:
        n_masked = 1  # there are as many classes as expected, or more: the free components still stand for one
    if not total.get(None):
        n_masked = 0
    n_total = len(classes) + n_masked
    own = [(n_masked if name is None else 1) / (n_total * (total[name] or 1)) for name in owner]
    return share * torch.tensor(own)


def consistency(log_q: Tensor, log_q_changed: Tensor) -> Tensor:
    """() mean KL(q(y | x) || q(y | x')), x' a small change of x; the first q is the target and gets no gradient."""
    target = log_q.detach()
    return (target.exp() * (target - log_q_changed)).sum(-1).mean()


def neighbour_agreement(log_q: Tensor, log_q_neighbour: Tensor) -> Tensor:
    """() mean log sum_k q(k | x) q(k | x'): the log probability that x and its neighbour x' share their component."""
    return (log_q + log_q_neighbour).logsumexp(-1).mean()


def marginal_divergence(log_q: Tensor, log_prior: Tensor) -> Tensor:
    """() KL(mean over the batch of q(y | x) || p(y)), which training minimises so that components stay in use."""
    marginal = log_q.exp().mean(0)
    log_ratio = (marginal.clamp_min(1e-12).log() - log_prior).masked_fill(marginal == 0, 0.0)  # as in `_combined`
    return (marginal * log_ratio).sum()


def _combined(terms: Terms, weight: Tensor, n_exact: int, log_q_a: Tensor, log_prior: Tensor) -> Bound:
    """The bound from the terms of the visited components and their weights, (M, B) each."""
    log_px, kl_z = (_weighted_sum(weight, term, n_exact) for term in (terms.log_px, terms.kl_z))
    kl_a = None if terms.kl_a is None else _weighted_sum(weight, terms.kl_a, n_exact)
    q_a = log_q_a.exp()
    log_ratio = (log_q_a - log_prior).masked_fill(q_a == 0, 0.0)  # 0 log 0 = 0, in the gradient too
    kl_y = (q_a * log_ratio).sum(-1)
    value = log_px - kl_z - kl_y
    return Bound(value if kl_a is None else value - kl_a, log_px, kl_z, kl_y, kl_a)


def _choose_components(log_q_a: Tensor, sampling: Sampling) -> tuple[Tensor, Tensor, int]:
    """The components to visit and their weights in the sum, (M, B) each, and how many of the M are exact."""
    n_exact = sampling.exact_components
    batch, n_components = log_q_a.shape
    if n_exact == 0 or n_exact + 1 >= n_components:
        every = torch.arange(n_components, device=log_q_a.device)[:, None].expand(n_components, batch)
        return every, log_q_a.exp().T, n_components
    q_a = log_q_a.exp()
    top = q_a.detach().topk(n_exact, dim=-1).indices  # (B, m)
    rest = q_a.detach().scatter(-1, top, 0.0)
    # If the other components have no probability, any component may be drawn: its weight is zero.
    proposal = rest + (rest.sum(-1, keepdim=True) == 0)
    drawn = torch.multinomial(proposal, 1, generator=sampling.generator)  # (B, 1)
    rate = (proposal / proposal.sum(-1, keepdim=True)).gather(-1, drawn)
    in_rest = (rest.gather(-1, drawn) > 0).to(q_a.dtype)
    weight = torch.cat([q_a.gather(-1, top), in_rest * q_a.gather(-1, drawn) / rate], dim=-1)
    return torch.cat([top, drawn], dim=-1).T, weight.T, n_exact


def _weighted_sum(weight: Tensor, term: Tensor, n_exact: int) -> Tensor:
    """(B,) sum over components of weight (M, B) times term (M, B).

    With a sampled component the weights sum to one only on average. The sum is therefore taken over differences from a
    baseline, which are small: its variance falls, and its expectation stays the same if the baseline does not depend on
    the draw. So the baseline is the weighted mean over the exact components, the first `n_exact`.
    """
    exact = weight[:n_exact].detach()
    baseline = (exact * term[:n_exact].detach()).sum(0) / exact.sum(0)
    return baseline + (weight * (term - baseline)).sum(0)
