"""The form that makes a project, and its progress."""

import shutil
import uuid
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from dgm_engine import paths
from dgm_engine.data.image_readers import one_of
from dgm_engine.data.readers import pile_titles, upload_types
from dgm_engine.data.sources import ClassFolders, SourceRequest
from dgm_engine.jobs import JobState
from dgm_engine.services import projects, tasks
from pages import _safely, _state
from pages._state import Key
from pages._text import count, plain

if TYPE_CHECKING:
    from streamlit.runtime.uploaded_file_manager import UploadedFile


REFRESH_SECONDS = 0.7


class Source(StrEnum):
    """Where the images of a new project come from."""

    FOLDER = "Folder"
    UPLOAD = "Upload"
    BUILT_IN = "Well-known set"


_BUILT_IN = {
    "mnist": "MNIST: 70,000 handwritten digits",
    "fashion-mnist": "Fashion-MNIST: 70,000 pieces of clothing",
    "digits": "Digits: 1,797 small handwritten digits",
}
_CLASS_FOLDERS = {
    ClassFolders.TRUTH: "the true classes, kept aside to measure accuracy",
    ClassFolders.LABELS: "labels to learn from",
    ClassFolders.IGNORE: "no classes (plates, patients, days …)",
}
_SIDES_PIXELS = (8, 16, 28, 32, 48, 64, 96, 128)


def form() -> None:
    """Asks for a source and a name, and starts to make the project."""
    kind = st.segmented_control(
        "Source", list(Source), default=Source.FOLDER, required=True, label_visibility="collapsed", key="source_kind"
    )
    source, upload, suggestion = "", None, ""
    if kind == Source.FOLDER:
        source = st.text_input(
            "Path of the folder",
            placeholder="/home/me/images",
            key="source_path",
            persist_state="session",  # so that a person can correct a wrong path
            help="Images may be in folders inside it.",
        ).strip()
        suggestion = Path(source).name if source else ""
    elif kind == Source.UPLOAD:
        upload = st.file_uploader(f"A file: {one_of(pile_titles())}", type=upload_types())
        suggestion = Path(upload.name).stem if upload else ""
    else:
        source = st.selectbox("Set", list(_BUILT_IN), format_func=_BUILT_IN.__getitem__)
        suggestion = source
    name = st.text_input("Name of the project", value=suggestion, max_chars=60, key=f"name_of_{suggestion}").strip()
    options = _options(kind)
    ready = bool(name and (source or upload is not None))
    if st.button("Create project", type="primary", icon=":material/add:", disabled=not ready):
        with _safely.errors_shown():
            _start(name, source if upload is None else upload, options)
            st.rerun()


def outcome(folder: Path) -> None:
    """Shows the progress of the task that makes a project, and opens the project when the task is done."""
    status = tasks.status(folder)
    if status is not None and status.alive:
        _safely.polling(_progress, REFRESH_SECONDS)(folder)
        st.caption("You can use other projects meanwhile.")
    elif status is not None and status.state is JobState.FINISHED:
        done = status.details
        _forget()
        _state.open_project(Path(done["root"]))
        left_out = f"; {count(done['quarantined'], 'file')} could not be read" if done["quarantined"] else ""
        _state.notify(f"{count(done['items'], 'image')} are in{left_out}")
        st.switch_page("pages/discover.py")
    else:
        st.error(f"The project could not be made: {plain(status.error) if status else 'its task is gone'}")
        st.button("Back", on_click=_forget)


def _progress(folder: Path) -> None:
    status = tasks.status(folder)
    if status is None or not status.alive:
        st.rerun(scope="app")
    st.progress(min(max(status.progress, 0.0), 1.0), text=plain(status.phase) or "Reading")


def _options(kind: str) -> dict[str, object]:
    options: dict[str, object] = {}
    if kind != Source.BUILT_IN:
        options["class_folders"] = st.selectbox(
            "If images are in folders, use the folders' names as",
            list(_CLASS_FOLDERS),
            format_func=_CLASS_FOLDERS.__getitem__,
        )
    with st.expander("How the images are read"):
        options["limit"] = st.number_input(
            "Maximum number of images", 1, 10_000_000, value=None, placeholder="all", help="Of more, an even sample."
        )
        if kind != Source.BUILT_IN:
            side = st.selectbox(
                "Resize images to",
                [None, *_SIDES_PIXELS],
                format_func=lambda s: "chosen from the images" if s is None else f"{s} x {s} pixels",
            )
            options["size"] = None if side is None else (side, side)
            colours = {None: "chosen from the images", 1: "grey", 3: "colour"}
            options["channels"] = st.selectbox("Colours", list(colours), format_func=colours.__getitem__)
        elif root := st.text_input("Folder with the set's files", placeholder="downloaded if not given"):
            options["data_root"] = Path(root).expanduser()
        return options


@_safely.to_the_end()
def _start(name: str, source: "str | UploadedFile", options: dict[str, object]) -> None:
    """Starts the task and stores its folder in the session; if this ended in between, a click would start another."""
    root, is_path = projects.folder_of(name), isinstance(source, str)
    request = SourceRequest(source if is_path else _kept(source), **options)  # pyright: ignore[reportArgumentType]
    st.session_state[Key.TASK] = tasks.start_creation(root, request, delete_source=not is_path)


def _kept(upload: "UploadedFile") -> str:
    """The path of a copy of an upload; its task deletes it."""
    path = paths.upload(projects.projects_home(), uuid.uuid4().hex[:12], Path(upload.name).suffix.lower())
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        shutil.copyfileobj(upload, file)
    return str(path)


@_safely.callback
def _forget() -> None:
    st.session_state.pop(Key.TASK, None)
