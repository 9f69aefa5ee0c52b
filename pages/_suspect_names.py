"""Shows names of clusters that answers about images contradict: the answers, the images, and what a person can do."""

from collections.abc import Sequence

import numpy as np
import streamlit as st

from dgm_engine.services import labelling, scoping, thumbnails
from dgm_engine.services import suspects as suspicion
from dgm_engine.services.projects import Project
from dgm_engine.services.snapshot import Snapshot
from dgm_engine.services.suspects import SuspectName
from dgm_engine.services.viewing import view
from pages import _safely, _state
from pages._pictures import BY_PROJECT, data_uri, strip
from pages._text import count, plain

PICTURE_PIXELS = 32
_PICTURES_SHOWN = 8
_MAX_NAME_LENGTH = 24


def remark(seen: Snapshot, suspect: SuspectName) -> None:
    """Draws, on the card of a cluster, the answers that contradict its name, and the images that they are about.

    Args:
        seen: what the person looks at.
        suspect: the cluster's name.
    """
    k, shown = suspect.component, suspect.rows[:_PICTURES_SHOWN]
    with st.container(border=False, gap="xsmall", key=f"suspect_{k}"):
        told = f"**{answers(suspect)}.** Training follows the answers where enough of them agree."
        st.markdown(f":small[:orange[:material/contrast:] {told}]")
        with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
            st.html(strip(_pictures(seen.project, shown), len(shown), PICTURE_PIXELS), width="content")
            st.button(
                f"Show {len(suspect.rows):,}",
                key=f"against_{k}",
                help="The images whose answers speak against the name, among the Images",
                on_click=_show,
                args=(seen, suspect.rows),
            )
            _other_name(seen, suspect)
            st.button(
                f"Keep {_quoted(suspect.name)}",
                key=f"keep_{k}",
                help="The answers so far then count as exceptions and no longer contradict the name",
                on_click=_keep,
                args=(seen, suspect),
            )


def listed(seen: Snapshot) -> None:
    """Draws the names that may be wrong, above the labels that may be wrong, with links to the clusters' cards."""
    for suspect in suspicion.suspect_names(seen):
        k, name = suspect.component, _quoted(suspect.name)
        with st.container(border=True, horizontal=True, vertical_alignment="center", gap="small", key=f"suspect_{k}"):
            st.markdown(
                f":orange[:material/contrast:] The name {name} of cluster {k} may be wrong: {answers(suspect)}.",
                width="stretch",
            )
            _other_name(seen, suspect)
            # A link, because Streamlit cannot switch pages while the address says which source of images is chosen.
            st.page_link("pages/discover.py", label="See its card", icon=":material/arrow_forward:", width="content")


def _other_name(seen: Snapshot, suspect: SuspectName) -> None:
    """Offers the name that most answers give, if they give one."""
    if suspect.expected:
        name = _quoted(suspect.expected)
        st.button(
            f"Name it {name}",
            key=f"rename_{suspect.component}",
            help=f"The whole cluster becomes {name}",
            on_click=_rename,
            args=(seen, suspect),
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


@_safely.callback
def _rename(seen: Snapshot, suspect: SuspectName) -> None:
    labelling.name_component(seen.project, suspect.component, suspect.expected, _state.annotator(), seen)
    _state.notify(f"Cluster {suspect.component} is now {plain(suspect.expected)}")


@_safely.callback
def _keep(seen: Snapshot, suspect: SuspectName) -> None:
    labelling.name_component(seen.project, suspect.component, suspect.name, _state.annotator(), seen)
    _state.notify(f"Cluster {suspect.component} stays {plain(suspect.name)}")


@_safely.callback
def _show(seen: Snapshot, rows: Sequence[int]) -> None:
    _state.set_scope(scoping.pick(seen, _state.scope(), np.isin(view(seen).rows, rows)))
    _state.show_panel(_state.Panel.IMAGES)


@st.cache_data(max_entries=64, show_spinner=False, hash_funcs=BY_PROJECT)
def _pictures(project: Project, rows: tuple[int, ...]) -> str:
    return data_uri(thumbnails.sprite(project, rows, len(rows), PICTURE_PIXELS))


def _quoted(name: str) -> str:
    return f"“{plain(name if len(name) <= _MAX_NAME_LENGTH else f'{name[: _MAX_NAME_LENGTH - 1]}…')}”"
