"""The messages that cross between Python and the board of images."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any


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


@dataclass(frozen=True)
class BoardClass:
    """A class that a board offers.

    Attributes:
        name: the name of the class.
        key: the key that gives an image this class; null if the keys have run out.
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
        sure: the probability of that class; null in an audit, which does not show it.
        note: a line below the image.
        point: its number on the map beside the board; null if there is no map.
        mark: what was said of it, in a word; "" for nothing.
        judged: whether the person need not say anything more about it.
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
    """Which statements of a page load the server has taken.

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
    """What a board shows. Its pictures are one sprite, which is sent separately as a `Sprite`.

    Attributes:
        token: name of the sprite; changes with the images.
        choice: what the images were chosen by; as long as it is the same, the images in view stay in view.
        slot: where the sprite is kept in the page.
        mode: a grid, or one image at a time.
        columns: pictures in a line of the sprite.
        cell: side of a picture, in pixels.
        step: pixels from one picture to the next.
        page: number of the page of a grid, from 0.
        pages: number of pages, at least 1.
        watched: whether Python wants to know which image the person looks at.
        opens: whether a person can open an image to see it large.
        stays: whether an image stays in view when it is judged.
        order: token of the order of the points on the map beside the board; "" if there is no map.
        project: folder of the project.
        audit: number of the audit; 0 for none.
        heard: which statements of the page load the server has taken.
        classes: the classes, in the order of their keys.
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
    """All statements that the server has not answered. Each is read separately, so that a bad one spoils no other.

    Attributes:
        client: the page load that sends this.
        statements: in the order in which they were made.
        tries: how often the page has sent, so that no two messages are equal; Streamlit drops equal ones.
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
        opened: an image to show large.
        turned: number of the page to turn to, from 0.
    """

    opened: str
    turned: int
