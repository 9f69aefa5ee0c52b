"""Every page, run without a browser on a real small project: opening projects, and what damage and faults leave."""

import pytest
from streamlit.testing.v1 import AppTest

from dgm_engine.services import jobs, labelling, viewing
from dgm_engine.services.projects import Project
from dgm_engine.services.snapshot import take
from pages._create import _folder_name
from pages._state import Key, Panel, default_annotator
from pages._text import plain
from tests.fabricated import fabricate_run
from tests.pages.screens import FAULT, opened, press, texts, without_fault

PAGES = ("discover", "label", "train", "evaluate", "export")


def a_button_that_counts() -> None:
    """A page: while the callback of its button is at work, the browser asks for another run."""
    import streamlit as st
    from streamlit.runtime.scriptrunner import RerunData, get_script_run_ctx

    from pages import _safely

    @_safely.callback
    def count() -> None:
        context = get_script_run_ctx()
        assert context is not None
        assert context.script_requests is not None
        context.script_requests.request_rerun(RerunData())
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
    app.button(key=f"open_{mapped.paths.root}").click().run()
    app.switch_page("pages/discover.py").run()
    assert "0 of 11 clusters have a class" in texts(without_fault(app))


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
    labelling.name_component(mapped, 3, "three", default_annotator())
    before = mapped.labels.version()

    app = opened("discover", mapped)
    app.run()
    press(app, "Undo")
    app.run()

    assert mapped.labels.version() == before + 1  # the undo


@pytest.mark.parametrize("page", ["discover", "label", "train", "evaluate", "export"])
def test_damaged_results_of_a_later_run_leave_those_before_in_use(mapped: Project, page: str) -> None:
    fabricate_run(mapped, 2).results.write_text("{", encoding="utf-8")
    app = opened(page, mapped)
    assert [said.value for said in app.error] == []
    assert viewing.view(take(mapped)).run == 1
    if page == "train":
        assert "its results are damaged" in texts(app)


@pytest.mark.parametrize(
    ("typed", "folder"),
    [("My set", "My set"), ("../../etc", "-..-etc"), (".hidden", "hidden"), ("a/b\\c", "a-b-c"), ("...", "project")],
)
def test_a_projects_folder_stays_inside_the_home(typed: str, folder: str) -> None:
    assert _folder_name(typed) == folder


def test_plain_text_loses_its_marks() -> None:
    assert plain("*a* [b](c)\n<i>") == r"\*a\* \[b\]\(c\) \<i\>"
