"""What a run works on, and the settings of its schedule."""

from dataclasses import dataclass
from pathlib import Path

import torch

from dgm_engine.config import TrainingConfig
from dgm_engine.data.pool import Pool, load_pool
from dgm_engine.labels.state import LabelState
from dgm_engine.labels.store import LabelStore
from dgm_engine.paths import ProjectPaths, RunPaths
from dgm_engine.training.batches import Table
from dgm_engine.training.runs import RunConfig, read_config


@dataclass(frozen=True)
class Setting:
    """What a run works on.

    Attributes:
        run: its folder.
        project: the project's folder.
        config: what the run was asked to do.
        pool: the images.
        table: the values of the images, and the rows to train on.
        labels: the label store.
        device: the device of the model.
    """

    run: RunPaths
    project: ProjectPaths
    config: RunConfig
    pool: Pool
    table: Table
    labels: LabelStore
    device: torch.device

    @classmethod
    def of(cls, run: RunPaths) -> "Setting":
        """Opens everything that a run needs."""
        project_paths = ProjectPaths(run.root.parent.parent)
        pool = load_pool(project_paths.images)
        return cls(
            run,
            project_paths,
            read_config(run),
            pool,
            Table(pool.x, pool.shown),
            LabelStore(project_paths.labels),
            torch.device("cuda" if torch.cuda.is_available() else "cpu"),
        )

    @property
    def neighbours(self) -> Path:
        """The file of neighbours, which the fresh run of the lineage found."""
        return self.project.run(self.config.lineage).neighbours

    def label_state(self) -> LabelState:
        """What people have said by now."""
        return self.labels.state(self.config.lineage)


def scheduled(project: ProjectPaths, run: RunPaths) -> TrainingConfig:
    """The settings of a run, with the seed and the learning rate of its schedule.

    A short run sees a part of the pool, and each run a different part. A run that continues a schedule keeps its
    seed and learning rate.
    """
    config, began = read_config(run).training, run
    while (before := read_config(began)).goes_on and before.parent is not None:
        began = project.run(before.parent)
    if before.parent is None:
        return config.replaced(seed=before.training.seed)
    return config.replaced(
        seed=before.training.seed + began.number, learning_rate=config.learning_rate * config.retrain_rate
    )
