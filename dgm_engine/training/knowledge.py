"""The people's knowledge of the items as allowed sets A(x), from which the loop learns."""

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True)
class Knowledge:
    """The allowed sets A(x) of the items that something is known of.

    Attributes:
        rows: (L,) pool rows with a restricted allowed set; if a row occurs twice, its last set counts.
        allowed: (L, K) bool, A(x).
        log_prior: (K,) log p(y).
        n_items: N, the rows of the pool.
        n_pinned: number of rows, the last ones, that no person judged and that `pinning` pins.
        firmness: (n_pinned,) weight of each pinned row, above 0, at most 1; None weighs all alike.
    """

    rows: NDArray[np.int64]
    allowed: Tensor
    log_prior: Tensor
    n_items: int
    n_pinned: int = 0
    firmness: Tensor | None = None

    @classmethod
    def nothing(cls, n_components: int, n_items: int) -> "Knowledge":
        """No label anywhere, and all components alike."""
        uniform = torch.full((n_components,), -math.log(n_components))
        return cls(np.empty(0, np.int64), torch.ones(0, n_components, dtype=torch.bool), uniform, n_items)

    def pinning(
        self, rows: NDArray[np.int64], allowed: NDArray[np.bool_], firmness: NDArray[np.floating] | None = None
    ) -> "Knowledge":
        """This knowledge and rows (A,) pinned within sets (A, K), which are intersected with the sets known already.

        A row whose intersection is empty is left out. If a row occurs twice, its last set counts, within the others.
        """
        before = self.position[rows]
        known = np.flatnonzero(before >= 0)
        within = torch.from_numpy(allowed).to(self.allowed.device)
        within[known] &= self.allowed[before[known]]
        left = within.any(-1)
        kept = left.cpu().numpy()
        firm = torch.ones(len(rows)) if firmness is None else torch.from_numpy(firmness).float()
        earlier = torch.ones(self.n_pinned) if self.firmness is None else self.firmness
        return replace(
            self,
            rows=np.concatenate([self.rows, rows[kept]]),
            allowed=torch.cat([self.allowed, within[left]]),
            n_pinned=self.n_pinned + int(kept.sum()),
            firmness=torch.cat([earlier.to(within.device), firm.to(within.device)[left]]),
        )

    @property
    def n_labelled(self) -> int:
        """Number of rows, the first ones, that a person judged."""
        return len(self.rows) - self.n_pinned

    @cached_property
    def position(self) -> NDArray[np.int64]:
        """(N,) position of each pool row in `rows`, -1 if nothing is known of it."""
        position = np.full(self.n_items, -1, dtype=np.int64)
        position[self.rows] = np.arange(len(self.rows))
        return position
