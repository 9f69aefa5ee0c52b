"""How far the work has come."""

import pytest

from dgm_engine.errors import StateError
from dgm_engine.services import auditing, labelling, viewing
from dgm_engine.services.projects import FOLDERS_ANNOTATOR, Project
from dgm_engine.services.snapshot import take
from dgm_engine.services.standing import Standing, standing
from tests.fabricated import fabricate_run, made_up_components


def test_nothing_is_named_at_first(trained: Project):
    assert standing(take(trained)) == Standing(0, 11, 0, 0.0, None, None, None)  # component 11 holds nothing


def test_names_labels_and_audits_count(trained: Project):
    for k in (2, 9, 10, 11):
        labelling.name_component(trained, k, "two" if k == 2 else "nine", "ann")
    labelling.label_items(trained, ["train/00001", "train/00002"], "two", "ann")
    labelling.label_items(trained, ["train/00003"], "two", FOLDERS_ANNOTATOR)
    labelling.mark_none_of_named(trained, ["train/00004"], "ann")
    of = made_up_components(trained)[trained.pool.shown]
    share = sum(int(k) in (2, 9, 10) for k in of) / len(of)
    assert standing(take(trained)) == Standing(2, 11, 3, pytest.approx(share), 1.0, None, None)
    audit = auditing.start(take(trained), 5)
    labelling.mark_none_of_named(trained, [audit.items[0].item], "ann")
    auditing.answer(trained, audit.number, [audit.items[0].item])
    accuracy = standing(take(trained)).accuracy
    assert accuracy is not None
    assert accuracy.n == 1
    assert standing(take(trained)).audited is None
    assert standing(take(trained)) is standing(take(trained))
    fabricate_run(trained, 2)
    assert standing(take(trained)).audited == 1


def test_names_that_answers_speak_against_count(trained: Project):
    labelling.name_component(trained, 2, "two", "ann")
    assert standing(take(trained)).doubted_names == 0
    view = viewing.view(take(trained))
    labelling.label_items(trained, view.items[view.component == 2][:2].tolist(), "seven", "ann")
    assert standing(take(trained)).doubted_names == 1


def test_no_standing_before_training(project: Project):
    with pytest.raises(StateError, match="train it first"):
        standing(take(project))
