"""Every message that crosses between Python and the browser, once: `assets/contract.js` is generated from this module.

A component's data travels to the browser as a message of `TO_BROWSER`. What a component sends back is a field of one of
`FROM_BROWSER`: its name is the name of the component's state or trigger, its type is the message. After a change here,
`python -m pages._contract` writes `assets/contract.js` again.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any

from dgm_engine.services.map_look import Group, Label, Legend, Prototypes, Scale
from dgm_engine.services.map_wire import LookHeader, PlacesHeader


class Mode(StrEnum):
    """How a board shows images."""

    GRID = "grid"
    SINGLE = "single"


class Say(StrEnum):
    """What a statement says of its images."""

    LABEL = "label"
    REJECT = "reject"
    NONE = "none"
    SKIP = "skip"
    CLEAR = "clear"
    UNDO = "undo"


class Pick(StrEnum):
    """What a lasso or a box does to the selection."""

    REPLACE = "replace"
    ADD = "add"
    SUBTRACT = "subtract"


# --- the board of images ---


@dataclass(frozen=True)
class BoardClass:
    """A class that a board offers.

    Attributes:
        name: of the class.
        key: the key that says it; null if the keys have run out.
        colour: "#rrggbb".
    """

    name: str
    key: str | None
    colour: str


@dataclass(frozen=True)
class Tile:
    """An image of a board.

    Attributes:
        item: its id.
        tip: what is known of it, in up to three lines.
        colour: "#rrggbb" of its class.
        guess: what the model says of it, in words.
        predicted: the class that is proposed; "" for none.
        sure: the probability of that class; null in an audit, which does not tell.
        note: a line below the image.
        point: its number on the map beside the board; null if there is no map.
        mark: what was said of it, in a word; "" for nothing.
        judged: whether it needs no statement any more.
    """

    item: str
    tip: str
    colour: str
    guess: str
    predicted: str
    sure: float | None
    note: str
    point: int | None
    mark: str
    judged: bool


@dataclass(frozen=True)
class Heard:
    """How far the server has heard a page.

    Attributes:
        client: the page load that sent the statements; "" before it sent any.
        seq: number of the last statement that was taken.
        refused: numbers of the statements that could not be acted on.
    """

    client: str
    seq: int
    refused: tuple[int, ...]


@dataclass(frozen=True)
class BoardData:
    """What a board shows. Its pictures are one sprite, which comes by itself in a `Sprite`.

    Attributes:
        token: name of the sprite; changes with the images.
        choice: what the images were chosen by; while it stays, the person stays at the images in view.
        slot: where the sprite is kept in the page.
        mode: a grid, or one image at a time.
        columns: pictures to a line of the sprite.
        cell: pixels a side of a picture.
        step: pixels from one picture to the next.
        page: of a grid, from 0.
        pages: how many there are, at least 1.
        watched: whether Python wants to know which image the person looks at.
        opens: whether an image can be opened by itself.
        stays: whether an image stays in view when it is judged.
        order: of the points on the map beside the board; "" if there is no map.
        project: folder of the project.
        audit: number of the audit; 0 for none.
        heard: how far the server has heard the page.
        classes: in the order of their keys.
        tiles: the images.
    """

    token: str
    choice: str
    slot: str
    mode: Mode
    columns: int
    cell: int
    step: int
    page: int
    pages: int
    watched: bool
    opens: bool
    stays: bool
    order: str
    project: str
    audit: int
    heard: Heard
    classes: tuple[BoardClass, ...]
    tiles: tuple[Tile, ...]


@dataclass(frozen=True)
class Sprite:
    """The pictures of a board.

    Attributes:
        slot: the board that they are for.
        name: changes with the pictures.
        sprite: a PNG in base64.
    """

    slot: str
    name: str
    sprite: str


@dataclass(frozen=True)
class Statement:
    """Something that a person said of images.

    Attributes:
        seq: its number, from 1, in its page load.
        project: folder of the project that it is about.
        audit: number of the audit that it answers; 0 for none.
        kind: what it says.
        items: ids of the images.
        names: a class for each image, if the kind needs them.
    """

    seq: int
    project: str
    audit: int
    kind: Say
    items: tuple[str, ...]
    names: tuple[str, ...]


@dataclass(frozen=True)
class Said:
    """All that the server has not yet answered. Each statement is read by itself, so that a bad one spoils no other.

    Attributes:
        client: the page load that sends this.
        statements: in the order in which they were made.
        tries: how often the page has sent; Streamlit passes on only what differs from before.
    """

    client: str
    statements: tuple[Annotated[dict[str, Any], Statement], ...]
    tries: int = 0


@dataclass(frozen=True)
class BoardState:
    """What a board keeps telling Python.

    Attributes:
        said: what the person said.
        looked: the image under the cursor; "" for none.
    """

    said: Said
    looked: str


@dataclass(frozen=True)
class BoardTriggers:
    """What a board tells Python once.

    Attributes:
        opened: an image to show by itself.
        turned: a page to turn to, from 0.
    """

    opened: str
    turned: int


# --- the map ---


@dataclass(frozen=True)
class Pictures:
    """What points of the map look like; without indices, nothing.

    Attributes:
        order: of the points.
        indices: numbers of the points.
        titles: what is known of each, in up to three lines.
        size: pixels a side of a picture.
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
        token: of the positions.
        indices: numbers of the points.
    """

    token: str
    indices: tuple[int, ...]


@dataclass(frozen=True)
class PicturesState:
    """What the carrier of the map's pictures keeps telling Python.

    Attributes:
        wanted: pictures to send.
    """

    wanted: Wanted


@dataclass(frozen=True)
class Live:
    """A sample of the points as the model at work sees them; without an order, nothing.

    Attributes:
        order: of the points.
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
        token: of the positions that it was drawn on.
        look: of the colours that it was drawn on.
        polygon: its corners in the unit square, x and y each.
        mode: what becomes of the selection.
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
        token: of the positions.
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


# --- the cards of the clusters ---


@dataclass(frozen=True)
class Focus:
    """When to give the focus back to a card.

    Attributes:
        labels: version of the labels; it changes when a cluster gets another name.
    """

    labels: int


TO_BROWSER = (
    *(BoardClass, Tile, Heard, BoardData, Sprite),
    *(PlacesHeader, Group, Scale, Legend, Label, Prototypes, LookHeader, Pictures, Live),
    Focus,
)
"""Messages to the browser and their parts; of the map's two buffers, the headers."""
FROM_BROWSER = (
    *(Statement, Said, BoardState, BoardTriggers),
    *(Wanted, PicturesState, Enclosed, Opened, MapState, MapTriggers),
)
"""Messages from the browser, their parts, and for each component the names under which it sends them."""
