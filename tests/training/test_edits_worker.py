"""A real worker that takes over what people do with clusters: before it starts, in its midst, and when it is undone."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from dgm_engine import jobs
from dgm_engine.config import ModelName
from dgm_engine.jobs import JobState
from dgm_engine.services import clusters, labelling, viewing
from dgm_engine.services.latest import results_of
from dgm_engine.services.projects import Project, open_project
from dgm_engine.services.snapshot import take
from dgm_engine.training import runs
from dgm_engine.training.checkpoint import load_model, read_checkpoint
from dgm_engine.training.planning import TrainRequest
from tests.training.processes import start, training, wait

pytestmark = pytest.mark.slow

ANN = "ann"


def trained_on(project: Project, name: ModelName = ModelName.GM_DGM):
    """The results of another run that goes on, and its q(y | x) of the shown items."""
    run = start(project, TrainRequest(model=name, epochs=3))
    assert wait(run).state is JobState.FINISHED, jobs.tail(run.log)
    results = results_of(run)
    state = project.labels.state(results.config.lineage)
    assert results.contained.edits == state.edits
    assert np.isfinite(np.asarray(results.q_y, dtype=np.float32)).all()
    assert not np.asarray(results.q_y)[:, list(state.closed)].any()
    assert load_model(run)[0].open.tolist() == [k not in state.closed for k in range(12)]
    return results, np.asarray(results.q_y[results.shown], dtype=np.float32)


def sizes(project: Project) -> list[int]:
    return [c.size for c in viewing.view(take(project)).clusters]


def test_training_takes_a_merge_over_and_its_undoing_too(copied: Project):
    before = viewing.view(take(copied))
    one, other = np.argsort(sizes(copied))[-2:].tolist()
    clusters.merge(copied, one, other, ANN)
    merged = viewing.view(take(copied))
    assert sizes(copied)[other] == sizes_of(before, one) + sizes_of(before, other)
    _, q_y = trained_on(copied)
    assert (q_y.argmax(1) == merged.component).mean() > 0.9
    assert sizes(copied)[one] == 0

    labelling.undo(copied, ANN)
    reopened = viewing.view(take(copied))
    assert (reopened.component[before.component == one] == one).all()
    assert not viewing.view(take(copied)).clusters[one].closed
    _, q_y = trained_on(copied)
    assert (q_y.argmax(1) == before.component).mean() > 0.85
    assert (q_y.argmax(1)[before.component == one] == one).mean() > 0.7

    labelling.redo(copied, ANN)
    assert sizes(copied)[one] == 0
    assert (viewing.view(take(copied)).component[before.component == one] == other).mean() > 0.9


def sizes_of(view, component: int) -> int:
    return view.clusters[component].size


def test_training_takes_a_dissolved_cluster_and_a_split_into_it_over_and_their_undoing(copied: Project):
    begin = viewing.view(take(copied))
    small, large = np.argsort(sizes(copied))[[0, -1]].tolist()
    clusters.dissolve(copied, small, ANN)
    assert sizes(copied)[small] == 0
    large = int(np.argmax(sizes(copied)))
    assert clusters.split(copied, large, ANN) == small
    halved = viewing.view(take(copied))
    assert 0 < sizes(copied)[small] <= sizes(copied)[large]
    results, q_y = trained_on(copied)
    component = q_y.argmax(1)
    for k in (small, large):
        assert (component[halved.component == k] == k).mean() > 0.8  # though they are hardly two things
    prototypes = results.prototypes.astype(float)
    assert np.abs(prototypes[small] - prototypes[large]).mean() > 1  # each half has a mean of its own

    labelling.undo(copied, ANN)
    assert sizes(copied)[small] == 0
    labelling.undo(copied, ANN)
    assert (viewing.view(take(copied)).component[begin.component == small] == small).all()
    _, q_y = trained_on(copied)
    assert (q_y.argmax(1) == begin.component).mean() > 0.8


def test_a_split_holds_where_all_of_its_images_have_one_label(copied: Project):
    clusters.dissolve(copied, int(np.argmin(sizes(copied))), ANN)
    large = int(np.argmax(sizes(copied)))
    before = viewing.view(take(copied))
    labelling.label_items(copied, before.items[before.component == large].tolist(), "thing", ANN)
    halves = (large, clusters.split(copied, large, ANN))
    wanted = viewing.view(take(copied)).component
    _, q_y = trained_on(copied)
    for k in halves:
        assert (q_y.argmax(1)[wanted == k] == k).mean() > 0.8
        assert viewing.view(take(copied)).owner[k] == "thing"


def test_what_is_done_while_it_trains_is_taken_over_in_its_midst_and_kept_by_a_resume(copied: Project):
    one, other = np.argsort(sizes(copied))[-2:].tolist()
    labelling.name_component(copied, one, "mine", ANN)
    run = start(copied, TrainRequest(minutes=5))
    wait(run, training)
    clusters.merge(copied, one, other, ANN)
    version = copied.labels.version()
    assert wait(run, lambda s: s.details.get("labels_version") == version).alive
    runs.request_stop(run)
    assert wait(run).state is JobState.STOPPED
    results = results_of(run)
    assert [edit.component for edit in results.contained.edits] == [one]
    assert results.q_y[:, one].max() == 0
    assert viewing.view(take(copied)).owner[other] == "mine"
    checkpoint = read_checkpoint(run)
    assert checkpoint is not None
    assert checkpoint.edits == results.contained.edits
    labelling.undo(copied, ANN)
    version = copied.labels.version()
    runs.resume(run)
    assert wait(run, lambda s: s.details.get("labels_version") == version).alive
    runs.request_stop(run)
    assert wait(run).state is JobState.STOPPED
    assert results_of(run).contained.edits == ()
    assert viewing.view(take(copied)).owner[one] == "mine"
    assert sizes(copied)[one] > 0


def test_a_fresh_run_knows_nothing_of_what_was_done_with_clusters_before(copied: Project):
    clusters.dissolve(copied, int(np.argmax(sizes(copied))), ANN)
    run = start(copied, TrainRequest(epochs=1, fresh=True, n_components=12))
    assert wait(run).state is JobState.FINISHED, jobs.tail(run.log)
    assert results_of(run).contained.edits == ()
    assert all(sizes(copied))


@pytest.mark.parametrize("name", [name for name in ModelName if name is not ModelName.GM_DGM])
def test_every_model_takes_over_what_was_done_with_its_clusters(digits_template: Path, tmp_path: Path, name: ModelName):
    project = open_project(shutil.copytree(digits_template, tmp_path / "digits"))
    assert wait(start(project, TrainRequest(model=name, n_components=12, epochs=6))).state is JobState.FINISHED
    one, other = np.argsort(sizes(project))[-2:].tolist()
    clusters.merge(project, one, other, ANN)
    wanted = viewing.view(take(project)).component
    _, q_y = trained_on(project, name)
    assert np.mean(q_y.argmax(1)[wanted == other] == other) > 0.85
    half = clusters.split(project, other, ANN)
    wanted = viewing.view(take(project)).component
    _, q_y = trained_on(project, name)
    for k in (other, half):
        assert np.mean(q_y.argmax(1)[wanted == k] == k) > 0.8
