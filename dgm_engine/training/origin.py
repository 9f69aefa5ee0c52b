"""Where a run begins: at its own checkpoint, at its parent's, or at a new model."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from dgm_engine.config import TrainingConfig
from dgm_engine.errors import CorruptError
from dgm_engine.labels.schema import Edit
from dgm_engine.training.checkpoint import Cause, Checkpoint, model_of, new_state, read_checkpoint, restore_state
from dgm_engine.training.fitting import fresh_state
from dgm_engine.training.loop import TrainingState
from dgm_engine.training.naming import Overruled
from dgm_engine.training.ownership import Owner
from dgm_engine.training.results import results_step
from dgm_engine.training.setting import Setting


@dataclass(frozen=True)
class Origin:
    """Where a run begins.

    Attributes:
        state: the training state of the model.
        given: (K,) the owners that training gave to components, without the names of people.
        edits: the edits that the model contains.
        overruled: by component, the names that labels overruled.
        made: the causes for which the present schedule made components.
        needs_start: whether the model has no clusters yet.
    """

    state: TrainingState
    given: Owner
    edits: tuple[Edit, ...] = ()
    overruled: Mapping[int, Overruled] = field(default_factory=dict[int, Overruled])
    made: frozenset[Cause] = frozenset()
    needs_start: bool = False

    @classmethod
    def of(cls, setting: Setting, training: TrainingConfig, checkpoint: Checkpoint | None) -> Self:
        """Where a run begins.

        Args:
            setting: what the run works on.
            training: the settings of its schedule.
            checkpoint: the run's own last checkpoint.

        Raises:
            CorruptError: the parent run has lost its checkpoints.
        """
        config, table, device = setting.config, setting.table, setting.device
        if checkpoint is not None:
            state = restore_state(checkpoint, config, len(table.rows), device)
            return cls(state, checkpoint.owner, checkpoint.edits, checkpoint.overruled, checkpoint.made)
        if config.parent is None:
            state = fresh_state(config.model, training, table, device)
            return cls(state, (None,) * config.model.n_components, needs_start=training.clustering_start)
        before = setting.project.run(config.parent)
        # A short run starts from the results that people saw and spoke of; a schedule continues where it stopped.
        parent = read_checkpoint(before, None if config.goes_on else results_step(before))
        if parent is None:
            raise CorruptError(f"run {config.parent} has lost its checkpoints; start again from scratch")
        if config.goes_on:
            state = replace(restore_state(parent, config, len(table.rows), device), seconds=0.0)
            return cls(state, parent.owner, parent.edits, parent.overruled, parent.made)
        state = new_state(model_of(parent, config.model).to(device), training, len(table.rows))
        return cls(state, parent.owner, parent.edits, parent.overruled)
