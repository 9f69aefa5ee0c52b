"""Colours the images on the map by cluster, class, confidence or labels, and makes the legend."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache

import numpy as np
import streamlit as st
from numpy.typing import NDArray
from plotly.colors import sample_colorscale, unlabel_rgb

from dgm_engine.discovery.clusters import Cluster
from dgm_engine.services import scoping, thumbnails
from dgm_engine.services.map_look import (
    LABELLED,
    MAX_GROUPS,
    MUTED,
    SELECTED,
    Group,
    Label,
    Legend,
    Look,
    Prototypes,
    Scale,
)
from dgm_engine.services.mapping import Places, token_of
from dgm_engine.services.palette import NO_CLASS_COLOUR, class_colour, cluster_colour
from dgm_engine.services.scoping import Scope
from dgm_engine.services.snapshot import Snapshot
from dgm_engine.services.viewing import ItemState, Opinion, clusters_of, view
from pages._pictures import BY_RESULTS, data_uri

MAP_PROTOTYPE_PIXELS = 40
_N_SHADES = 32
_MAX_NAME_LENGTH = 24


class Colour(StrEnum):
    """What the colours of the map mean."""

    CLUSTER = "Cluster"
    CLASS = "Class"
    CONFIDENCE = "Confidence"
    STATE = "Labels"


ITEM_STATES = {
    ItemState.UNLABELLED: ("no label", NO_CLASS_COLOUR),
    ItemState.LABELLED: ("labelled", "#0072b2"),
    ItemState.REJECTED: ("a class ruled out", "#d55e00"),
    ItemState.NONE: ("none of the named", "#009e73"),
}


@dataclass(frozen=True, eq=False)
class _Colouring:
    """The group of each image, (M,) uint8, the groups' colours, and the legend."""

    group: NDArray[np.uint8]
    palette: tuple[str, ...]
    legend: Legend


@lru_cache(maxsize=4)
def look(seen: Snapshot, where: Places, colour: Colour, scope: Scope) -> Look:
    """How the images look on the map.

    Args:
        seen: what the person looks at.
        where: places of the images, in the order of the view.
        colour: what colours mean.
        scope: what is selected, and what is filtered away.
    """
    chosen = _coloured(seen, colour)
    flags = np.where(scoping.picked(seen, scope), SELECTED, 0).astype(np.uint8)
    flags |= np.where(view(seen).state == ItemState.LABELLED, LABELLED, 0).astype(np.uint8)
    flags |= np.where(scoping.filtered(seen, scope), 0, MUTED).astype(np.uint8)
    used = _labelled_clusters(seen, len(where.order))
    labels = _labels(seen, where)
    if colour is not Colour.CLUSTER:
        labels = tuple(replace(label, group=None) for label in labels)
    return Look(
        token=token_of(*seen.key, colour, scope),
        group=chosen.group,
        flags=flags,
        palette=chosen.palette,
        legend=chosen.legend,
        labels=labels,
        prototypes=Prototypes(_sprite(seen, tuple(c.component for c in used)), MAP_PROTOTYPE_PIXELS) if used else None,
    )


@lru_cache(maxsize=4)
def _coloured(seen: Snapshot, colour: Colour) -> _Colouring:
    now = view(seen)
    if colour is Colour.CONFIDENCE:
        return _shaded(now.confidence)
    if colour is Colour.CLUSTER:
        names = _told_apart([map_label(cluster) for cluster in now.clusters][:MAX_GROUPS])
        hues = [cluster_colour(k) for k in range(len(names))]
        group = np.minimum(now.component, MAX_GROUPS - 1)
        meaning = f"clusters of {len(names)}"
    elif colour is Colour.CLASS:
        classes = now.classes[: MAX_GROUPS - 1]
        names, hues = ["no class yet", *classes], [NO_CLASS_COLOUR, *(class_colour(c, now.colours) for c in classes)]
        group = _indices(now.class_name, classes)
        meaning = "classes"
    else:
        names, hues = [words for words, _ in ITEM_STATES.values()], [hue for _, hue in ITEM_STATES.values()]
        group = _indices(now.state, [state.value for state in ITEM_STATES][1:])
        meaning = "states"
    count = np.bincount(group, minlength=len(names)).tolist()
    order = sorted(range(len(names)), key=lambda g: -count[g]) if colour is Colour.CLUSTER else range(len(names))
    groups = tuple(Group(g, names[g], hues[g], count[g]) for g in order if count[g])
    return _Colouring(group.astype(np.uint8), tuple(hues), Legend(meaning, groups))


def _told_apart(names: list[str]) -> list[str]:
    """The names, with the cluster's number added to names that several clusters have."""
    several = {name for name, n in Counter(names).items() if n > 1}
    return [f"{name} #{k}" if name in several else name for k, name in enumerate(names)]


def _shaded(confidence: NDArray[np.float32]) -> _Colouring:
    # The palest end is left out: the model is sure of most images, which would hardly show on white.
    shades = tuple(_hex(str(rgb)) for rgb in sample_colorscale("Cividis", np.linspace(0, 0.86, _N_SHADES).tolist()))
    group = np.clip(confidence * _N_SHADES, 0, _N_SHADES - 1).astype(np.uint8)
    return _Colouring(group, shades, Legend("confidence", scale=Scale("0% sure", "100%", shades)))


def map_label(cluster: Cluster) -> str:
    """A cluster's class, or its number if it has none, as short as a map needs it."""
    text = cluster.class_name or f"#{cluster.component}"
    return text if len(text) <= _MAX_NAME_LENGTH else f"{text[: _MAX_NAME_LENGTH - 1]}…"


def _labelled_clusters(seen: Snapshot, n: int) -> list[Cluster]:
    """The clusters that are large enough for a name on the map, the largest first."""
    large = [c for c in clusters_of(seen) if c.size >= max(3, n // 1000)]
    return sorted(large, key=lambda c: (-c.size, c.component))


def _labels(seen: Snapshot, where: Places) -> tuple[Label, ...]:
    used = _labelled_clusters(seen, len(where.order))
    centres = _centres(view(seen).opinion, where, tuple(cluster.component for cluster in used))
    return tuple(
        Label(c.component, map_label(c), x, y, cluster_colour(c.component), min(c.component, MAX_GROUPS - 1))
        for c, (x, y) in zip(used, centres, strict=True)
    )


@lru_cache(maxsize=8)
def _centres(opinion: Opinion, where: Places, components: tuple[int, ...]) -> tuple[tuple[float, float], ...]:
    return tuple(where.centre(opinion.component == k) for k in components)


@st.cache_data(max_entries=16, show_spinner=False, hash_funcs=BY_RESULTS)
def _sprite(seen: Snapshot, components: tuple[int, ...]) -> str:
    return data_uri(thumbnails.prototype_sprite(seen, components, MAP_PROTOTYPE_PIXELS))


def _indices(values: NDArray[np.str_], names: Sequence[str]) -> NDArray[np.int64]:
    """(M,) 1 + the index of each value among the names; 0 for the others."""
    distinct, inverse = np.unique(values, return_inverse=True)
    number = {name: i + 1 for i, name in enumerate(names)}
    return np.array([number.get(value, 0) for value in distinct.tolist()], dtype=np.int64)[inverse]


def _hex(rgb: str) -> str:
    return "#{:02x}{:02x}{:02x}".format(*(round(float(part)) for part in unlabel_rgb(rgb)))
