"""Train: start, stop and continue training, and watch what it does."""

import streamlit as st

from dgm_engine.jobs import JobState, JobStatus
from dgm_engine.paths import RunPaths
from dgm_engine.services import jobs
from dgm_engine.services.jobs import RunSummary
from dgm_engine.services.projects import Project
from pages import _curves, _settings, _state
from pages._text import plain

REFRESH_SECONDS = 1.5
_STATES = {
    JobState.STARTING: "starting",
    JobState.RUNNING: "at work",
    JobState.FINISHED: "finished",
    JobState.STOPPED: "stopped",
    JobState.FAILED: "failed",
    JobState.INTERRUPTED: "interrupted",
}


def train(project: Project) -> None:
    """The page."""
    found = jobs.active_status(project)
    alive = found is not None and found[1].alive
    left, right = st.columns([2, 3], gap="large")
    with left:
        if found is not None and alive:
            _state.polling(_at_work, REFRESH_SECONDS)(project)
        else:
            if found is not None:
                _last_word(project, *found)
            _settings.form(project, jobs.runs(project))
    with right:
        if found is None:
            _explain()
        else:
            _state.polling(_watch, REFRESH_SECONDS if alive else None)(project)
    _history(jobs.runs(project))


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
            facts.append(f"{status.details['epoch']} passes over the images")
        if status.details.get("components_used") is not None:
            facts.append(f"{status.details['components_used']} clusters in use")
        st.caption(" · ".join(facts))
        if run.stop_request.exists():
            st.caption("Stopping: it finishes what it is at and keeps what it has learned.")
        else:
            st.button("Stop", icon=":material/stop:", on_click=_stop, args=(project,))
    st.caption("You can go on labelling meanwhile, close this page, or even restart the program.")


def _last_word(project: Project, run: RunPaths, status: JobStatus) -> None:
    if status.state is JobState.FINISHED:
        return
    if status.state is JobState.FAILED:
        st.error(f"Run {run.number} failed: {plain(status.error) or 'see its worker.log'}", icon=":material/error:")
    else:
        st.warning(f"Run {run.number} was {_STATES[status.state]} after {status.seconds:.0f} s.")
    st.button("Continue it", icon=":material/resume:", on_click=_resume, args=(project,))


def _watch(project: Project) -> None:
    found = jobs.active_status(project)
    if found is None:
        return
    run, status = found
    curves = jobs.curves(run)
    if curves.empty:
        st.caption("The curves appear after the first pass over the images." if status.alive else "")
    else:
        _curves.figures(curves)
    live = jobs.live_map(run)
    if live is not None:
        _curves.live_map(live)
    if not curves.empty:
        _curves.curves(curves)


def _explain() -> None:
    with st.container(border=True):
        st.subheader("What training does")
        st.markdown(
            "1. It looks for groups of images that resemble each other: the **clusters**.\n"
            "2. You give names to clusters and label some images on the pages *Discover* and *Label*.\n"
            "3. Training again goes on from where it stands and takes what you said into account; this takes seconds."
        )


def _history(runs: list[RunSummary]) -> None:
    if not runs:
        return
    with st.expander(f"All runs ({len(runs)})"):
        st.dataframe(
            [
                {
                    "Run": run.number,
                    "State": _STATES[run.status.state],
                    "Continues": "from scratch" if run.parent is None else f"run {run.parent}",
                    "Model": run.model.name.value,
                    "Clusters": run.model.n_components,
                    "In use": run.status.details.get("components_used"),
                    "Passes": run.status.details.get("epoch"),
                    "Seconds": round(run.status.seconds),
                }
                for run in runs
            ],
            hide_index=True,
        )


@_state.callback
def _stop(project: Project) -> None:
    jobs.stop_training(project)


@_state.callback
def _resume(project: Project) -> None:
    jobs.resume_training(project)


train(_state.require_project())
