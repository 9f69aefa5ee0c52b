"""The training loop: it optimises the objective and yields records; it never draws, prints or touches a database."""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dgm_engine import machine
from dgm_engine.config import LikelihoodName, TrainingConfig
from dgm_engine.models.base import DeepGenerativeModel, Encoded
from dgm_engine.objective import Bound, Sampling, bound, restrict
from dgm_engine.training.batches import Augmentation, Table
from dgm_engine.training.knowledge import Knowledge
from dgm_engine.training.terms import BOUND, TERMS, StepView

STEPS_PER_RECORD, STEPS_TO_FIRST_RECORD = 25, 12
"""The first record of a run comes sooner, because somebody may be waiting for the effect of new labels."""
FINAL_RATE = 0.02
"""A learning rate that falls along a cosine ends at this share of its start."""
DECAY_EPOCHS = 200
"""A learning rate that falls by a factor does so after each of this many epochs."""
PINNING_EXPONENT = 0.3
"""q of (p^q - 1) / q, the objective's term for a pinned image whose components have probability p. It equals log p at
q = 0 and close to p = 1, but is bounded (Zhang and Sabuncu 2018, Eq. 7). With hands at 32 pixels, named at first sight,
97 % of the images kept their name with 0 and 0.3, and 93 % with 0.7; with digits, named at a tenth of the schedule, all
kept it, and at the end 94.7 % of the other images were right with 0 and 95.3 % with 0.7."""
PINNING_WEIGHT = 2.0
"""Weight of pinned images as a multiple of that of labels. With hands at 32 pixels, named at first sight, 96 % of them
kept their name, or had their true one, with 1 and 99 % with 2; at the end 59 % of all were right with either."""


@dataclass(frozen=True)
class Record:
    """Averages over the last few steps, per item and in nats.

    Attributes:
        epoch: passes over the pool so far, a fraction while within one.
        step: steps so far.
        progress: share of the run that is done, 0 to 1.
        terms: the value of each of `terms.TERMS`, by name; None if the step has none, or if its weight is zero.
    """

    epoch: float
    step: int
    progress: float
    terms: Mapping[str, float | None]

    @property
    def elbo(self) -> float:
        """L_A(x), averaged over labelled and unlabelled items; every step has it."""
        value = self.terms[BOUND]
        return math.nan if value is None else value

    def to_json(self) -> dict[str, object]:
        """The record as a line of the curves, the terms beside the other fields."""
        return {"epoch": self.epoch, "step": self.step, "progress": self.progress, **self.terms}


@dataclass
class TrainingState:
    """All that a run needs to continue where it stopped.

    Attributes:
        model: the model that is trained.
        optimiser: Adam over its parameters.
        generator: source of torch's draws.
        rng: source of numpy's draws.
        step: optimiser steps done.
        epoch: whole passes done.
        batch: batches done of the next pass; the seed and `epoch` fix their order, so a resumed run continues there.
        seconds: wall-clock time spent so far.
        work: time spent so far by the schedule's clock, in seconds.
        neighbours: (N, n) pool rows of each row's nearest neighbours, if the start found them.
    """

    model: DeepGenerativeModel
    optimiser: torch.optim.Adam
    generator: torch.Generator
    rng: np.random.Generator
    step: int = 0
    epoch: int = 0
    batch: int = 0
    seconds: float = 0.0
    work: float = 0.0
    neighbours: NDArray[np.int32] | None = None


@dataclass(frozen=True)
class Schedule:
    """When a run ends, and how much of it is done.

    Attributes:
        max_epochs: passes; None for no limit.
        max_seconds: seconds by the clock; None for no limit.
        began: the clock's reading at second zero.
        clock: wall-clock time, or another measure of work in seconds (`machine.work_clock`).
    """

    max_epochs: float | None
    max_seconds: float | None
    began: float
    clock: Callable[[], float] = time.monotonic

    def progress(self, epochs: float) -> float:
        """Share of the run that is done after `epochs` passes, 0 to 1."""
        shares = [0.0]
        if self.max_epochs is not None:
            shares.append(epochs / self.max_epochs)
        if self.max_seconds is not None:
            shares.append((self.clock() - self.began) / self.max_seconds if self.max_seconds else 1.0)
        return min(1.0, max(shares))


def new_optimiser(model: DeepGenerativeModel, config: TrainingConfig, n_items: int) -> torch.optim.Adam:
    """Adam with default moments; its weight decay, per item, is the Gaussian prior of the weights."""
    parameters = list(model.parameters())
    weights = {"params": [p for p in parameters if p.ndim > 1], "weight_decay": config.weight_decay / n_items}
    biases = {"params": [p for p in parameters if p.ndim == 1]}
    return torch.optim.Adam([weights, biases], lr=config.learning_rate, fused=True)


