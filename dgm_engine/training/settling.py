"""What is said of single images against the names of clusters: who gives way, and who needs a component of its own.

A class that owns nothing can never be predicted, and a name is evidence like a label: it was given to a cluster after a
look at some of its images, and a few answers about images of the same cluster may show that it was wrong. So

- where more answers speak for another class than for the name, by `NAME_WORTH`, and the images fall into two groups
  with the answers in one, that group becomes a component of the other class;
- where they do not, and the answers are about typical images from all over it, the whole component is the other's.
  A class that owns nothing yet needs no such majority if the name has further components;
- what still owns nothing gets a new component that begins with its examples and the images nearest to them;
- a name does not take a component from the class of its labels, because some of the name's images came to lie there.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from dgm_engine.config import TrainingConfig
from dgm_engine.discovery.halves import halves
from dgm_engine.labels.schema import Edit
from dgm_engine.labels.state import LabelState
from dgm_engine.training.batches import Table
from dgm_engine.training.checkpoint import Cause
from dgm_engine.training.fitting import Learned, evident, predict
from dgm_engine.training.loop import TrainingState
from dgm_engine.training.naming import Overruled, Rows, named_by, spoken_of
from dgm_engine.training.start import SAMPLE, principal_components
from dgm_engine.training.takeover import Beginning, begin_components

NAME_WORTH = 2
"""A name weighs as much as so many answers about single images."""
LEAST_ANSWERS = 2
TYPICAL = 0.2
"""An image is typical of a component if so large a share of its images lies further from their mean."""
MANY = 0.15
"""Answers about so large a share of a component's images count whether they are typical or not."""
TELLING, ONE_SIDE = 3, 0.8
"""So many answers, and so large a share of them in one half, tell which half is theirs."""
HUDDLED = 2.0
NO_CLASS = ""
"""What rejections speak for: none of the named classes."""


@dataclass(frozen=True)
class NewComponent:
    """A component to be made.

    Attributes:
        class_name: whose it is; `NO_CLASS` leaves it free.
        source: the component that it begins as a copy of.
        rows: (n,) pool rows that it begins with.
        answers: the items whose labels parted it from its source; none for a class that owns nothing.
    """

    class_name: str
    source: int
    rows: NDArray[np.int64]
    answers: frozenset[str] = frozenset()

    @property
    def cause(self) -> Cause:
        """What it is made for, once in a schedule."""
        return (self.source if self.answers else None, self.class_name)


@dataclass(frozen=True)
class Settlement:
    """What answers change, beside the owners of components that nobody named.

    Attributes:
        overruled: components that are another class's from now on.
        new: components to be made.
    """

    overruled: Mapping[int, Overruled]
    new: tuple[NewComponent, ...]


@dataclass(frozen=True)
class Dispute:
    """Answers that speak against the name of a component.

    Attributes:
        component: which one.
        name: its class.
        against: the class that they speak for, or `NO_CLASS`.
        rows: (n,) pool rows of the images that they are about.
        support: how many answers about the component's images agree with the name.
    """

    component: int
    name: str
    against: str
    rows: NDArray[np.int64]
    support: int


