"""The line at the top of every page: the project, its number of labels, the state of training, undo and redo."""

from typing import Literal

import streamlit as st

from dgm_engine.jobs import JobState, JobStatus
from dgm_engine.paths import RunPaths
from dgm_engine.services import jobs, labelling, outcomes
from dgm_engine.services.outcomes import TurnedDown
from dgm_engine.services.projects import Project
from dgm_engine.training.planning import RETRAIN_STEPS
from dgm_engine.training.run_results import is_damaged
from pages import _guards, _outcome, _safely, _state
from pages._safely import callback
from pages._text import plain

REFRESH_SECONDS = 1.0
LOOK_SECONDS = 1.0  # between two checks of whether somebody else has trained or said something
_STATE_WORDS: dict[JobState, tuple[str, Literal["green", "orange", "red"], str]] = {
    JobState.FINISHED: ("Trained", "green", ":material/check_circle:"),
    JobState.STOPPED: ("Training stopped", "orange", ":material/pause_circle:"),
    JobState.INTERRUPTED: ("Training was interrupted", "orange", ":material/warning:"),
    JobState.FAILED: ("Training failed", "red", ":material/error:"),
}


def show(project: Project | None) -> None:
    """Draws the header; while training is at work it refreshes itself, and the page when there are new results."""
    if project is None:
        st.markdown("**DGM Studio**  :gray[no project open]")
        return
    found = jobs.active_status(project)
    status = found[1] if found else None
    jobs.be_ready(project)
    labels, shown = project.labels.state(), jobs.newest_results(project)
    with st.container(horizontal=True, vertical_alignment="center", key="header", gap="small"):
        st.markdown(f"**{plain(project.name)}**", width="content")
        st.caption(f"{project.manifest.items:,} images · {len(labels.positive):,} labelled", width="content")
        if status is not None and status.alive:
            _safely.polling(_progress, REFRESH_SECONDS)(project, shown, labels.version)
        else:
            _badges(found, outcomes.turned_down(project))
            if found is not None and shown is not None and shown[0] != found[0].number:
                told = "It is not the last one. The page Train lists all runs."
                st.badge(f"Run {shown[0]} in use", color="gray", icon=":material/history:", help=told)
            _safely.polling(_notice, LOOK_SECONDS)(project, shown, labels.version)
        if status is not None and not status.alive and shown is not None:  # without results, a page offers to train
            _offer(project)
        st.space("stretch")
        st.button(
            "Undo",
            icon=":material/undo:",
            type="tertiary",
            shortcut="Mod+Z",
            key="header_undo",
            on_click=undo_last,
            args=(project,),
        )
        st.button(
            "Redo",
            icon=":material/redo:",
            type="tertiary",
            shortcut="Mod+Shift+Z",
            key="header_redo",
            on_click=redo_last,
            args=(project,),
        )


def _offer(project: Project) -> None:
    """Draws the button that trains, if there is something to learn or the schedule of a run is not finished."""
    left = outcomes.left_to_do(project)
    if outcomes.something_new(project):
        label = "Train with the new labels"
        does = f"A short training, {RETRAIN_STEPS} steps, that goes on from where the model stands."
        if left is not None:
            does = f"Goes on from where training was stopped, to its end: {_outcome.left_in_words(left)}."
    elif left is not None:
        label, does = "Finish training", f"It was stopped before its end. Left to do: {_outcome.left_in_words(left)}."
    else:
        return
    st.button(
        label,
        icon=":material/model_training:",
        type="primary",
        key="header_train",
        help=f"{does} Settings are on the page Train.",
        on_click=_guards.start_training,
        args=(project,),
    )


def _progress(project: Project, shown: tuple[int, int] | None, said: int) -> None:
    """Draws how far a run is, and the page again when the run ends, results change, or somebody says something."""
    found = jobs.active_status(project)
    if found is None or not found[1].alive or _differs(project, shown, said):
        st.rerun(scope="app")
    st.progress(min(max(found[1].progress, 0.0), 1.0), text=plain(found[1].phase) or "Training", width=260)


def _notice(project: Project, shown: tuple[int, int] | None, said: int) -> None:
    """Draws the page again when somebody has trained or labelled elsewhere, in another tab or a terminal."""
    found = jobs.active_status(project)
    if (found is not None and found[1].alive) or _differs(project, shown, said):
        st.rerun(scope="app")


def _differs(project: Project, shown: tuple[int, int] | None, said: int) -> bool:
    """Whether results or labels have changed since the page was drawn."""
    return project.labels.version() != said or jobs.newest_results(project) != shown


def _badges(found: tuple[RunPaths, JobStatus] | None, worse: TurnedDown | None) -> None:
    """Draws how the last run ended; if its results are worse or damaged, as a link to the page that says more."""
    if found is None:
        st.badge("Not trained yet", color="gray", icon=":material/radio_button_unchecked:")
        return
    run, status = found
    if is_damaged(run):
        told = "The results of the last run cannot be read."
        _leads_to_train("Results damaged", "red", ":material/broken_image:", told)
    elif worse is None or worse.run != run.number:
        words, colour, icon = _STATE_WORDS[status.state]
        st.badge(words, color=colour, icon=icon, help=status.error or None)
    if worse is not None:
        told = f"Run {worse.run} came out worse, so run {worse.in_use} is still shown. Decide which to keep."
        _leads_to_train("Came out worse", "orange", ":material/history:", told)


def _leads_to_train(words: str, colour: str, icon: str, told: str) -> None:
    st.page_link("pages/train.py", label=f":{colour}-badge[{icon} {words}]", help=told, width="content")


@callback
def undo_last(project: Project) -> None:
    """Takes back the last step of labelling, and shows what it was."""
    _state.undo(project)


@callback
def redo_last(project: Project) -> None:
    """Redoes the step that was undone last, and shows what it was."""
    done = labelling.redo(project, _state.annotator())
    _state.notify(f"Done again: {plain(done)}" if done else "Nothing to redo", ":material/redo:")
