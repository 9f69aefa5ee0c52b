"""Cards of the clusters: what each looks like, how large and how sure it is, its name, and what can be done with it."""

import html
from uuid import uuid4

import numpy as np
import streamlit as st

from dgm_engine.discovery.clusters import Cluster
from dgm_engine.services import clusters as cluster_service
from dgm_engine.services import labelling, scoping, suspects, thumbnails
from dgm_engine.services.palette import class_colour, cluster_colour
from dgm_engine.services.snapshot import Snapshot
from dgm_engine.services.viewing import view
from pages import _cluster_actions, _component, _safely, _standing, _state, _suspect_names
from pages._bulk import sureness
from pages._messages import Focus
from pages._pictures import BY_RESULTS, data_uri, strip
from pages._state import Key
from pages._text import count, plain
from pages._wire import packed

PROTOTYPE_PIXELS = 72
EXEMPLAR_PIXELS = 44
_EXEMPLARS_SHOWN = 8
_GROWTH_WARNED = 1.5
"""A cluster that has grown by this factor since it was named may mean something else by now."""

_Place = tuple[str, int]
"""A project's folder and a cluster."""


def cards(seen: Snapshot, *, at_work: bool) -> None:
    """A card for each cluster that holds images, the largest first and ignored ones last.

    Args:
        seen: what the person looks at.
        at_work: whether a run is at work; the cards show the results saved before.
    """
    now = view(seen)
    shown = np.bincount(now.component[scoping.filtered(seen, _state.scope())], minlength=len(now.clusters)).tolist()
    used = [c for c in now.clusters if shown[c.component]]
    used.sort(key=lambda c: (c.ignored, -shown[c.component], c.component))
    _standing.line(seen)
    steps = st.empty()  # keeps its place when the steps go; else each card would briefly show what another held
    if now.run == 1 and not (now.label != "").any():
        steps.info(
            "**Three steps.** Name the clusters that you recognise, below. On **Label**, say what the doubtful images "
            "are. Then press **Train with the new labels**, and look again.",
            icon=":material/lightbulb:",
        )
    follows = st.empty()
    if at_work:
        follows.caption(
            "The map follows the run at work. The cards show what was saved last, and change when it ends or stops."
        )
    classes, unlearned = seen.labels.classes, cluster_service.unlearned(seen)
    doubtful = {suspect.component: suspect for suspect in suspects.suspect_names(seen)}
    for cluster in used:
        with st.container(border=True, gap="xsmall", key=f"card_{cluster.component}"):
            st.html(_picture(seen, cluster, shown[cluster.component], learned=cluster.component not in unlearned))
            if cluster.component in doubtful:
                _suspect_names.remark(seen, doubtful[cluster.component])
            _controls(seen, cluster, classes)
    _component.registered("dgm_focus", "focus.js")(key="focus", data=packed(Focus(seen.labels.version)))
    if empty := len(now.clusters) - len(used):
        where = " under these filters" if _state.scope().filtering else ""
        st.caption(f"Empty{where}: {empty} of {len(now.clusters)} clusters.")


def _controls(seen: Snapshot, cluster: Cluster, classes: tuple[str, ...]) -> None:
    k = cluster.component
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
        key = _field(seen, cluster)
        if cluster.class_name is not None:
            # Set in every run of the page, not only in the first. If the page runs again before the browser has shown
            # the first run, the field would be empty, and the browser's next message would remove the name. If the
            # cluster has no name, nothing is set: the empty value could reach the browser after a person has typed a
            # name, and replace it.
            st.session_state[key] = cluster.class_name
        st.selectbox(
            f"Name of cluster {k}",
            classes,
            index=None,
            accept_new_options=True,
            placeholder="Name this cluster",
            label_visibility="collapsed",
            key=key,
            on_change=_name,
            args=(seen, cluster, key),
        )
        st.button(
            "Images",
            icon=":material/grid_view:",
            key=f"show_{k}",
            on_click=_show,
            args=(seen, k),
            help="Show them",
        )
        if st.button("", icon=":material/more_horiz:", key=f"more_{k}", help="Merge, split, dissolve or ignore it"):
            _cluster_actions.dialog(seen, cluster)


def _field(seen: Snapshot, cluster: Cluster) -> str:
    """The key of the field for a name; it changes with run and name, because a field keeps its first value."""
    fields, place, stands = _fields(), _place(seen, cluster), (seen.run.number, cluster.class_name)
    if place not in fields or fields[place][0] != stands:
        fields[place] = (stands, f"name_{cluster.component}_{uuid4().hex}")
    return fields[place][1]


def _fields() -> dict[_Place, tuple[tuple[int, str | None], str]]:
    """For the field of each cluster, the run and the name that it was drawn for, and its key."""
    return st.session_state.setdefault(Key.NAME_FIELDS, {})


