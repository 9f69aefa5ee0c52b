"""What a person does with clusters: seen at once on every screen, one step to undo, refused where it makes no sense."""

import csv
import json
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch

from dgm_engine.discovery.edits import Contained
from dgm_engine.discovery.suggestions import Strategy
from dgm_engine.errors import InputError, NotFoundError, StateError
from dgm_engine.labels.schema import Kind
from dgm_engine.labels.state import MIN_REMNANT_SHARE
from dgm_engine.services import clusters, evaluating, exporting, labelling, outcomes, suggesting, viewing
from dgm_engine.services.details import item_details
from dgm_engine.services.latest import latest_run, results_of
from dgm_engine.services.projects import Project
from dgm_engine.services.snapshot import take
from dgm_engine.training.checkpoint import load_model, read_checkpoint
from dgm_engine.training.results import load_results, save_results
from tests.fabricated import fabricate_model, fabricate_run, made_up_components

ANN = "ann"
EMPTY = 11
"""The made-up component without images."""


def seen(project: Project) -> tuple:
    """All that the screens show of components, as plain values."""
    view = viewing.view(take(project))
    shown = [(c.size, c.class_name, c.ignored, c.closed, c.exemplars.tolist()) for c in view.clusters]
    return view.component.tolist(), view.confidence.tolist(), view.class_name.tolist(), shown


def components(project: Project) -> np.ndarray:
    return viewing.view(take(project)).component


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (lambda p: clusters.split(p, 4, ANN), "splitting cluster 4"),
        (lambda p: clusters.merge(p, 7, 3, ANN), "merging cluster 7 into 3"),
        (lambda p: clusters.dissolve(p, 5, ANN), "dissolving cluster 5"),
        (lambda p: clusters.ignore(p, 6, ANN), "ignoring cluster 6"),
    ],
)
def test_each_is_one_step_that_is_undone_exactly_and_redone(trained: Project, act, said):
    labelling.name_component(trained, 7, "seven", ANN)
    before = seen(trained)
    act(trained)
    after = seen(trained)
    assert after != before
    assert labelling.undo(trained, ANN) == said
    assert seen(trained) == before
    assert labelling.redo(trained, ANN) == said
    assert seen(trained) == after


def test_a_merge_gives_all_images_to_one_component_and_frees_the_other(trained: Project):
    before = components(trained)
    clusters.merge(trained, 7, 3, ANN)
    view = viewing.view(take(trained))
    assert view.component.tolist() == np.where(before == 7, 3, before).tolist()
    assert view.clusters[7].closed
    assert (view.clusters[7].size, view.clusters[3].size) == (0, np.isin(before, [3, 7]).sum())
    assert view.clusters[3].two_like
    assert not view.clusters[4].two_like
    item = trained.pool.items[trained.pool.shown[np.flatnonzero(before == 7)[0]]]
    assert item_details(trained, str(item), take(trained)).component == 3
    assert evaluating.evaluate(take(trained)).components_used == len(np.unique(before)) - 1
    with pytest.raises(StateError, match="cluster 7 was merged or dissolved"):
        labelling.name_component(trained, 7, "seven", ANN)


def test_the_new_half_of_a_split_has_nothing_of_the_cluster_whose_component_it_takes(trained: Project):
    labelling.name_component(trained, 0, "cat", ANN)
    run = fabricate_run(trained, 2, owner=(*[None] * 7, "cat", *[None] * 4))  # training found cats in 7
    clusters.merge(trained, 7, 3, ANN)
    before = seen(trained)
    assert clusters.split(trained, 4, ANN) == 7
    half = viewing.view(take(trained)).clusters[7]
    assert (half.class_name, half.ignored, half.closed) == (None, False, False)
    assert "cat" not in viewing.view(take(trained)).predicted[viewing.view(take(trained)).component == 7]
    labelling.undo(trained, ANN)
    assert seen(trained) == before
    clusters.split(trained, 4, ANN)
    edits = trained.labels.state(1).edits
    save_results(run, replace(load_results(run), contained=Contained(edits, {})))  # training found them in the half
    assert viewing.view(take(trained)).clusters[7].class_name == "cat"


