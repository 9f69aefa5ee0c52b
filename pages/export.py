"""Export: the trained classifier, the labels, and the predictions for all images."""

import shlex
import tempfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from dgm_engine.jobs import JobState, JobStatus
from dgm_engine.labels.csv_labels import CSV
from dgm_engine.labels.formats import LABEL_FORMATS, label_layouts, label_types
from dgm_engine.labels.interchange import LabelFormat
from dgm_engine.services import exporting, labelling, tasks
from dgm_engine.services.labelling import ImportReport
from dgm_engine.services.projects import Project
from dgm_engine.services.snapshot import take
from pages import _guards, _safely, _state
from pages._state import Key
from pages._text import count, plain

if TYPE_CHECKING:
    from streamlit.runtime.uploaded_file_manager import UploadedFile


def export(project: Project) -> None:
    """The page."""
    left, right = st.columns(2, gap="large")
    with left:
        _classifier(project)
    with right:
        _labels(project)
        _predictions(project)


def _classifier(project: Project) -> None:
    st.subheader("Classifier")
    st.write("A folder that classifies images anywhere, without this program: it needs onnxruntime and Pillow only.")
    classes = labelling.class_names(project)
    if not classes:
        st.info("Name clusters or label images first: a classifier needs at least one class.")
        st.page_link("pages/discover.py", label="Name clusters", icon=":material/arrow_forward:")
        return
    status = tasks.status(tasks.export_task(project))
    alive = status is not None and status.alive
    st.button(
        "Prepare the classifier",
        type="primary",
        icon=":material/package_2:",
        disabled=alive,
        on_click=_start,
        args=(project,),
    )
    if status is not None:
        _safely.polling(_outcome, 1.0 if alive else None)(project, alive)


def _outcome(project: Project, was_alive: bool) -> None:
    status = tasks.status(tasks.export_task(project))
    if status is None:
        return
    if status.alive:
        st.progress(min(max(status.progress, 0.0), 1.0), text=plain(status.phase))
    elif was_alive:
        st.rerun(scope="app")
    elif status.state is JobState.FINISHED:
        _ready(project, status)
    else:
        st.error(f"The export failed: {plain(status.error)}", icon=":material/error:")


def _ready(project: Project, status: JobStatus) -> None:
    folder = Path(status.details["path"])
    if not folder.is_dir():
        return
    st.success(f"Ready, and checked against the model on real images: {len(status.details['classes'])} classes.")
    st.caption("The folder:")
    st.code(str(folder), language=None, wrap_lines=True)
    st.download_button(
        "Download as a zip",
        lambda: exporting.zipped(folder),
        file_name=f"{project.name}-classifier.zip",
        mime="application/zip",
        icon=":material/download:",
        on_click="ignore",
    )
    st.caption("Run in that folder, these lines classify an image:")
    st.code(exporting.usage(project), language="python", wrap_lines=True)
    st.caption("Or, with this program installed:")
    st.code(f"dgm predict {shlex.quote(str(folder))} IMAGES --out predictions.csv", language="shell", wrap_lines=True)


def _labels(project: Project) -> None:
    st.subheader("Labels")
    n = len(project.labels.state().positive)
    st.write(f"{n:,} labelled images, and what was ruled out. The history has every step with its author and time.")
    with st.container(horizontal=True):
        formats = list(LABEL_FORMATS.values())
        for label, form, history in (*((form.title, form, False) for form in formats), ("History", formats[0], True)):
            st.download_button(
                label,
                lambda f=form, h=history: _written(lambda path: labelling.write_labels(project, path, history=h), f),
                file_name=f"{project.name}-{'history' if history else 'labels'}{form.suffix}",
                mime=form.media_type,
                icon=":material/download:",
                on_click="ignore",
                key=f"labels_{label}",
            )
    _import(project)


def _import(project: Project) -> None:
    with st.expander("Take in labels from a file"):
        st.caption(f"{label_layouts()}.")
        file = st.file_uploader("Label file", type=label_types(), label_visibility="collapsed", key=Key.LABEL_FILE)
        if file is not None:
            st.button("Take them in", icon=":material/upload:", on_click=_take_in, args=(project,))
        report: ImportReport | None = st.session_state.pop(Key.IMPORTED, None)
        if report is not None:
            told = f"{count(report.accepted, 'row')} taken in, {len(report.rejected):,} left out."
            (st.success if report.accepted else st.error)(told)
            if report.rejected:
                st.caption("Rows are counted from the first one below the column names.")
                st.table([{"Row": r.row, "Why left out": r.reason} for r in report.rejected])


@_safely.callback
def _take_in(project: Project) -> None:
    file: UploadedFile | None = st.session_state[Key.LABEL_FILE]
    if file is None:  # taken out in the moment before
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"labels{Path(file.name).suffix.lower()}"
        path.write_bytes(file.getvalue())
        st.session_state[Key.IMPORTED] = labelling.import_labels(project, path, _state.annotator())


def _predictions(project: Project) -> None:
    st.subheader("Predictions for all images")
    st.write("The class of every image of the project, how sure the model is, and whether the image seems new.")
    st.download_button(
        CSV.title,
        lambda: _written(lambda path: exporting.write_predictions(take(project), path), CSV),
        file_name=f"{project.name}-predictions{CSV.suffix}",
        mime=CSV.media_type,
        icon=":material/download:",
        on_click="ignore",
        key="predictions",
    )


def _written(write: Callable[[Path], int], form: LabelFormat) -> bytes:
    """What a service writes to a file, as bytes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"file{form.suffix}"
        write(path)
        return path.read_bytes()


@_safely.callback
def _start(project: Project) -> None:
    tasks.start_export(project, project.paths.export(datetime.now().astimezone()))


open_now = _guards.require_project()
_guards.require_results(open_now)
export(open_now)
