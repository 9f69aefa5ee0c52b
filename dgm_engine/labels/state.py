"""What holds after a history of events.

`Fold` takes events in the order of their ids and keeps what holds now. Undo always takes back the last batch that still
holds, and a new batch ends the chance to redo, so batches are two stacks, and one step of either exchanges what a batch
set with what was there before.
"""

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Self, TypeVar

from dgm_engine.errors import CorruptError
from dgm_engine.labels.schema import CLUSTER_EDITS, Edit, Event, Kind, Use

NOTHING_TO_LEARN = frozenset({Kind.SKIP, Kind.IGNORE, Kind.UNIGNORE, Kind.USE})
"""Kinds that change what is shown and suggested, but not what a model is taught."""

K = TypeVar("K")
V = TypeVar("V")


class Anchor(NamedTuple):
    """What the name of a cluster says of an image that a person saw in it.

    Attributes:
        class_name: the cluster's class; "" where its name was taken away on purpose.
        sure: how sure the model was then that the image belongs to the cluster, above 0, at most 1.
        event: the id of the event that named the cluster.
        named: how many images that event named.
    """

    class_name: str
    sure: float
    event: int
    named: int


@dataclass(frozen=True)
class LabelState:
    """What people hold true of the items after event `version`. The mappings are shared: do not change them.

    Attributes:
        version: the id of the last event taken into account, 0 where there is none.
        known: the id of the newest batch that holds and says something to learn, 0 where there is none; passing an item
            over, or a cluster, does not. Two states of a store know the same where this is the same.
        positive: item to its class.
        rejected: item to the classes it is said not to be of; never empty.
        none_of_named: items said to be of none of the named classes.
        skipped: items passed over and not judged since.
        names: component to its class in the lineage asked for, as it was last said of that number, None where it was
            un-named on purpose. This and the next three are empty where no lineage was asked for.
        anchored: the components among `names` whose names belong to images; the others hold for the number.
        edits: what people did with the components of that lineage, in this order.
        ignored: the components of that lineage that people do not care for.
        anchors: item to what a cluster's name says of it, whatever the lineage of the cluster: a name belongs to
            images, wherever a model has them, and so to those of a model that was trained anew.
        classes: the classes that label an item or name a component, of any lineage, in the order in which they first
            appeared.
        numbers: these classes, and those that label and name nothing any more, in that order, to a number that stays
            their own: the component that it was first given to, or else how many classes had appeared before it.
        annotators: item to who judged it last; skipping is no judgement.
        confirmed: labelled items whose class was said once more while it held: somebody looked again and stands by it.
        said: item to the id of the event that judged it last.
        use: the person's choice of the run whose results are shown; None leaves it to the program.
    """

    version: int
    known: int
    positive: Mapping[str, str]
    rejected: Mapping[str, frozenset[str]]
    none_of_named: frozenset[str]
    skipped: frozenset[str]
    names: Mapping[int, str | None]
    edits: tuple[Edit, ...]
    ignored: frozenset[int]
    classes: tuple[str, ...]
    numbers: Mapping[str, int]
    annotators: Mapping[str, str]
    confirmed: frozenset[str] = frozenset()
    said: Mapping[str, int] = field(default_factory=dict[str, int])
    anchors: Mapping[str, Anchor] = field(default_factory=dict[str, Anchor])
    anchored: frozenset[int] = frozenset()
    use: Use | None = None

    def within(self, n: int) -> Self:
        """This for a run that has n components."""
        return replace(self, edits=possible_edits(self.edits, n))

    @property
    def closed(self) -> frozenset[int]:
        """The components that hold no images any more: merged or dissolved, and not brought back by a split."""
        return closed_components(self.edits)


def component_mass(edits: Sequence[Edit], n: int) -> tuple[float, ...]:
    """(n,) how many of n components each stands for after edits: both of a merge, none where it is closed.

    The halves of a split share evenly what the component had and, where it was open, what the free one had.
    """
    mass = [1.0] * n
    for edit in edits:
        both = mass[edit.component] + (0.0 if edit.other is None else mass[edit.other])
        mass[edit.component] = both / 2 if edit.kind is Kind.SPLIT else 0.0
        if edit.other is not None:
            mass[edit.other] = both / 2 if edit.kind is Kind.SPLIT else both
    return tuple(mass)


def possible_edits(edits: Sequence[Edit], n: int) -> tuple[Edit, ...]:
    """The edits that n components allow: a run that a person went back to may lack some that a later one has."""
    return tuple(edit for edit in edits if max(edit.component, edit.other or 0) < n)


