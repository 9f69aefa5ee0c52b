"""Which of many items are looked at where all of them would take too long."""

import numpy as np
from numpy.typing import NDArray


def evenly_spread(n: int, most: int) -> NDArray[np.int64]:
    """At most so many of the positions 0 to n - 1, ascending and evenly spread; all where there are no more."""
    return np.linspace(0, n - 1, min(most, n)).astype(np.int64)