def train(
    state: TrainingState, table: Table, knowledge: Callable[[], Knowledge], config: TrainingConfig, schedule: Schedule
) -> Iterator[Record]:
    """Optimises J until the schedule ends and yields a record every few steps; the model can be used at each yield.

    `knowledge` is called again after each record, so that training uses new labels at once.
    """
    step = TrainingStep(state, table, knowledge(), config)
    steps_per_epoch = table.batches_per_epoch(config.batch_size)
    # The start may have used up the time; even so the run takes one step.
    progress = schedule.progress(state.epoch + state.batch / steps_per_epoch) if state.step else 0.0
    while progress < 1:
        parts: list[dict[str, float]] = []
        order = table.shuffled(config.batch_size, np.random.default_rng([config.seed, state.epoch]))
        for rows in islice(order, state.batch, None):
            _set_rate(state.optimiser, _rate(config, state.epoch, state.step, progress))
            parts.append(step(rows))
            state.step += 1
            state.batch += 1
            if last := state.batch == steps_per_epoch:
                state.epoch, state.batch = state.epoch + 1, 0
            epochs = state.epoch + state.batch / steps_per_epoch
            progress = schedule.progress(epochs)
            due = len(parts) == STEPS_PER_RECORD or state.step == STEPS_TO_FIRST_RECORD
            if last or progress >= 1 or due:
                yield _record(parts, epochs, state.step, progress)
                if progress >= 1:
                    return
                parts = []
                step.use(knowledge())


