"""The state of the labels after a history of events.

`Fold` takes events in the order of their ids and keeps the current state. Undo always takes back the last batch that is
not undone, and a new batch ends the chance to redo. So batches form two stacks, and an undo or a redo exchanges the
values that a batch set with those before it.
"""

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Self, TypeVar

from dgm_engine.errors import CorruptError
from dgm_engine.labels.schema import CLUSTER_EDITS, Edit, Event, Kind, Use

KINDS_NOT_LEARNED = frozenset({Kind.SKIP, Kind.IGNORE, Kind.UNIGNORE, Kind.USE})
"""The kinds that change what is shown and suggested, but not what a model learns."""

K = TypeVar("K")
V = TypeVar("V")


class Anchor(NamedTuple):
    """The name of a cluster, for an image that a person saw in it.

    Attributes:
        class_name: the cluster's class; "" if its name was removed on purpose.
        sure: how sure the model was then that the image belongs to the cluster, above 0, at most 1.
        event: the id of the event that named the cluster.
        named: the number of images that the event named.
    """

    class_name: str
    sure: float
    event: int
    named: int


@dataclass(frozen=True)
class LabelState:
    """What people say about the items after event `version`. The mappings are shared: do not change them.

    Attributes:
        version: the id of the last event taken into account, 0 if there is none.
        known: the id of the newest batch that is not undone and that a model learns from, 0 if there is none; a model
            does not learn that an item was skipped or a cluster ignored. From two states of a store with equal `known`
            a model learns the same.
        positive: item to its class.
        rejected: item to the classes that it does not belong to; never empty.
        none_of_named: the items that belong to none of the named classes.
        skipped: the items skipped and not judged since.
        names: component of the requested lineage to its class, as last said of that number; None if it was un-named on
            purpose. This and the next three are empty if no lineage was requested.
        anchored: the components in `names` whose names belong to images; the other names belong to the number.
        edits: people's edits of the components of that lineage, in their order.
        ignored: the components of that lineage that people ignore.
        anchors: item to its anchor, for clusters of all lineages: a name belongs to images, wherever a model
            moves them, and so to the images of a model that was trained from scratch.
        classes: the classes that label an item or name a component, in any lineage, in the order in which they first
            appeared.
        numbers: these classes, and those that no longer label or name anything, in that order, to a number that each
            keeps: the component that it first named, or else the number of classes that appeared before it.
        annotators: item to its last judge; skipping is no judgement.
        confirmed: the labelled items whose class was given once more: somebody looked again and agreed.
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
        """The state for a run that has n components, without the edits of components that the run lacks."""
        return replace(self, edits=possible_edits(self.edits, n))

    @property
    def closed(self) -> frozenset[int]:
        """The components that were merged or dissolved and that no later split uses; they hold no images."""
        return closed_components(self.edits)


def component_mass(edits: Sequence[Edit], n: int) -> tuple[float, ...]:
    """(n,) the number of original components that each of n components contains after edits; 0 for a closed one.

    A merge adds the masses of both components. A split divides the sum of the two masses evenly between its halves.
    """
    mass = [1.0] * n
    for edit in edits:
        for component, share in edit.mass(mass).items():
            mass[component] = share
    return tuple(mass)


def possible_edits(edits: Sequence[Edit], n: int) -> tuple[Edit, ...]:
    """The edits that a run of n components allows: an earlier run may lack components that a later one has."""
    return tuple(edit for edit in edits if max(edit.touched) < n)


def closed_components(edits: Sequence[Edit]) -> frozenset[int]:
    """The components that these edits leave closed."""
    closed: set[int] = set()
    for edit in edits:
        if edit.closes is not None:
            closed.add(edit.closes)
        if edit.opens is not None:
            closed.discard(edit.opens)
    return frozenset(closed)


class Judgement(NamedTuple):
    """What people say about one item."""

    positive: str | None = None
    rejected: frozenset[str] = frozenset()
    none_of_named: bool = False
    skipped: bool = False
    annotator: str = ""
    confirmed: bool = False
    event: int = 0


UNJUDGED = Judgement()
MIN_REMNANT_SHARE = 0.2
"""A name counts only while at least this share of the images that it was given to have not been named again since.
Images that splits took from it do not count: what is left of their cluster keeps the name, however small it is."""
_USE_KEY = "run"  # the only key of `_used`, so that a choice of a run can be undone like the other values
_VIEWS = {
    "positive": "positive",
    "rejected": "rejected",
    "none_of_named": "none_of_named",
    "skipped": "skipped",
    "annotators": "annotator",
    "confirmed": "confirmed",
    "said": "event",
}
"""Fields of `LabelState` to the part of a judgement that they map items to; items without this part are left out.
A fold keeps these views up to date, so that one more label does not cost a pass over a million items."""


def judge(before: Judgement, event: Event) -> Judgement:
    """The judgement of an item after one more event about it."""
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
        return UNJUDGED
    raise CorruptError(f"label event {event.id} has kind {kind!r}, class {name!r}; restore the store from a copy")


@dataclass
class Step:
    """A batch on one of the two stacks.

    `items`, `names`, `anchors`, `split_off`, `anchored`, `used`, `edits` and `ignored` hold the values to exchange at
    the next undo or redo; None is an absent key. A component that was un-named on purpose has the name "". `classes`
    are the classes that appeared first in this batch, with their numbers. `known` is `LabelState.known` while this
    batch is the newest that is not undone. `mixed` is whether its events differ in kind or class.
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
        """What the batch did, in words that follow "Undid"."""
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
    """The events up to `version`, folded into their state."""

    def __init__(self) -> None:
        self.version = 0
        self.done: list[Step] = []
        self.undone: list[Step] = []
        self._items: dict[str, Judgement] = {}
        self._views: dict[str, dict[str, Any]] = {name: {} for name in _VIEWS}
        self._changed: dict[str, None] = {}  # the items that changed since the views were updated, in their order
        self._names: dict[tuple[int, int], str] = {}  # by lineage and component
        self._anchors: dict[str, Anchor] = {}  # by item
        self._split_off: dict[int, int] = {}  # by naming event, how many of its images splits took from it
        self._anchored: dict[tuple[int, int], bool] = {}  # by lineage and component
        self._used: dict[str, Use] = {}  # under one key
        self._edits: dict[tuple[int, int], Edit] = {}  # by lineage and event, in the order of events
        self._ignored: dict[tuple[int, int], bool] = {}  # by lineage and component
        self._classes: dict[str, int] = {}  # class to its number
        self._known: list[tuple[int, int]] = []  # (event, `known` from this event on), one for each change

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
        """`LabelState.known` right after event `version`, which must not be later than the last event."""
        place = bisect_right(self._known, (version, math.inf))
        return self._known[place - 1][1] if place else 0

    @property
    def _known_now(self) -> int:
        return self.done[-1].known if self.done else 0

    def state(self, lineage: int | None = None) -> LabelState:
        """The current state; for the lineage see `LabelState`."""
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
            use=self._used.get(_USE_KEY),
        )

    def _standing_anchors(self) -> dict[str, Anchor]:
        """The anchors without remnants, which are the few images that had left a cluster before it was renamed."""
        left = Counter(anchor.event for anchor in self._anchors.values())
        return {
            item: one
            for item, one in self._anchors.items()
            if left[one.event] >= MIN_REMNANT_SHARE * self._not_split_off(one)
        }

    def _not_split_off(self, anchor: Anchor) -> int:
        """The number of images that the event of an anchor named, without those that splits took from it since."""
        return anchor.named - self._split_off.get(anchor.event, 0)

    def _set_judgement(self, item: str, judgement: Judgement | None) -> None:
        """Sets the judgement of an item; None removes it."""
        _put(self._items, item, judgement)
        self._changed[item] = None

    def _up_to_date_views(self) -> dict[str, dict[str, Any]]:
        for name, part in _VIEWS.items():
            view = self._views[name]
            for item in self._changed:
                if value := getattr(self._items.get(item, UNJUDGED), part):
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
        if event.kind not in KINDS_NOT_LEARNED:
            step.known = event.batch  # a batch always follows the same earlier ones, so its id identifies them all
        step.events += 1
        name, item = event.class_name, event.item
        step.mixed |= name != step.first.class_name or event.kind is not step.first.kind
        if item is not None:
            before = self._items.get(item)
            step.items.setdefault(item, before)
            after = judge(before or UNJUDGED, event)
            self._set_judgement(item, after if after != UNJUDGED else None)
        elif event.lineage is not None and event.component is not None:
            self._do_to_component(step, event, (event.lineage, event.component))
        elif event.run is not None and event.newest is not None:
            _change(self._used, step.used, _USE_KEY, Use(event.run, event.newest))
        if name and name not in self._classes and event.kind is not Kind.REJECT:
            self._classes[name] = len(self._classes) if event.component is None else event.component
            step.classes[name] = self._classes[name]

    def _do_to_component(self, step: Step, event: Event, key: tuple[int, int]) -> None:
        """Applies one event about a cluster; the key is its lineage and component."""
        self._anchor(step, event)
        if event.kind is Kind.NAME:
            _change(self._names, step.names, key, event.class_name or "")
            _change(self._anchored, step.anchored, key, True if event.images else None)
        elif event.kind in CLUSTER_EDITS:
            edit = Edit(event.id, event.kind, key[1], event.other)
            _change(self._edits, step.edits, (key[0], event.id), edit)
            if edit.redefines is not None:  # with its new meaning it is neither named nor ignored
                _change(self._names, step.names, (key[0], edit.redefines), None)
                _change(self._anchored, step.anchored, (key[0], edit.redefines), None)
                _change(self._ignored, step.ignored, (key[0], edit.redefines), None)
            if event.class_name and event.other is not None:
                _change(self._names, step.names, (key[0], event.other), event.class_name)
                _change(self._anchored, step.anchored, (key[0], event.other), True if event.images else None)
        elif event.kind in (Kind.IGNORE, Kind.UNIGNORE):
            _change(self._ignored, step.ignored, key, True if event.kind is Kind.IGNORE else None)
        else:
            raise CorruptError(f"label event {event.id} is a {event.kind} of a cluster; restore the store from a copy")

    def _anchor(self, step: Step, event: Event) -> None:
        """Gives the event's name to its images, or removes theirs if the event leaves none."""
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
            self._set_judgement(item, judgement)
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
    """Sets a key, and keeps its value from before the batch in the patch."""
    patch.setdefault(key, mapping.get(key))
    _put(mapping, key, value)


def _exchange(mapping: dict[K, V], patch: dict[K, V | None]) -> None:
    for key, value in patch.items():
        patch[key] = mapping.get(key)
        _put(mapping, key, value)