class Scene:
    """A model, and what people said of the images, as far as it has a say in whose the components are.

    Args:
        state: whose model it is; its neighbours may be None.
        table: the pool's values.
        labels: what people said.
        rows: from item ids to pool rows.
        learned: whose the components are as it stands.
        config: of the training.
    """

    def __init__(
        self,
        state: TrainingState,
        table: Table,
        labels: LabelState,
        rows: Rows,
        learned: Learned,
        config: TrainingConfig,
    ) -> None:
        self.state, self.table, self.labels, self.config = state, table, labels, config
        self.given, self.owner, self.claims, self.named = learned.given, learned.owner, learned.claims, learned.named
        answers = [*evident(labels, config).items(), *((item, NO_CLASS) for item in labels.none_of_named)]
        self.answered = rows([item for item, _ in answers])
        self.answer = np.array([name for _, name in answers], dtype=object)
        self.said = np.array([labels.said.get(item, 0) for item, _ in answers], dtype=np.int64)
        self.component = self.components(self.answered)
        rejected = [(item, name) for item, names in labels.rejected.items() for name in names]
        self.rejected = rows([item for item, _ in rejected])
        self.rejection = np.array([name for _, name in rejected], dtype=object)
        self.rejection_said = np.array([labels.said.get(item, 0) for item, _ in rejected], dtype=np.int64)
        self.rejected_component = self.components(self.rejected)
        self._item = dict(zip(self.answered.tolist(), (item for item, _ in answers), strict=True))
        self._item |= dict(zip(self.rejected.tolist(), (item for item, _ in rejected), strict=True))
        self.anchored = rows(list(labels.anchors))
        self.anchored_component = learned.component
        self.event = np.array([anchor.event for anchor in labels.anchors.values()], dtype=np.int64)
        self.anchor_class = np.array([anchor.class_name for anchor in labels.anchors.values()], dtype=object)
        self.named_by = named_by(self.anchored_component, list(labels.anchors.values()), self.owner)

    def disputes(self) -> Iterator[Dispute]:
        """The names that answers speak against, the clearest first."""
        found: list[Dispute] = []
        for k, name in enumerate(self.owner):
            if not name or self.claims[k] != name:
                continue
            here = self.component == k
            support = int((self.answer[here] == name).sum())
            for other in dict.fromkeys([*self.answer[here].tolist(), NO_CLASS]):
                rows = self._rows_against(k, name, other)
                enough = max(LEAST_ANSWERS, support + self._worth(name, other) + 1)
                if other != name and len(rows) >= enough:
                    found.append(Dispute(k, name, other, rows, support))
        yield from sorted(found, key=lambda dispute: dispute.support - len(dispute.rows))

    def waiting(self) -> list[str]:
        """The classes that images stand for and that own nothing."""
        return [name for name in spoken_of(self.labels, self.named) if name not in self.owner]

    def names_in(self, component: int) -> frozenset[int]:
        """The events that named images which the component holds now."""
        return frozenset(self.event[self.anchored_component == component].tolist())

    def items(self, rows: NDArray[np.int64]) -> frozenset[str]:
        """The items of rows that answers are about."""
        return frozenset(self._item[row] for row in rows.tolist())

    def members(self, component: int) -> NDArray[np.int64]:
        """(n,) rows of a sample of the pool that a component holds, ascending."""
        rows, holds = self._sampled
        return rows[holds == component]

    def examples(self, name: str) -> NDArray[np.int64]:
        """(n,) rows of a class's labelled images, or else of those that still carry its name."""
        labelled = self.answered[self.answer == name]
        if len(labelled):
            return labelled
        anchors = self.labels.anchors.items()
        named = [anchor.class_name == name and item in self.named for item, anchor in anchors]
        return self.anchored[np.array(named, dtype=bool)]

    def home(self, rows: NDArray[np.int64]) -> int:
        """The component that holds most of these images."""
        return int(np.bincount(self.components(rows)).argmax())

    def likes(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """(n,) these images and their neighbours, but for those that people labelled, or said to be of no class."""
        if self.state.neighbours is None:
            return rows
        near = np.setdiff1d(self.state.neighbours[rows].ravel().astype(np.int64), self.answered)
        return np.union1d(rows, near)

    def huddled(self, rows: NDArray[np.int64], n_members: float) -> bool:
        """Whether images lie closer together than if they were any of a component's: they are a few of their own kind.

        Images drawn from n would have each other among their neighbours by chance; these are, by `HUDDLED` times that.
        """
        if self.state.neighbours is None:
            return False
        near = self.state.neighbours[rows]  # (n, neighbours)
        by_chance = near.size * (len(rows) - 1) / max(n_members - 1, 1)
        return int(np.isin(near, rows).sum()) > HUDDLED * by_chance + 1

    def empty(self, edits: Sequence[Edit], taken: Collection[int]) -> int | None:
        """A component that holds no images, nobody owns and nobody did anything with, if there is one.

        Args:
            edits: what people did with components.
            taken: components that are somebody's meanwhile.
        """
        kept = {*self._sampled[1].tolist(), *taken, *self.touched(edits)}
        return next((k for k, name in enumerate(self.owner) if name is None and k not in kept), None)

    def touched(self, edits: Sequence[Edit]) -> frozenset[int | None]:
        """The numbers of components that people did something with; it would be done to a new one of that number."""
        return self.labels.ignored.union(*((edit.component, edit.other) for edit in edits))

    def _worth(self, name: str, other: str) -> int:
        spared = other not in self.owner and self.owner.count(name) > 1
        return 0 if spared and other != NO_CLASS else NAME_WORTH

    def _rows_against(self, k: int, name: str, other: str) -> NDArray[np.int64]:
        """(n,) rows of the answers since the component was named (`naming.named_by`)."""
        newest = self.named_by[k]
        named = 0 if newest is None else newest.event
        said = self.answered[(self.component == k) & (self.answer == other) & (self.said > named)]
        if other != NO_CLASS:
            return said
        refused = (self.rejected_component == k) & (self.rejection == name) & (self.rejection_said > named)
        return np.union1d(said, self.rejected[refused])

    @cached_property
    def _sampled(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        rows = self.table.sample(SAMPLE, np.random.default_rng(0))
        return rows, self.components(rows)

    def components(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """(n,) where the model has pool rows."""
        return predict(self.state.model, self.table, rows)[0].argmax(axis=1)


def settle(scene: Scene) -> Settlement:
    """What gives way to what people said, and what has to be made for it."""
    overruled: dict[int, Overruled] = {}
    new: list[NewComponent] = []
    settled: set[str] = set()
    for dispute in scene.disputes():
        if dispute.component in overruled or any(one.source == dispute.component for one in new):
            continue
        group, typical = _parted(scene, dispute)
        if group is not None:
            new.append(NewComponent(dispute.against, dispute.component, group, scene.items(dispute.rows)))
        elif typical:
            overruled[dispute.component] = _whole(scene, dispute)
        else:
            continue
        settled.add(dispute.against)
    for name in scene.waiting():
        rows = scene.examples(name)
        if name not in settled and len(rows):
            new.append(NewComponent(name, scene.home(rows), scene.likes(rows)))
    return Settlement(overruled, tuple(new))


def taken_by_names(scene: Scene) -> dict[int, Overruled]:
    """By component, names that it got only as some of their images came to lie in it, and that its labels overrule.

    Labels gave it to their class, and training learned it so. Seven images of a named cluster of 24, the most that were
    left together, took a component of 45 images from the class of its 13 labels: 43 images of sign lost their class.
    """
    return {
        dispute.component: _whole(scene, dispute)
        for dispute in scene.disputes()
        if scene.given[dispute.component] == dispute.against
        and scene.labels.names.get(dispute.component) != dispute.name
    }


def make_components(
    scene: Scene, wanted: Sequence[NewComponent], edits: Sequence[Edit], overruled: dict[int, Overruled]
) -> list[int | None]:
    """Makes components, in the model and in `overruled`; returns their numbers. K grows where none is empty.

    Not where people did something with a component of that number, which a run has that was not gone on from: then None
    stands for its number.

    Args:
        scene: whose model it is.
        wanted: what is to be made.
        edits: what people did with components, also with those that the model does not have.
        overruled: by component, where labels spoke against names.
    """
    n_components, taken = scene.state.model.config.n_components, {*overruled}
    beginnings: dict[int, Beginning] = {}  # by place in `wanted`
    for place, new in enumerate(wanted):
        empty = scene.empty(edits, taken)
        if empty is not None:
            taken.add(empty)
        elif n_components in scene.touched(edits):
            continue
        else:
            n_components += 1
        beginnings[place] = Beginning(new.source, new.rows, empty)
    if not beginnings:
        return [None] * len(wanted)
    numbers = begin_components(scene.state, scene.table, list(beginnings.values()), scene.config)
    made, now = dict(zip(beginnings, numbers, strict=True)), scene.components(scene.anchored)
    for place, number in made.items():
        new = wanted[place]
        others = scene.event[(now == number) & (scene.anchor_class != new.class_name)]
        overruled[number] = Overruled(new.class_name, frozenset(others.tolist()), new.answers)
    return [made.get(place) for place in range(len(wanted))]


def _whole(scene: Scene, dispute: Dispute) -> Overruled:
    """The whole component is the class's that the answers speak for."""
    return Overruled(dispute.against, scene.names_in(dispute.component), scene.items(dispute.rows))


def _parted(scene: Scene, dispute: Dispute) -> tuple[NDArray[np.int64] | None, bool]:
    """The group of a component's images that answers lie in, if these form two groups; else if they speak for all."""
    members = np.union1d(scene.members(dispute.component), dispute.rows)
    points = principal_components(scene.state.model, replace(scene.table, rows=members), np.random.default_rng(0))
    spoken = np.isin(members, dispute.rows)
    found = halves(points)
    share = found.second[spoken].mean()
    if len(dispute.rows) >= TELLING and found.two_like and max(share, 1 - share) >= ONE_SIDE:
        return members[(found.second if share >= ONE_SIDE else ~found.second) | spoken], False
    distance = np.linalg.norm(points - points.mean(axis=0), axis=1)
    typical = np.mean([(distance >= at).mean() >= TYPICAL for at in distance[spoken]]) >= 0.5
    n_members = len(members) * len(scene.table.rows) / min(SAMPLE, len(scene.table.rows))
    whole = (typical or spoken.mean() >= MANY) and not scene.huddled(dispute.rows, n_members)
    return None, bool(whole)
