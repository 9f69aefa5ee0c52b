"""Whether a run that goes on from an earlier one left the project better: what its results are measured by.

People named clusters and labelled images, and see the classes of the others. So what counts is whether the images that
carry a name still carry it, whether labels that training did not see are predicted, and how many images have a class.
Each counts by itself: training holds the images under a name firmly, thousands of them, and beside these a few dozen
labels that all went wrong would not be seen.
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
"""A fall of the share of the images under a name counts only if it is of at least this many images."""
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
        positions: (A,) where the images are among the predictions.
        said: (A,) their classes.
        sure: (A,) what each counts for.
    """

    positions: NDArray[np.int64]
    said: Sequence[str]
    sure: Sequence[float]

    def met(self, predicted: NDArray[np.str_]) -> NDArray[np.bool_]:
        """(A,) of which images the predictions (M,) are as people said."""
        return predicted[self.positions] == np.array(self.said, dtype=str)

    def score(self, predicted: NDArray[np.str_]) -> "Score":
        """How many they are."""
        sure = np.array(self.sure, dtype=np.float64)
        return Score(float(sure[self.met(predicted)].sum()), float(sure.sum()), len(sure))


@dataclass(frozen=True)
class Score:
    """How many of some images are predicted as people said.

    Attributes:
        right: these, each by what it counts for.
        weight: all, in the same way.
        n: how many images there are.
    """

    right: float = 0.0
    weight: float = 0.0
    n: int = 0

    @property
    def share(self) -> float | None:
        """0 to 1; None where there are no images."""
        return self.right / self.weight if self.weight else None


@dataclass(frozen=True)
class Standing:
    """How a run's results stand to what people said.

    Attributes:
        named: the images under a cluster's name, each by how sure the model was of it.
        held_out: the labels that training did not see; of runs of earlier versions they are counted under `named`.
        coverage: share of the images that are predicted as one of the named classes; of those that may be.
    """

    named: Score
    held_out: Score
    coverage: float

    @property
    def agreement(self) -> float | None:
        """The share of both, images under a name and labels kept aside; None where there are none."""
        return Score(self.named.right + self.held_out.right, self.named.weight + self.held_out.weight).share

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """What `asdict` made of it, or an earlier version, which knew but the agreement of all."""
        if "agreement" not in value:
            return cls(Score(**value["named"]), Score(**value["held_out"]), value["coverage"])
        n = 0 if value["agreement"] is None else value["n"]
        return cls(Score((value["agreement"] or 0.0) * n, n, n), Score(), value["coverage"])


@dataclass(frozen=True)
class Comparison:
    """A run's results beside those that it went on from.

    Attributes:
        run: the number of the run before.
        before: how its results stood, after what people had said by the end of the later run.
        after: how the later run's stand.
        lost: labels kept aside that only the earlier results predict.
        won: those that only the later ones predict.
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
        """Of predictions (M,) before and after, "" for none of the named classes.

        Images (M,) whose cluster people refused a name are no part of the coverage: that they have no class is no loss.
        """
        before, after = (Standing(named.score(one), held_out.score(one), _coverage(one[~refused])) for one in predicted)
        earlier, later = (held_out.met(one) for one in predicted)
        return cls(run, before, after, int((earlier & ~later).sum()), int((later & ~earlier).sum()))

    @property
    def kept(self) -> bool:
        """Whether the later results take the earlier ones' place."""
        return not (
            self.before.coverage - self.after.coverage > MAX_SHARE_LOST + ROUNDING_MARGIN
            or _fell(self.before.named, self.after.named, MIN_IMAGES_LOST)
            or (_fell(self.before.held_out, self.after.held_out) and self._by_more_than_chance)
        )

    @property
    def _by_more_than_chance(self) -> bool:
        """The sign test of the labels kept aside, by a normal distribution with its correction for whole numbers."""
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
    """Those of the classes that are predicted of no image: they own nothing, or nothing that images come out in.

    Args:
        classes: their names.
        predicted: (M,) the classes of the images, "" for none.
    """
    found = {*np.unique(predicted).tolist()}
    return tuple(name for name in classes if name not in found)


def _coverage(predicted: NDArray[np.str_]) -> float:
    """The share of predictions that are of a class; 0 where there are none."""
    return float((predicted != "").mean()) if len(predicted) else 0.0


def _fell(before: Score, after: Score, least: int = 1) -> bool:
    """Whether a share fell by more than `MAX_SHARE_LOST`, and by so many images at least."""
    if before.share is None or after.share is None:
        return False
    lost = before.share - after.share
    return lost > MAX_SHARE_LOST + ROUNDING_MARGIN and lost * after.n >= least - ROUNDING_MARGIN
