"""The speed of a training step beside a plain implementation of the paper's bound, and beside its own matrix products.

    python -m benchmarks.train_step [--components 30 --latent 50 --batch 256 --rounds 9 --threads 1]

*Plain* writes the GM-DGM's Eq. 2 down as it stands: all K components in float32, y one-hot beside x at the input of the
first layer. *Ours* is `dgm_engine.training.loop.train` on the same bound: the exact sum over all K, and the unbiased
one over the most probable component and one draw of the rest, which q(y | x) makes as good once it is confident. Last
the whole step of preset `fast`, with the terms that the paper does not have; it reads three views of each image.

The floor is the step's matrix products alone: recorded in a real step, repeated at the same sizes, layouts and type.
All variants take turns within each round; figures are medians over the rounds. The images are noise: no time depends
on what they show.
"""

import argparse
import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from statistics import median
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from dgm_engine import machine
from dgm_engine.config import BOUND_ALONE, HOG, LikelihoodName, ModelConfig, TrainingConfig
from dgm_engine.extractors.registry import extractor
from dgm_engine.training.batches import Table
from dgm_engine.training.features import make_features
from dgm_engine.training.fitting import fresh_state
from dgm_engine.training.knowledge import Knowledge
from dgm_engine.training.loop import STEPS_PER_RECORD, Schedule, train
from dgm_engine.training.start import N_NEIGHBOURS
from dgm_engine.training.worker import make_room

SHAPE = (28, 28, 1)
N_ITEMS = 20_000
PLAIN_STEPS = 5
"""In each round; the plain step takes far longer."""
PRODUCTS = {torch.ops.aten.mm.default, torch.ops.aten.addmm.default, torch.ops.aten.bmm.default}
"""All matrix products that a step takes."""

Product = tuple[Any, tuple[tuple[tuple[int, ...], tuple[int, ...], torch.dtype], ...]]
"""The operation, and shape, strides and type of each argument."""
Take = Callable[[], int]
"""Takes some steps and returns how many."""


class Plain(nn.Module):
    """The GM-DGM as the paper writes it, Bernoulli p(x | z): `forward` is Eq. 2, with Eq. 3 for each component."""

    def __init__(self, n_x: int, n_y: int, n_z: int, hidden: int) -> None:
        super().__init__()
        self.n_y = n_y
        self.q_y = _mlp(n_x, hidden, n_y)
        self.q_z = _mlp(n_x + n_y, hidden, 2 * n_z)
        self.p_z = nn.Linear(n_y, 2 * n_z)
        self.p_x = _mlp(n_z, hidden, n_x)

    def forward(self, x: Tensor) -> Tensor:
        """(B,) the bound of x (B, D)."""
        log_q = self.q_y(x).log_softmax(-1)
        terms: list[Tensor] = []
        for k in range(self.n_y):
            y = functional.one_hot(torch.full((len(x),), k), self.n_y).float()
            mean, log_var = self.q_z(torch.cat([x, y], -1)).chunk(2, -1)
            prior_mean, prior_log_var = self.p_z(y).chunk(2, -1)
            z = mean + (log_var / 2).exp() * torch.randn_like(mean)
            log_px = -functional.binary_cross_entropy_with_logits(self.p_x(z), x, reduction="none").sum(-1)
            log_pz, log_qz = _log_normal(z, prior_mean, prior_log_var), _log_normal(z, mean, log_var)
            terms.append(log_px + log_pz - log_qz - math.log(self.n_y))
        return (log_q.exp() * (torch.stack(terms, -1) - log_q)).sum(-1)


class Recorder(TorchDispatchMode):
    """Notes the matrix products that are taken while it is on."""

    def __init__(self) -> None:
        super().__init__()
        self.products: Counter[Product] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in PRODUCTS:
            self.products[func, tuple((tuple(a.shape), a.stride(), a.dtype) for a in args)] += 1
        return func(*args, **(kwargs or {}))


def plain(k: int, z: int, batch: int, x: np.ndarray) -> Take:
    """Steps of the plain implementation."""
    model = Plain(math.prod(SHAPE), k, z, ModelConfig.n_hidden)
    optimiser = torch.optim.Adam(model.parameters(), lr=TrainingConfig.learning_rate)
    rng = np.random.default_rng(0)

    def take() -> int:
        for _ in range(PLAIN_STEPS):
            rows = rng.integers(len(x), size=batch)
            value = model(torch.from_numpy(x[rows].reshape(batch, -1)).float() / 255)
            optimiser.zero_grad()
            (-value.mean()).backward()
            optimiser.step()
        return PLAIN_STEPS

    return take


