"""The page Label: which images stand there, and which labels and names may be wrong."""

import pytest
from streamlit.testing.v1 import AppTest

from dgm_engine import jobs as engine_jobs
from dgm_engine.services import labelling, viewing
from dgm_engine.services.projects import Project
from dgm_engine.services.snapshot import take
from pages import _keys, _queue
from pages._board_messages import Mode
from pages._state import Key
from tests.fabricated import fabricate_run
from tests.pages.screens import opened, texts, without_fault


def test_the_images_to_label_stay_while_a_run_is_at_work_and_are_chosen_anew_when_it_has_ended(
    trained: Project,
) -> None:
    app = opened("label", trained)
    first = app.session_state[Key.QUEUE].queued
    run = fabricate_run(trained, 2)
    at_work = engine_jobs.this_process(engine_jobs.JobState.RUNNING, "Training")
    engine_jobs.write_status(run.status, at_work)
    app.run()
    assert app.session_state[Key.QUEUE].queued is first
    for _ in range(2):  # its last results, then those of the run when it is continued: the same number
        fabricate_run(trained, 2)
        app.run()
        assert app.session_state[Key.QUEUE].queued is not first
        first = app.session_state[Key.QUEUE].queued
        notes = [one.note for one in first]
        assert notes[: _queue.MIN_QUEUED] == [_queue.EARLIER_NOTE] * _queue.MIN_QUEUED
        assert _queue.EARLIER_NOTE not in notes[_queue.MIN_QUEUED :]


def test_other_images_are_others_until_all_have_been_in_view(trained: Project) -> None:
    app = opened("label", trained)
    seen = [one.item for one in app.session_state[Key.QUEUE].queued]
    next(button for button in app.button if button.label == "Other images").click().run()
    more = [one.item for one in app.session_state[Key.QUEUE].queued]
    assert len(more) == len(seen) == len({*seen, *more}) / 2
    app.session_state[Key.QUEUE].passed = frozenset(trained.pool.items.tolist())
    app.session_state[Key.QUEUE].choice = None
    app.run()
    assert [one.item for one in app.session_state[Key.QUEUE].queued] == seen


def test_before_the_last_image_is_judged_more_follow_behind_the_one_in_view(trained: Project) -> None:
    app = opened("label", trained)
    items = [one.item for one in app.session_state[Key.QUEUE].queued]
    labelling.label_items(trained, items[:11], "one", "ann")
    app.run()
    assert [one.item for one in app.session_state[Key.QUEUE].queued] == items
    labelling.label_items(trained, items[11:12], "one", "ann")
    for _ in range(50):  # they are chosen in a thread, which may take its time here
        app.run()
        now = [one.item for one in app.session_state[Key.QUEUE].queued]
        if now != items:
            break
    assert now[:20] == items  # those that are judged stay, to go back to
    assert len({*now}) == 40
    fabricate_run(trained, 2)
    app.run()
    again = [one.item for one in app.session_state[Key.QUEUE].queued]
    assert again[:20] == items
    assert len({*again}) == 32


def test_a_grid_stays_until_all_its_images_are_judged(trained: Project) -> None:
    app = opened("label", trained)
    app.segmented_control(key=Key.LABEL_MODE).set_value(Mode.GRID).run()
    items = [one.item for one in app.session_state[Key.QUEUE].queued]
    labelling.label_items(trained, items[1:], "one", "ann")
    fabricate_run(trained, 2)
    app.run()
    assert [one.item for one in app.session_state[Key.QUEUE].queued] == items
    labelling.label_items(trained, items[:1], "one", "ann")
    app.run()
    assert not {one.item for one in app.session_state[Key.QUEUE].queued} & {*items}


def test_a_grid_stays_on_its_page_when_it_loses_images_and_begins_anew_for_another_choice(trained: Project) -> None:
    def page(project: "Project", n: int, choice: str, turn: bool) -> None:
        import streamlit as st

        from dgm_engine.services.snapshot import take
        from pages import _board
        from pages._tiles import Shown

        seen = take(project)
        items = seen.project.pool.items[seen.results.shown]
        if turn:
            st.session_state["grid_page"] = (choice, 2)
        _board.pages(seen, Shown(items[:n].tolist()), choice, "grid")

    def at(n: int, choice: str, turn: bool = False) -> int:
        app.args = (trained, n, choice, turn)  # AppTest runs it again with these
        return without_fault(app.run()).session_state["grid_page"][1]

    app = AppTest.from_function(page, args=(trained, 300, "unlabelled", True))
    assert at(300, "unlabelled", turn=True) == 2
    assert at(290, "unlabelled") == 2
    assert at(150, "unlabelled") == 1
    assert at(150, "others") == 0


def test_training_is_offered_once_something_new_is_known(trained: Project) -> None:
    def offers() -> bool:
        return any(button.key == "header_train" for button in opened("label", trained).button)

    labelling.skip_items(trained, ["train/00007"], "ann")
    assert not offers()
    labelling.label_items(trained, ["train/00007"], "seven", "ann")
    assert offers()
    labelling.undo(trained, "ann")
    assert not offers()


def test_names_that_may_be_wrong_stand_with_the_labels_that_may_be(doubted: tuple[Project, list[str]]) -> None:
    app = opened("label", doubted[0])
    assert "may be wrong" not in texts(app)
    app.selectbox(key=Key.SOURCE).set_value(_queue.QueueKind.SUSPECTS).run()
    told = "The name “five” of cluster 5 may be wrong: 3 answers say “seven”, 1 agrees."
    assert told in texts(without_fault(app))
    app.button(key="rename_5").click().run()
    assert viewing.view(take(doubted[0])).owner[5] == "seven"
    assert "may be wrong" not in texts(without_fault(app))


@pytest.mark.parametrize(
    ("classes", "keys"),
    [
        (["7", "shoe", "0"], {"7": "7", "shoe": "1", "0": "0"}),
        (["a", "b", "x"], {"a": "1", "b": "B", "x": "2"}),
        ([f"class {i}" for i in range(11)], {f"class {i}": k for i, k in enumerate([*"1234567890", None])}),
    ],
)
def test_keys_are_unique_and_spare_reserved_keys(classes: list[str], keys: dict[str, str | None]) -> None:
    assert _keys.keys_for(classes, classes) == keys


def test_a_class_keeps_its_key_while_others_come_and_go() -> None:
    assert _keys.keys_for(["cat", "dog", "1"], ["cat", "dog", "1"]) == {"cat": "1", "dog": "2", "1": "3"}
    assert _keys.keys_for(["dog", "fox"], ["cat", "dog", "fox"]) == {"dog": "2", "fox": "3"}
    many = [f"class {i}" for i in range(11)]
    assert _keys.keys_for(many[1:], many)["class 10"] == "1"


def test_classes_stand_in_the_order_of_their_keys() -> None:
    classes = ["b", "0", "shoe", "7", *(f"class {i}" for i in range(8))]
    keys = list(_keys.keys_for(classes, classes).values())
    assert keys == [*"1234567890", "B", None]