def closed_components(edits: Sequence[Edit]) -> frozenset[int]:
    """The components that these edits leave closed."""
    closed: set[int] = set()
    for edit in edits:
        if edit.kind is not Kind.SPLIT:
            closed.add(edit.component)
        elif edit.other is not None:
            closed.discard(edit.other)
    return frozenset(closed)


class Judgement(NamedTuple):
    """All that holds of one item."""

    positive: str | None = None
    rejected: frozenset[str] = frozenset()
    none_of_named: bool = False
    skipped: bool = False
    annotator: str = ""
    confirmed: bool = False
    event: int = 0


NOTHING = Judgement()
REMNANT = 0.2
"""Where the images of a name were named anew, but for less than this share of them, that name says nothing any more.
Those that splits took from it do not count: what is left of their cluster keeps the name, however small it is."""
_USE = "run"
_VIEWS = {
    "positive": "positive",
    "rejected": "rejected",
    "none_of_named": "none_of_named",
    "skipped": "skipped",
    "annotators": "annotator",
    "confirmed": "confirmed",
    "said": "event",
}
"""The fields of `LabelState` that say one part of each item's judgement, and which; items without it are left out.
A fold keeps them, so that one more label does not have a million gathered anew."""


def judge(before: Judgement, event: Event) -> Judgement:
    """What holds of an item after one more event about it."""
    kind, name, annotator = event.kind, event.class_name, event.annotator
    if kind is Kind.LABEL and name:
        rejected = before.rejected - {name} if before.rejected else before.rejected
        confirmed = name == before.positive
        return Judgement(name, rejected, annotator=annotator, confirmed=confirmed, event=event.id)
    if kind is Kind.REJECT and name:
        positive = None if before.positive == name else before.positive
        confirmed = before.confirmed and positive is not None
        rejected = before.rejected | {name}
        return Judgement(positive, rejected, before.none_of_named, False, annotator, confirmed, event.id)
    if kind is Kind.NONE_OF_NAMED:
        return Judgement(None, before.rejected, none_of_named=True, annotator=annotator, event=event.id)
    if kind is Kind.SKIP:
        return before._replace(skipped=True)
    if kind is Kind.CLEAR:
        return NOTHING
    raise CorruptError(f"label event {event.id} has kind {kind!r}, class {name!r}; restore the store from a copy")


@dataclass
class Step:
    """A batch on one of the two stacks.

    The mappings, but for `classes`, hold what to exchange at the next undo or redo; None
    stands for an absent key. A name of "" is a component un-named on purpose. `classes` are those that no earlier batch
    brought, with their numbers. `known` is that of `LabelState` as long as this batch is the newest that holds.
    """

    first: Event
    events: int = 0
    mixed: bool = False
    items: dict[str, Judgement | None] = field(default_factory=dict[str, Judgement | None])
    names: dict[tuple[int, int], str | None] = field(default_factory=dict[tuple[int, int], str | None])
    anchors: dict[str, Anchor | None] = field(default_factory=dict[str, Anchor | None])
    split_off: dict[int, int | None] = field(default_factory=dict[int, int | None])
    anchored: dict[tuple[int, int], bool | None] = field(default_factory=dict[tuple[int, int], bool | None])
    used: dict[str, Use | None] = field(default_factory=dict[str, Use | None])
    edits: dict[tuple[int, int], Edit | None] = field(default_factory=dict[tuple[int, int], Edit | None])
    ignored: dict[tuple[int, int], bool | None] = field(default_factory=dict[tuple[int, int], bool | None])
    classes: dict[str, int] = field(default_factory=dict[str, int])
    known: int = 0

    @property
    def description(self) -> str:
        """What the batch did, to follow a word like "Undid"."""
        first, name = self.first, self.first.class_name
        what = str(first.item) if self.events == 1 else f"{self.events:,} items"
        if self.mixed:
            return f"{self.events:,} different labels"
        if first.kind is Kind.NAME:
            return f"naming cluster {first.component} {name}" if name else f"un-naming cluster {first.component}"
        return {
            Kind.LABEL: f"labelling {what} as {name}",
            Kind.REJECT: f"marking {what} as not {name}",
            Kind.NONE_OF_NAMED: f"marking {what} as none of the named classes",
            Kind.CLEAR: f"clearing {what}",
            Kind.SPLIT: f"splitting cluster {first.component}",
            Kind.MERGE: f"merging cluster {first.component} into {first.other}",
            Kind.DISSOLVE: f"dissolving cluster {first.component}",
            Kind.IGNORE: f"ignoring cluster {first.component}",
            Kind.UNIGNORE: f"no longer ignoring cluster {first.component}",
            Kind.USE: f"choosing run {first.run}",
        }.get(first.kind, f"skipping {what}")


