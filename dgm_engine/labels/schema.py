"""The database schema: one append-only table of events.

The writer numbers the events without gaps, so the id of the last event is the store's version: on any database, a
reader that has folded the events up to an id has missed none of them.
"""

import json
import unicodedata
from collections.abc import Sequence
from enum import StrEnum
from typing import Any, NamedTuple, Self

from sqlalchemy import BigInteger, Column, Integer, MetaData, String, Table, Text, UniqueConstraint

from dgm_engine.errors import InputError

SCHEMA_VERSION = 3
"""The version of the tables. 2 added `other`, for edits of clusters; 3 added `images`, `run` and `newest`."""
MAX_NAME_LENGTH = 80
"""Characters of a class's or annotator's name; the width of their columns."""


class Kind(StrEnum):
    """The kinds of events."""

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
"""The kinds that change the model's components themselves."""


class Edit(NamedTuple):
    """A person's change of which images a component holds; training applies it to the model.

    Attributes:
        event: the id of its event.
        kind: `SPLIT` moves half of the component's images to the `other`, which was free. `MERGE` moves all of them to
            the `other` and closes the component. `DISSOLVE` moves each to its next most probable component and closes
            the component.
        component: the component that loses images.
        other: see `kind`; None for `DISSOLVE`.
    """

    event: int
    kind: Kind
    component: int
    other: int | None = None

    @classmethod
    def from_json(cls, values: Sequence[Any]) -> Self:
        """The edit that a JSON file stores as these values."""
        event, kind, component, other = values
        return cls(event, Kind(kind), component, other)

    @property
    def touched(self) -> frozenset[int]:
        """The components whose images change."""
        return frozenset(k for k in (self.component, self.other) if k is not None)

    @property
    def opens(self) -> int | None:
        """The component that a split gives its first images; None for other kinds."""
        return self.other if self.kind is Kind.SPLIT else None

    @property
    def closes(self) -> int | None:
        """The component that loses all images and gets no more; None for a split."""
        return None if self.kind is Kind.SPLIT else self.component

    @property
    def redefines(self) -> int | None:
        """The component with a new meaning, of which nothing that people said before is true any more."""
        return self.other if self.kind is Kind.SPLIT else self.component

    def changes(self, half: int) -> bool:
        """Whether this changes the meaning of a component that is the half of an earlier split."""
        return half in (self.component, self.opens)

    def rejoins(self, earlier: "Edit") -> bool:
        """Whether this merges the two halves of an earlier split."""
        return self.kind is Kind.MERGE and self.touched == earlier.touched

    def mass(self, before: Sequence[float]) -> dict[int, float]:
        """The masses of the touched components after the edit, given all masses (K,) before it."""
        both = sum(before[k] for k in self.touched)
        if self.opens is not None:
            return dict.fromkeys(self.touched, both / 2)
        return {k: 0.0 if k == self.component else both for k in self.touched}


class Anchored(NamedTuple):
    """An image that a person saw in a cluster when they named it, and how sure the model was that it belongs there.

    Attributes:
        item: its id.
        sure: the probability of the cluster's component, above 0, at most 1.
    """

    item: str
    sure: float


class Use(NamedTuple):
    """A person's choice of the run whose results are shown.

    Attributes:
        run: its number.
        newest: the newest run at that time; a later run replaces the choice as if there had been none.
    """

    run: int
    newest: int


class Event(NamedTuple):
    """One line of the history.

    Attributes:
        id: 1, 2, ... in the order of writing, without gaps.
        batch: the id of the first event of its batch; a batch is one undo step.
        time: UTC, ISO 8601 with milliseconds.
        annotator: the person, or source, of the event.
        kind: what the event says.
        item: the item that it is about; None for clusters, undo and redo.
        class_name: the class of a label, a rejection or a name; None un-names a component on purpose. For a merge, the
            name that the `other` component takes over, if any.
        lineage: for a cluster, the fresh run that its component belongs to.
        component: for a cluster, the component, from 0.
        version: 1, 2, ... for each item; no two events share an item and a version.
        target: for undo and redo, the batch to undo or redo.
        other: for a split or a merge, the component that gets images, as in `Edit`.
        images: for a cluster, the images that the event is about. A name, also that of a merge, belongs to these
            images, in any lineage; a split or a dissolving that leaves no name removes theirs.
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
"""One row. On databases that lock rows, writers lock it, so that they write one after the other."""


def images_as_text(images: Sequence[Anchored]) -> str | None:
    """Images as the table stores them: JSON, or None if there are none."""
    return json.dumps(images, ensure_ascii=False) if images else None


def images_from_text(text: str | None) -> tuple[Anchored, ...]:
    """The inverse of `images_as_text`."""
    return tuple(Anchored(item, sure) for item, sure in json.loads(text)) if text else ()


def clean_name(name: str, what: str = "class") -> str:
    """The name of a class or an annotator as it is stored, without surrounding blanks.

    Raises:
        InputError: the name is empty or too long, or has line breaks or other control characters.
    """
    cleaned = name.strip()
    if not 1 <= len(cleaned) <= MAX_NAME_LENGTH:
        given = f"has {len(cleaned)} characters" if cleaned else "is empty"
        raise InputError(f"the {what} name {given}; give 1 to {MAX_NAME_LENGTH} characters")
    if any(unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"} for character in cleaned):
        raise InputError(f"the {what} name {cleaned!r} has a control character; use letters, digits, signs and blanks")
    return cleaned
