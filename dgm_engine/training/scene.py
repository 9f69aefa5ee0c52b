"""What people said of images beside whose the components are: who holds the answers, and which speak against names."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from dgm_engine.config import TrainingConfig
from dgm_engine.labels.schema import Edit
from dgm_engine.labels.state import LabelState
from dgm_engine.training.batches import Table
from dgm_engine.training.fitting import Learned, evident, predict
from dgm_engine.training.loop import TrainingState
from dgm_engine.training.naming import Rows, named_by, spoken_of
from dgm_engine.training.start import SAMPLE

NAME_WORTH = 2
"""A name weighs as much as so many answers about single images."""
LEAST_ANSWERS = 2
HUDDLED = 2.0
NO_CLASS = ""
"""What rejections speak for: none of the named classes."""


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

    def touched(self, edits: Sequence[Edit]) -> frozenset[int]:
        """The numbers of components that people did something with; it would be done to a new one of that number."""
        return self.labels.ignored.union(*(edit.touched for edit in edits))

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