def test_an_ignored_component_that_lost_its_images_is_not_ignored_once_a_split_fills_it(trained: Project):
    clusters.ignore(trained, 7, ANN)
    trained.labels.edit_component(Kind.DISSOLVE, 1, 6, annotator=ANN)
    trained.labels.edit_component(Kind.IGNORE, 1, 6, annotator=ANN)  # as a run that emptied it would leave it
    trained.labels.edit_component(Kind.SPLIT, 1, 4, 6, annotator=ANN)
    assert trained.labels.state(1).ignored == {7}
    labelling.undo(trained, ANN)
    assert trained.labels.state(1).ignored == {6, 7}


@pytest.mark.parametrize(
    ("names", "expected"),
    [({7: "seven"}, "seven"), ({3: "three"}, "three"), ({7: "seven", 3: "three"}, "three"), ({}, None)],
)
def test_a_merged_cluster_keeps_its_name_or_takes_the_others(trained: Project, names, expected):
    for component, name in names.items():
        labelling.name_component(trained, component, name, ANN)
    clusters.merge(trained, 7, 3, ANN)
    owner = viewing.view(take(trained)).owner
    assert (owner[3], owner[7]) == (expected, None)
    labelling.undo(trained, ANN)
    assert {k: name for k, name in enumerate(viewing.view(take(trained)).owner) if name} == names


def test_a_name_that_training_gave_is_taken_over_too(project: Project):
    labelling.label_items(project, ["train/00000"], "seven", ANN)
    fabricate_run(project, 1, owner=(*(None,) * 7, "seven", *(None,) * 4))
    clusters.merge(project, 7, 3, ANN)
    assert [k for k, name in enumerate(viewing.view(take(project)).owner) if name == "seven"] == [3]


def test_a_dissolved_clusters_images_go_where_they_are_next_most_probable(trained: Project):
    before, run = components(trained), latest_run(trained)
    rest = np.delete(np.asarray(results_of(run).q_y[trained.pool.shown], dtype=float), 5, axis=1)
    clusters.dissolve(trained, 5, ANN)
    after = components(trained)
    np.testing.assert_array_equal(after, np.delete(np.arange(12), 5)[rest.argmax(1)])
    assert (after[before != 5] == before[before != 5]).all()


def test_a_split_parts_a_cluster_into_a_free_one_at_best_along_what_it_consists_of(trained: Project):
    before = components(trained)
    assert clusters.split(trained, 4, ANN) == EMPTY
    after = components(trained)
    assert set(after[before == 4]) == {4, EMPTY}
    assert (after == before)[before != 4].all()
    assert (after == EMPTY).sum() <= (after == 4).sum()
    clusters.merge(trained, 7, 3, ANN)
    assert clusters.split(trained, 3, ANN) == 7
    halves = components(trained)
    for k in (3, 7):  # the two that were merged lie apart
        assert np.bincount(np.searchsorted([3, 7], before[halves == k])).max() / (halves == k).sum() > 0.98


def test_a_split_without_a_free_component_says_how_to_get_one(trained: Project):
    labelling.name_component(trained, EMPTY, "rare", ANN)
    with pytest.raises(StateError, match=r"all 12 clusters are in use or named.*merge or dissolve.*from scratch"):
        clusters.split(trained, 4, ANN)
    clusters.dissolve(trained, 9, ANN)
    assert clusters.split(trained, 4, ANN) == 9


