"""What a page needs before it can be drawn; without it, the page says what to do and ends."""

from typing import NoReturn

import streamlit as st
from streamlit.runtime.pages_manager import PagesManager

from dgm_engine.services import jobs
from dgm_engine.services.projects import Project
from dgm_engine.services.snapshot import Snapshot, take
from dgm_engine.training.planning import TrainRequest
from pages import _state
from pages._safely import callback, polling
from pages._state import Key

_REFRESH_SECONDS = 0.5


def require_project() -> Project:
    """The open project; without one the page says what to do and ends here."""
    _run_in_frame()
    project = _state.current_project()
    if project is None:
        empty("No project is open", "Create one, or open one that you have.", "pages/projects.py", "Go to Projects")
    return project


def _run_in_frame() -> None:
    """Starts the run again if the page runs without app.py around it.

    Until app.py has called st.navigation once, Streamlit takes a folder named `pages` for an app of the old kind. The
    first requests to a new server would then, if they are for the address of a page, run that page alone.
    """
    if getattr(PagesManager, "uses_pages_directory", False) or Key.FRAMED not in st.session_state:
        PagesManager.uses_pages_directory = False
        st.rerun()


def require_results(project: Project) -> None:
    """Before the first results, the page offers to train and ends here."""
    if jobs.newest_results(project) is None:
        with st.container(border=True):
            st.subheader("Nothing has been learned yet")
            _offer_training(project)
        st.stop()


def require_snapshot(project: Project) -> Snapshot:
    """The snapshot of the run in use; before the first results, the page offers to train and ends here."""
    require_results(project)
    return take(project)


def _offer_training(project: Project) -> None:
    found = jobs.active_status(project)
    if found is not None and found[1].alive:
        st.write("The program is looking for groups of similar images. They appear here as soon as it has some.")
        st.page_link("pages/train.py", label="Watch it", icon=":material/arrow_forward:")
        polling(_wait_for_results, _REFRESH_SECONDS)(project)
        return
    st.write(
        "Let the program look for groups of similar images first. It needs no labels. The first ones appear after a "
        "minute or so. They get better for another minute, with many images for several."
    )
    st.button("Find clusters", type="primary", icon=":material/play_arrow:", on_click=start_training, args=(project,))
    st.page_link("pages/train.py", label="Choose the settings first", icon=":material/arrow_forward:")


def _wait_for_results(project: Project) -> None:
    if jobs.newest_results(project) is not None:
        st.rerun(scope="app")


def empty(title: str, text: str, page: str, link: str) -> NoReturn:
    """Says that there is nothing here yet and where to go, and ends the page."""
    with st.container(border=True):
        st.subheader(title)
        st.write(text)
        st.page_link(page, label=link, icon=":material/arrow_forward:")
    st.stop()


@callback
def start_training(project: Project, request: TrainRequest | None = None) -> None:
    """Starts a training run, by default with the settings of the run before, or, if there is none, the usual ones."""
    if request is None:
        jobs.retrain(project)
    else:
        jobs.start_training(project, request)
    _state.notify("Training has started", ":material/play_arrow:")
