"""Train: start, stop and continue training, and watch what it does."""

import streamlit as st

from dgm_engine.jobs import JobState, JobStatus
from dgm_engine.paths import RunPaths
from dgm_engine.services import jobs, labelling, outcomes
from dgm_engine.services.latest import run_in_use
from dgm_engine.services.projects import Project
from dgm_engine.services.snapshot import take_if_any
from dgm_engine.training.run_results import is_damaged
from pages import _curves, _guards, _outcome, _runs, _safely, _settings
from pages._text import plain

REFRESH_SECONDS = 1.5


def train(project: Project) -> None:
    """The page; even if results are damaged it lists the runs, so that a person can go back to another."""
    with _safely.errors_shown():
        _now(project)
    _runs.listed(project, jobs.runs(project))


def _now(project: Project) -> None:
    """What training does, the settings of the next one and the curves."""
    found = jobs.active_status(project)
    alive = found is not None and found[1].alive
    if (seen := take_if_any(project)) is not None:
        _outcome.show(seen)
    left, right = st.columns([2, 3], gap="large")
    with left:
        if found is not None and alive:
            _safely.polling(_at_work, REFRESH_SECONDS)(project)
        else:
            if found is not None:
                _last_word(project, *found)
            _settings.form(project, jobs.runs(project))
    with right:
        if found is None:
            _explain()
        else:
            _safely.polling(_watch, REFRESH_SECONDS if alive else None)(project)


def _at_work(project: Project) -> None:
    found = jobs.active_status(project)
    if found is None or not found[1].alive:
        st.rerun(scope="app")
    run, status = found
    with st.container(border=True):
        st.subheader(f"Run {run.number} is at work")
        st.progress(min(max(status.progress, 0.0), 1.0), text=plain(status.phase) or "Starting")
        facts = [f"{status.seconds:.0f} s"]
        if status.details.get("epoch"):
            facts.append(_passes(status))
        if status.details.get("components_used") is not None:
            facts.append(f"{status.details['components_used']} clusters in use")
        st.caption(" · ".join(facts))
        if run.stop_request.exists():
            st.caption("Stopping: it finishes what it is at and keeps what it has learned.")
        else:
            st.button("Stop", icon=":material/stop:", on_click=_stop, args=(project,))
    st.caption("You can go on labelling meanwhile, close this page, or even restart the program.")


def _passes(status: JobStatus) -> str:
    """``12.5 of 40 passes over the images``."""
    of = status.details.get("of_epochs")
    return f"{status.details['epoch']:g}{f' of {of:.4g}' if of else ''} passes over the images"


def _last_word(project: Project, run: RunPaths, status: JobStatus) -> None:
    """How the last run ended, unless it did so well, and what the run in use has left to do."""
    left = outcomes.left_to_do(project)
    ended_early = status.state is not JobState.FINISHED and (left is None or left.run != run.number)
    if status.state is JobState.FAILED:
        st.error(
            f"Run {run.number} failed: {plain(status.error) or f'see its {run.log.name}'}", icon=":material/error:"
        )
    elif is_damaged(run):
        st.warning(
            f"The results of run {run.number} cannot be read. Copy them back to {plain(str(run.arrays))}, use another "
            "run of the list below, or train again.",
            icon=":material/broken_image:",
        )
    elif ended_early:
        st.warning(f"Run {run.number} was {_runs.RUN_STATES[status.state]} after {status.seconds:.0f} s.")
    if left is not None:
        button = "Train with the new labels" if outcomes.something_new(project) else "Finish training"
        st.warning(
            f"Run {left.run} was not trained to its end. Left to do: {_outcome.left_in_words(left)}. **{button}**, at "
            "the top of the page, goes on with it.",
            icon=":material/hourglass_bottom:",
        )
    in_use = (jobs.newest_results(project) or (None,))[0] == run.number
    if ended_early and (in_use or not run.results.exists()):  # what is not in use is to stay as it is
        st.button("Continue it", icon=":material/resume:", on_click=_resume, args=(project,))


def _watch(project: Project) -> None:
    """The run at work, or else the one that every page shows."""
    found = jobs.active_status(project)
    if found is None:
        return
    run, status = found
    if not status.alive:
        run = run_in_use(project) or run
        st.caption(f"How run {run.number} was trained")
    curves = jobs.curves(run)
    if curves.empty:
        st.caption("The curves appear after the first pass over the images." if status.alive else "")
    else:
        _curves.figures(curves)
    live = jobs.live_map(run)
    if live is not None:
        _curves.live_map(live, labelling.colours(project))
    if not curves.empty:
        _curves.curves(curves)


def _explain() -> None:
    with st.container(border=True):
        st.subheader("What training does")
        st.markdown(
            "1. It looks for groups of images that resemble each other: the **clusters**.\n"
            "2. You give names to clusters and label some images on the pages *Discover* and *Label*.\n"
            "3. Training again goes on from where it stands and takes what you said into account; that is much shorter."
        )


@_safely.callback
def _stop(project: Project) -> None:
    jobs.stop_training(project)


@_safely.callback
def _resume(project: Project) -> None:
    jobs.resume_training(project)


train(_guards.require_project())
