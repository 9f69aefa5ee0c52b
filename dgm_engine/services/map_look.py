"""How the items look on the map: their groups and flags, what the colours mean, and the names of clusters."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MAX_GROUPS = 256
"""Colours that a map tells apart, at most: the group of a point is one byte."""

SELECTED, LABELLED, MUTED = 1, 2, 4
"""Bits of a point's flags."""


@dataclass(frozen=True)
class Group:
    """A line of the legend: which colour of the palette, what it means, and how many items have it."""

    index: int
    name: str
    colour: str
    n: int


@dataclass(frozen=True)
class Label:
    """A component's name on the map, at a place of the unit square; `group` is dimmed with that group's points."""

    component: int
    text: str
    x: float
    y: float
    colour: str
    group: int | None


@dataclass(frozen=True)
class Prototypes:
    """Pictures of the labels: one line of squares of `size` pixels, as an address that HTML can show."""

    sprite: str
    size: int


@dataclass(frozen=True)
class Scale:
    """The words at the two ends of a scale, and its colours from low to high."""

    low: str
    high: str
    colours: tuple[str, ...]


@dataclass(frozen=True)
class Legend:
    """What colours mean: groups, or a scale from low to high.

    Attributes:
        meaning: changes when other groups stand at the same indices.
        groups: those that are listed.
        scale: in place of groups.
    """

    meaning: str
    groups: tuple[Group, ...] = ()
    scale: Scale | None = None


@dataclass(frozen=True, eq=False)
class Look:
    """How the items look.

    Attributes:
        token: of all this.
        group: (M,) uint8 index into the palette.
        flags: (M,) uint8 of `SELECTED`, `LABELLED` and `MUTED`.
        palette: "#rrggbb" for each group.
        legend: what they mean.
        labels: names, the largest cluster first.
        prototypes: their pictures.
    """

    token: str
    group: NDArray[np.uint8]
    flags: NDArray[np.uint8]
    palette: tuple[str, ...]
    legend: Legend
    labels: tuple[Label, ...]
    prototypes: Prototypes | None
