"""Pictures in the HTML of pages, and what is said of an image in a few words."""

import base64
from collections.abc import Callable
from typing import Any

from dgm_engine.services.projects import Project
from dgm_engine.services.snapshot import Snapshot
from dgm_engine.services.viewing import ItemState, View

_HashFuncs = dict[str | type[Any], Callable[[Any], Any]]


def source(project: Project) -> tuple[str, str]:
    """The key of a project's pictures in caches: its folder, which may hold another later, and its time of creation."""
    return str(project.paths.root), project.manifest.created


BY_PROJECT: _HashFuncs = {Project: source}
"""Hash functions for Streamlit's caches of what depends on a project's images alone."""

BY_RESULTS: _HashFuncs = {Snapshot: lambda seen: seen.results_key, Project: source}
"""Hash functions for Streamlit's caches of what depends on a snapshot's results alone, not on its labels."""

BY_SNAPSHOT: _HashFuncs = {Snapshot: lambda seen: seen.key}
"""Hash functions for Streamlit's caches of what depends on a snapshot's results and labels."""


def data_uri(png: bytes) -> str:
    """A PNG as an address that HTML can show."""
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def strip(sprite: str, n: int, size: int) -> str:
    """HTML that shows the first `n` tiles of a one-line sprite side by side, `size` pixels each."""
    tiles = "".join(f'<span style="background-position:-{i * size}px 0"></span>' for i in range(n))
    return f'<div class="strip" style="--sprite:url({sprite});--tile:{size}px">{tiles}</div>'


def tip(view: View, position: int) -> str:
    """The three lines that describe an image: its id, its cluster, its class."""
    name = str(view.class_name[position])
    guess = f"{name or 'no class yet'} ({view.confidence[position]:.0%} sure)"
    said = {
        ItemState.LABELLED: f"labelled {name}",
        ItemState.REJECTED: f"{guess}; some classes ruled out",
        ItemState.NONE: "none of the named classes",
        ItemState.UNLABELLED: guess,
    }[ItemState(view.state[position])]
    return f"{view.items[position]}\ncluster {view.component[position]}\n{said}"
