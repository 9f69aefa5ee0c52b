"""What holds after a history of events.

`Fold` takes events in the order of their ids and keeps what holds now. Undo always takes back the last batch that still
holds, and a new batch ends the chance to redo, so batches are two stacks, and one step of either exchanges what a batch
set with what was there before.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from dgm_engine.errors import CorruptError
from dgm_engine.labels.schema import Event, Kind

K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True)
class LabelState:
    """What people hold true of the items after event `version`. The mappings are shared: do not change them.

    Attributes:
        version: the id of the last event taken into account, 0 where there is none.
        judged: the id of the last of them that changed what is known; passing an item over does not.
        positive: item to its class.
        rejected: item to the classes it is said not to be of; never empty.
        none_of_named: items said to be of none of the named classes.
        skipped: items passed over and not judged since.
        names: component to its class in the lineage asked for, None where it was un-named on purpose; empty where no
            lineage was asked for.
        classes: the classes that label an item or name a component, of any lineage, in the order in which they first
            appeared.
        annotators: item to who judged it last; skipping is no judgement.
    """

    version: int
    judged: int
    positive: Mapping[str, str]
    rejected: Mapping[str, frozenset[str]]
    none_of_named: frozenset[str]
    skipped: frozenset[str]
    names: Mapping[int, str | None]
    classes: tuple[str, ...]
    annotators: Mapping[str, str]


class Judgement(NamedTuple):
    """All that holds of one item."""

    positive: str | None = None
    rejected: frozenset[str] = frozenset()
    none_of_named: bool = False
    skipped: bool = False
    annotator: str = ""


NOTHING = Judgement()


def judge(before: Judgement, event: Event) -> Judgement:
    """What holds of an item after one more event about it."""
    kind, name, annotator = event.kind, event.class_name, event.annotator
    if kind is Kind.LABEL and name:
        rejected = before.rejected - {name} if before.rejected else before.rejected
        return Judgement(name, rejected, annotator=annotator)
    if kind is Kind.REJECT and name:
        positive = None if before.positive == name else before.positive
        return Judgement(positive, before.rejected | {name}, before.none_of_named, annotator=annotator)
    if kind is Kind.NONE_OF_NAMED:
        return Judgement(None, before.rejected, none_of_named=True, annotator=annotator)
    if kind is Kind.SKIP:
        return before._replace(skipped=True)
    if kind is Kind.CLEAR:
        return NOTHING
    raise CorruptError(f"label event {event.id} has kind {kind!r}, class {name!r}; restore the store from a copy")


@dataclass
class Step:
    """A batch on one of the two stacks.

    `items` and `names` hold what to exchange at the next undo or redo; None stands for an absent key. A name of "" is
    a component un-named on purpose. `classes` are those that no earlier batch brought.
    """

    first: Event
    events: int = 0
    mixed: bool = False
    items: dict[str, Judgement | None] = field(default_factory=dict[str, Judgement | None])
    names: dict[tuple[int, int], str | None] = field(default_factory=dict[tuple[int, int], str | None])
    classes: list[str] = field(default_factory=list[str])

    @property
    def description(self) -> str:
        """What the batch did, to follow a word like "Undid"."""
        first, name = self.first, self.first.class_name
        what = str(first.item) if self.events == 1 else f"{self.events:,} items"
        if self.mixed:
            return f"an import of {self.events:,} rows"
        if first.kind is Kind.NAME:
            return f"naming cluster {first.component} {name}" if name else f"un-naming cluster {first.component}"
        return {
            Kind.LABEL: f"labelling {what} as {name}",
            Kind.REJECT: f"marking {what} as not {name}",
            Kind.NONE_OF_NAMED: f"marking {what} as none of the named classes",
            Kind.CLEAR: f"clearing {what}",
        }.get(first.kind, f"skipping {what}")


class Fold:
    """The events up to `version`, folded into what holds."""

    def __init__(self) -> None:
        self.version = self.judged = 0
        self.done: list[Step] = []
        self.undone: list[Step] = []
        self._items: dict[str, Judgement] = {}
        self._names: dict[tuple[int, int], str] = {}
        self._classes: dict[str, None] = {}

    def add(self, event: Event) -> None:
        """Takes the next event into account.

        Raises:
            CorruptError: the event cannot follow those before it.
        """
        if event.target is None:
            step = self._do(event)
        elif event.kind is Kind.UNDO:
            step = self._move(self.done, self.undone, event)
        else:
            step = self._move(self.undone, self.done, event)
        self.version = event.id
        if step.first.kind is not Kind.SKIP:
            self.judged = event.id

    def state(self, lineage: int | None = None) -> LabelState:
        """What holds now; see `LabelState` for what the lineage does."""
        items = self._items.items()
        names = {component: name or None for (of, component), name in self._names.items() if of == lineage}
        positive = {item: judgement.positive for item, judgement in items if judgement.positive}
        in_use = {*positive.values(), *self._names.values()}
        return LabelState(
            version=self.version,
            judged=self.judged,
            positive=positive,
            rejected={item: judgement.rejected for item, judgement in items if judgement.rejected},
            none_of_named=frozenset(item for item, judgement in items if judgement.none_of_named),
            skipped=frozenset(item for item, judgement in items if judgement.skipped),
            names=names,
            classes=tuple(name for name in self._classes if name in in_use),
            annotators={item: judgement.annotator for item, judgement in items if judgement.annotator},
        )

    def _do(self, event: Event) -> Step:
        if not self.done or self.done[-1].first.batch != event.batch:
            self.done.append(Step(event))
            self.undone.clear()
        step = self.done[-1]
        step.events += 1
        name, item = event.class_name, event.item
        step.mixed |= name != step.first.class_name or event.kind is not step.first.kind
        if item is not None:
            before = self._items.get(item)
            step.items.setdefault(item, before)
            after = judge(before or NOTHING, event)
            _put(self._items, item, after if after != NOTHING else None)
        elif event.lineage is not None and event.component is not None:
            key = (event.lineage, event.component)
            step.names.setdefault(key, self._names.get(key))
            self._names[key] = name or ""
        if name and name not in self._classes and event.kind is not Kind.REJECT:
            self._classes[name] = None
            step.classes.append(name)
        return step

    def _move(self, source: list[Step], target: list[Step], event: Event) -> Step:
        if not source or source[-1].first.batch != event.target:
            raise CorruptError(
                f"label event {event.id} is a {event.kind} of batch {event.target}, which is not next; "
                "restore the store from a copy"
            )
        step = source.pop()
        target.append(step)
        _exchange(self._items, step.items)
        _exchange(self._names, step.names)
        for name in step.classes:
            if event.kind is Kind.UNDO:
                del self._classes[name]
            else:
                self._classes[name] = None
        return step


def _put(mapping: dict[K, V], key: K, value: V | None) -> None:
    if value is None:
        mapping.pop(key, None)
    else:
        mapping[key] = value


def _exchange(mapping: dict[K, V], patch: dict[K, V | None]) -> None:
    for key, value in patch.items():
        patch[key] = mapping.get(key)
        _put(mapping, key, value)
