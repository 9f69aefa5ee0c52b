"""Every page, run without a browser on a real small project: opening projects, and what damage and faults leave."""

import inspect
from types import ModuleType

import pytest
from streamlit.runtime.scriptrunner import script_runner
from streamlit.runtime.state import safe_session_state
from streamlit.testing.v1 import AppTest

from dgm_engine.services import jobs, labelling
from dgm_engine.services.projects import Project
from dgm_engine.services.snapshot import take
from dgm_engine.training.run_results import RESULT_ARRAYS
from pages._state import Key, Panel
from pages._text import plain
from tests.fabricated import fabricate_run
from tests.pages.screens import FAULT, badges, cut, opened, press, texts, without_fault

PAGES = ("discover", "label", "train", "evaluate", "export")


def a_button_that_counts() -> None:
    """A page: while the callback of its button is at work, the browser asks for another run."""
    import streamlit as st

    from pages import _safely
    from tests.pages.screens import ask_for_another_run

    @_safely.callback
    def count() -> None:
        ask_for_another_run()
        st.session_state["counted"] = st.session_state.get("counted", 0) + 1

    st.button("Count", on_click=count)


def test_a_callback_comes_to_its_end_though_the_browser_asks_for_another_run() -> None:
    app = AppTest.from_function(a_button_that_counts).run()
    for n in (1, 2):
        app.button[0].click().run()
        assert app.session_state["counted"] == n


@pytest.mark.parametrize("page", PAGES)
def test_without_a_project_every_page_leads_to_projects(page: str) -> None:
    assert "No project is open" in texts(opened(page, None))


@pytest.mark.parametrize("page", ["discover", "label", "evaluate", "export"])
def test_before_training_pages_offer_to_find_clusters(page: str, project: Project) -> None:
    app = opened(page, project)

    assert "Nothing has been learned yet" in texts(app)
    assert "Find clusters" in [button.label for button in app.button]


