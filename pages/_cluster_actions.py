"""Edits of clusters other than naming, and which clusters are close to each other."""

from collections.abc import Callable

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from dgm_engine.discovery.clusters import Cluster
from dgm_engine.services import clusters as cluster_service
from dgm_engine.services.snapshot import Snapshot
from dgm_engine.services.viewing import clusters_of
from pages import _safely, _state
from pages._text import count, escaped, plain

_MAX_PAIRS = 6
_SHADES = [[0, "rgba(0, 125, 150, 0)"], [1, "rgba(0, 125, 150, 1)"]]
"""The scale begins transparent, so that its first colour is that of the page, light or dark."""


def heading(cluster: Cluster) -> str:
    """``Cluster 7``, or ``Cluster 7 (cat)`` if it has a class; plain text."""
    return f"Cluster {cluster.component}" + (f" ({cluster.class_name})" if cluster.class_name else "")


def dialog(seen: Snapshot, cluster: Cluster) -> None:
    """Opens a window with all edits of a cluster; each edit is one step for Undo."""
    st.dialog(plain(heading(cluster)))(_actions)(seen, cluster)


def _actions(seen: Snapshot, cluster: Cluster) -> None:
    k = cluster.component
    told = "A change takes effect at once and can be undone; the next training learns it."
    st.caption(f"{count(cluster.size, 'image')}. {told}")
    done = False
    if others := _nearest_first(seen, cluster):
        names = {other: heading(clusters_of(seen)[other]) for other in others}
        chosen = f"merge_into_{k}"
        st.selectbox("Merge it into", others, format_func=names.__getitem__, key=chosen, help="The most alike first")
        done = st.button("Merge", icon=":material/merge:", on_click=_merge_into, args=(seen, k, chosen))
        st.caption("To keep both and only count them as one class, give them the same name instead.")
    done |= st.button(
        "Split it in two",
        icon=":material/call_split:",
        type="primary" if cluster.two_like else "secondary",
        help="The smaller half goes to a cluster that is free",
        on_click=_do,
        args=(seen, f"Cluster {k} is split in two", cluster_service.split, k),
    )
    done |= st.button(
        "Dissolve it",
        icon=":material/scatter_plot:",
        help="Each of its images goes to the cluster that is next most probable for it",
        on_click=_do,
        args=(seen, f"Cluster {k} is dissolved", cluster_service.dissolve, k),
    )
    done |= st.button(
        "Stop ignoring it" if cluster.ignored else "Ignore it",
        icon=":material/visibility:" if cluster.ignored else ":material/visibility_off:",
        help="Nothing is suggested from an ignored cluster, and its card comes last",
        on_click=_ignore,
        args=(seen, cluster),
    )
    if done:
        st.rerun()  # which closes the window


def matrix(seen: Snapshot) -> None:
    """Shows which clusters are close: a matrix with similar ones side by side, and the closest pairs."""
    found = cluster_service.alike(seen)
    if len(found.components) < 2:
        st.info("There is only one cluster with images.")
        return
    names = [escaped(heading(clusters_of(seen)[k])) for k in found.components[found.order].tolist()]
    share = np.log10(found.matrix[np.ix_(found.order, found.order)].clip(1e-4, 1))
    np.fill_diagonal(share, np.nan)
    figure = go.Figure(go.Heatmap(z=share, x=names, y=names, colorscale=_SHADES, showscale=False, hoverinfo="x+y"))
    figure.update_layout(
        margin={"l": 0, "r": 0, "t": 0, "b": 0},
        height=330,
        xaxis={"showticklabels": False},
        yaxis={"autorange": "reversed"},
    )
    st.caption("The closest pairs, and how far the model takes images of one for the other:")
    for i, j in _closest(found.matrix):
        one, other = (clusters_of(seen)[found.components[at]] for at in (i, j))
        small, large = sorted((one, other), key=lambda c: c.size)
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(
                f"{plain(heading(large))} and {plain(heading(small))}: {found.matrix[i, j]:.1%}", width="stretch"
            )
            st.button(
                "Merge",
                key=f"merge_{large.component}_{small.component}",
                on_click=_merge,
                args=(seen, small.component, large.component),
            )
    st.caption("All of them: the deeper the colour, the closer.")
    st.plotly_chart(figure, key="alike", config={"displayModeBar": False}, alt="Which clusters lie close to each other")


def _closest(matrix: np.ndarray) -> list[tuple[int, int]]:
    i, j = np.triu_indices(len(matrix), 1)
    return [(int(i[p]), int(j[p])) for p in np.argsort(-matrix[i, j], kind="stable")[:_MAX_PAIRS]]


def _nearest_first(seen: Snapshot, cluster: Cluster) -> list[int]:
    """The other components with images, the most alike first."""
    found = cluster_service.alike(seen)
    own = np.flatnonzero(found.components == cluster.component)
    if not own.size:
        return []
    order = np.argsort(-found.matrix[own[0]], kind="stable")
    return [k for k in found.components[order].tolist() if k != cluster.component]


def _merge_into(seen: Snapshot, component: int, chosen: str) -> None:
    _merge(seen, component, st.session_state[chosen])  # the choice now, which may differ from the one drawn


def _merge(seen: Snapshot, component: int, into: int) -> None:
    _do(seen, f"Cluster {component} is now part of cluster {into}", cluster_service.merge, component, into)


@_safely.callback
def _do(seen: Snapshot, done: str, act: Callable[..., object], *components: int) -> None:
    act(seen.project, *components, _state.annotator(), seen)
    _state.notify(f"{done}; Undo takes it back")


@_safely.callback
def _ignore(seen: Snapshot, cluster: Cluster) -> None:
    cluster_service.ignore(seen.project, cluster.component, _state.annotator(), seen, ignored=not cluster.ignored)
    _state.notify(f"{plain(heading(cluster))} is {'back' if cluster.ignored else 'ignored'}; Undo takes it back")
