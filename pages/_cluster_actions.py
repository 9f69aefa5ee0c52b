"""What can be done with a cluster beside naming it, and which clusters lie close to each other."""

from collections.abc import Callable

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from dgm_engine.discovery.clusters import Cluster
from dgm_engine.services import clusters as cluster_service
from dgm_engine.services.exploring import View
from dgm_engine.services.projects import Project
from pages import _state
from pages._text import count, escaped, plain

_PAIRS = 6
_SHADES = [[0, "rgba(0, 125, 150, 0)"], [1, "rgba(0, 125, 150, 1)"]]
"""From the page's own colour, light or dark."""


def title(cluster: Cluster) -> str:
    """``Cluster 7``, with its class where it has one; plain text."""
    return f"Cluster {cluster.component}" + (f" ({cluster.class_name})" if cluster.class_name else "")


def dialog(project: Project, view: View, cluster: Cluster) -> None:
    """A window with all that can be done with a cluster; each is one step for Undo."""
    st.dialog(plain(title(cluster)))(_actions)(project, view, cluster)


def _actions(project: Project, view: View, cluster: Cluster) -> None:
    k = cluster.component
    st.caption(f"{count(cluster.size, 'image')}. It takes effect at once, can be undone, and training then learns it.")
    done = False
    if others := _nearest_first(project, view, cluster):
        names = {other: title(view.clusters[other]) for other in others}
        chosen = f"merge_into_{k}"
        st.selectbox("Merge it into", others, format_func=names.__getitem__, key=chosen, help="The most alike first")
        done = st.button("Merge", icon=":material/merge:", on_click=_merge_into, args=(project, view, k, chosen))
        st.caption("To keep both and only count them as one class, give them the same name instead.")
    done |= st.button(
        "Split it in two",
        icon=":material/call_split:",
        type="primary" if cluster.two_like else "secondary",
        help="The smaller half goes to a cluster that is free",
        on_click=_do,
        args=(project, view, f"Cluster {k} is split in two", cluster_service.split, k),
    )
    done |= st.button(
        "Dissolve it",
        icon=":material/scatter_plot:",
        help="Each of its images goes to the cluster that is next most probable for it",
        on_click=_do,
        args=(project, view, f"Cluster {k} is dissolved", cluster_service.dissolve, k),
    )
    done |= st.button(
        "Care for it again" if cluster.ignored else "Ignore it",
        icon=":material/visibility:" if cluster.ignored else ":material/visibility_off:",
        help="Nothing is suggested from an ignored cluster, and it stands last",
        on_click=_ignore,
        args=(project, view, cluster),
    )
    if done:
        st.rerun()  # which closes the window


def matrix(project: Project, view: View) -> None:
    """Which clusters lie close: a matrix in which similar ones stand side by side, and the closest pairs."""
    found = cluster_service.alike(project, view)
    if len(found.components) < 2:
        st.info("There is only one cluster with images.")
        return
    names = [escaped(title(view.clusters[k])) for k in found.components[found.order].tolist()]
    share = np.log10(found.matrix[np.ix_(found.order, found.order)].clip(1e-4, 1))
    np.fill_diagonal(share, np.nan)
    figure = go.Figure(go.Heatmap(z=share, x=names, y=names, colorscale=_SHADES, showscale=False, hoverinfo="x+y"))
    figure.update_layout(
        margin={"l": 0, "r": 0, "t": 0, "b": 0},
        height=330,
        xaxis={"showticklabels": False},
        yaxis={"autorange": "reversed"},
    )
    st.caption("The closest pairs, and how much of one the model sees in the images of the other:")
    for i, j in _closest(found.matrix):
        one, other = (view.clusters[found.components[at]] for at in (i, j))
        small, large = sorted((one, other), key=lambda c: c.size)
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(f"{plain(title(large))} and {plain(title(small))}: {found.matrix[i, j]:.1%}", width="stretch")
            st.button(
                "Merge",
                key=f"merge_{large.component}_{small.component}",
                on_click=_merge,
                args=(project, view, small.component, large.component),
            )
    st.caption("All of them: the deeper the colour, the closer.")
    st.plotly_chart(figure, key="alike", config={"displayModeBar": False}, alt="Which clusters lie close to each other")


def _closest(matrix: np.ndarray) -> list[tuple[int, int]]:
    i, j = np.triu_indices(len(matrix), 1)
    return [(int(i[p]), int(j[p])) for p in np.argsort(-matrix[i, j], kind="stable")[:_PAIRS]]


def _nearest_first(project: Project, view: View, cluster: Cluster) -> list[int]:
    """The other components with images, the most alike first."""
    found = cluster_service.alike(project, view)
    own = np.flatnonzero(found.components == cluster.component)
    if not own.size:
        return []
    order = np.argsort(-found.matrix[own[0]], kind="stable")
    return [k for k in found.components[order].tolist() if k != cluster.component]


def _merge_into(project: Project, view: View, component: int, chosen: str) -> None:
    _merge(project, view, component, st.session_state[chosen])  # as it stands now, whatever was drawn


def _merge(project: Project, view: View, component: int, into: int) -> None:
    _do(project, view, f"Cluster {component} is part of {into} now", cluster_service.merge, component, into)


@_state.callback
def _do(project: Project, view: View, done: str, act: Callable[..., object], *components: int) -> None:
    act(project, *components, _state.annotator(), view)
    _state.notify(f"{done}; Undo takes it back")


@_state.callback
def _ignore(project: Project, view: View, cluster: Cluster) -> None:
    cluster_service.ignore(project, cluster.component, _state.annotator(), view, ignored=not cluster.ignored)
    _state.notify(f"{plain(title(cluster))} is {'back' if cluster.ignored else 'ignored'}; Undo takes it back")
