"""The training loop: it optimises the objective and yields records; it never draws, prints or touches a database."""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dgm_engine.config import TrainingConfig
from dgm_engine.models.base import DeepGenerativeModel
from dgm_engine.objective import Sampling, bound, consistency, marginal_divergence, restrict
from dgm_engine.training.batches import Augmentation, Table

STEPS_PER_RECORD = 25
FINAL_RATE = 0.02
"""The learning rate falls along a cosine to this share of its start."""


@dataclass(frozen=True)
class Knowledge:
    """What is known of which items, in the model's terms.

    Attributes:
        rows: (L,) pool rows with a restricted allowed set.
        allowed: (L, K) bool, A(x).
        log_prior: (K,) log p(y).
    """

    rows: NDArray[np.int64]
    allowed: Tensor
    log_prior: Tensor


@dataclass(frozen=True)
class Record:
    """Averages over the last few steps. All per item, in nats.

    Attributes:
        epoch: passes over the pool so far, a fraction while within one.
        step: steps so far.
        progress: share of the run that is done, 0 to 1.
        elbo: L_A(x), labelled and unlabelled items together.
        log_px: its reconstruction part.
        kl_z: its part KL(q(z | x, y) || p(z | y)).
        kl_y: its part KL(q(y | x) || p(y)).
        classification: log q(A(x) | x) over the labelled items; None without any.
        label_agreement: share of them whose most probable component is allowed; None without any.
        consistency: KL(q(y | x) || q(y | x')); None where its weight is zero.
        mutual_information: KL(mean q(y | x) || p(y)); None where its weight is zero.
    """

    epoch: float
    step: int
    progress: float
    elbo: float
    log_px: float
    kl_z: float
    kl_y: float
    classification: float | None
    label_agreement: float | None
    consistency: float | None
    mutual_information: float | None


@dataclass
class TrainingState:
    """All that a run needs to go on where it was.

    Attributes:
        model: being trained.
        optimiser: Adam over its parameters.
        generator: source of torch's draws.
        rng: source of numpy's draws.
        step: optimiser steps done.
        epoch: passes done.
        seconds: wall-clock time spent before this process.
    """

    model: DeepGenerativeModel
    optimiser: torch.optim.Adam
    generator: torch.Generator
    rng: np.random.Generator
    step: int = 0
    epoch: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class Schedule:
    """When a run ends, and how far it is.

    Attributes:
        max_epochs: passes; None for no limit.
        max_seconds: wall-clock time; None for no limit.
        began: `time.monotonic()` at second zero.
    """

    max_epochs: int | None
    max_seconds: float | None
    began: float

    def progress(self, epochs: float) -> float:
        """Share of the run that is done after `epochs` passes, 0 to 1."""
        shares = [0.0]
        if self.max_epochs is not None:
            shares.append(epochs / self.max_epochs)
        if self.max_seconds is not None:
            shares.append((time.monotonic() - self.began) / self.max_seconds)
        return min(1.0, max(shares))


def new_optimiser(model: DeepGenerativeModel, config: TrainingConfig, n_items: int) -> torch.optim.Adam:
    """Adam with default moments; the Gaussian weight prior is its weight decay, per item."""
    return torch.optim.Adam(model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay / n_items)


def train(
    state: TrainingState, table: Table, knowledge: Knowledge, config: TrainingConfig, schedule: Schedule
) -> Iterator[Record]:
    """Optimises J until the schedule ends, yielding a record every few steps. The model is fit to use at each yield."""
    step = _Step(state, table, knowledge, config)
    steps_per_epoch = table.batches_per_epoch(config.batch_size)
    progress = schedule.progress(state.epoch)
    while progress < 1:
        parts: list[dict[str, float]] = []
        for done, rows in enumerate(table.shuffled(config.batch_size, state.rng), start=1):
            _set_rate(state.optimiser, config.learning_rate, progress)
            parts.append(step(rows))
            state.step += 1
            last = done == steps_per_epoch
            state.epoch += last
            epochs = state.epoch if last else state.epoch + done / steps_per_epoch
            progress = schedule.progress(epochs)
            if last or progress >= 1 or len(parts) == STEPS_PER_RECORD:
                yield _record(parts, epochs, state.step, progress)
                parts = []
            if progress >= 1:
                return


