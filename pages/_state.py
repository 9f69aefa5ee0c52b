"""What a page knows of its session: the open project, the person at the keyboard, the images picked out."""

import functools
import logging
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import NoReturn, ParamSpec

import streamlit as st
from streamlit.runtime.pages_manager import PagesManager
from streamlit.runtime.scriptrunner import get_script_run_ctx

from dgm_engine.errors import DgmError, in_words
from dgm_engine.services import exploring, jobs, labelling, projects, scoping
from dgm_engine.services.scoping import Scope
from dgm_engine.training.runs import TrainRequest
from pages._text import plain

Arguments = ParamSpec("Arguments")
_log = logging.getLogger(__name__)

_REFRESH_SECONDS = 0.5


class Key(StrEnum):
    """Every key of the session that more than one function speaks of; a widget's key where it is one."""

    PROJECT = "project"  # the open project's folder; also its name in the address of the page
    ANNOTATOR = "annotator"  # widget
    NOTICE = "notice"  # (text, icon) to show once, after the rerun that a callback leads to
    SCOPE = "scope"  # filters and selection, which the address holds too
    OPENED = "opened"  # id of the image that is looked at large
    MAP = "map"  # widget: the map
    MAP_UNABLE = "map_unable"  # why this browser cannot draw the map
    MAP_PICTURES = "map_pictures"  # widget: what the map wants pictures of
    ORDER = "order"  # widget: how the images that are picked out are ordered
    PANEL = "panel"  # widget: what Discover shows beside the map
    METHOD = "method"  # widget: how the map is laid out
    COLOUR = "colour"  # widget: what the map's colours mean
    LIVE_COLOUR = "live_colour"  # widget: what the colours of the map on Train mean
    BULK_CLASS = "bulk_class"  # widget: the class that a bulk action is about
    QUEUE = "queue"  # images that wait on the Label page
    LABEL_MODE = "label_mode"  # widget: one by one or as a grid
    SOURCE = "source"  # widget: where images to label come from
    FRAMED = "framed"  # app.py has run in this session
    NAME_FIELDS = "name_fields"  # the fields in which clusters are named
    NEW_CLASS = "new_class"  # widget: the name of a class to add
    LABEL_FILE = "label_file"  # widget: labels to take in
    IMPORTED = "imported"  # the report on a label file that was just taken in
    LOOK = "look"  # widget: which figure Evaluate shows
    FORMAT = "format"  # widget: what a chart is saved as
    TASK = "task"  # folder of the background task that this session waits for


class Panel(StrEnum):
    """What stands beside the map."""

    CLUSTERS = "Clusters"
    ALIKE = "How alike"
    IMAGES = "Images"


def open_project(root: Path) -> None:
    """Makes a project the one that every page shows; what was picked out in another is forgotten."""
    for key in (Key.OPENED, Key.PANEL, Key.QUEUE, Key.BULK_CLASS, Key.SOURCE):
        st.session_state.pop(key, None)
    st.session_state[Key.PROJECT] = str(root)
    set_scope(Scope())


def open_example_first() -> None:
    """Takes a new session without a project in its address to the example, on Discover."""
    if Key.PROJECT in st.session_state or Key.PROJECT in st.query_params:
        return
    open_project(projects.create_example().paths.root)
    st.switch_page("pages/discover.py")


def close_project() -> None:
    """Forgets the open project; the page's address does so when it is next drawn."""
    st.session_state[Key.PROJECT] = None


def current_project() -> projects.Project | None:
    """The open project: this session's, else the one in the page's address, so that a refresh keeps it."""
    root = st.session_state.get(Key.PROJECT, st.query_params.get(Key.PROJECT))
    try:
        project = projects.open_project(Path(root)) if root else None
    except DgmError as error:
        close_project()
        st.toast(str(error), icon=":material/error:")
        project = None
    if project is None:
        st.query_params.pop(Key.PROJECT, None)
        return None
    st.session_state[Key.PROJECT] = str(root)
    if st.query_params.get(Key.PROJECT) != str(root):
        st.query_params[Key.PROJECT] = str(root)
    return project


def require_project() -> projects.Project:
    """The open project; without one the page says what to do and ends here."""
    _run_in_frame()
    project = current_project()
    if project is None:
        empty("No project is open", "Create one, or open one that you have.", "pages/projects.py", "Go to Projects")
    return project


def _run_in_frame() -> None:
    """Starts over where a page runs without app.py around it.

    Streamlit takes a folder named pages for its old kind of application until app.py has called st.navigation once, so
    that the first requests to a new server, if they are for a page's own address, would run that page alone.
    """
    if getattr(PagesManager, "uses_pages_directory", False) or Key.FRAMED not in st.session_state:
        PagesManager.uses_pages_directory = False
        st.rerun()


def require_results(project: projects.Project) -> None:
    """Before the first results, the page offers to train and ends here."""
    if jobs.newest_results(project) is None:
        with st.container(border=True):
            st.subheader("Nothing has been learned yet")
            _offer_training(project)
        st.stop()


def require_view(project: projects.Project) -> exploring.View:
    """The newest results; before the first, the page offers to train and ends here."""
    require_results(project)
    return exploring.view(project)


def _offer_training(project: projects.Project) -> None:
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


def _wait_for_results(project: projects.Project) -> None:
    if jobs.newest_results(project) is not None:
        st.rerun(scope="app")


def empty(title: str, text: str, page: str, link: str) -> NoReturn:
    """Says that there is nothing here yet and where to go, and ends the page."""
    with st.container(border=True):
        st.subheader(title)
        st.write(text)
        st.page_link(page, label=link, icon=":material/arrow_forward:")
    st.stop()


