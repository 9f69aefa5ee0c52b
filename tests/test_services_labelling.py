"""What people say about items and clusters, through the services."""

from pathlib import Path

import pytest

from dgm_engine.errors import ConflictError, InputError, NotFoundError, StateError
from dgm_engine.services import exploring, labelling
from dgm_engine.services.projects import Project
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
    with pytest.raises(NotFoundError, match=r"component 12.*0 to 11"):
        labelling.name_component(trained, 12, "three", "ann")


def test_a_name_for_a_cluster_that_is_no_more_is_refused(trained: Project):
    first = exploring.view(trained)
    fabricate_run(trained, 2)
    labelling.name_component(trained, 3, "three", "ann", first)  # of the same lineage
    second = exploring.view(trained)
    fabricate_run(trained, 3, lineage=3)
    with pytest.raises(StateError, match="found anew"):
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
