"""Scores runs of models and of peers by the same functions."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dgm_engine.data.pool import Pool
from dgm_engine.discovery import metrics
from dgm_engine.discovery.metrics import AllOldNew
from dgm_engine.training.ownership import Owner, class_probabilities, group_names


@dataclass(frozen=True)
class Scores:
    """The scores of a run.

    Attributes:
        measures: the accuracies, by their names in `results.MEASURES`.
        confusion: truth (R names), predicted (C names) and counts (R, C), of the scored images.
        components_used: the number of components that are the most probable one of at least one training image.
    """

    measures: dict[str, float | None]
    confusion: dict[str, Any]
    components_used: int


def score(
    pool: Pool, q_y: NDArray[np.floating], owner: Owner, labelled: tuple[int, ...], *, classifier: bool = False
) -> Scores:
    """Scores q(y | x) on the images that the source reserves for evaluation (`Pool.scored`).

    Args:
        pool: the images, with ground truth.
        q_y: (N, K) q(y | x) of the whole pool; for a peer, 1 at the cluster or class of each image and 0 elsewhere.
        owner: (K,) the class that owns each component, None if no class does.
        labelled: the numbers of the classes that have labels.
        classifier: whether the components are classes; each then counts as itself and is not matched with another.
    """
    q_scored = np.asarray(q_y[pool.scored], dtype=np.float32)
    component, truth = q_scored.argmax(axis=1), pool.truth[pool.scored]
    names = np.array(pool.classes)
    group = group_names(owner)[component]
    has_labels = np.isin(np.arange(len(names)), labelled)
    paper = _by_novelty(metrics.majority(component, truth) == truth, truth, has_labels)
    novelty = (
        _by_novelty(group == names[truth], truth, has_labels)
        if classifier
        else metrics.all_old_new(group, truth, has_labels)
    )
    predicted = class_probabilities(q_scored, owner).predicted()
    measures = {
        "overall": paper.all,
        "semi_sup": paper.old,
        "un_sup": paper.new if labelled else None,
        "named": metrics.accuracy_named(predicted, names[truth]) if labelled else None,
        "hungarian": metrics.accuracy_hungarian(component, truth),
        "all": novelty.all,
        "old": novelty.old,
        "new": novelty.new,
    }
    confusion = metrics.confusion_matrix(names[truth], group)
    return Scores(
        measures,
        {"truth": list(confusion.truth), "predicted": list(confusion.predicted), "counts": confusion.counts.tolist()},
        len(np.unique(q_y[pool.shown].argmax(axis=1))),
    )


def _by_novelty(right: NDArray[np.bool_], truth: NDArray[np.integer], has_labels: NDArray[np.bool_]) -> AllOldNew:
    """The shares of right items (n,) among all, among those of classes with labels, and among the others."""
    old = has_labels[truth]
    return AllOldNew(*(float(part.mean()) if part.size else None for part in (right, right[old], right[~old])))