def _place(seen: Snapshot, cluster: Cluster) -> _Place:
    return str(seen.project.paths.root), cluster.component


def _picture(seen: Snapshot, cluster: Cluster, n: int, *, learned: bool) -> str:
    k, rows = cluster.component, tuple(cluster.exemplars[:_EXEMPLARS_SHOWN].tolist())
    typical, exemplars = _images(seen, k if learned else None, rows)
    told = "What the model imagines for this cluster" if learned else "Its most typical image; the model learns it next"
    size = f"{n:,} images" if n == cluster.size else f"{n:,} of {cluster.size:,} images"
    title = f"Cluster {k}"
    if cluster.class_name:
        hue = class_colour(cluster.class_name, view(seen).colours)
        title += f' <span class="chip" style="border-color:{hue}">{html.escape(cluster.class_name)}</span>'
    return f"""
    <div class="cluster{" ignored" * cluster.ignored}">
      <img class="prototype" src="{typical}" width="{PROTOTYPE_PIXELS}" height="{PROTOTYPE_PIXELS}"
        style="border-color:{cluster_colour(k)}" title="{told}" alt="{told}">
      <div class="cluster-text">
        <div><b><span class="dot" style="background:{cluster_colour(k)}"></span>{title}</b>
          <span class="hush">{size}, {cluster.confidence:.0%} sure{_remarks(seen, cluster)}</span></div>
        {strip(exemplars, len(rows), EXEMPLAR_PIXELS)}
        {_promise(seen, cluster)}
      </div>
    </div>"""


def _remarks(seen: Snapshot, cluster: Cluster) -> str:
    if cluster.ignored:
        return " · ignored"
    remarks = ""
    if cluster.by_training:
        told = "It follows from labels of single images, or names in an earlier model. A name of yours replaces it."
        remarks += f' · <span title="{told}">named by training{_from_labels(seen, cluster)}</span>'
    if cluster.size >= _GROWTH_WARNED * cluster.named_size > 0:
        remarks += f' · <span class="warn">had {count(cluster.named_size, "image")} when it was named</span>'
    return remarks + (' · <span class="warn">may be two groups</span>' if cluster.two_like else "")


def _from_labels(seen: Snapshot, cluster: Cluster) -> str:
    """How many labels in a cluster are of the class that training gave it, in words: one of two is a weak reason."""
    labels = view(seen).label[view(seen).component == cluster.component]
    n, own = int((labels != "").sum()), int((labels == cluster.class_name).sum())
    if own == 0:
        return ""
    return f", from {count(own, 'label')}" if own == n else f", from {own} of {count(n, 'label')}"


def _promise(seen: Snapshot, cluster: Cluster) -> str:
    """For a cluster without a name, how many images a name would cover and how sure the model is of them, as HTML."""
    if cluster.class_name or cluster.ignored:
        return ""
    sure = sureness(seen, np.flatnonzero(view(seen).component == cluster.component))
    return f'<div class="hush promise">A name would cover all {cluster.size:,}. {sure}</div>'


@st.cache_data(max_entries=256, show_spinner=False, hash_funcs=BY_RESULTS)
def _images(seen: Snapshot, component: int | None, rows: tuple[int, ...]) -> tuple[str, str]:
    """Data URIs of a component's prototype (of the first row if it is None), and of the images of all rows."""
    if component is None:
        typical = thumbnails.thumbnails(seen.project, rows[:1], PROTOTYPE_PIXELS)[0]
    else:
        typical = thumbnails.prototype_image(seen, component, PROTOTYPE_PIXELS)
    return data_uri(typical), data_uri(thumbnails.sprite(seen.project, rows, max(len(rows), 1), EXEMPLAR_PIXELS))


@_safely.callback
def _name(seen: Snapshot, cluster: Cluster, key: str) -> None:
    # Streamlit also calls this when the browser repeats the value of a field that is no longer drawn.
    fields, place = _fields(), _place(seen, cluster)
    if place not in fields or fields[place][1] != key or key not in st.session_state:
        return
    name: str | None = st.session_state[key] or None
    if name == cluster.class_name:
        return
    labelling.name_component(seen.project, cluster.component, name, _state.annotator(), seen)
    del fields[place]  # so that each field names a cluster once; the next run of the page draws another
    title = f"Cluster {cluster.component}"
    _state.notify(f"{title} is now {plain(name)}" if name else f"{title} has no name any more")


@_safely.callback
def _show(seen: Snapshot, component: int) -> None:
    _state.set_scope(scoping.pick(seen, _state.scope(), view(seen).component == component))
    _state.show_panel(_state.Panel.IMAGES)
