"""The messages that cross between Python and the map, beside the headers of its buffers (`services.map_wire`)."""

from dataclasses import dataclass
from enum import StrEnum


class Pick(StrEnum):
    """What a lasso or a box does to the selection."""

    REPLACE = "replace"
    ADD = "add"
    SUBTRACT = "subtract"


@dataclass(frozen=True)
class Pictures:
    """What some points of the map look like; no `indices` if the map asked for none.

    Attributes:
        order: token of the order of the points.
        indices: numbers of the points.
        titles: what is known of each, in up to three lines.
        size: side of a picture, in pixels.
        sprite: the pictures in one line, as an address that HTML can show.
    """

    order: str = ""
    indices: tuple[int, ...] = ()
    titles: tuple[str, ...] = ()
    size: int = 0
    sprite: str = ""


@dataclass(frozen=True)
class Wanted:
    """Points whose pictures the map asks for.

    Attributes:
        token: token of the positions.
        indices: numbers of the points.
    """

    token: str
    indices: tuple[int, ...]


@dataclass(frozen=True)
class PicturesState:
    """What the component that fetches the map's pictures keeps telling Python.

    Attributes:
        wanted: pictures to send.
    """

    wanted: Wanted


@dataclass(frozen=True)
class Live:
    """A sample of the points as the model at work sees them; `order` is "" if there is no sample.

    Attributes:
        order: token of the order of the points.
        points: their numbers.
        xy: x and y of each in turn, in the unit square.
        hues: "#rrggbb" of each; null if the points keep their colours.
        components: for each, the cluster whose name it has; -1 for none.
    """

    order: str = ""
    points: tuple[int, ...] = ()
    xy: tuple[float, ...] = ()
    hues: tuple[str, ...] | None = None
    components: tuple[int, ...] = ()


@dataclass(frozen=True)
class Enclosed:
    """A lasso or a box.

    Attributes:
        token: token of the positions that it was drawn on.
        look: token of the colours that it was drawn on.
        polygon: its corners in the unit square, x and y each.
        mode: what it does to the selection.
        dimmed: groups of the legend that it leaves out.
    """

    token: str
    look: str
    polygon: tuple[tuple[float, ...], ...]
    mode: Pick
    dimmed: tuple[int, ...]


@dataclass(frozen=True)
class Opened:
    """A point that was clicked.

    Attributes:
        token: token of the positions.
        index: number of the point.
    """

    token: str
    index: int


@dataclass(frozen=True)
class MapState:
    """What the map keeps telling Python.

    Attributes:
        unable: why this browser cannot draw the map, in words.
    """

    unable: str


@dataclass(frozen=True)
class MapTriggers:
    """What the map tells Python once.

    Attributes:
        enclosed: a lasso or a box was drawn.
        opened: a point was clicked.
        ended: the selection ends.
    """

    enclosed: Enclosed
    opened: Opened
    ended: bool