@pytest.mark.parametrize("strategy", list(Strategy))
def test_nothing_is_suggested_from_ignored_clusters(trained: Project, strategy):
    labelling.name_component(trained, 1, "one", ANN)
    labelling.label_items(trained, ["train/00001", "train/00002"], "one", ANN)
    ignored = [k for k in range(11) if k not in (2, 8)]
    for k in ignored:
        clusters.ignore(trained, k, ANN)
    view = viewing.view(take(trained))
    assert [c.component for c in view.clusters if c.ignored] == ignored
    np.testing.assert_array_equal(view.ignored, np.isin(view.component, ignored))
    assert {s.component for s in suggesting.suggestions(take(trained), strategy, 40)} <= {2, 8}
    version = trained.labels.version()
    clusters.ignore(trained, 0, ANN)  # it is ignored already
    assert trained.labels.version() == version
    clusters.ignore(trained, 0, ANN, ignored=False)
    assert not viewing.view(take(trained)).clusters[0].ignored


@pytest.mark.parametrize("act", [clusters.split, clusters.dissolve, clusters.ignore])
def test_what_cannot_be_done_is_refused_and_leaves_no_trace(trained: Project, act):
    with pytest.raises(NotFoundError, match=r"cluster 12.*0 to 11"):
        act(trained, 12, ANN)
    with pytest.raises(StateError, match="cluster 11 holds no images"):
        act(trained, EMPTY, ANN)
    before = take(trained)
    fabricate_run(trained, 2, lineage=2)
    with pytest.raises(StateError, match="found again"):
        act(trained, 3, ANN, before)
    assert trained.labels.version() == 0


def test_a_cluster_that_somebody_else_changed_meanwhile_is_left_as_it_is(trained: Project):
    before = take(trained)
    clusters.merge(trained, 7, 3, "bob")
    clusters.split(trained, 4, "bob")  # the second half is cluster 7 now
    version = trained.labels.version()
    for act in (
        lambda: labelling.name_component(trained, 7, "sevens", ANN, before),
        lambda: clusters.dissolve(trained, 7, ANN, before),
        lambda: clusters.merge(trained, 5, 3, ANN, before),
        lambda: clusters.split(trained, 4, ANN, before),
    ):
        with pytest.raises(StateError, match=r"cluster [347] has been changed since you saw it"):
            act()
    assert trained.labels.version() == version
    labelling.name_component(trained, 5, "fives", ANN, before)  # nobody changed that one
    labelling.name_component(trained, 7, "half", ANN, take(trained))


def test_merges_that_make_no_sense_are_refused(trained: Project):
    with pytest.raises(InputError, match="cluster 3 cannot be merged with itself"):
        clusters.merge(trained, 3, 3, ANN)
    with pytest.raises(NotFoundError, match="cluster 12"):
        clusters.merge(trained, 3, 12, ANN)
    for pair in ((3, EMPTY), (EMPTY, 3)):
        with pytest.raises(StateError, match="cluster 11 holds no images"):
            clusters.merge(trained, *pair, ANN)
    assert trained.labels.version() == 0


def test_the_last_cluster_is_not_dissolved(trained: Project):
    for k in range(10):
        clusters.merge(trained, k, 10, ANN)
    with pytest.raises(StateError, match="only one that holds images"):
        clusters.dissolve(trained, 10, ANN)


def test_before_training_there_is_nothing_to_change(project: Project):
    with pytest.raises(StateError, match="train it first"):
        clusters.split(project, 0, ANN)


def test_a_new_lineage_has_clusters_of_its_own(trained: Project):
    clusters.merge(trained, 7, 3, ANN)
    clusters.ignore(trained, 1, ANN)
    fabricate_run(trained, 2, lineage=2)
    assert components(trained).tolist() == made_up_components(trained)[trained.pool.shown].tolist()
    assert not any(c.ignored or c.closed for c in viewing.view(take(trained)).clusters)


