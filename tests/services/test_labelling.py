"""What people say about items and clusters, through the services."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dgm_engine.errors import ConflictError, InputError, NotFoundError, StateError
from dgm_engine.labels.schema import Anchored
from dgm_engine.services import labelling, viewing
from dgm_engine.services.projects import Project
from dgm_engine.services.snapshot import take
from dgm_engine.services.viewing import View
from dgm_engine.training.naming import MAX_ANCHORS
from dgm_engine.training.results import load_results, save_results
from tests.fabricated import fabricate_run


def test_each_kind_of_judgement_is_one_step_to_undo(project: Project):
    steps = [
        lambda: labelling.label_items(project, ["train/00001", "train/00002"], "one", "ann"),
        lambda: labelling.reject_class(project, ["train/00002"], "one", "ann"),
        lambda: labelling.mark_none_of_named(project, ["train/00001"], "ann"),
        lambda: labelling.skip_items(project, ["train/00003"], "ann"),
        lambda: labelling.clear_labels(project, ["train/00001"], "ann"),
    ]
    seen = [project.labels.state()]
    for step in steps:
        step()
        seen.append(project.labels.state())
    assert seen[1].positive == {"train/00001": "one", "train/00002": "one"}
    assert seen[2].rejected == {"train/00002": {"one"}}
    assert seen[3].none_of_named == {"train/00001"}
    assert seen[4].skipped == {"train/00003"}
    assert seen[5].none_of_named == frozenset()
    for before in reversed(seen[:-1]):
        with pytest.raises(ConflictError, match="by ann, who alone can undo it"):
            labelling.undo(project, "bob")
        assert labelling.undo(project, "ann")
        now = project.labels.state()
        assert (now.positive, now.rejected, now.none_of_named, now.skipped) == (
            before.positive,
            before.rejected,
            before.none_of_named,
            before.skipped,
        )
    assert labelling.undo(project, "bob") is None
    assert "one" in str(labelling.redo(project, "bob"))
    assert project.labels.state().positive == seen[1].positive


@pytest.mark.parametrize(
    ("items", "error", "message"),
    [
        (["train/00001", "test/00007"], InputError, "test/00007 is in the test split"),
        (["train/00001", "nonsense"], NotFoundError, "nonsense"),
        ([], InputError, "no images"),
    ],
)
def test_items_that_cannot_be_labelled_are_refused_all_together(project: Project, items, error, message):
    with pytest.raises(error, match=message):
        labelling.label_items(project, items, "one", "ann")
    assert project.labels.version() == 0


def test_naming_gives_and_takes_a_cluster(trained: Project):
    labelling.name_component(trained, 3, "three", "ann")
    labelling.label_items(trained, ["train/00000"], "nought", "ann")
    assert labelling.class_names(trained) == ("three", "nought")
    labelling.name_component(trained, 3, None, "ann")
    assert labelling.class_names(trained) == ("nought",)
    with pytest.raises(NotFoundError, match=r"cluster 12.*0 to 11"):
        labelling.name_component(trained, 12, "three", "ann")


def test_a_name_for_a_cluster_that_is_no_more_is_refused(trained: Project):
    first = take(trained)
    fabricate_run(trained, 2)
    labelling.name_component(trained, 3, "three", "ann", first)  # of the same lineage
    second = take(trained)
    fabricate_run(trained, 3, lineage=3)
    with pytest.raises(StateError, match="found again"):
        labelling.name_component(trained, 4, "four", "ann", second)
    assert trained.labels.state(3).names == {}


def test_naming_before_training_says_what_to_do(project: Project):
    with pytest.raises(StateError, match="train it first"):
        labelling.name_component(project, 0, "zero", "ann")


def test_imported_rows_of_the_test_split_are_left_out_with_a_reason(project: Project, tmp_path: Path):
    file = tmp_path / "labels.csv"
    file.write_text("item,class,annotator\ntrain/00001,one,eve\ntest/00001,one,\nnowhere,one,\ntrain/00002,two,\n")
    report = labelling.import_labels(project, file, "ann")
    assert report.accepted == 2
    assert [(row.row, row.reason.split(";")[0]) for row in report.rejected] == [
        (2, "test/00001 is in the test split, which is kept to evaluate the model on"),
        (3, "unknown item 'nowhere'"),
    ]
    assert project.labels.state().annotators == {"train/00001": "eve", "train/00002": "ann"}


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_written_labels_read_back_the_same(project: Project, tmp_path: Path, suffix):
    labelling.label_items(project, ["train/00001"], "=one", "ann")
    labelling.reject_class(project, ["train/00002"], "two", "ann")
    labelling.mark_none_of_named(project, ["train/00003"], "ann")
    before = project.labels.state()
    file = tmp_path / f"labels{suffix}"
    assert labelling.write_labels(project, file) == 3
    labelling.clear_labels(project, ["train/00001", "train/00002", "train/00003"], "bob")
    assert labelling.import_labels(project, file, "bob").accepted == 3
    after = project.labels.state()
    assert (after.positive, after.rejected, after.none_of_named, after.annotators) == (
        before.positive,
        before.rejected,
        before.none_of_named,
        before.annotators,
    )
    assert labelling.write_labels(project, file, history=True) == len(project.labels.history()) == 9


def test_labels_of_another_kind_of_file_are_refused(project: Project, tmp_path: Path):
    with pytest.raises(InputError, match=r"labels.xlsx.*\.csv"):
        labelling.write_labels(project, tmp_path / "labels.xlsx")


def moved_on(project: Project, number: int) -> None:
    """A further run of lineage 1, in which each cluster has the number of the next one."""
    run = fabricate_run(project, number)
    results = load_results(run)
    save_results(run, replace(results, q_y=np.roll(results.q_y, 1, axis=1), z=np.array(results.z)))


def items_of(view: View, component: int) -> set[str]:
    return set(view.items[view.component == component].tolist())


def named(project: Project) -> dict[str, str]:
    """Item to the name that it has by its cluster."""
    return {item: anchor.class_name for item, anchor in project.labels.state(1).anchors.items()}


def test_a_name_is_one_of_the_images_that_the_person_saw(trained: Project):
    before = take(trained)
    seen = viewing.view(before)
    labelling.name_component(trained, 3, "three", "ann")
    assert named(trained) == dict.fromkeys(items_of(seen, 3), "three")
    assert {anchor.sure for anchor in trained.labels.state(1).anchors.values()} == {0.9}
    labelling.name_component(trained, 11, "nothing", "ann")  # it holds none: the name is one of its number
    assert trained.labels.state(1).anchored == {3}
    assert viewing.view(take(trained)).owner[11] == "nothing"

    moved_on(trained, 2)
    view = viewing.view(take(trained))
    assert items_of(view, 4) == items_of(seen, 3)
    assert [k for k, name in enumerate(view.owner) if name == "three"] == [4]
    labelling.name_component(trained, 5, "five", "ann", before)  # as it was before: number 6 by now
    assert named(trained) == dict.fromkeys(items_of(seen, 3), "three") | dict.fromkeys(items_of(seen, 5), "five")
    assert [k for k, name in enumerate(viewing.view(take(trained)).owner) if name == "five"] == [6]
    labelling.undo(trained, "ann")
    assert named(trained) == dict.fromkeys(items_of(seen, 3), "three")


def test_a_name_weighs_what_the_person_saw_whatever_the_run_has_left_since(trained: Project):
    seen = take(trained)
    run = trained.paths.run(1)
    results = load_results(run)
    unsure = np.full_like(results.q_y, 1 / results.q_y.shape[1])
    save_results(run, replace(results, q_y=unsure, step=results.step + 1))
    labelling.name_component(trained, 3, "three", "ann", seen)
    assert {anchor.sure for anchor in trained.labels.state(1).anchors.values()} == {0.9}


def test_a_new_name_takes_the_place_of_the_one_before_wherever_the_images_are_by_then(trained: Project):
    seen = viewing.view(take(trained))
    labelling.name_component(trained, 3, "three", "ann")
    moved_on(trained, 2)
    labelling.name_component(trained, 4, "drei", "ann")
    assert named(trained) == dict.fromkeys(items_of(seen, 3), "drei")
    assert labelling.class_names(trained) == ("drei",)
    assert [k for k, name in enumerate(viewing.view(take(trained)).owner) if name] == [4]
    labelling.name_component(trained, 4, None, "ann")
    assert named(trained) == dict.fromkeys(items_of(seen, 3), "")
    assert labelling.class_names(trained) == ()
    assert not any(viewing.view(take(trained)).owner)
    labelling.undo(trained, "ann")
    labelling.undo(trained, "ann")
    assert viewing.view(take(trained)).owner[4] == "three"


def test_images_that_kept_another_name_in_a_large_cluster_take_the_new_one_too(trained: Project):
    """A name is kept by some of many images; none that had another one before is left out."""
    run = trained.paths.run(1)
    results = load_results(run)
    q_y = np.array(results.q_y)
    shown = trained.pool.shown
    n = 1_300
    q_y[shown[:n]] = 0
    q_y[shown[:n], 2] = np.linspace(0.6, 1, n)
    save_results(run, replace(results, q_y=q_y, step=1))
    earlier = trained.pool.items[shown[:9]].tolist()
    trained.labels.name_component(1, 5, "old", [Anchored(item, 0.5) for item in earlier], annotator="ann")
    labelling.name_component(trained, 2, "new", "ann")
    assert set(named(trained).values()) == {"new"}
    anchors = trained.labels.state(1).anchors
    as_before = [item for item in earlier if anchors[item].sure == 0.5]  # the others are among those chosen now
    assert 0 < len(as_before) < len(earlier)
    assert len(anchors) == MAX_ANCHORS + len(as_before)