def annotator() -> str:
    """Who labels; the name of the computer's user until somebody says otherwise."""
    return (st.session_state.get(Key.ANNOTATOR) or "").strip() or labelling.default_annotator()


def default(key: Key, value: object) -> Key:
    """Gives a widget that callbacks may set its first value, and returns its key."""
    st.session_state.setdefault(key, value)
    return key


def scope() -> Scope:
    """Which images the person looks at: this session's filters and selection, at first those of the page's address."""
    if Key.SCOPE not in st.session_state:
        set_scope(Scope.from_query({name: st.query_params.get_all(name) for name in scoping.PARAMETERS}))
    return st.session_state[Key.SCOPE]


def set_scope(wanted: Scope) -> None:
    """Makes these the filters and the selection."""
    st.session_state[Key.SCOPE] = wanted


def scope_in_address() -> None:
    """Puts filters and selection into the page's address, so that a refresh, or another tab, shows the same."""
    query = scope().to_query()
    for name in scoping.PARAMETERS:
        if name in query:
            st.query_params[name] = query[name]
        else:
            st.query_params.pop(name, None)


def end_selection() -> None:
    """Nothing is selected any more, and no image looked at large; filters stay."""
    set_scope(replace(scope(), selection=""))
    st.session_state.pop(Key.OPENED, None)


def show_panel(panel: Panel) -> None:
    """Shows one of the panels beside the map, and no image large."""
    st.session_state[Key.PANEL] = panel
    st.session_state.pop(Key.OPENED, None)


def open_image(item: str) -> None:
    """Shows one image large, beside the map."""
    st.session_state[Key.PANEL] = Panel.IMAGES
    st.session_state[Key.OPENED] = item


def notify(text: str, icon: str = ":material/check:") -> None:
    """Shows a short message after the next rerun."""
    st.session_state[Key.NOTICE] = (text, icon)


def undo(project: projects.Project) -> None:
    """Takes back the last step of labelling, if it is this person's, and says what it was; raises as the service."""
    done = labelling.undo(project, annotator())
    notify(f"Undone: {plain(done)}" if done else "Nothing to undo", ":material/undo:")


def show_notice() -> None:
    """Shows the message that a callback left."""
    if Key.NOTICE in st.session_state:
        text, icon = st.session_state.pop(Key.NOTICE)
        st.toast(text, icon=icon)


def polling(function: Callable[Arguments, None], seconds: float | None) -> Callable[Arguments, None]:
    """Makes a part of a page that draws itself again every so many seconds; None: only with the page.

    An error in it is shown in its place, as `callback` says why.
    """

    @functools.wraps(function)
    def safe(*args: Arguments.args, **kwargs: Arguments.kwargs) -> None:
        try:
            function(*args, **kwargs)
        except Exception as error:
            st.error(_told(error), icon=":material/error:")

    return st.fragment(safe, run_every=seconds)


@contextmanager
def errors_shown() -> Generator[None]:
    """Shows an error of the engine, or of the system, on the page as it stands."""
    try:
        yield
    except (DgmError, OSError) as error:
        st.error(in_words(error), icon=":material/error:")


def callback(function: Callable[Arguments, None]) -> Callable[Arguments, None]:
    """Makes a function safe as a widget's callback: it comes to its end, and an error becomes a message.

    Streamlit would draw an error in place of the page's first element. Where a part of the page then draws itself again
    in what was there before, the browser gives up and the whole page is blank.
    """

    @functools.wraps(function)
    def safe(*args: Arguments.args, **kwargs: Arguments.kwargs) -> None:
        with to_the_end():
            try:
                function(*args, **kwargs)
            except Exception as error:
                notify(_told(error), ":material/error:")

    return safe


@contextmanager
def to_the_end() -> Generator[None]:
    """Keeps Streamlit from breaking off what a person asked for with a button, and so from losing it, or half of it.

    Streamlit (1.67) ends a callback at its next use of the session's state where the browser has asked for another run
    of the page meanwhile, and that run does not call it again: it takes the widget's value for one that is known. Here
    what was asked for waits until the callback is done. Streamlit ends it at a message to the browser too, which is not
    held back here: callbacks send none, but for going to another page at their end. What they have to say waits in the
    session for the next run (`notify`).

    Streamlit has no public way to do this. Where its own has changed, callbacks run as it runs them.
    """
    context, name = get_script_run_ctx(), "_yield_callback"
    state = getattr(context, "session_state", None)
    try:  # past its own getattr and setattr, which are about values of the session
        broken_off_at = object.__getattribute__(state, name)
        object.__setattr__(state, name, lambda: None)
    except AttributeError:
        broken_off_at = None
        if context is not None:
            _log.warning("This version of Streamlit may break off what a person says: its session has no %s", name)
    try:
        yield
    finally:
        if broken_off_at is not None:
            object.__setattr__(state, name, broken_off_at)


def _told(error: Exception) -> str:
    """An error of the engine or of the system in words; a fault of ours by its kind, and in the server's log."""
    if isinstance(error, DgmError | OSError):
        return in_words(error)
    _log.error("A fault of the program", exc_info=error)
    return f"The program has a fault here ({type(error).__name__}); nothing is lost, and its log says more"


@callback
def start_training(project: projects.Project, request: TrainRequest | None = None) -> None:
    """Starts a training run, by default with the settings of the one before, or those that suit most projects."""
    if request is None:
        jobs.retrain(project)
    else:
        jobs.start_training(project, request)
    notify("Training has started", ":material/play_arrow:")
