"""Decides whether the results of a run are better than those of the run that it continued.

People named clusters and labelled images, and see the predicted classes of the others. So three shares count: of the
images under a name that keep it, of the labels that training did not see and that are predicted, and of the images that
have a class. Each counts by itself: training pins thousands of images under a name, and a few dozen wrong labels would
not show beside them.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

MAX_SHARE_LOST = 0.02
"""Results replace earlier ones unless one of the three shares falls by more than this."""
MIN_IMAGES_LOST = 3
"""A fall of the share of images under a name counts only if it is a fall by at least this many images."""
MIN_DEVIATIONS_LOST = 1.645
"""A fall of the share of the held-out labels counts only if the losses outweigh the gains by more than this many
standard deviations of a fair coin: a one-sided sign test (McNemar's) at 5 %. These labels are few and often doubtful,
and each retrain turns some of them for the better and some for the worse. If it turns 1 of 10 and is no worse, it loses
three more than it wins in 9 % of such retrains with 35 labels and in 21 % with 100, so no fixed number suits all sizes;
the test turns down 1 and 2 % of them. Four labels decide nothing; five do, if all are lost and none is won."""
ROUNDING_MARGIN = 1e-9
"""Added to the limits, so that rounding does not decide whether two points are more than two points."""


@dataclass(frozen=True)
class Expected:
    """What people said of some images.

    Attributes:
        positions: (A,) positions of the images among the predictions.
        said: (A,) their classes.
        sure: (A,) the weight of each.
    """

    positions: NDArray[np.int64]
    said: Sequence[str]
    sure: Sequence[float]

    def met(self, predicted: NDArray[np.str_]) -> NDArray[np.bool_]:
        """(A,) whether the predictions (M,) agree with what people said."""
        return predicted[self.positions] == np.array(self.said, dtype=str)

    def score(self, predicted: NDArray[np.str_]) -> "Score":
        """The images with such predictions."""
        sure = np.array(self.sure, dtype=np.float64)
        return Score(float(sure[self.met(predicted)].sum()), float(sure.sum()), len(sure))


@dataclass(frozen=True)
class Score:
    """The agreement of predictions with what people said of some images.

    Attributes:
        right: the summed weights of the images that are predicted as people said.
        weight: the summed weights of all images.
        n: the number of images.
    """

    right: float = 0.0
    weight: float = 0.0
    n: int = 0

    @property
    def share(self) -> float | None:
        """`right` as a share of `weight`, 0 to 1; None if there are no images."""
        return self.right / self.weight if self.weight else None


@dataclass(frozen=True)
class Standing:
    """The agreement of a run's results with what people said.

    Attributes:
        named: the images under a cluster's name, weighted by how sure the model was of them.
        held_out: the labels that training did not see; for runs of earlier versions, `named` includes them.
        coverage: share of the images predicted as one of the named classes, among those that may be.
    """

    named: Score
    held_out: Score
    coverage: float

    @property
    def agreement(self) -> float | None:
        """The share right of images under a name and held-out labels together; None if there are none."""
        return Score(self.named.right + self.held_out.right, self.named.weight + self.held_out.weight).share

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """Reads what `asdict` or an earlier version wrote; the latter knew only the agreement of all."""
        if "agreement" not in value:
            return cls(Score(**value["named"]), Score(**value["held_out"]), value["coverage"])
        n = 0 if value["agreement"] is None else value["n"]
        return cls(Score((value["agreement"] or 0.0) * n, n, n), Score(), value["coverage"])


@dataclass(frozen=True)
class Comparison:
    """The comparison of a run's results with those of its parent run.

    Attributes:
        run: the number of the parent run.
        before: the agreement of its results with what people had said by the end of the later run.
        after: the agreement of the later run's results with the same.
        lost: the number of held-out labels that only the earlier results predict.
        won: the number of those that only the later results predict.
    """

    run: int
    before: Standing
    after: Standing
    lost: int = 0
    won: int = 0

    @classmethod
    def of(
        cls,
        run: int,
        predicted: tuple[NDArray[np.str_], NDArray[np.str_]],
        named: Expected,
        held_out: Expected,
        refused: NDArray[np.bool_],
    ) -> Self:
        """Compares predictions (M,) before and after; "" is none of the named classes.

        The coverage leaves out images (M,) whose cluster people said to be of no class: they lose nothing without one.
        """
        before, after = (Standing(named.score(one), held_out.score(one), _coverage(one[~refused])) for one in predicted)
        earlier, later = (held_out.met(one) for one in predicted)
        return cls(run, before, after, int((earlier & ~later).sum()), int((later & ~earlier).sum()))

    @property
    def kept(self) -> bool:
        """Whether the later results replace the earlier ones."""
        return not (
            self.before.coverage - self.after.coverage > MAX_SHARE_LOST + ROUNDING_MARGIN
            or _fell(self.before.named, self.after.named, MIN_IMAGES_LOST)
            or (_fell(self.before.held_out, self.after.held_out) and self._by_more_than_chance)
        )

    @property
    def _by_more_than_chance(self) -> bool:
        """The sign test of the held-out labels, by a normal approximation with continuity correction."""
        return self.lost - self.won - 1 > MIN_DEVIATIONS_LOST * math.sqrt(self.lost + self.won)

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """What `to_json` wrote."""
        before, after = (Standing.from_json(value[side]) for side in ("before", "after"))
        return cls(value["run"], before, after, value.get("lost", 0), value.get("won", 0))


def unpredicted(classes: Iterable[str], predicted: NDArray[np.str_]) -> tuple[str, ...]:
    """The classes that no image is predicted as: they own no component, or only components without images.

    Args:
        classes: their names.
        predicted: (M,) the classes of the images, "" for none.
    """
    found = {*np.unique(predicted).tolist()}
    return tuple(name for name in classes if name not in found)


def _coverage(predicted: NDArray[np.str_]) -> float:
    """The share of predictions that name a class; 0 if there are no predictions."""
    return float((predicted != "").mean()) if len(predicted) else 0.0


def _fell(before: Score, after: Score, least: int = 1) -> bool:
    """Whether a share fell by more than `MAX_SHARE_LOST`, and by at least `least` images."""
    if before.share is None or after.share is None:
        return False
    lost = before.share - after.share
    return lost > MAX_SHARE_LOST + ROUNDING_MARGIN and lost * after.n >= least - ROUNDING_MARGIN
