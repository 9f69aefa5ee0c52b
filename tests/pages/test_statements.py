"""What the browser says of images is taken once, in order, and can be undone."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from dgm_engine.data.sources import SourceRequest
from dgm_engine.errors import DgmError
from dgm_engine.labels.schema import Kind
from dgm_engine.services import auditing, labelling
from dgm_engine.services import projects as project_service
from dgm_engine.services.projects import Project
from dgm_engine.services.snapshot import take
from pages import _statements
from pages._board_messages import Said
from tests.pages.screens import without_fault


def said(project: Project, *statements: dict[str, object], client: str = "browser") -> AppTest:
    """What the page does once the browser has said all this, twice in the same words."""

    def page(project: "Project", said: "dict[str, object]") -> None:
        import streamlit as st

        from pages import _state, _statements

        for _ in range(2):
            st.session_state["board"] = {"said": said}
            _statements.take(project, "board")
        _state.show_notice()

    blank = {"items": [], "names": [], "project": str(project.paths.root), "audit": 0}
    numbered = [blank | {"seq": n} | s for n, s in enumerate(statements, start=1)]
    return without_fault(AppTest.from_function(page, args=(project, {"client": client, "statements": numbered})).run())


def test_statements_are_taken_once_in_order_and_each_can_be_undone(trained: Project) -> None:
    first = {"kind": "label", "items": ["train/00001", "train/00002"], "names": ["a", "a"]}
    second = {"kind": "reject", "items": ["train/00003"], "names": ["a"]}
    third = {"kind": "none", "items": ["train/00004"]}
    fourth = {"kind": "skip", "items": ["train/00005"]}
    said(trained, first)
    said(trained, first, second, third, fourth)  # it had no answer to the first when it sent the others
    state = trained.labels.state()
    assert state.version == 5
    assert dict(state.positive) == {"train/00001": "a", "train/00002": "a"}
    assert dict(state.rejected) == {"train/00003": {"a"}}
    assert (state.none_of_named, state.skipped) == ({"train/00004"}, {"train/00005"})
    said(trained, first, second, third, fourth, *[{"kind": "undo"}] * 4)
    assert not trained.labels.state().positive
    said(trained, {"kind": "clear", "items": ["train/00001"]}, client="another tab")
    assert trained.labels.history()[-1].kind is Kind.CLEAR


def test_classes_accepted_for_several_images_are_one_step(trained: Project) -> None:
    items = ["train/00001", "train/00002", "train/00003"]
    accepted = {"kind": "label", "items": items, "names": ["a", "b", "a"]}
    said(trained, accepted)
    assert dict(trained.labels.state().positive) == dict(zip(items, "aba", strict=True))
    app = said(trained, accepted, {"kind": "undo"})
    assert "3 different labels" in app.toast[0].value
    assert not trained.labels.state().positive


def test_a_statement_that_is_refused_is_told_and_the_next_is_taken(trained: Project) -> None:
    wrong = {"kind": "label", "items": ["test/00001"], "names": ["a"]}
    app = said(trained, wrong, {"kind": "label", "items": ["train/00001"], "names": ["a"]})
    assert "is in the test split" in app.toast[0].value
    gone = {"kind": "label", "items": ["train/00002"], "names": ["a"], "project": "/another"}
    assert "/another" in said(trained, gone, client="late").toast[0].value
    assert dict(trained.labels.state().positive) == {"train/00001": "a"}


@pytest.mark.parametrize("unknown", [{"kind": "shrug"}, {"kind": None}, {"kind": "label", "items": "train/00003"}])
def test_an_unknown_statement_is_refused_and_undoes_nothing(trained: Project, unknown: dict[str, object]) -> None:
    first = {"kind": "label", "items": ["train/00001"], "names": ["a"]}
    last = {"kind": "label", "items": ["train/00002"], "names": ["b"]}
    said(trained, first)
    app = said(trained, first, unknown, last)
    assert len(app.toast) == 1
    assert "reload the page" in app.toast[0].value
    assert dict(trained.labels.state().positive) == {"train/00001": "a", "train/00002": "b"}
    assert [event.kind for event in trained.labels.history()] == [Kind.LABEL, Kind.LABEL]


def test_what_was_said_before_another_project_was_opened_reaches_its_own(trained: Project, tmp_path: Path) -> None:
    other = project_service.create_project(tmp_path / "other", SourceRequest("digits")).project
    said(other, {"kind": "label", "items": ["train/00001"], "names": ["a"], "project": str(trained.paths.root)})
    assert dict(trained.labels.state().positive) == {"train/00001": "a"}
    assert not other.labels.state().positive


def test_only_what_is_said_in_an_audit_answers_it(trained: Project) -> None:
    labelling.name_component(trained, 3, "three", "ann")
    audit = auditing.start(take(trained), 3)
    first, second, third = ({"kind": "none", "items": [of.item]} for of in audit.items)
    said(trained, first | {"audit": audit.number}, second, third | {"audit": audit.number}, {"kind": "undo"})
    found = auditing.current(take(trained))
    assert found is not None
    assert found.unanswered == audit.items[1:]


def test_an_unusable_class_name_is_told_and_nothing_is_written(trained: Project) -> None:
    app = said(trained, {"kind": "label", "items": ["train/00001"], "names": ["   "]})
    assert trained.labels.version() == 0
    assert "is empty" in app.toast[0].value


def test_what_one_browser_says_waits_for_no_other() -> None:
    taken, both_at_work = _statements.Taken(), threading.Barrier(2)

    def say(client: str) -> list[DgmError]:
        statement = {"seq": 1, "kind": "undo", "items": [], "names": [], "project": "", "audit": 0}
        return taken.take(Said(client, (statement,)), lambda _: both_at_work.wait(10))

    with ThreadPoolExecutor() as browsers:
        assert list(browsers.map(say, ("one", "another"))) == [[], []]


def test_a_statement_without_a_number_holds_up_no_other(trained: Project) -> None:
    label = {"kind": "label", "items": ["train/00001"], "names": ["shoe"]}
    app = said(trained, {"kind": "undo", "seq": None}, label)
    assert trained.labels.state().positive == {"train/00001": "shoe"}
    assert "seq" in app.toast[0].value
