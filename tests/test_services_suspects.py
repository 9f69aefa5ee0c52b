"""Suspected labels of a project."""

import numpy as np
import pytest

from dgm_engine.errors import StateError
from dgm_engine.paths import save_array
from dgm_engine.services import exploring, labelling
from dgm_engine.services.projects import Project
from dgm_engine.services.suspects import suspect_names, suspects
from tests.fabricated import fabricate_run, made_up_components


@pytest.fixture
def named(trained: Project) -> Project:
    """Digits whose clusters 0 to 3 have names, of a lineage that knows each image's neighbours: all of its cluster."""
    for k in range(4):
        labelling.name_component(trained, k, f"kind {k}", "ann")
    component, shown = made_up_components(trained), trained.pool.shown
    nearest = np.array([shown[component[shown] == k][:10].tolist() or [0] * 10 for k in range(12)])
    save_array(trained.paths.run(1).neighbours, nearest[component].astype(np.int32))
    return trained


def of_component(project: Project, k: int, skip: int = 20) -> str:
    """An item of a component that is nobody's neighbour."""
    shown = project.pool.shown
    return str(project.pool.items[shown[made_up_components(project)[shown] == k][skip]])


def test_a_label_that_all_contradict_is_suspected_and_a_right_one_is_not(named: Project):
    wrong, right = of_component(named, 2), of_component(named, 3)
    labelling.label_items(named, [wrong], "kind 1", "ann")
    labelling.label_items(named, [right], "kind 3", "ann")
    [found] = suspects(named)
    assert (found.item, found.row, found.label, found.expected) == (
        wrong,
        int(named.pool.rows([wrong])[0]),
        "kind 1",
        "kind 2",
    )
    assert found.reason == "The model says kind 2 (90% sure); 10 of its 10 nearest images count as kind 2"
    assert suspects(named) is suspects(named)


def test_a_confirmed_label_is_suspected_no_longer_until_that_is_undone(named: Project):
    wrong = of_component(named, 2)
    for _ in range(2):
        labelling.label_items(named, [wrong], "kind 1", "ann")
    assert suspects(named) == ()
    labelling.undo(named, "ann")
    assert [s.item for s in suspects(named)] == [wrong]


def test_labels_that_nothing_can_contradict(named: Project):
    labelling.label_items(named, [of_component(named, 2)], "a class without a cluster", "ann")
    labelling.label_items(named, [of_component(named, 7)], "kind 1", "ann")  # in a cluster without a name
    assert suspects(named) == ()


def test_runs_of_a_lineage_share_its_neighbours_and_others_do_without(named: Project):
    wrong = of_component(named, 2)
    labelling.label_items(named, [wrong], "kind 1", "ann")
    fabricate_run(named, 2)
    assert "nearest" in suspects(named)[0].reason
    fabricate_run(named, 3, lineage=3)
    for k in (1, 2):
        labelling.name_component(named, k, f"kind {k}", "ann")
    assert [s.reason for s in suspects(named)] == ["The model says kind 2 (90% sure)"]


def test_no_suspects_before_training(project: Project):
    with pytest.raises(StateError, match="train it first"):
        suspects(project)


def in_cluster(project: Project, k: int, n: int) -> list[str]:
    """So many items that a component holds."""
    view = exploring.view(project)
    return view.items[view.component == k][:n].tolist()


def test_a_name_is_suspected_once_two_more_answers_speak_against_it(named: Project):
    first, *against = in_cluster(named, 2, 4)
    labelling.label_items(named, [first], "kind 2", "ann")
    labelling.label_items(named, against[:2], "kind 7", "ann")
    assert suspect_names(named) == ()
    labelling.label_items(named, against[2:], "kind 7", "ann")
    [found] = suspect_names(named)
    assert (found.component, found.name, found.expected) == (2, "kind 2", "kind 7")
    assert suspects(named) == ()
    assert named.pool.items[list(found.rows)].tolist() == against
    assert (found.agreed, found.support) == (3, 1)
    labelling.name_component(named, 2, "kind 7", "ann")
    assert suspect_names(named) == ()


def test_who_gives_a_name_knows_the_answers_before_it_and_may_stand_by_it(named: Project):
    against = in_cluster(named, 2, 4)
    labelling.name_component(named, 2, None, "ann")
    labelling.label_items(named, against[:3], "kind 7", "ann")
    labelling.name_component(named, 2, "kind 2", "ann")
    assert suspect_names(named) == ()
    labelling.label_items(named, against[2:], "kind 7", "bob")
    [found] = suspect_names(named)
    assert (found.agreed, found.support) == (2, 0)
    labelling.name_component(named, 2, "kind 2", "ann")
    assert suspect_names(named) == ()
    labelling.undo(named, "ann")
    assert len(suspect_names(named)) == 1


def test_labels_against_a_name_are_suspected_until_the_name_is(named: Project):
    one, *others = in_cluster(named, 2, 3)
    labelling.label_items(named, [one], "kind 1", "ann")
    assert [(s.item, s.expected) for s in suspects(named)] == [(one, "kind 2")]
    labelling.label_items(named, others, "kind 1", "ann")
    assert len(suspect_names(named)) == 1
    assert suspects(named) == ()
    labelling.label_items(named, [of_component(named, 3)], "kind 1", "ann")  # nobody doubts the name of cluster 3
    assert [s.expected for s in suspects(named)] == ["kind 3"]


def test_what_images_are_not_speaks_against_a_name_too(named: Project):
    a, b, c, d = in_cluster(named, 2, 4)
    labelling.reject_class(named, [a], "kind 2", "ann")
    labelling.reject_class(named, [b], "kind 3", "ann")  # which it is not anyway
    labelling.mark_none_of_named(named, [c], "ann")
    [found] = suspect_names(named)
    assert (found.expected, found.agreed, found.support) == ("", 2, 0)
    labelling.label_items(named, [d], "kind 7", "ann")
    [found] = suspect_names(named)
    assert (found.expected, found.agreed, len(found.rows)) == ("", 2, 3)
    labelling.label_items(named, [b], "kind 7", "ann")
    [found] = suspect_names(named)
    assert (found.expected, found.agreed) == ("kind 7", 2)  # of as many, a class
    assert {*named.pool.items[list(found.rows[:2])].tolist()} == {b, d}
