"""Cards of the clusters: what each looks like, how large and how sure it is, and its name."""

import html

import streamlit as st

from dgm_engine.discovery.clusters import Cluster
from dgm_engine.services import exploring, labelling
from dgm_engine.services.exploring import View
from dgm_engine.services.palette import class_colour, cluster_colour
from dgm_engine.services.projects import Project
from pages import _state
from pages._gallery import data_uri, strip
from pages._text import plain

PROTOTYPE = 72
EXEMPLAR = 44
_SHOWN = 8


def cards(project: Project, view: View, panel: str) -> None:
    """A card for each cluster that holds images, the largest first.

    Args:
        project: whose clusters.
        view: the newest results.
        panel: value to set `Key.PANEL` to when a card's images are asked for.
    """
    used = sorted((c for c in view.clusters if c.size), key=lambda c: (-c.size, c.component))
    named = sum(c.class_name is not None for c in used)
    st.caption(
        f"{named} of {len(used)} clusters have a name. Two clusters of one name count as one class; "
        "clear a field to take its name away."
    )
    classes = labelling.class_names(project)
    for cluster in used:
        with st.container(border=True, gap="xsmall", key=f"card_{cluster.component}"):
            _card(project, view, cluster, classes, panel)
    if empty := len(view.clusters) - len(used):
        st.caption(f"{empty} more clusters hold no images.")


def _card(project: Project, view: View, cluster: Cluster, classes: tuple[str, ...], panel: str) -> None:
    st.html(_picture(project, view, cluster))
    name, show = st.columns([3, 2], vertical_alignment="center", gap="small")
    # The key holds the name that stands, so that the field of an earlier state can never speak for this one.
    key = f"name_{view.run}_{cluster.component}_{cluster.class_name}"
    st.session_state.setdefault(key, cluster.class_name)
    name.selectbox(
        f"Name of cluster {cluster.component}",
        classes,
        index=None,
        accept_new_options=True,
        placeholder="Name this cluster",
        label_visibility="collapsed",
        key=key,
        on_change=_name,
        args=(project, view.run, cluster, key),
    )
    show.button(
        "Show images",
        icon=":material/grid_view:",
        key=f"show_{cluster.component}",
        width="stretch",
        on_click=_show,
        args=(view, cluster.component, panel),
    )


def _picture(project: Project, view: View, cluster: Cluster) -> str:
    rows = tuple(cluster.exemplars[:_SHOWN].tolist())
    prototype, exemplars = _images(str(project.paths.root), view.run, view.stamp, cluster.component, rows, project)
    colour = cluster_colour(cluster.component)
    title = f"Cluster {cluster.component}"
    if cluster.class_name:
        hue = class_colour(cluster.class_name, view.classes)
        title += f' <span class="chip" style="border-color:{hue}">{html.escape(cluster.class_name)}</span>'
    return f"""
    <div class="cluster">
      <img class="prototype" src="{prototype}" width="{PROTOTYPE}" height="{PROTOTYPE}" style="border-color:{colour}"
        title="What the model imagines for this cluster" alt="Prototype of cluster {cluster.component}">
      <div class="cluster-text">
        <div><b><span class="dot" style="background:{colour}"></span>{title}</b>
          <span class="quiet">{cluster.size:,} images, {cluster.confidence:.0%} sure</span></div>
        {strip(exemplars, len(rows), EXEMPLAR)}
      </div>
    </div>"""


@st.cache_data(max_entries=256, show_spinner=False)
def _images(
    root: str, run: int, stamp: int, component: int, rows: tuple[int, ...], _project: Project
) -> tuple[str, str]:
    return (
        data_uri(exploring.prototype_image(_project, component, PROTOTYPE)),
        data_uri(exploring.sprite(_project, rows, max(len(rows), 1), EXEMPLAR)),
    )


@_state.callback
def _name(project: Project, run: int, cluster: Cluster, key: str) -> None:
    # Streamlit also calls back when it merely echoes a value that a page has set, or one that is gone by now.
    if key not in st.session_state or (st.session_state[key] or None) == cluster.class_name:
        return
    name: str | None = st.session_state.pop(key) or None  # taken out, lest an echo gives the name once more
    labelling.name_component(project, cluster.component, name, _state.annotator(), run)
    title = f"Cluster {cluster.component}"
    _state.notify(f"{title} is now {plain(name)}" if name else f"{title} has no name any more")


@_state.callback
def _show(view: View, component: int, panel: str) -> None:
    _state.select(view.items[view.component == component].tolist(), f"in cluster {component}")
    st.session_state[_state.Key.PANEL] = panel
