"""Compares answers about images with the owners of the components that hold them, and finds the disputed names."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from dgm_engine.config import TrainingConfig
from dgm_engine.labels.schema import Edit
from dgm_engine.labels.state import LabelState
from dgm_engine.training.batches import Table
from dgm_engine.training.fitting import Assessment, evident, predict
from dgm_engine.training.loop import TrainingState
from dgm_engine.training.naming import Rows, named_by, spoken_of
from dgm_engine.training.start import CLUSTERED_SAMPLE

ANSWERS_PER_NAME = 2
"""The name of a cluster weighs as much as this many answers about single images."""
MIN_ANSWERS = 2
"""Fewer answers than this do not dispute a name."""
MIN_TIMES_CHANCE = 2.0
"""Images lie close together if they are each other's neighbours more than this many times as often as by chance."""
NO_CLASS = ""
"""The class that rejections speak for: none of the named ones."""


@dataclass(frozen=True)
class Dispute:
    """Answers that contradict the name of a component.

    Attributes:
        component: its number.
        name: its class.
        against: the class that the answers give, or `NO_CLASS`.
        rows: (n,) pool rows of the images that the answers are about.
        support: the number of answers about the component's images that agree with the name.
    """

    component: int
    name: str
    against: str
    rows: NDArray[np.int64]
    support: int


class Scene:
    """A model, and what people said of its images that bears on the owners of its components.

    Args:
        state: the training state of the model; its neighbours may be None.
        table: the pool's values.
        labels: what people said.
        rows: maps item ids to pool rows.
        found: the present owners of the components.
        config: of the training.
    """

    def __init__(
        self,
        state: TrainingState,
        table: Table,
        labels: LabelState,
        rows: Rows,
        found: Assessment,
        config: TrainingConfig,
    ) -> None:
        self.state, self.table, self.labels, self.config = state, table, labels, config
        self.given, self.owner, self.claims, self.named = found.given, found.owner, found.claims, found.named
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
        self.anchored_component = found.component
        self.event = np.array([anchor.event for anchor in labels.anchors.values()], dtype=np.int64)
        self.anchor_class = np.array([anchor.class_name for anchor in labels.anchors.values()], dtype=object)
        self.named_by = named_by(self.anchored_component, list(labels.anchors.values()), self.owner)

    def disputes(self) -> Iterator[Dispute]:
        """The names that answers contradict, the clearest first."""
        found: list[Dispute] = []
        for k, name in enumerate(self.owner):
            if not name or self.claims[k] != name:
                continue
            here = self.component == k
            support = int((self.answer[here] == name).sum())
            for other in dict.fromkeys([*self.answer[here].tolist(), NO_CLASS]):
                rows = self._rows_against(k, name, other)
                enough = max(MIN_ANSWERS, support + self._worth(name, other) + 1)
                if other != name and len(rows) >= enough:
                    found.append(Dispute(k, name, other, rows, support))
        yield from sorted(found, key=lambda dispute: dispute.support - len(dispute.rows))

    def waiting(self) -> list[str]:
        """The classes that have images and own no component."""
        return [name for name in spoken_of(self.labels, self.named) if name not in self.owner]

    def names_in(self, component: int) -> frozenset[int]:
        """The events that named images that the component now holds."""
        return frozenset(self.event[self.anchored_component == component].tolist())

    def items(self, rows: NDArray[np.int64]) -> frozenset[str]:
        """The items of pool rows that have answers."""
        return frozenset(self._item[row] for row in rows.tolist())

    def members(self, component: int) -> NDArray[np.int64]:
        """(n,) rows of a component's images in a sample of the pool, ascending."""
        rows, holds = self._sampled
        return rows[holds == component]

    def examples(self, name: str) -> NDArray[np.int64]:
        """(n,) rows of a class's labelled images; if there are none, of the images that still have its name."""
        labelled = self.answered[self.answer == name]
        if len(labelled):
            return labelled
        anchors = self.labels.anchors.items()
        named = [anchor.class_name == name and item in self.named for item, anchor in anchors]
        return self.anchored[np.array(named, dtype=bool)]

    def home(self, rows: NDArray[np.int64]) -> int:
        """The component that holds the most of these images."""
        return int(np.bincount(self.components(rows)).argmax())

    def likes(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """(n,) these images and their neighbours, except neighbours that people labelled or said to be of no class."""
        if self.state.neighbours is None:
            return rows
        near = np.setdiff1d(self.state.neighbours[rows].ravel().astype(np.int64), self.answered)
        return np.union1d(rows, near)

    def lie_close(self, rows: NDArray[np.int64], n_members: float) -> bool:
        """Whether images lie closer together than a random draw from their component, as those of one kind do.

        Args:
            rows: (n,) pool rows of the images.
            n_members: about how many images their component holds; a random draw from them has some neighbours too.
        """
        if self.state.neighbours is None:
            return False
        near = self.state.neighbours[rows]  # (n, neighbours)
        by_chance = near.size * (len(rows) - 1) / max(n_members - 1, 1)
        return int(np.isin(near, rows).sum()) > MIN_TIMES_CHANCE * by_chance + 1

    def empty(self, edits: Sequence[Edit], taken: Collection[int]) -> int | None:
        """A component without images or owner that nobody edited or ignored; None if there is none.

        Args:
            edits: what people did with clusters.
            taken: components that have been given away since.
        """
        kept = {*self._sampled[1].tolist(), *taken, *self.touched(edits)}
        return next((k for k, name in enumerate(self.owner) if name is None and k not in kept), None)

    def touched(self, edits: Sequence[Edit]) -> frozenset[int]:
        """The components that people edited or ignored; a new component of such a number would inherit that."""
        return self.labels.ignored.union(*(edit.touched for edit in edits))

    def _worth(self, name: str, other: str) -> int:
        spared = other not in self.owner and self.owner.count(name) > 1
        return 0 if spared and other != NO_CLASS else ANSWERS_PER_NAME

    def _rows_against(self, k: int, name: str, other: str) -> NDArray[np.int64]:
        """(n,) rows of the contradicting answers given after the component was named (`naming.named_by`)."""
        newest = self.named_by[k]
        named = 0 if newest is None else newest.event
        said = self.answered[(self.component == k) & (self.answer == other) & (self.said > named)]
        if other != NO_CLASS:
            return said
        refused = (self.rejected_component == k) & (self.rejection == name) & (self.rejection_said > named)
        return np.union1d(said, self.rejected[refused])

    @cached_property
    def _sampled(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        rows = self.table.sample(CLUSTERED_SAMPLE, np.random.default_rng(0))
        return rows, self.components(rows)

    def components(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """(n,) the most probable component of each pool row."""
        return predict(self.state.model, self.table, rows)[0].argmax(axis=1)
