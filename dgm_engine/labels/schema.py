"""What is stored: one append-only table of events.

Ids are given by the writer, one after the other, so the id of the last event is the store's version: whoever has
folded the events up to an id misses none of them, on any database.
"""

import json
import unicodedata
from collections.abc import Sequence
from enum import StrEnum
from typing import Any, NamedTuple, Self

from sqlalchemy import BigInteger, Column, Integer, MetaData, String, Table, Text, UniqueConstraint

from dgm_engine.errors import InputError

SCHEMA_VERSION = 3
"""2 added `other`, for what people do with clusters; 3 added `images`, `run` and `newest`."""
MAX_NAME_LENGTH = 80


class Kind(StrEnum):
    """What an event says."""

    LABEL = "label"
    REJECT = "reject"
    NONE_OF_NAMED = "none_of_named"
    CLEAR = "clear"
    SKIP = "skip"
    NAME = "name"
    SPLIT = "split"
    MERGE = "merge"
    DISSOLVE = "dissolve"
    IGNORE = "ignore"
    UNIGNORE = "unignore"
    USE = "use"
    UNDO = "undo"
    REDO = "redo"


CLUSTER_EDITS = frozenset({Kind.SPLIT, Kind.MERGE, Kind.DISSOLVE})
"""What changes the model's components themselves."""


class Edit(NamedTuple):
    """Images of one component that a person gave to others; training takes it over into the model.

    Attributes:
        event: the id of its event.
        kind: `SPLIT`: half of the component's images are the `other`'s, which was free. `MERGE`: all of them are the
            `other`'s, and the component is closed. `DISSOLVE`: each is of its next most probable component, and the
            component is closed.
        component: whose images they were.
        other: see `kind`; None for `DISSOLVE`.
    """

    event: int
    kind: Kind
    component: int
    other: int | None = None

    @classmethod
    def from_json(cls, values: Sequence[Any]) -> Self:
        """What a JSON file has of it."""
        event, kind, component, other = values
        return cls(event, Kind(kind), component, other)


class Anchored(NamedTuple):
    """An image that a person saw in a cluster when they spoke of it, and how sure the model was that it belongs there.

    Attributes:
        item: its id.
        sure: above 0, at most 1.
    """

    item: str
    sure: float


class Use(NamedTuple):
    """A person's choice of the run whose results are shown.

    Attributes:
        run: its number.
        newest: the newest run at the time; a later one takes its place as it would without a choice.
    """

    run: int
    newest: int


class Event(NamedTuple):
    """One line of the history.

    Attributes:
        id: 1, 2, ... in the order of writing, without gaps.
        batch: the id of the first event of the batch that it was written in; a batch is one undo step.
        time: UTC, ISO 8601 with milliseconds.
        annotator: who said it.
        kind: what was said.
        item: the item it is about; None for clusters, undo and redo.
        class_name: the class of a label, a rejection or a name; None un-names a component on purpose. Of a merge, the
            name that the `other` component takes over, if any.
        lineage: for a cluster, the fresh run whose components are meant.
        component: for a cluster, the component, from 0.
        version: 1, 2, ... for each item; no two events share an item and a version.
        target: for undo and redo, the batch that is meant.
        other: for a split or a merge, the component that gets images, as in `Edit`.
        images: of what is said of a cluster, the images that it is said of. A name, and the name that a merge leaves,
            hold for them, in any lineage; where a split or a dissolved cluster leaves none, they have none any more.
        run: for `USE`, the run whose results are shown from now on.
        newest: for `USE`, the newest run at the time.
    """

    id: int
    batch: int
    time: str
    annotator: str
    kind: Kind
    item: str | None = None
    class_name: str | None = None
    lineage: int | None = None
    component: int | None = None
    version: int | None = None
    target: int | None = None
    other: int | None = None
    images: tuple[Anchored, ...] = ()
    run: int | None = None
    newest: int | None = None


metadata = MetaData()
_Id = BigInteger().with_variant(Integer, "sqlite")

events = Table(
    "events",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=False),
    Column("batch", _Id, nullable=False),
    Column("time", String(32), nullable=False),
    Column("annotator", String(MAX_NAME_LENGTH), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("item", Text),
    Column("class", String(MAX_NAME_LENGTH), key="class_name"),
    Column("lineage", Integer),
    Column("component", Integer),
    Column("version", Integer),
    Column("target", _Id),
    Column("other", Integer),
    Column("images", Text),
    Column("run", Integer),
    Column("newest", Integer),
    UniqueConstraint("item", "version"),
)

store = Table("store", metadata, Column("schema_version", Integer, primary_key=True, autoincrement=False))
"""One row. Writers lock it on databases that lock rows, so that they come one after the other."""


def images_as_text(images: Sequence[Anchored]) -> str | None:
    """Images as the table holds them: JSON, or nothing where there are none."""
    return json.dumps(images, ensure_ascii=False) if images else None


def images_from_text(text: str | None) -> tuple[Anchored, ...]:
    """What `images_as_text` wrote."""
    return tuple(Anchored(item, sure) for item, sure in json.loads(text)) if text else ()


def clean_name(name: str, what: str = "class") -> str:
    """A name of a class or an annotator as it is stored: without surrounding blanks.

    Raises:
        InputError: nothing is left, it is too long, or it has line breaks or other control characters.
    """
    cleaned = name.strip()
    if not 1 <= len(cleaned) <= MAX_NAME_LENGTH:
        given = f"has {len(cleaned)} characters" if cleaned else "is empty"
        raise InputError(f"the {what} name {given}; give 1 to {MAX_NAME_LENGTH} characters")
    if any(unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"} for character in cleaned):
        raise InputError(f"the {what} name {cleaned!r} has a control character; use letters, digits, signs and blanks")
    return cleaned