class Fold:
    """The events up to `version`, folded into what holds."""

    def __init__(self) -> None:
        self.version = 0
        self.done: list[Step] = []
        self.undone: list[Step] = []
        self._items: dict[str, Judgement] = {}
        self._views: dict[str, dict[str, Any]] = {name: {} for name in _VIEWS}
        self._changed: dict[str, None] = {}  # items that the views do not know of yet, in their order
        self._names: dict[tuple[int, int], str] = {}  # by lineage and component
        self._anchors: dict[str, Anchor] = {}  # by item
        self._split_off: dict[int, int] = {}  # by naming event, how many of its images splits took from it
        self._anchored: dict[tuple[int, int], bool] = {}  # by lineage and component
        self._used: dict[str, Use] = {}  # under one key
        self._edits: dict[tuple[int, int], Edit] = {}  # by lineage and event, in the order of events
        self._ignored: dict[tuple[int, int], bool] = {}  # by lineage and component
        self._classes: dict[str, int] = {}  # to their numbers
        self._known: list[tuple[int, int]] = []  # (event, what was known from then on), where it changed

    def add(self, event: Event) -> None:
        """Takes the next event into account.

        Raises:
            CorruptError: the event cannot follow those before it.
        """
        if event.target is None:
            self._do(event)
        elif event.kind is Kind.UNDO:
            self._move(self.done, self.undone, event)
        else:
            self._move(self.undone, self.done, event)
        self.version = event.id
        if (known := self._known_now) != self.known_at(event.id):
            self._known.append((event.id, known))

    def known_at(self, version: int) -> int:
        """`LabelState.known` right after event `version`, which is not a later one than the last."""
        place = bisect_right(self._known, (version, math.inf))
        return self._known[place - 1][1] if place else 0

    @property
    def _known_now(self) -> int:
        return self.done[-1].known if self.done else 0

    def state(self, lineage: int | None = None) -> LabelState:
        """What holds now; see `LabelState` for what the lineage does."""
        names = {component: name or None for (of, component), name in self._names.items() if of == lineage}
        views = self._up_to_date_views()
        by_number = (name for key, name in self._names.items() if key not in self._anchored)
        anchors = self._standing_anchors()
        in_use = {*views["positive"].values(), *by_number, *(a.class_name for a in anchors.values())}
        return LabelState(
            version=self.version,
            known=self.known_at(self.version),
            positive=dict(views["positive"]),
            rejected=dict(views["rejected"]),
            none_of_named=frozenset(views["none_of_named"]),
            skipped=frozenset(views["skipped"]),
            names=names,
            edits=tuple(edit for (of, _), edit in self._edits.items() if of == lineage),
            ignored=frozenset(component for of, component in self._ignored if of == lineage),
            classes=tuple(name for name in self._classes if name in in_use),
            numbers=dict(self._classes),
            annotators=dict(views["annotators"]),
            confirmed=frozenset(views["confirmed"]),
            said=dict(views["said"]),
            anchors=anchors,
            anchored=frozenset(component for of, component in self._anchored if of == lineage),
            use=self._used.get(_USE),
        )

    def _standing_anchors(self) -> dict[str, Anchor]:
        """The anchors without remnants: the few images that had left a cluster before its name was changed."""
        left = Counter(anchor.event for anchor in self._anchors.values())
        return {
            item: one for item, one in self._anchors.items() if left[one.event] >= REMNANT * self._not_split_off(one)
        }

    def _not_split_off(self, anchor: Anchor) -> int:
        """How many images the event of an anchor named, without those that splits took from it since."""
        return anchor.named - self._split_off.get(anchor.event, 0)

    def _hold(self, item: str, judgement: Judgement | None) -> None:
        """Makes this what holds of an item."""
        _put(self._items, item, judgement)
        self._changed[item] = None

    def _up_to_date_views(self) -> dict[str, dict[str, Any]]:
        for name, part in _VIEWS.items():
            view = self._views[name]
            for item in self._changed:
                if value := getattr(self._items.get(item, NOTHING), part):
                    view[item] = value
                else:
                    view.pop(item, None)
        self._changed.clear()
        return self._views

    def _do(self, event: Event) -> None:
        if not self.done or self.done[-1].first.batch != event.batch:
            self.done.append(Step(event, known=self._known_now))
            self.undone.clear()
        step = self.done[-1]
        if event.kind not in NOTHING_TO_LEARN:
            step.known = event.batch  # it is only ever done after the same others: its id stands for all of them
        step.events += 1
        name, item = event.class_name, event.item
        step.mixed |= name != step.first.class_name or event.kind is not step.first.kind
        if item is not None:
            before = self._items.get(item)
            step.items.setdefault(item, before)
            after = judge(before or NOTHING, event)
            self._hold(item, after if after != NOTHING else None)
        elif event.lineage is not None and event.component is not None:
            self._do_to_component(step, event, (event.lineage, event.component))
        elif event.run is not None and event.newest is not None:
            _change(self._used, step.used, _USE, Use(event.run, event.newest))
        if name and name not in self._classes and event.kind is not Kind.REJECT:
            self._classes[name] = len(self._classes) if event.component is None else event.component
            step.classes[name] = self._classes[name]

    def _do_to_component(self, step: Step, event: Event, key: tuple[int, int]) -> None:
        """One event about a cluster, whose lineage and component are the key."""
        self._anchor(step, event)
        if event.kind is Kind.NAME:
            _change(self._names, step.names, key, event.class_name or "")
            _change(self._anchored, step.anchored, key, True if event.images else None)
        elif event.kind in CLUSTER_EDITS:
            edit = Edit(event.id, event.kind, key[1], event.other)
            _change(self._edits, step.edits, (key[0], event.id), edit)
            # What is closed, or the new half of a split, has neither name nor anything to ignore.
            anew = event.other if event.kind is Kind.SPLIT else event.component
            if anew is not None:
                _change(self._names, step.names, (key[0], anew), None)
                _change(self._anchored, step.anchored, (key[0], anew), None)
                _change(self._ignored, step.ignored, (key[0], anew), None)
            if event.class_name and event.other is not None:
                _change(self._names, step.names, (key[0], event.other), event.class_name)
                _change(self._anchored, step.anchored, (key[0], event.other), True if event.images else None)
        elif event.kind in (Kind.IGNORE, Kind.UNIGNORE):
            _change(self._ignored, step.ignored, key, True if event.kind is Kind.IGNORE else None)
        else:
            raise CorruptError(f"label event {event.id} is a {event.kind} of a cluster; restore the store from a copy")

    def _anchor(self, step: Step, event: Event) -> None:
        """Gives the name that an event leaves to its images, or takes the one that they have."""
        keeps = event.kind is Kind.NAME or event.class_name
        for item, sure in event.images:
            anchor = Anchor(event.class_name or "", sure, event.id, len(event.images)) if keeps else None
            before = self._anchors.get(item)
            if event.kind is Kind.SPLIT and before is not None:
                taken = self._split_off.get(before.event, 0) + 1
                _change(self._split_off, step.split_off, before.event, taken)
            _change(self._anchors, step.anchors, item, anchor)

    def _move(self, source: list[Step], target: list[Step], event: Event) -> None:
        if not source or source[-1].first.batch != event.target:
            raise CorruptError(
                f"label event {event.id} is a {event.kind} of batch {event.target}, which is not next; "
                "restore the store from a copy"
            )
        step = source.pop()
        target.append(step)
        for item, judgement in step.items.items():
            step.items[item] = self._items.get(item)
            self._hold(item, judgement)
        _exchange(self._names, step.names)
        _exchange(self._anchors, step.anchors)
        _exchange(self._split_off, step.split_off)
        _exchange(self._anchored, step.anchored)
        _exchange(self._used, step.used)
        _exchange(self._edits, step.edits)
        _exchange(self._ignored, step.ignored)
        for name, number in step.classes.items():
            if event.kind is Kind.UNDO:
                del self._classes[name]
            else:
                self._classes[name] = number


def _put(mapping: dict[K, V], key: K, value: V | None) -> None:
    if value is None:
        mapping.pop(key, None)
    else:
        mapping[key] = value


def _change(mapping: dict[K, V], patch: dict[K, V | None], key: K, value: V | None) -> None:
    """Sets a key, and keeps in the patch what stood there before the batch."""
    patch.setdefault(key, mapping.get(key))
    _put(mapping, key, value)


def _exchange(mapping: dict[K, V], patch: dict[K, V | None]) -> None:
    for key, value in patch.items():
        patch[key] = mapping.get(key)
        _put(mapping, key, value)
