"""A sample of many items, for work that would take too long on all of them."""

import numpy as np
from numpy.typing import NDArray


def evenly_spread(n: int, most: int) -> NDArray[np.int64]:
    """At most `most` of the positions 0 to n - 1, ascending and evenly spread; all of them if n is not larger."""
    return np.linspace(0, n - 1, min(most, n)).astype(np.int64)
