"""Names in a run that starts from scratch: to the end of its schedule they stay on the images that people named."""

import numpy as np
import pytest

from dgm_engine.jobs import JobState
from dgm_engine.services import jobs, labelling
from dgm_engine.services.projects import Project
from dgm_engine.services.snapshot import take
from dgm_engine.services.viewing import clusters_of, view
from dgm_engine.training import run_results, runs
from dgm_engine.training.planning import TrainRequest

pytestmark = pytest.mark.slow

PASSES = 30
ROUNDING = 0.002
"""Three images of digits."""


def kept(project: Project, named: dict[int, str]) -> float:
    """The share of named images (by pool row) that are predicted as their name, or as what they truly are."""
    seen = view(take(project))
    truth = np.array(project.pool.classes)[project.pool.truth[seen.rows]]
    at = np.searchsorted(seen.rows, list(named))
    names = np.array(list(named.values()))
    return float(((seen.predicted[at] == names) | (seen.predicted[at] == truth[at])).mean())


def test_names_stay_on_their_images_in_fresh_runs_as_well_as_in_the_run_that_they_were_given_in(project: Project):
    truth, named = np.array(project.pool.classes)[project.pool.truth], dict[int, str]()
    run = jobs.start_training(project, TrainRequest(n_components=20, epochs=PASSES))

    def name_at_first_sight(*_: object) -> None:
        if named or not run_results.has_results(run):
            return
        seen = take(project)
        shown = view(seen)
        for cluster in clusters_of(seen):
            names, count = np.unique(truth[cluster.exemplars[:8]], return_counts=True)
            if cluster.size and count.max() >= 5:
                labelling.name_component(project, cluster.component, str(names[count.argmax()]), "ann", seen)
                rows = shown.rows[shown.component == cluster.component].tolist()
                named.update(dict.fromkeys(rows, str(names[count.argmax()])))

    assert jobs.follow(run, name_at_first_sight).state is JobState.FINISHED
    assert len(named) > 1_000
    at_first_sight = kept(project, named)
    for n_components in (20, 12):
        fresh = jobs.start_training(project, TrainRequest(n_components=n_components, epochs=PASSES, seed=1, fresh=True))
        assert jobs.follow(fresh).state is JobState.FINISHED
        assert runs.read_config(fresh).lineage == fresh.number
        assert kept(project, named) >= at_first_sight - ROUNDING
        assert len(take(project).owner) == n_components
