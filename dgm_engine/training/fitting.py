"""The parts of training that the worker, on a project's folder, and the estimator, on arrays, share."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from dgm_engine.config import ModelConfig, TrainingConfig
from dgm_engine.labels.state import LabelState, component_mass
from dgm_engine.models.base import DeepGenerativeModel
from dgm_engine.models.registry import build_model
from dgm_engine.objective import component_prior
from dgm_engine.training.batches import Table, fit_inputs
from dgm_engine.training.checkpoint import new_state
from dgm_engine.training.knowledge import Knowledge
from dgm_engine.training.loop import TrainingState
from dgm_engine.training.naming import (
    NONE_OVERRULED,
    Claims,
    Overruled,
    Rows,
    claims,
    names_by_number,
    pinned_by_names,
    size_sample,
    spoken_against,
    still_named,
    still_overruled,
)
from dgm_engine.training.ownership import (
    Owner,
    allowed_sets,
    class_evidence,
    effective_owner,
    give_components,
    unseen_items,
)

EVIDENCE_SAMPLE = 5_000
"""Labels from which the evidence for the owners of components is computed, at most."""
PREDICT_BATCH = 4096
"""Items that `predict` computes at once."""
IMAGES_PER_RUN = 600_000
"""Images that a run without a given length trains on, in 3 to 150 passes: ten passes over MNIST. Half as many cost
half a point of accuracy on Fashion-MNIST, and took half the time."""


def default_epochs(n_items: int) -> int:
    """Passes over a pool of `n_items` if neither epochs nor minutes are given; a small pool gets more."""
    return int(np.clip(IMAGES_PER_RUN // max(n_items, 1), 3, 150))


def fresh_state(model: ModelConfig, config: TrainingConfig, table: Table, device: torch.device) -> TrainingState:
    """A training state with random weights; torch's global generator keeps its state."""
    inputs = fit_inputs(table, model.likelihood, config.min_pixel_std, np.random.default_rng(config.seed))
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(config.seed)
        built = build_model(model, inputs, config.output_scale)
    return new_state(built.to(device), config, len(table.rows))


@dataclass(frozen=True)
class Assessment:
    """The owners of the components, and what is known of the items.

    Attributes:
        given: (K,) the owners that training gives, without the names of people; the next assessment starts from them.
        owner: (K,) the owners, names included.
        claims: (K,) the classes that components get from the images under a name.
        component: (A,) the component of each image under a name, in the order of `labels.anchors`.
        named: the images that still have the name that a person gave their cluster.
        known: the rows with a restricted allowed set.
    """

    given: Owner
    owner: Owner
    claims: Claims
    component: NDArray[np.int64]
    named: frozenset[str]
    known: Knowledge


def assess(  # noqa: PLR0913 - all that the owners depend on
    model: DeepGenerativeModel,
    table: Table,
    labels: LabelState,
    rows: Rows,
    given: Owner,
    config: TrainingConfig,
    overruled: Mapping[int, Overruled] = NONE_OVERRULED,
    neighbours: NDArray[np.integer] | None = None,
    *,
    seen: bool = False,
    strays: bool = True,
) -> Assessment:
    """Gives components to classes, and allowed sets to items.

    Args:
        model: says which components hold the labelled examples, and the images under a name.
        table: the pool's values.
        labels: what people said.
        rows: where its items stand in the table.
        given: (K,) the owners that training gave so far; names that people gave are not among them.
        config: of the training.
        overruled: by component, the names that labels overruled so far.
        neighbours: (N, n) pool rows of the nearest of each; labels next to an image speak against its name.
        seen: as in `give_components`.
        strays: as in `give_components`.
    """
    examples = evident(labels, config)
    overruled = still_overruled(overruled, labels)
    component = predict(model, table, rows(list(labels.anchors)))[0].argmax(axis=1)
    # The sizes take long to compute and this function is called often in training, so they are computed only if needed.
    sizes = _sizes(model, table) if examples or labels.anchors else np.zeros(len(given))
    claimed = claims(component, list(labels.anchors.values()), overruled, sizes)
    named, unnamed = _by_people(claimed, labels)
    owner = give_components(
        effective_owner(given, labels, claimed),
        _evidence(model, table, rows, examples),
        labels.closed | named,
        unnamed - named,
        size=sizes if examples else None,
        several=config.several_components,
        seen=seen,
        strays=strays,
    )
    still = still_named(labels, component, overruled)
    if neighbours is not None and labels.anchors:
        still &= ~spoken_against(labels, examples, rows, neighbours)
    items = np.array(list(labels.anchors), dtype=object)
    known = _said(labels, rows, owner, config, len(table.x), model.inputs.fill.device)
    pinned, within, firmness = pinned_by_names(labels, still, owner)
    return Assessment(
        given=tuple(given[k] if k in named | unnamed else name for k, name in enumerate(owner)),
        owner=owner,
        claims=claimed,
        component=component,
        named=frozenset(items[still].tolist()),
        known=known.pinning(rows(items[pinned].tolist()), within, firmness) if len(pinned) else known,
    )


