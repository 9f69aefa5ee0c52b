"""Audits: what is drawn, what counts as an answer, what damage does."""

import numpy as np
import pytest

from dgm_engine.errors import CorruptError, InputError, StateError
from dgm_engine.services import auditing, labelling, viewing
from dgm_engine.services.auditing import Audit
from dgm_engine.services.projects import Project
from dgm_engine.services.snapshot import take
from dgm_engine.services.viewing import ItemState
from tests.fabricated import fabricate_run


@pytest.fixture
def named(trained: Project) -> Project:
    """Digits whose clusters 0 to 4 have names."""
    for k in range(5):
        labelling.name_component(trained, k, f"kind {k}", "ann")
    return trained


def now(project: Project) -> Audit:
    audit = auditing.current(take(project))
    assert audit is not None
    return audit


def split(audit: Audit) -> tuple[list[auditing.AuditItem], list[auditing.AuditItem]]:
    """Those of a named class, and the others."""
    return [i for i in audit.items if i.predicted], [i for i in audit.items if not i.predicted]


def test_images_that_nobody_judged_are_drawn_with_what_the_model_says(named: Project):
    judged = named.pool.items[:1000].tolist()
    labelling.label_items(named, judged[:500], "kind 0", "ann")
    labelling.mark_none_of_named(named, judged[500:], "ann")
    assert auditing.current(take(named)) is None
    audit = auditing.start(take(named), 50, seed=1)
    assert audit == now(named)
    view = viewing.view(take(named))
    predicted = dict(zip(view.items.tolist(), view.predicted.tolist(), strict=True))
    assert {i.item: i.predicted for i in audit.items} == {i.item: predicted[i.item] for i in audit.items}
    assert len({i.item for i in audit.items}) == 50
    assert {i.item for i in audit.items} <= set(view.items[view.state == ItemState.UNLABELLED].tolist())
    assert named.pool.items[[i.row for i in audit.items]].tolist() == [i.item for i in audit.items]
    assert (audit.number, audit.run, audit.labels_version, audit.population) == (1, 1, 1005, 437)
    assert audit.unanswered == audit.items
    assert (audit.accuracy.n, audit.accuracy.share) == (0, None)


def test_every_image_is_as_likely_as_another(named: Project):
    labelling.label_items(named, named.pool.items[:1417].tolist(), "kind 0", "ann")
    drawn = [i.item for seed in range(300) for i in auditing.start(take(named), 5, seed=seed).items]
    counts = np.unique(drawn, return_counts=True)[1]
    assert len(counts) == 20
    assert abs(counts - 75).max() < 4 * np.sqrt(75)


def test_answers_are_what_the_store_says_of_images_that_were_answered(named: Project):
    sure, unsure = split(auditing.start(take(named), 60, seed=0))
    labelling.label_items(named, [sure[0].item], sure[0].predicted, "ann")
    labelling.label_items(named, [sure[1].item], "something new", "ann")
    labelling.mark_none_of_named(named, [sure[2].item], "ann")
    labelling.reject_class(named, [sure[3].item], sure[3].predicted, "ann")
    labelling.mark_none_of_named(named, [unsure[0].item], "ann")
    labelling.label_items(named, [unsure[1].item], "something new", "ann")  # a class that nobody had named then
    labelling.label_items(named, [unsure[2].item], "kind 3", "ann")
    labelling.reject_class(named, [unsure[3].item], "kind 3", "ann")  # which leaves open what it is
    labelling.skip_items(named, [unsure[4].item], "ann")
    assert not [i for i in now(named).items if i.right is not None]
    auditing.answer(named, 1, [i.item for i in sure[:4] + unsure[:5]] + ["train/00000"])
    audit = now(named)
    answers = {i.item: i.right for i in audit.items if i.right is not None}
    assert answers == {
        **{item.item: right for item, right in zip(sure, [True, False, False, False], strict=False)},
        **{item.item: right for item, right in zip(unsure, [True, True, False], strict=False)},
    }
    assert (audit.accuracy.right, audit.accuracy.n) == (3, 7)
    assert audit.accuracy.low < 3 / 7 < audit.accuracy.high
    assert len(audit.unanswered) == 53


def test_undo_takes_an_answer_back_and_training_changes_none(named: Project):
    first = auditing.start(take(named), 10, seed=0).items[0]
    labelling.mark_none_of_named(named, [first.item], "ann")
    auditing.answer(named, 1, [first.item])
    answered = now(named)
    assert answered.accuracy.n == 1
    fabricate_run(named, 2, lineage=2)
    assert now(named) == answered
    labelling.undo(named, "ann")
    assert len(now(named).unanswered) == 10
    labelling.redo(named, "ann")
    assert now(named) == answered


def test_what_is_said_outside_of_an_audit_is_no_answer(named: Project):
    """Whole clusters are labelled where the model is sure, so that its accuracy would seem higher than it is."""
    audit = auditing.start(take(named), 10, seed=0)
    items = [i.item for i in audit.items]
    labelling.label_items(named, items, "kind 0", "ann")
    assert now(named).unanswered == audit.items
    labelling.label_items(named, items[:1], "kind 1", "ann")
    auditing.answer(named, 1, items[:1])
    assert now(named).accuracy.n == 1
    labelling.label_items(named, items, "kind 2", "ann")
    assert now(named).unanswered == audit.items


def test_earlier_audits_are_kept(named: Project):
    first = auditing.start(take(named), 10)
    labelling.mark_none_of_named(named, [i.item for i in first.items], "ann")
    auditing.answer(named, 1, [i.item for i in first.items])
    second = auditing.start(take(named), 10)
    assert not {i.item for i in first.items} & {i.item for i in second.items}
    assert [(a.number, a.accuracy.n) for a in auditing.audits(named)] == [(1, 10), (2, 0)]
    assert now(named) == second


def test_an_audit_of_all_that_is_left_and_of_nothing(named: Project):
    shown = named.pool.items[named.pool.shown].tolist()
    labelling.label_items(named, shown[3:], "kind 0", "ann")
    assert {i.item for i in auditing.start(take(named)).items} == set(shown[:3])
    labelling.label_items(named, shown[:3], "kind 0", "ann")
    with pytest.raises(StateError, match="every image has been judged"):
        auditing.start(take(named))
    with pytest.raises(InputError, match="at least 1"):
        auditing.start(take(named), 0)


def test_no_audit_before_training(project: Project):
    with pytest.raises(StateError, match="train it first"):
        auditing.start(take(project))
    assert auditing.audits(project) == ()


@pytest.mark.parametrize(
    "damage", ["", "[]", "{", '{"version": 2}', '{"version": 1}', None], ids=["empty", "list", "cut", "2", "bare", "id"]
)
def test_a_damaged_audit_is_named_and_left_alone(named: Project, damage: str | None):
    auditing.start(take(named))
    path = named.paths.audits / "0001.json"
    damaged = path.read_text().replace("train/", "nowhere/") if damage is None else damage
    path.write_text(damaged)
    for ask in (lambda project: auditing.current(take(project)), auditing.audits):
        with pytest.raises(CorruptError, match=r"0001.json is not an audit.*restore.*delete the file"):
            ask(named)
    assert auditing.start(take(named)).number == 2
    assert now(named).number == 2
    assert path.read_text() == damaged