def test_an_open_project_has_a_process_wait_for_its_next_run(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []
    monkeypatch.setattr(jobs, "be_ready", lambda _project: asked.append(True))
    opened("projects", None)
    assert not asked
    opened("label", project)
    assert asked


def test_another_project_opens_on_its_clusters(mapped: Project) -> None:
    app = opened("discover", mapped)
    app.segmented_control(key=Key.PANEL).set_value(Panel.IMAGES).run()
    assert "No images are picked out" in "".join(said.value for said in app.info)
    app.switch_page("pages/projects.py").run()
    app.button(key=f"open_{mapped.paths.root}").click().run()  # which leads to Discover
    assert "0 of 11 clusters have a class" in texts(without_fault(app))


def test_a_value_that_stands_alone_in_a_page_is_not_drawn() -> None:
    """Such as the docstring of a constant of pages/projects.py, which Streamlit's magic drew on it."""
    assert len(AppTest.from_string('SIZE = 40\n"""Pixels."""\nSIZE').run().main) == 0


def test_projects_lists_opens_and_deletes(project: Project) -> None:
    app = opened("projects", None)

    app.button(key=f"delete_{project.paths.root}").click().run()
    assert project.paths.root.exists()
    press(app, "Delete")
    assert not project.paths.root.exists()


def test_what_the_system_refuses_becomes_a_message(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", "labels.db")

    app = opened("discover", project)
    monkeypatch.setattr(jobs, "start_training", full)
    next(button for button in app.button if button.label == "Find clusters").click().run()
    assert not app.exception
    assert "labels.db: No space left on device; see that there is room" in app.toast[0].value


def test_a_damaged_project_is_shown_with_its_error(project: Project) -> None:
    project.paths.manifest.write_text("{", encoding="utf-8")

    app = opened("projects", None)

    assert str(project.paths.manifest) in texts(app)


def test_a_fault_of_ours_is_a_message_and_leaves_the_page(mapped: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def faulty(*_: object) -> None:
        raise KeyError("lost")

    monkeypatch.setattr(labelling, "name_component", faulty)
    app = opened("discover", mapped)
    next(s for s in app.selectbox if s.label == "Name of cluster 3").set_value("three").run()
    assert not app.exception
    assert f"{FAULT} here (KeyError); nothing is lost" in app.toast[0].value

    monkeypatch.setattr(jobs, "active_status", faulty)
    app = AppTest.from_function(_polled).run()
    assert not app.exception
    assert f"{FAULT} here (KeyError)" in app.error[0].value


def _polled() -> None:
    from dgm_engine.services import jobs
    from pages import _safely

    _safely.polling(jobs.active_status, None)(None)  # type: ignore[arg-type]


def test_drawing_a_page_again_says_nothing_in_the_persons_name(mapped: Project) -> None:
    labelling.name_component(mapped, 3, "three", labelling.default_annotator())
    before = mapped.labels.version()

    app = opened("discover", mapped)
    app.run()
    press(app, "Undo")
    app.run()

    assert mapped.labels.version() == before + 1  # the undo


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("file", ["results", *RESULT_ARRAYS])
def test_damaged_results_of_a_later_run_leave_those_before_in_use(mapped: Project, page: str, file: str) -> None:
    run = fabricate_run(mapped, 2)
    cut(run.results if file == "results" else run.array(file, 0))
    app = opened(page, mapped)
    assert [said.value for said in app.error] == []
    assert take(mapped).run.number == 1
    assert "Results damaged] -> train" in badges(app)
    if page == "train":
        assert "its results are damaged" in texts(app)
        assert "The results of run 2 cannot be read." in texts(app)
        assert "use_2" not in [button.key for button in app.button]


def test_plain_text_loses_its_marks() -> None:
    assert plain("*a* [b](c)\n<i>") == r"\*a\* \[b\]\(c\) \<i\>"


def a_button_that_closes_the_project() -> None:
    """A page: while the callback of its button is at work, the browser asks for another run."""
    import streamlit as st

    from pages import _safely, _state
    from tests.pages.screens import ask_for_another_run

    @_safely.callback
    def close() -> None:
        ask_for_another_run()
        _state.close_project()
        _state.notify("It is closed")

    project = _state.current_project()
    st.write("Nothing is open" if project is None else project.name)
    st.button("Close", on_click=close)
    _state.show_notice()


def test_a_project_is_closed_to_the_end_though_the_browser_asks_for_another_run(project: Project) -> None:
    app = AppTest.from_function(a_button_that_closes_the_project)
    app.query_params[Key.PROJECT] = str(project.paths.root)
    assert project.name in texts(app.run())
    app.button[0].click().run()
    assert [said.value for said in app.toast] == ["It is closed"]
    assert "Nothing is open" in texts(app)
    assert Key.PROJECT not in app.query_params
    assert "Nothing is open" in texts(app.run())


def test_where_streamlit_no_longer_breaks_off_there_callbacks_run_as_it_runs_them(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    source = inspect.getsource(safe_session_state).replace("_yield_callback", "_give_way")
    newer = ModuleType("newer")
    exec(compile(source, "newer", "exec"), vars(newer))  # Streamlit's own, with one name changed
    monkeypatch.setattr(script_runner, "SafeSessionState", newer.SafeSessionState)

    def page() -> None:
        import streamlit as st

        from pages import _safely

        st.button("Name", on_click=_safely.callback(lambda: st.session_state.update(named="shoe")))

    app = AppTest.from_function(page).run()
    without_fault(app.button[0].click().run())
    assert app.session_state["named"] == "shoe"
    assert "its session has no _yield_callback" in caplog.text


@pytest.mark.parametrize("page", PAGES)
def test_where_all_results_are_damaged_every_page_offers_to_train(mapped: Project, page: str) -> None:
    cut(mapped.paths.run(1).array("q_y", 0))
    app = opened(page, mapped)
    assert [said.value for said in app.error] == []
    assert "Results damaged] -> train" in badges(app)
    assert "header_undo" in [button.key for button in app.button]
    offers = [button.label for button in app.button]
    assert "Find clusters" in offers
    assert "Train with the new labels" not in offers  # which would promise a short training
    if page == "train":
        assert "its results are damaged" in texts(app)


def test_the_list_of_runs_stands_though_something_else_on_the_page_cannot_be_read(trained: Project) -> None:
    fabricate_run(trained, 2)
    live = trained.paths.run(2).root / "live.npy"
    live.write_bytes(b"")
    app = opened("train", trained)
    assert "live.npy cannot be read" in texts(app)
    assert [button.key for button in app.button if button.label == "Go back to this run"] == ["use_1"]
