"""Colours that mean one thing: of clusters, of classes, of label states.

The thirty colours keep a distance of at least 0.05 in OKLab from one another as people with normal sight, deuteranopia
and protanopia see them (`tests/test_palette.py`), on a light and a dark ground. Colour never stands alone: clusters
carry their numbers on the map.
"""

from collections.abc import Sequence

DISTINCT = (
    "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9", "#96004b", "#00f0e1", "#2d1eff", "#7878ff",
    "#d2d200", "#870f78", "#780fa5", "#a52d78", "#87d2a5", "#69d2ff", "#c32d0f", "#ff4b78", "#00a5c3", "#69c3c3",
    "#d20fa5", "#0069e1", "#7896ff", "#a50000", "#d2872d", "#b43c5a", "#87c369", "#4b0fd2", "#4b87d2", "#69f087",
)  # fmt: skip
UNKNOWN = "#9aa5ab"
"""Of images without a class."""


def cluster_colour(component: int) -> str:
    """The colour of a cluster; it repeats after thirty."""
    return DISTINCT[component % len(DISTINCT)]


def class_colour(name: str, classes: Sequence[str]) -> str:
    """The colour of a class, by its place in the project's list; grey for "" and for names that are not on it."""
    return DISTINCT[classes.index(name) % len(DISTINCT)] if name in classes else UNKNOWN
