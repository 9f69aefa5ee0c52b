"""Changes the components of a model during training, after people's edits or for new classes."""

from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from dgm_engine.config import TrainingConfig
from dgm_engine.discovery.edits import difference
from dgm_engine.distributions import DiagonalGaussian
from dgm_engine.labels.schema import Edit
from dgm_engine.labels.state import closed_components
from dgm_engine.training.batches import Table
from dgm_engine.training.fitting import predict
from dgm_engine.training.growing import grow
from dgm_engine.training.loop import TrainingState
from dgm_engine.training.start import fit_q_y, latents, moments

REFIT_IMAGES = 3_000
"""q(y | x) is fitted to at most this many images of the changed components, and to as many others."""


def take_over(
    state: TrainingState,
    table: Table,
    contained: Sequence[Edit],
    wanted: Sequence[Edit],
    component: NDArray[np.integer],
    config: TrainingConfig,
) -> None:
    """Applies people's edits of clusters to a model, in place.

    Closed components get probability zero. A new half of a component begins as a copy of it. Then q(y | x) is fitted to
    the edited components of the images of changed components, and to the model's own prediction for as many others;
    p(z | y) of the changed components takes the moments of their images.

    Args:
        state: whose model it is.
        table: the pool's values.
        contained: the edits that the model contains.
        wanted: the edits in force.
        component: (N,) the component of each pool row under these.
        config: of the training.
    """
    model, (undone, done) = state.model, difference(contained, wanted)
    for edit in done:
        if edit.opens is not None:
            model.copy_component(edit.component, edit.opens)
    closed = closed_components(wanted)
    model.open.copy_(torch.tensor([k not in closed for k in range(model.config.n_components)]))
    changed = {k for edit in (*undone, *done) for k in edit.touched} - closed
    concerned = np.isin(component[table.rows], list(changed))
    if not concerned.any():
        return
    rows = _as_many([table.rows[concerned]], table.rows[~concerned], state.rng)
    target = component[rows].astype(np.int64)
    others = ~np.isin(target, list(changed))
    target[others] = predict(model, table, rows[others])[0].argmax(1)
    _refit(state, replace(table, rows=rows), target, changed, config)


@dataclass(frozen=True)
class Beginning:
    """The beginning of a component that contained no images.

    Attributes:
        source: the component that it begins as a copy of.
        rows: (n,) pool rows of the images that are to be its own, at least one.
        empty: the component to use; None makes one, and K grows by one.
    """

    source: int
    rows: NDArray[np.int64]
    empty: int | None = None


def begin_components(
    state: TrainingState, table: Table, beginnings: Sequence[Beginning], config: TrainingConfig
) -> list[int]:
    """Gives images to components that contained none, in place; returns the numbers of the components.

    Each component begins as a copy of another. Then one fit adapts q(y | x) to the new components of their images, and
    to the model's earlier prediction for as many others; p(z | y) takes the moments of the images. An image that is
    given to several components belongs to the last.

    Args:
        state: whose model it is.
        table: the pool's values.
        beginnings: at least one; no two of them use the same component.
        config: of the training.
    """
    groups = [beginning.rows for beginning in beginnings]
    chosen = _as_many(groups, np.setdiff1d(table.rows, np.concatenate(groups)), state.rng)
    target = predict(state.model, table, chosen)[0].argmax(1).astype(np.int64)
    made: list[int] = []
    for beginning in beginnings:
        if beginning.empty is None:
            made.append(grow(state, beginning.source, config, len(table.rows)))
        else:
            state.model.copy_component(beginning.source, beginning.empty)
            made.append(beginning.empty)
    for component, rows in zip(made, groups, strict=True):
        target[np.isin(chosen, rows)] = component
    _refit(state, replace(table, rows=chosen), target, made, config)
    return made


def _refit(
    state: TrainingState, table: Table, target: NDArray[np.int64], changed: Collection[int], config: TrainingConfig
) -> None:
    """Fits q(y | x) to an assignment of the table's rows, and p(z | y) of the components that changed to theirs."""
    model = state.model
    deque(fit_q_y(state, table, target, config), maxlen=0)

    def latent(rows: NDArray[np.int64]) -> DiagonalGaussian:
        raw = table.values(rows).to(model.inputs.fill)
        return model.posterior(raw, table.features_of(rows, raw))[1]

    which = torch.tensor(sorted(set(changed).intersection(target.tolist())))
    mean, log_var = moments(*latents(latent, table.rows), target, model.config.n_components)
    model.set_p_z(mean[which], log_var[which], which)


def _as_many(
    groups: Sequence[NDArray[np.int64]], others: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.int64]:
    """A sample in which rows of the groups, of each as many, and others are equally many; the fewer ones repeat."""
    n = min(REFIT_IMAGES, max(sum(map(len, groups)), len(others)))
    wanted = [(rows, -(-n // len(groups))) for rows in groups] + [(others, n)]
    return np.concatenate([rng.choice(rows, size, replace=len(rows) < size) for rows, size in wanted if len(rows)])