class _Step:
    """One optimiser step on a batch of unlabelled rows and a batch of labelled ones."""

    def __init__(self, state: TrainingState, table: Table, knowledge: Knowledge, config: TrainingConfig) -> None:
        self.state, self.table, self.knowledge, self.config = state, table, knowledge, config
        self.device = knowledge.log_prior.device
        self.sampling = Sampling(state.generator, config.n_samples, config.exact_components)
        self.augment = Augmentation(state.model.inputs, tuple(table.x.shape[1:]), state.generator)
        self.alpha = config.classification_weight or 0.1 * len(table.rows) / max(1, len(knowledge.rows))

    def __call__(self, rows: NDArray[np.int64]) -> dict[str, float]:
        model, config, prior = self.state.model, self.config, self.knowledge.log_prior
        labelled = self._labelled()
        n_labelled = len(labelled)
        raw = self.table.values(np.concatenate([self.knowledge.rows[labelled], rows])).to(self.device)
        allowed = torch.ones(len(raw), model.config.n_components, dtype=torch.bool, device=self.device)
        allowed[:n_labelled] = self.knowledge.allowed[labelled]
        with torch.autocast(self.device.type, torch.bfloat16, enabled=fast_bfloat16(self.device)):
            x = self._seen(raw)
            log_q = model.q_y(x).log_p
            log_q_a, log_mass = restrict(log_q, allowed)
            parts = bound(model, x, log_q_a, prior, self.sampling)
            objective = parts.value[n_labelled:].mean()
            record = {"elbo": parts.value, "log_px": parts.log_px, "kl_z": parts.kl_z, "kl_y": parts.kl_y}
            if n_labelled:
                objective = objective + (parts.value + self.alpha * log_mass)[:n_labelled].mean()
                agreed = allowed.gather(1, log_q.argmax(-1, keepdim=True))
                record["classification"] = log_mass[:n_labelled]
                record["label_agreement"] = agreed[:n_labelled].float()
            if config.consistency_weight:
                changed = model.q_y(self.augment(raw)).log_p
                record["consistency"] = consistency(log_q, changed)
                objective = objective - config.consistency_weight * record["consistency"]
            if config.mutual_information_weight:
                record["mutual_information"] = marginal_divergence(log_q[n_labelled:], prior)
                objective = objective - config.mutual_information_weight * record["mutual_information"]
        self.state.optimiser.zero_grad(set_to_none=True)
        (-objective).backward()
        self.state.optimiser.step()
        return {name: value.detach().mean().item() for name, value in record.items()}

    def _labelled(self) -> NDArray[np.int64]:
        """Positions in the knowledge of a batch of labelled items: all of them where they are few."""
        n = len(self.knowledge.rows)
        if n <= self.config.labelled_batch_size:
            return np.arange(n)
        return self.state.rng.choice(n, self.config.labelled_batch_size, replace=False)

    def _seen(self, raw: Tensor) -> Tensor:
        """What the networks see of raw values: pixels are drawn as zeros and ones where the preset says so."""
        x = self.state.model.inputs(raw)
        return torch.bernoulli(x.clamp(0, 1), generator=self.state.generator) if self.config.binarise else x


def fast_bfloat16(device: torch.device) -> bool:
    """Whether matrix products run faster in bfloat16 than in float32 on this device."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return bool(torch.cpu.get_capabilities().get("avx512_bf16", False))


def _set_rate(optimiser: torch.optim.Adam, rate: float, progress: float) -> None:
    share = FINAL_RATE + (1 - FINAL_RATE) * 0.5 * (1 + math.cos(math.pi * progress))
    for group in optimiser.param_groups:
        group["lr"] = rate * share


def _record(parts: list[dict[str, float]], epoch: float, step: int, progress: float) -> Record:
    means = {name: sum(part[name] for part in parts) / len(parts) for name in parts[0]}
    optional = ("classification", "label_agreement", "consistency", "mutual_information")
    return Record(epoch, step, progress, **{name: None for name in optional if name not in means}, **means)
