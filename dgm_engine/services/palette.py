"""Colours that mean one thing: of clusters, of classes, of label states.

The thirty colours keep a distance of at least 0.05 in OKLab from one another as people with normal sight, deuteranopia
and protanopia see them (`tests/services/test_palette.py`), on a light and a dark ground. Colour never stands alone:
clusters carry their numbers on the map.
"""

from collections.abc import Mapping

CLUSTER_COLOURS = (
    "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9", "#96004b", "#00f0e1", "#2d1eff", "#7878ff",
    "#d2d200", "#870f78", "#780fa5", "#a52d78", "#87d2a5", "#69d2ff", "#c32d0f", "#ff4b78", "#00a5c3", "#69c3c3",
    "#d20fa5", "#0069e1", "#7896ff", "#a50000", "#d2872d", "#b43c5a", "#87c369", "#4b0fd2", "#4b87d2", "#69f087",
)  # fmt: skip
NO_CLASS_COLOUR = "#9aa5ab"
"""The colour of images without a class."""


def cluster_colour(component: int) -> str:
    """The colour of a cluster; it repeats after thirty."""
    return CLUSTER_COLOURS[component % len(CLUSTER_COLOURS)]


def class_colours(numbers: Mapping[str, int]) -> dict[str, str]:
    """A colour for each class: that of the cluster with its number, or the next one that no class before it has.

    Args:
        numbers: as `LabelState.numbers`, so that a class looks like the cluster that it was first given to.
    """
    colours: dict[str, str] = {}
    for name, number in numbers.items():
        wanted = [cluster_colour(number + step) for step in range(len(CLUSTER_COLOURS))]
        taken = set(colours.values())
        colours[name] = next((colour for colour in wanted if colour not in taken), wanted[0])
    return colours


def class_colour(name: str, colours: Mapping[str, str]) -> str:
    """The colour of a class, as `class_colours` has it; grey for "" and for names that it does not know."""
    return colours.get(name, NO_CLASS_COLOUR)