def test_predictions_know_it_at_once_and_a_classifier_once_it_is_trained(trained: Project, tmp_path: Path):
    run = trained.paths.run(1)
    fabricate_model(run)
    labelling.name_component(trained, 3, "three or seven", ANN)
    clusters.merge(trained, 7, 3, ANN)
    exporting.write_predictions(take(trained), tmp_path / "p.csv")
    with (tmp_path / "p.csv").open() as file:
        predicted = [row["class"] for row in csv.DictReader(file)]
    component = made_up_components(trained)
    assert {predicted[i] for i in np.flatnonzero(np.isin(component, [3, 7]))} == {"three or seven"}
    with pytest.raises(StateError, match="the model does not know it yet; train"):
        exporting.export_classifier(take(trained), tmp_path / "export")
    labelling.undo(trained, ANN)
    exporting.export_classifier(take(trained), tmp_path / "export")


def test_runs_of_before_clusters_could_be_closed_still_open(trained: Project):
    run = trained.paths.run(1)
    fabricate_model(run)
    (path,) = run.checkpoints.glob("*.safetensors")
    tensors = safetensors.torch.load(path.read_bytes())
    del tensors["model.open"]
    path.write_bytes(safetensors.torch.save(tensors))
    for file, changed in (
        (path.with_suffix(".json"), {"sha256": sha256(path.read_bytes()).hexdigest()}),
        (run.results, {}),
    ):
        about = {**json.loads(file.read_text()), **changed}
        del about["edits"]
        file.write_text(json.dumps(about))
    model, _ = load_model(run)
    assert model.open.all()
    checkpoint = read_checkpoint(run)
    assert checkpoint is not None
    assert checkpoint.edits == load_results(run).contained.edits == ()


def names(project: Project) -> dict[str, str]:
    """Item to the name that it has by its cluster."""
    return {item: anchor.class_name for item, anchor in project.labels.state(1).anchors.items()}


def items_of(project: Project, *wanted: int) -> list[str]:
    view = viewing.view(take(project))
    return view.items[np.isin(view.component, wanted)].tolist()


@pytest.mark.parametrize(
    ("given", "left"),
    [
        ({7: "seven"}, {3: "seven", 7: "seven"}),
        ({3: "three"}, {3: "three", 7: "three"}),
        ({3: "t", 7: "s"}, {3: "t", 7: "t"}),
        ({}, {}),
    ],
)
def test_the_name_that_a_merge_leaves_is_that_of_the_images_of_both(trained: Project, given, left):
    for component, name in given.items():
        labelling.name_component(trained, component, name, ANN)
    before = names(trained)
    expected = {item: name for component, name in left.items() for item in items_of(trained, component)}
    clusters.merge(trained, 7, 3, ANN)
    assert names(trained) == expected
    assert trained.labels.state(1).classes == tuple(sorted({*left.values()}))
    labelling.undo(trained, ANN)
    assert names(trained) == before


@pytest.fixture
def few_and_many(trained: Project) -> tuple[Project, int, int]:
    """A cluster of 6 images, and one of more than 280."""
    run = trained.paths.run(1)
    results, before = load_results(run), components(trained)
    few, many = 7, 3
    rows, q_y = results.shown, np.array(results.q_y)
    joined = np.isin(before, [few, many, 5])
    joined[np.flatnonzero(before == few)[:6]] = False
    q_y[rows[joined]] = np.where(np.arange(q_y.shape[1]) == many, 0.9, 0.1 / (q_y.shape[1] - 1))
    save_results(run, replace(results, q_y=q_y, step=results.step + 1))
    count = np.bincount(components(trained))
    assert (count[few], count[many] > 280) == (6, True)
    return trained, few, many


