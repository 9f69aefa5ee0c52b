"""Whether a run that goes on from an earlier one left the project better: what its results are measured by.

People named clusters and labelled images, and see the classes of the others. So what counts is whether the images that
carry a name still carry it, whether labels that training did not see are predicted, and how many images have a class.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

MOST_LOST = 0.02
"""Results take the place of earlier ones unless agreement or coverage falls by more than this share."""
LEAST_LOST = 3
"""Of few images, an agreement does not count as fallen for fewer of them: one of the eleven labels that are kept aside
to compare by is nine points, and often a doubtful one."""
ROUNDING = 1e-9
"""Two points are two points, whatever the shares that they lie between."""


@dataclass(frozen=True)
class Standing:
    """How a run's results stand to what people said.

    Attributes:
        agreement: share of the images under a cluster's name, and of the labels kept aside, that are predicted as
            people said; None where there are none.
        coverage: share of the images that are predicted as one of the named classes; of those that may be.
        n: images that the agreement is of.
    """

    agreement: float | None
    coverage: float
    n: int

    @classmethod
    def of(
        cls,
        predicted: NDArray[np.str_],
        rows: NDArray[np.int64],
        said: Sequence[str],
        sure: Sequence[float],
        refused: NDArray[np.bool_] | None = None,
    ) -> Self:
        """Of predictions (M,), "" for none of the named classes; those at `rows` (A,) should be as said, as surely.

        Images (M,) whose cluster people refused a name are no part of the coverage: that they have no class is no loss.
        """
        counted = predicted if refused is None else predicted[~refused]
        coverage = float((counted != "").mean()) if len(counted) else 0.0
        if not len(rows):
            return cls(None, coverage, 0)
        right = predicted[rows] == np.array(said)
        return cls(float(np.average(right, weights=np.array(sure))), coverage, len(rows))


@dataclass(frozen=True)
class Comparison:
    """A run's results beside those that it went on from.

    Attributes:
        run: the number of the run before.
        before: how its results stood, after what people had said by the end of the later run.
        after: how the later run's stand.
    """

    run: int
    before: Standing
    after: Standing

    @property
    def kept(self) -> bool:
        """Whether the later results take the earlier ones' place."""
        return max(self.before.coverage - self.after.coverage, self._agreement_lost) <= MOST_LOST + ROUNDING

    @property
    def _agreement_lost(self) -> float:
        """The share of the agreement that was lost; 0 where that is of too few images to count."""
        if self.before.agreement is None or self.after.agreement is None:
            return 0.0
        lost = self.before.agreement - self.after.agreement
        return lost if lost * self.after.n >= LEAST_LOST - ROUNDING else 0.0

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """What `to_json` wrote."""
        return cls(value["run"], Standing(**value["before"]), Standing(**value["after"]))


def unpredicted(classes: Iterable[str], predicted: NDArray[np.str_]) -> tuple[str, ...]:
    """Those of the classes that are predicted of no image: they own nothing, or nothing that images come out in.

    Args:
        classes: their names.
        predicted: (M,) the classes of the images, "" for none.
    """
    found = {*np.unique(predicted).tolist()}
    return tuple(name for name in classes if name not in found)
