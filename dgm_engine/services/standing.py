"""How far the work on a project has come."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from dgm_engine.discovery.metrics import Proportion
from dgm_engine.services import auditing
from dgm_engine.services.auditing import Audit
from dgm_engine.services.projects import FOLDERS_ANNOTATOR
from dgm_engine.services.snapshot import Snapshot
from dgm_engine.services.suspects import suspect_names
from dgm_engine.services.viewing import view

SURE_CONFIDENCE = 0.8
"""A prediction is sure if its confidence is at least this."""


@dataclass(frozen=True)
class Standing:
    """How far the work has come.

    Attributes:
        labelled: the number of images that people gave a class; labels from class folders do not count.
        clusters: the number of clusters that hold images.
        named_clusters: the number of these that have a name.
        named_share: share of the shown images that the model gives a named class.
        sure_share: of these, the share that it is sure of (`SURE_CONFIDENCE`); None if there are none.
        accuracy: the accuracy in the newest audit; None if there was no audit.
        audited: the number of the run that was audited, if that is not the run looked at; else None.
        doubted_names: the number of clusters whose name is contradicted by answers, see `suspects.suspect_names`.
    """

    labelled: int
    clusters: int
    named_clusters: int
    named_share: float
    sure_share: float | None
    accuracy: Proportion | None
    audited: int | None
    doubted_names: int = 0


def standing(seen: Snapshot) -> Standing:
    """How far the work has come; cached, so that a page may ask on every rerun.

    Raises:
        CorruptError: the file of the newest audit is damaged.
    """
    return _standing(seen, auditing.current(seen))


@lru_cache(maxsize=4)  # a view of a million images is large
def _standing(seen: Snapshot, audit: Audit | None) -> Standing:
    state, shown = seen.labels, view(seen)
    used = [cluster for cluster in shown.clusters if cluster.size]
    named = shown.predicted != ""
    return Standing(
        labelled=sum(state.annotators[item] != FOLDERS_ANNOTATOR for item in state.positive),
        clusters=len(used),
        named_clusters=sum(cluster.class_name is not None for cluster in used),
        named_share=float(named.mean()),
        sure_share=float(np.mean(shown.confidence[named] >= SURE_CONFIDENCE)) if named.any() else None,
        accuracy=None if audit is None else audit.accuracy,
        audited=None if audit is None or audit.run == seen.run.number else audit.run,
        doubted_names=len(suspect_names(seen)),
    )
