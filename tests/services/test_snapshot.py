"""What is looked at is taken once: results and labels of one moment, whoever writes meanwhile."""

import shutil
import subprocess
import sys
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
import torch

from dgm_engine.config import TrainingConfig
from dgm_engine.errors import CorruptError, NotFoundError, StateError
from dgm_engine.labels.store import LabelStore
from dgm_engine.paths import RunPaths
from dgm_engine.services import labelling, latest, neighbours, viewing
from dgm_engine.services.evaluating import evaluate
from dgm_engine.services.projects import Project, open_project
from dgm_engine.services.snapshot import take, take_if_any
from dgm_engine.training import run_results
from dgm_engine.training.checkpoint import new_state, save_checkpoint
from dgm_engine.training.results import Results
from tests.fabricated import fabricate_model, fabricate_run

ROOT = Path(__file__).parents[2]
WRITE = """
import sys
from dataclasses import replace
from pathlib import Path
import numpy as np
from dgm_engine.services import labelling
from dgm_engine.services.projects import open_project
from dgm_engine.training.results import load_results, save_results

project = open_project(Path(sys.argv[1]))
run = project.paths.run(1)
results = load_results(run)
shown = np.array(results.shown)[::2]
q_y = np.roll(results.q_y, 1, axis=1)
save_results(run, replace(results, q_y=q_y, z=-np.array(results.z), shown=shown, step=results.step + 1))
labelling.label_items(project, ["train/00000"], "written by another process", "bob")
"""


def another_process_writes(project: Project) -> None:
    """Other results of run 1, in which clusters have other numbers and half of the items are shown, and a label."""
    subprocess.run([sys.executable, "-c", WRITE, str(project.paths.root)], check=True, cwd=ROOT)


def is_of_one_moment(project: Project) -> bool:
    """Whether what is taken is all of the last moment, its view among it."""
    seen = take(project)
    view, results = viewing.view(seen), seen.results
    return (
        seen.stamp == latest.results_stamp(seen.run)
        and seen.labels.version == project.labels.version()
        and len(view.rows) == len(results.shown)
        and np.array_equal(view.component, results.q_y[results.shown].argmax(axis=1))
        and (view.label[0] == "written by another process") == (seen.labels.version > 0)
    )


def test_results_and_stamp_belong_together_where_another_process_writes_in_between(
    trained: Project, monkeypatch: pytest.MonkeyPatch
):
    load, written = latest.load_results, list[RunPaths]()

    def slow(run: RunPaths) -> Results:
        if not written:
            written.append(run)
            another_process_writes(trained)  # after the stamp was read, before the results are
        return load(run)

    monkeypatch.setattr(latest, "load_results", slow)
    assert is_of_one_moment(trained)
    assert take(trained).results.step == 1
    assert take(trained) is take(trained)


def test_arrays_that_are_replaced_while_they_are_read_are_read_again(trained: Project, monkeypatch: pytest.MonkeyPatch):
    load, written = latest.load_results, list[RunPaths]()

    def slow(run: RunPaths) -> Results:
        if not written:
            written.append(run)
            another_process_writes(trained)
            raise CorruptError("an array is gone")
        return load(run)

    monkeypatch.setattr(latest, "load_results", slow)
    assert is_of_one_moment(trained)


def test_labels_and_what_is_made_of_them_belong_together_where_another_process_labels_in_between(
    trained: Project, monkeypatch: pytest.MonkeyPatch
):
    read, written = LabelStore.state, list[int | None]()

    def slow(store: LabelStore, lineage: int | None = None):
        if lineage is not None and not written:
            written.append(lineage)
            other = LabelStore(trained.paths.labels)
            other.label(["train/00000"], "written by another process", annotator="bob")
            other.close()
        return read(store, lineage)

    monkeypatch.setattr(LabelStore, "state", slow)
    assert is_of_one_moment(trained)


