"""What a page knows of its session: the open project, the person at the keyboard, the images picked out."""

from dataclasses import replace
from enum import StrEnum
from pathlib import Path

import streamlit as st

from dgm_engine.errors import DgmError
from dgm_engine.services import labelling, projects, scoping
from dgm_engine.services.scoping import Scope
from pages._text import plain


class Key(StrEnum):
    """The keys of the session that more than one function uses; "widget" marks those that are a widget's key."""

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
    """Opens the example on the page Discover, if the session is new and its address names no project."""
    if Key.PROJECT in st.session_state or Key.PROJECT in st.query_params:
        return
    open_project(projects.create_example().paths.root)
    st.switch_page("pages/discover.py")


def close_project() -> None:
    """Forgets the open project; it leaves the page's address when the page is next drawn."""
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


def annotator() -> str:
    """Who labels; the name of the computer's user until somebody says otherwise."""
    return (st.session_state.get(Key.ANNOTATOR) or "").strip() or labelling.default_annotator()


def default(key: Key, value: object) -> Key:
    """Sets the first value of a widget whose value callbacks may change, and returns the key of the widget."""
    st.session_state.setdefault(key, value)
    return key


def scope() -> Scope:
    """The filters and the selection of this session; a new session takes them from the page's address."""
    if Key.SCOPE not in st.session_state:
        set_scope(Scope.from_query({name: st.query_params.get_all(name) for name in scoping.ADDRESS_PARAMETERS}))
    return st.session_state[Key.SCOPE]


def set_scope(wanted: Scope) -> None:
    """Makes these the filters and the selection."""
    st.session_state[Key.SCOPE] = wanted


def scope_in_address() -> None:
    """Puts filters and selection into the page's address, so that a refresh, or another tab, shows the same."""
    query = scope().to_query()
    for name in scoping.ADDRESS_PARAMETERS:
        if name in query:
            st.query_params[name] = query[name]
        else:
            st.query_params.pop(name, None)


def end_selection() -> None:
    """Ends the selection, and closes an image that is shown large; filters stay."""
    set_scope(replace(scope(), selection=""))
    st.session_state.pop(Key.OPENED, None)


def show_panel(panel: Panel) -> None:
    """Shows one of the panels beside the map, and closes an image that is shown large."""
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
    """Takes back the last step of labelling, and shows what it was.

    Raises:
        ConflictError: the step is another person's.
    """
    done = labelling.undo(project, annotator())
    notify(f"Undone: {plain(done)}" if done else "Nothing to undo", ":material/undo:")


def show_notice() -> None:
    """Shows the message that a callback left."""
    if Key.NOTICE in st.session_state:
        text, icon = st.session_state.pop(Key.NOTICE)
        st.toast(text, icon=icon)