def ours(k: int, z: int, batch: int, x: np.ndarray, edges: bool, **changes: object) -> Take:
    """Steps of the program's own loop, as many as it takes between two records."""
    config = TrainingConfig(batch_size=batch, **changes)  # type: ignore[arg-type]
    table = Table(x, np.arange(len(x)), make_features(extractor(HOG), x) if edges else None)
    shape = ModelConfig(
        math.prod(SHAPE), k, LikelihoodName.BERNOULLI, n_latent=z, image_shape=SHAPE, extractor=HOG if edges else None
    )
    state = fresh_state(shape, config, table, torch.device("cpu"))
    state.neighbours = np.random.default_rng(1).integers(len(x), size=(len(x), N_NEIGHBOURS)).astype(np.int32)
    nothing = Knowledge.nothing(k, len(x))

    def records() -> Iterator[int]:
        before = 0
        for record in train(state, table, lambda: nothing, config, Schedule(10**6, None, 0.0)):
            yield record.step - before
            before = record.step

    stream = records()
    return lambda: next(stream)


def floor(take: Take) -> Take:
    """The matrix products of these steps, and nothing else."""
    with Recorder() as recorder:
        n = take()
    products = [(func, [_noise(*arg) for arg in args], times) for (func, args), times in recorder.products.items()]

    @torch.no_grad()
    def repeat() -> int:
        for func, args, times in products:
            for _ in range(times):
                func(*args)
        return n

    return repeat


def milliseconds(takes: Sequence[Take], rounds: int) -> list[float]:
    """Median time of a step of each; they take turns."""
    times: list[list[float]] = [[] for _ in takes]
    for turn in range(rounds + 1):
        for take, found in zip(takes, times, strict=True):
            began = time.perf_counter()
            n = take()
            if turn:  # the first round is for warming up
                found.append(1000 * (time.perf_counter() - began) / n)
    return [median(found) for found in times]


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--components", type=int, default=30)
    parser.add_argument("--latent", type=int, default=ModelConfig.n_latent)
    parser.add_argument("--batch", type=int, default=TrainingConfig.batch_size)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, help="the worker's own number where left out")
    given = parser.parse_args()
    make_room()
    if given.threads:
        torch.set_num_threads(given.threads)
    x = np.random.default_rng(0).integers(256, size=(N_ITEMS, *SHAPE), dtype=np.uint8)
    k, z, batch = given.components, given.latent, given.batch
    variants = {
        "plain": plain(k, z, batch, x),
        "ours, all K, float32": ours(k, z, batch, x, False, **BOUND_ALONE, exact_components=0, bfloat16=False),
        "ours, all K": ours(k, z, batch, x, False, **BOUND_ALONE, exact_components=0),
        "ours, m = 1": ours(k, z, batch, x, False, **BOUND_ALONE),
        "preset fast, without edges": ours(k, z, batch, x, False),
        "preset fast": ours(k, z, batch, x, True),
    }
    takes = list(variants.values())
    times = milliseconds([*takes, *(floor(take) for take in takes)], given.rounds)
    steps, floors = times[: len(takes)], times[len(takes) :]
    table = pd.DataFrame({"ms/step": steps, "its matrix products, ms": floors}, index=list(variants))
    table["images/s"] = 1000 * batch / table["ms/step"]
    table["times plain"] = table["images/s"] / table.loc["plain", "images/s"]
    table["times its floor"] = table["ms/step"] / table["its matrix products, ms"]
    about = machine.describe()
    print(f"K = {k}, Z = {z}, batch {batch}, {about['device']}, version {about['version']}")
    print(f"medians of {given.rounds} rounds of {STEPS_PER_RECORD} steps ({PLAIN_STEPS} of plain)\n")
    print(table.round(1).to_string())


def _noise(shape: tuple[int, ...], strides: tuple[int, ...], kind: torch.dtype) -> Tensor:
    """A tensor so laid out; a stride of zero, where a matrix is shared by a batch, is kept."""
    last = sum((n - 1) * stride for n, stride in zip(shape, strides, strict=True))
    return torch.randn(1 + last, dtype=kind).as_strided(shape, strides)


def _mlp(n_in: int, hidden: int, n_out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(n_in, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, n_out)
    )


def _log_normal(z: Tensor, mean: Tensor, log_var: Tensor) -> Tensor:
    return -0.5 * (math.log(2 * math.pi) + log_var + (z - mean).square() / log_var.exp()).sum(-1)


if __name__ == "__main__":
    main()
