"""The table of the terms of the objective, and of the other values that are recorded for a step.

The training loop records the value of each term and adds those that have a `sign` to J. The screens draw the records
and let people change the weights. To add a term, add it to `TERMS` and its weight to `dgm_engine.config`. Pages import
this module, so it imports torch only when it computes a value.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dgm_engine.config import TrainingConfig

if TYPE_CHECKING:
    from torch import Tensor

    from dgm_engine.objective import Bound


@dataclass(frozen=True)
class StepView:
    """The values of a step that terms use, for B items: those with a label, then pinned ones, then the others.

    Attributes:
        parts: the bound of each item, and its parts.
        log_q_y: (B, K) log q(y | x).
        log_mass: (B,) log q(A(x) | x).
        allowed: (B, K) bool, A(x).
        n_labelled: the number of items with a label.
        n_known: the number of items with a label, or pinned.
        log_prior: (K,) log p(y).
        of_changed: gives (B, K) log q(y | x') of small changes x' of the items.
        of_neighbours: gives (B, K) log q(y | x') of a changed neighbour x' of each; None if none are known.
    """

    parts: "Bound"
    log_q_y: "Tensor"
    log_mass: "Tensor"
    allowed: "Tensor"
    n_labelled: int
    n_known: int
    log_prior: "Tensor"
    of_changed: Callable[[], "Tensor"]
    of_neighbours: "Callable[[], Tensor] | None"


@dataclass(frozen=True)
class Choice:
    """A number of `TrainingConfig` that a person may choose.

    Attributes:
        field: its name.
        title: its name on the screen.
        help: its effect, for the screen.
        low: the smallest choice.
        high: the largest choice.
    """

    field: str
    title: str
    help: str
    low: float = 0.0
    high: float = 1000.0


@dataclass(frozen=True)
class Term:
    """One of the terms, averaged over items, in nats.

    Attributes:
        name: its name in the records of a run.
        value: gives the value for a step: (n,), one for each item, or () if the loop adds it to J; None if the step has
            no such items, or the model no such part.
        title: its name on the screen.
        help: its meaning, and whether more or less is better.
        weight: the choice of its weight; None if it has no weight.
        sign: the sign with which the loop adds weight times value to J; 0 if J contains the term already.
        is_share: whether it is a share instead of nats.
    """

    name: str
    value: "Callable[[StepView], Tensor | None]"
    title: str
    help: str
    weight: Choice | None = None
    sign: float = 0.0
    is_share: bool = False

    def coefficient(self, config: TrainingConfig) -> float | None:
        """The factor of the value in J; None if the loop does not add the term to J."""
        return self.sign * getattr(config, self.weight.field) if self.sign and self.weight else None


def _classification(step: StepView) -> "Tensor | None":
    return step.log_mass[: step.n_labelled] if step.n_labelled else None


def _label_agreement(step: StepView) -> "Tensor | None":
    if not step.n_labelled:
        return None
    agreed = step.allowed.gather(1, step.log_q_y.argmax(-1, keepdim=True))
    return agreed[: step.n_labelled].float()


def _consistency(step: StepView) -> "Tensor":
    from dgm_engine.objective import consistency

    return consistency(step.log_q_y, step.of_changed())


def _neighbours(step: StepView) -> "Tensor | None":
    from dgm_engine.objective import neighbour_agreement

    return None if step.of_neighbours is None else neighbour_agreement(step.log_q_y, step.of_neighbours())


def _mutual_information(step: StepView) -> "Tensor":
    from dgm_engine.objective import marginal_divergence

    return marginal_divergence(step.log_q_y[step.n_known :], step.log_prior)


BOUND, AGREEMENT = "elbo", "label_agreement"
"""The names of the two terms that the screen shows above the others."""

TERMS = (
    Term(
        BOUND,
        lambda step: step.parts.value,
        "Fit",
        "How well the model explains the images; higher is better.",
    ),
    Term(
        "log_px",
        lambda step: step.parts.log_px,
        "Redrawing",
        "How well images are redrawn from what the model remembers of them; higher is better.",
    ),
    Term(
        "kl_z",
        lambda step: step.parts.kl_z,
        "Details",
        "How much the images differ from the typical one of their cluster.",
    ),
    Term(
        "kl_y",
        lambda step: step.parts.kl_y,
        "Choice",
        "How much the choice of a cluster says about an image.",
    ),
    Term(
        "kl_a",
        lambda step: step.parts.kl_a,
        "Auxiliary",
        "How much the auxiliary latent says about an image beyond its cluster and its details.",
    ),
    Term(
        "classification",
        _classification,
        "Labels",
        "How well labelled images are recognised; higher is better.",
        Choice(
            "classification_weight",
            "Weight of your labels",
            "How hard training tries to agree with the labels, compared with explaining the images.",
            low=0.1,
        ),
    ),
    Term(
        AGREEMENT,
        _label_agreement,
        "Agreement with labels",
        "Share of the labelled images that the model puts where you say.",
        is_share=True,
    ),
    Term(
        "consistency",
        _consistency,
        "Steadiness",
        "How much clusters change under small shifts and turns; nearer 0 is better.",
        Choice(
            "consistency_weight",
            "Steadiness under small changes",
            "How strongly an image that is slightly moved, turned or scaled must stay in its cluster. 0 for images "
            "whose position or size matters.",
        ),
        sign=-1.0,
    ),
    Term(
        "neighbours",
        _neighbours,
        "Agreement of neighbours",
        "How surely images that are alike share a cluster; nearer 0 is better.",
        Choice(
            "neighbour_weight",
            "Keep similar images together",
            "How strongly an image must share the cluster of the images most like it. It also spreads labels.",
        ),
        sign=1.0,
    ),
    Term(
        "mutual_information",
        _mutual_information,
        "Balance",
        "How unevenly the clusters are used; nearer 0 is better.",
        Choice(
            "mutual_information_weight",
            "Keep all clusters in use",
            "How strongly training avoids clusters that fall empty.",
        ),
        sign=-1.0,
    ),
)
"""The terms in the order of the loop, which fixes the random draws, and of the screens."""
