"""Names of clusters that answers about their images speak against: what was said, of which images, and what to do."""

from collections.abc import Sequence

import numpy as np
import streamlit as st

from dgm_engine.services import exploring, labelling, scoping
from dgm_engine.services import suspects as suspicion
from dgm_engine.services.exploring import View
from dgm_engine.services.projects import Project
from dgm_engine.services.suspects import SuspectName
from pages import _state
from pages._pictures import data_uri, source, strip
from pages._text import count, plain

PICTURE = 32
_SHOWN = 8
_NAME_LENGTH = 24


def remark(project: Project, view: View, suspect: SuspectName) -> None:
    """On a cluster's card: the answers against its name, and the images that they are about.

    Args:
        project: whose cluster.
        view: the newest results.
        suspect: the cluster's name.
    """
    k, shown = suspect.component, suspect.rows[:_SHOWN]
    with st.container(border=False, gap="xsmall", key=f"suspect_{k}"):
        told = f"**{answers(suspect)}.** Training follows the answers where enough of them agree."
        st.markdown(f":small[:orange[:material/contrast:] {told}]")
        with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
            st.html(strip(_pictures(source(project), shown, project), len(shown), PICTURE), width="content")
            st.button(
                f"Show {len(suspect.rows):,}",
                key=f"against_{k}",
                help="The images whose answers speak against the name, among the Images",
                on_click=_show,
                args=(project, view, suspect.rows),
            )
            _other_name(project, view, suspect)
            st.button(
                f"Keep {_quoted(suspect.name)}",
                key=f"keep_{k}",
                help="The answers so far are exceptions then, and speak against the name no longer",
                on_click=_keep,
                args=(project, view, suspect),
            )


def listed(project: Project, view: View) -> None:
    """Where labels that may be wrong are looked at: the names that may be, with a way to their cards."""
    for suspect in suspicion.suspect_names(project):
        k, name = suspect.component, _quoted(suspect.name)
        with st.container(border=True, horizontal=True, vertical_alignment="center", gap="small", key=f"suspect_{k}"):
            st.markdown(
                f":orange[:material/contrast:] The name {name} of cluster {k} may be wrong: {answers(suspect)}.",
                width="stretch",
            )
            _other_name(project, view, suspect)
            # A link, as Streamlit cannot switch pages while the address holds which images are asked for.
            st.page_link("pages/discover.py", label="See its card", icon=":material/arrow_forward:", width="content")


def _other_name(project: Project, view: View, suspect: SuspectName) -> None:
    """Offers the name that most answers give, if they give one."""
    if suspect.expected:
        name = _quoted(suspect.expected)
        st.button(
            f"Name it {name}",
            key=f"rename_{suspect.component}",
            help=f"The whole cluster becomes {name}",
            on_click=_rename,
            args=(project, view, suspect),
        )


def answers(suspect: SuspectName) -> str:
    """``3 answers say “7”, 1 something else, 1 agrees``."""
    agreed, others = suspect.agreed, len(suspect.rows) - suspect.agreed
    says = "says" if agreed == 1 else "say"
    what = _quoted(suspect.expected) if suspect.expected else f"not {_quoted(suspect.name)}"
    parts = [f"{count(agreed, 'answer')} {says} {what}"]
    parts += [f"{others:,} something else"] if others else []
    parts.append("none agrees" if not suspect.support else f"{suspect.support:,} agree{'s' * (suspect.support == 1)}")
    return ", ".join(parts)


@_state.callback
def _rename(project: Project, view: View, suspect: SuspectName) -> None:
    labelling.name_component(project, suspect.component, suspect.expected, _state.annotator(), view)
    _state.notify(f"Cluster {suspect.component} is now {plain(suspect.expected)}")


@_state.callback
def _keep(project: Project, view: View, suspect: SuspectName) -> None:
    labelling.name_component(project, suspect.component, suspect.name, _state.annotator(), view)
    _state.notify(f"Cluster {suspect.component} stays {plain(suspect.name)}")


@_state.callback
def _show(project: Project, view: View, rows: Sequence[int]) -> None:
    _state.set_scope(scoping.pick(project, view, _state.scope(), np.isin(view.rows, rows)))
    _state.show_panel(_state.Panel.IMAGES)


@st.cache_data(max_entries=64, show_spinner=False)
def _pictures(source: tuple[str, str], rows: tuple[int, ...], _project: Project) -> str:
    return data_uri(exploring.sprite(_project, rows, len(rows), PICTURE))


def _quoted(name: str) -> str:
    return f"“{plain(name if len(name) <= _NAME_LENGTH else f'{name[: _NAME_LENGTH - 1]}…')}”"