def test_a_snapshot_stays_as_it_was_whatever_is_written_afterwards(trained: Project):
    item = trained.pool.items[trained.pool.shown[7]]
    before = take(trained)
    expected = neighbours.nearest(take(trained), item, 3)
    another_process_writes(trained)
    view = viewing.view(before)  # made only now
    assert len(view.rows) == len(trained.pool.shown)
    assert np.array_equal(view.component, before.results.q_y[before.results.shown].argmax(axis=1))
    assert view.label[0] == ""
    assert neighbours.nearest(before, item, 3) == expected
    after = take(trained)
    assert after.results is not before.results
    assert len(viewing.view(after).rows) == -(-len(before.results.shown) // 2)
    assert after.key != before.key
    assert after.results_key != before.results_key


def test_a_snapshots_model_is_of_its_results_where_another_process_writes_before_it_is_loaded(trained: Project):
    run = trained.paths.run(1)
    first = fabricate_model(run)
    before = take(trained)
    second = deepcopy(first)
    with torch.no_grad():
        for parameter in second.parameters():
            parameter.add_(1)
    state = new_state(second, TrainingConfig(), 1)
    state.step = before.results.step + 1
    save_checkpoint(run, state, before.results.owner)
    another_process_writes(trained)  # results of that step
    for seen, expected in ((before, first), (take(trained), second)):
        for ours, theirs in zip(seen.model.parameters(), expected.parameters(), strict=True):
            torch.testing.assert_close(ours, theirs)


def test_results_that_are_cut_short_while_they_are_checked_are_well_again_when_they_are_copied_back(
    trained: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    load, cut = run_results.load_array, list[Path]()
    run = trained.paths.run(1)
    array = run.array("q_y", 0)
    copy = shutil.copy2(array, tmp_path / "copy")  # with its times

    def slow(path: Path):
        if not cut:
            cut.append(path)
            subprocess.run([sys.executable, "-c", f"import os; os.truncate({str(array)!r}, 100)"], check=True)
        return load(path)

    monkeypatch.setattr(run_results, "load_array", slow)
    assert run_results.is_damaged(run)
    shutil.copy2(copy, array)
    assert not run_results.is_damaged(run)


def test_the_run_in_use_is_that_of_the_same_labels(trained: Project, monkeypatch: pytest.MonkeyPatch):
    fabricate_run(trained, 2)
    read, written = LabelStore.state, list[int | None]()

    def slow(store: LabelStore, lineage: int | None = None):
        if lineage is not None and not written:
            written.append(lineage)
            other = LabelStore(trained.paths.labels)
            other.use_run(1, 2, annotator="bob")  # after run 2 was found to be in use
            other.close()
        return read(store, lineage)

    monkeypatch.setattr(LabelStore, "state", slow)
    seen = take(trained)
    assert (seen.run.number, seen.labels.use) == (1, trained.labels.state().use)


def test_it_is_the_same_object_until_somebody_writes_and_an_opinion_longer(trained: Project):
    labelling.name_component(trained, 3, "three", "ann")
    first = take(trained)
    assert take(trained) is take(trained, 1) is take(open_project(trained.paths.root)) is first
    evaluation, opinion = evaluate(first), viewing.view(first).opinion
    labelling.label_items(trained, ["train/00001"], "three", "ann")
    second = take(trained)
    assert second is not first
    assert second.results is first.results
    assert second.results_key == first.results_key
    assert viewing.view(second).opinion is opinion
    assert evaluate(first) is evaluation
    labelling.name_component(trained, 4, "four", "ann")
    assert viewing.view(take(trained)).opinion is not opinion


def test_many_runs_looked_at_by_turns_are_each_read_once(trained: Project):
    for number in range(2, 12):
        fabricate_run(trained, number)
    in_use = take(trained)
    for number in range(1, 12):
        latest.results_of(trained.paths.run(number))
    assert take(trained) is in_use


def test_what_cannot_be_taken_is_said(project: Project):
    assert take_if_any(project) is None
    with pytest.raises(StateError, match="train it first"):
        take(project)
    fabricate_run(project, 1)
    assert take_if_any(project) is take(project)
    with pytest.raises(NotFoundError, match="no run 7 with results; it has 1"):
        take(project, 7)
