"""The list of all runs, and the way back to each of them."""

import streamlit as st

from dgm_engine.jobs import JobState
from dgm_engine.services.jobs import RunSummary
from dgm_engine.services.projects import Project
from pages import _outcome

RUN_STATES = {
    JobState.STARTING: "starting",
    JobState.RUNNING: "at work",
    JobState.FINISHED: "finished",
    JobState.STOPPED: "stopped",
    JobState.FAILED: "failed",
    JobState.INTERRUPTED: "interrupted",
}
_MAX_RUNS_LISTED = 40
"""The newest runs that the page lists, at most."""


def listed(project: Project, runs: list[RunSummary]) -> None:
    """The runs, newest first; each that has results can be made the one in use."""
    if not runs:
        return
    at_work = any(run.status.alive for run in runs)
    in_use = next((run.number for run in runs if run.in_use), 0)
    with st.expander(f"All runs ({len(runs)})", key="runs"):
        st.caption(
            "Every page shows the run in use, and training goes on from it. Going back leaves labels as they are, and "
            "can be undone."
        )
        for run in runs[:_MAX_RUNS_LISTED]:
            _line(project, run, in_use, at_work=at_work)
        if len(runs) > _MAX_RUNS_LISTED:
            st.caption(
                f"And {len(runs) - _MAX_RUNS_LISTED} earlier ones; `dgm runs` lists them, "
                "and `dgm use` goes back to one."
            )


def _line(project: Project, run: RunSummary, in_use: int, *, at_work: bool) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key=f"run_{run.number}"):
        st.markdown(f"**Run {run.number}**  :gray[{' · '.join(_facts(run))}]", width="stretch")
        if run.in_use:
            st.badge("In use", color="green", icon=":material/check:")
        elif run.has_results:
            if not run.kept:
                st.badge("Not kept", color="orange", help="It came out worse than the run before.")
            st.button(
                "Go back to this run" if run.number < in_use else "Use this run",
                key=f"use_{run.number}",
                disabled=at_work,
                help="Wait until the run at work has ended." if at_work else None,
                on_click=_outcome.use,
                args=(project, run.number),
            )


def _facts(run: RunSummary) -> list[str]:
    details = run.status.details
    used = details.get("components_used")
    facts = [
        RUN_STATES[run.status.state],
        "a fresh start" if run.parent is None else f"from run {run.parent}",
        f"{run.model.name.value.upper()}, {run.model.n_components} clusters" + (f" ({used} used)" if used else ""),
    ]
    if (epoch := details.get("epoch")) is not None:
        facts.append(f"{epoch:g} passes" + (f" with those of run {run.parent}" if run.goes_on else ""))
    facts.append(f"{run.status.seconds:.0f} s")
    if run.damaged:
        facts.append("its results are damaged")
    if run.accuracy_held_out is not None:
        facts.append(f"predicts {run.accuracy_held_out:.0%} as you said")
    return facts