class TrainingStep:
    """One optimiser step on a batch of unlabelled rows, one of labelled rows and one of pinned rows."""

    def __init__(self, state: TrainingState, table: Table, knowledge: Knowledge, config: TrainingConfig) -> None:
        self.state, self.table, self.config = state, table, config
        self.device = knowledge.log_prior.device
        self.sampling = Sampling(state.generator, config.n_samples, config.exact_components)
        self.augment = Augmentation(state.model.inputs, tuple(table.x.shape[1:]), state.generator)
        self.use(knowledge)

    def use(self, knowledge: Knowledge) -> None:
        """Replaces the knowledge, and the weights of the objective that depend on it."""
        self.knowledge = knowledge
        self.alpha = self._weight(knowledge.n_labelled)
        self.alpha_pinned = PINNING_WEIGHT * self._weight(knowledge.n_pinned)

    def _weight(self, n: int) -> float:
        """The weight alpha for n labelled items, or for n pinned ones."""
        return self.config.classification_weight or 0.1 * len(self.table.rows) / max(1, n)

    def __call__(self, rows: NDArray[np.int64]) -> dict[str, float]:
        """Takes the step and returns the averages of a `Record`."""
        known = self.knowledge
        labelled, pinned = self._drawn(known.n_labelled), self._drawn(known.n_pinned)
        rows = np.concatenate([known.rows[labelled], known.rows[known.n_labelled + pinned], rows])
        firmness = torch.ones(len(pinned)) if known.firmness is None else known.firmness[pinned]
        raw = self.table.values(rows).to(self.device)
        allowed = self._allowed(rows)
        neighbours = self.state.neighbours
        with bfloat16(self.device, self.config):
            stored = self.table.features_of(rows, raw)
            encoded = self._encode(self._seen(raw), self.state.model.features(raw) if stored is None else stored)
            objective, parts, log_mass = self.objective(encoded, allowed, len(labelled), firmness.to(self.device))
            view = StepView(
                parts=parts,
                log_q_y=encoded.log_q_y,
                log_mass=log_mass,
                allowed=allowed,
                n_labelled=len(labelled),
                n_known=len(labelled) + len(pinned),
                log_prior=known.log_prior,
                of_changed=lambda: self._changed(raw),
                of_neighbours=None if neighbours is None else lambda: self._near(neighbours, rows),
            )
            objective, record = self._with_terms(objective, view)
        self.state.optimiser.zero_grad(set_to_none=True)
        (-objective).backward()
        if self.config.gradient_clip is not None:
            torch.nn.utils.clip_grad_value_(self.state.model.parameters(), self.config.gradient_clip)
        self.state.optimiser.step()
        return {name: value.detach().mean().item() for name, value in record.items()}

    def _encode(self, x: Tensor, features: Tensor | None) -> Encoded:
        """The networks' outputs for x (B, n_kept) and its features (B, F)."""
        return self.state.model.encode(x, self.config.n_samples, self.state.generator, features)

    def _changed(self, raw: Tensor) -> Tensor:
        """(B, K) log q(y | x') of slightly changed copies x' of raw values (B, D)."""
        x, changed = self.augment(raw)
        return self._encode(x, self.state.model.features(changed)).log_q_y

    def _near(self, neighbours: NDArray[np.int32], rows: NDArray[np.int64]) -> Tensor:
        """(B, K) log q(y | x') of a slightly changed copy x' of a random neighbour (N, n) of each pool row (B,)."""
        chosen = neighbours[rows, self.state.rng.integers(neighbours.shape[1], size=len(rows))].astype(np.int64)
        return self._changed(self.table.values(chosen).to(self.device))

    def objective(
        self, encoded: Encoded, allowed: Tensor, n_labelled: int, pinned: Tensor
    ) -> tuple[Tensor, Bound, Tensor]:
        """J of the bound and the labels, the bound's parts, and log q(A(x) | x) (B,).

        The labelled items come first, then the pinned ones, whose firmness `pinned` (H,) gives.
        """
        log_q_a, log_mass = restrict(encoded.log_q_y, allowed)
        parts = bound(self.state.model, encoded, log_q_a, self.knowledge.log_prior, self.sampling)
        n_known = n_labelled + len(pinned)
        objective = parts.value[n_known:].mean()
        if len(pinned):
            within = (PINNING_EXPONENT * log_mass[n_labelled:n_known]).expm1() / PINNING_EXPONENT
            objective = objective + self.alpha_pinned * (pinned * within).sum() / pinned.sum()
        if n_labelled:
            share = min(1.0, self.knowledge.n_labelled / self.config.full_weight_from)
            objective = objective + share * (parts.value + self.alpha * log_mass)[:n_labelled].mean()
        return objective, parts, log_mass

    def _with_terms(self, objective: Tensor, view: StepView) -> tuple[Tensor, dict[str, Tensor]]:
        """J plus the terms that the paper does not have, and the values of all terms for the record."""
        record: dict[str, Tensor] = {}
        for term in TERMS:
            coefficient = term.coefficient(self.config)
            value = None if coefficient == 0 else term.value(view)
            if value is None:
                continue
            record[term.name] = value
            if coefficient is not None:
                objective = objective + coefficient * value
        return objective, record

    def _allowed(self, rows: NDArray[np.int64]) -> Tensor:
        """(B, K) A(x) of pool rows, also of those with labels that are drawn as unlabelled items."""
        allowed = torch.ones(len(rows), len(self.knowledge.log_prior), dtype=torch.bool, device=self.device)
        position = self.knowledge.position[rows]
        known = np.flatnonzero(position >= 0)
        allowed[known] = self.knowledge.allowed[position[known]]
        return allowed

    def _drawn(self, n: int) -> NDArray[np.int64]:
        """Positions of the items, of n labelled or pinned ones, that a step uses: all of them if they are few."""
        if n <= self.config.labelled_batch_size:
            return np.arange(n)
        return self.state.rng.choice(n, self.config.labelled_batch_size, replace=False)

    def _seen(self, raw: Tensor) -> Tensor:
        """The networks' input for raw values; if the preset says so, each pixel is drawn as 0 or 1."""
        x = self.state.model.inputs(raw)
        binary = self.config.binarise and self.state.model.config.likelihood is LikelihoodName.BERNOULLI
        return torch.bernoulli(x.clamp(0, 1), generator=self.state.generator) if binary else x


def bfloat16(device: torch.device, config: TrainingConfig) -> torch.autocast:
    """A context with matrix products in bfloat16 if the configuration allows it and the device is faster at it."""
    enabled = config.bfloat16 and machine.gains_from_bfloat16(device.type)
    return torch.autocast(device.type, torch.bfloat16, enabled=enabled)


def _rate(config: TrainingConfig, epoch: int, step: int, progress: float) -> float:
    """The learning rate after `epoch` epochs, `step` steps and the share `progress` of the run."""
    full = config.learning_rate * min(1.0, (step + 1) / max(1, config.warm_up_steps))
    if config.learning_rate_decay is not None:
        return full * config.learning_rate_decay ** (epoch // DECAY_EPOCHS)
    return full * (FINAL_RATE + (1 - FINAL_RATE) * 0.5 * (1 + math.cos(math.pi * progress)))


def _set_rate(optimiser: torch.optim.Adam, rate: float) -> None:
    for group in optimiser.param_groups:
        group["lr"] = rate


def _record(parts: list[dict[str, float]], epoch: float, step: int, progress: float) -> Record:
    means = {name: sum(part[name] for part in parts) / len(parts) for name in parts[0]}
    return Record(epoch, step, progress, {term.name: means.get(term.name) for term in TERMS})