def _by_people(claimed: Claims, labels: LabelState) -> tuple[frozenset[int], frozenset[int]]:
    """The components that people named, and those that they un-named."""
    by_number = names_by_number(labels)
    named = [k for k, name in enumerate(claimed) if name] + [k for k, name in by_number.items() if name]
    unnamed = [k for k, name in enumerate(claimed) if name == ""] + [k for k, name in by_number.items() if name is None]
    return frozenset(named), frozenset(unnamed)


def _said(
    labels: LabelState, rows: Rows, owner: Owner, config: TrainingConfig, n_items: int, device: torch.device
) -> Knowledge:
    """The knowledge that comes from answers about single items."""
    spoken_of = labels.positive.keys() | labels.rejected.keys() | labels.none_of_named
    said = sorted(spoken_of - unseen_items(labels, config))
    positions, allowed = allowed_sets(said, owner, labels)
    prior = component_prior(owner, config.n_classes, component_mass(labels.edits, len(owner)))
    return Knowledge(rows(said)[positions], torch.from_numpy(allowed).to(device), prior.log().to(device), n_items)


def evident(labels: LabelState, config: TrainingConfig) -> dict[str, str]:
    """The labels that training uses: item to class."""
    held_out = unseen_items(labels, config)
    return {item: name for item, name in labels.positive.items() if item not in held_out}


@torch.no_grad()
def predict(
    model: DeepGenerativeModel, table: Table, rows: NDArray[np.int64], dtype: type[np.floating] = np.float16
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """q(y | x) (n, K) and the mean of q(z | x, y*) (n, Z) of some pool rows, without gradients.

    They are computed in the precision of the model's weights and returned as `dtype`; a whole pool's fit in half
    precision.
    """
    q_y = np.empty((len(rows), model.config.n_components), dtype)
    z = np.empty((len(rows), model.config.n_latent), dtype)
    fill = model.inputs.fill
    for begin in range(0, len(rows), PREDICT_BATCH):
        part = slice(begin, begin + PREDICT_BATCH)
        raw = table.values(rows[part]).to(fill)
        probability, q_z = model.posterior(raw, table.features_of(rows[part], raw))
        q_y[part], z[part] = probability.cpu().numpy(), q_z.mean.cpu().numpy()
    return q_y, z


def _sizes(model: DeepGenerativeModel, table: Table) -> NDArray[np.float64]:
    """(K,) estimates of how many of the items to train on each component holds."""
    return predict(model, table, size_sample(table.rows))[0].astype(np.float64).mean(0) * len(table.rows)


def _evidence(
    model: DeepGenerativeModel, table: Table, rows: Rows, labels: dict[str, str]
) -> dict[str, NDArray[np.float64]]:
    """`class_evidence` of the labels, or of a sample of `EVIDENCE_SAMPLE` of them."""
    items = list(labels)
    if len(items) > EVIDENCE_SAMPLE:
        chosen = np.random.default_rng(0).choice(len(items), EVIDENCE_SAMPLE, replace=False)
        items = [items[i] for i in chosen]
    return class_evidence(predict(model, table, rows(items))[0], [labels[item] for item in items])