@pytest.mark.parametrize("few_come_in", [True, False])
@pytest.mark.parametrize("few_are_named", [True, False])
@pytest.mark.parametrize("by_number", [True, False])
def test_a_merge_of_a_few_images_and_many_leaves_the_name_whoever_had_it(
    few_and_many, few_come_in, few_are_named, by_number
):
    project, few, many = few_and_many
    named = few if few_are_named else many
    if by_number:
        project.labels.name_component(1, named, "mine", annotator=ANN)
    else:
        labelling.name_component(project, named, "mine", ANN)
    both = items_of(project, few, many)
    first, second = (few, many) if few_come_in else (many, few)
    clusters.merge(project, first, second, ANN)
    assert take(project).owner[second] == "mine"
    assert outcomes.moved_names(take(project)) == ()
    assert names(project) == dict.fromkeys(both, "mine")


def test_a_cluster_without_a_name_on_purpose_takes_that_of_one_that_is_merged_into_it(trained: Project):
    labelling.name_component(trained, 7, "seven", ANN)
    labelling.name_component(trained, 3, None, ANN)
    clusters.merge(trained, 7, 3, ANN)
    assert viewing.view(take(trained)).owner[3] == "seven"


def test_what_was_done_with_a_cluster_that_a_run_does_not_have_leaves_it_as_it_is(trained: Project):
    """A later run may have grown, and a person gone back."""
    before = viewing.view(take(trained))
    n = len(before.owner)
    trained.labels.edit_component(Kind.MERGE, 1, 5, n, annotator=ANN)
    labelling.name_component(trained, 4, "four", ANN)
    clusters.merge(trained, 7, 3, ANN)
    seen = viewing.view(take(trained))
    assert not seen.clusters[5].closed
    labelling.name_component(trained, 5, "five", ANN)
    labelling.undo(trained, ANN)
    assert seen.clusters[7].closed
    np.testing.assert_array_equal(seen.component, np.where(before.component == 7, 3, before.component))
    assert seen.owner[4] == "four"


def test_the_new_half_of_a_split_has_no_name_and_the_other_keeps_its_own(trained: Project):
    labelling.name_component(trained, 4, "four", ANN)
    labelling.name_component(trained, 5, "five", ANN)
    assert clusters.split(trained, 4, ANN) == EMPTY
    assert names(trained) == dict.fromkeys(items_of(trained, 4), "four") | dict.fromkeys(items_of(trained, 5), "five")
    owner = viewing.view(take(trained)).owner
    assert (owner[4], owner[EMPTY]) == ("four", None)
    labelling.name_component(trained, EMPTY, "other", ANN)
    assert {names(trained)[item] for item in items_of(trained, EMPTY)} == {"other"}


def test_a_named_cluster_keeps_its_name_however_often_it_is_split(trained: Project):
    labelling.name_component(trained, 4, "four", ANN)
    for k in (9, 10, 8, 7, 6):
        clusters.merge(trained, k, 3, ANN)
    kept, before = names(trained), viewing.clusters_of(take(trained))[4].size
    for _ in range(5):
        half = clusters.split(trained, 4, ANN)
        assert take(trained).owner[4] == "four"
        assert names(trained) == dict.fromkeys(items_of(trained, 4), "four")
        clusters.merge(trained, half, 3, ANN)
    assert viewing.clusters_of(take(trained))[4].size < MIN_REMNANT_SHARE * before
    for _ in range(10):
        labelling.undo(trained, ANN)
    assert names(trained) == kept
    for _ in range(10):
        labelling.redo(trained, ANN)
    assert names(trained) == dict.fromkeys(items_of(trained, 4), "four")
    labelling.name_component(trained, 4, "vier", ANN)
    assert {*names(trained).values()} == {"vier"}


def test_images_of_a_dissolved_cluster_keep_no_name_of_it(trained: Project):
    labelling.name_component(trained, 4, "four", ANN)
    labelling.name_component(trained, 5, "five", ANN)
    fives = items_of(trained, 5)
    clusters.dissolve(trained, 4, ANN)
    assert names(trained) == dict.fromkeys(fives, "five")
    assert trained.labels.state(1).classes == ("five",)
    assert "four" not in viewing.view(take(trained)).owner
