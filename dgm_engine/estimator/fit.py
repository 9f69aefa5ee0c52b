"""One training run over arrays, in the caller's process."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dgm_engine.config import ModelConfig, TrainingConfig
from dgm_engine.estimator.labels import Labels
from dgm_engine.extractors.registry import extractor as of_name
from dgm_engine.labels.state import LabelState
from dgm_engine.training.batches import Table
from dgm_engine.training.features import make_features
from dgm_engine.training.fitting import assess
from dgm_engine.training.knowledge import Knowledge
from dgm_engine.training.loop import Schedule, TrainingState, train
from dgm_engine.training.ownership import Owner
from dgm_engine.training.start import nearest_rows

RECORDS_PER_ASSESSMENT = 10
"""The owners of the components are assessed again after this many records of the loop."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Fit:
    """One training run over arrays.

    Attributes:
        state: the state that training begins with.
        table: X.
        config: the training configuration.
        labels: y.
        owner: (K,) the owners so far, as strings of positions in `labels.classes`; None for a free component.
        began: the value of `time.monotonic()` when the run began.
    """

    state: TrainingState
    table: Table
    config: TrainingConfig
    labels: Labels
    owner: Owner
    began: float

    def train(self) -> tuple[NDArray[np.float64], Owner, Knowledge]:
        """Trains to the end.

        Returns:
            (n,) the mean bound of an item at each record of the loop, in nats, and the final owners and knowledge.
        """
        config, table, labels = self.config, self.table, self.labels.state()
        if config.neighbour_weight:
            self.state.neighbours = nearest_rows(self.state, table)
        owner, known = self._assess(self.owner, labels)
        n_asked = 0

        def knowledge() -> Knowledge:
            nonlocal owner, known, n_asked
            if n_asked % RECORDS_PER_ASSESSMENT == RECORDS_PER_ASSESSMENT - 1:
                owner, known = self._assess(owner, labels)
            n_asked += 1
            return known

        seconds = None if config.max_minutes is None else 60 * config.max_minutes
        schedule = Schedule(config.max_epochs, seconds, self.began)
        bounds: list[float] = []
        for record in train(self.state, table, knowledge, config, schedule):
            bounds.append(record.elbo)
            _log.info("epoch %.1f: bound %.2f", record.epoch, record.elbo)
        return np.array(bounds), *self._assess(owner, labels)

    def _assess(self, owner: Owner, labels: LabelState) -> tuple[Owner, Knowledge]:
        assessed = assess(self.state.model, self.table, labels, _row_numbers, owner, self.config)
        return assessed.given, assessed.known


def with_features(table: Table, shape: ModelConfig) -> Table:
    """The table with the features that the model's extractor computes, in half precision, which suffices to train."""
    return (
        table if shape.extractor is None else replace(table, features=make_features(of_name(shape.extractor), table.x))
    )


def _row_numbers(items: Sequence[str]) -> NDArray[np.int64]:
    return np.array(items, dtype=np.int64)
