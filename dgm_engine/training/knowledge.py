"""What is known of the items, in the model's terms: what the loop learns from."""

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True)
class Knowledge:
    """What is known of which items, in the model's terms.

    Attributes:
        rows: (L,) pool rows with a restricted allowed set; of a row that stands here twice the last one holds.
        allowed: (L, K) bool, A(x).
        log_prior: (K,) log p(y).
        n_items: N, the rows of the pool.
        n_held: of how many of the rows, the last ones, no person spoke; see `holding`.
        firmness: (n_held,) how firmly each of these is held, above 0, at most 1; None holds all alike.
    """

    rows: NDArray[np.int64]
    allowed: Tensor
    log_prior: Tensor
    n_items: int
    n_held: int = 0
    firmness: Tensor | None = None

    @classmethod
    def nothing(cls, n_components: int, n_items: int) -> "Knowledge":
        """No label anywhere, and all components alike."""
        uniform = torch.full((n_components,), -math.log(n_components))
        return cls(np.empty(0, np.int64), torch.ones(0, n_components, dtype=torch.bool), uniform, n_items)

    def holding(
        self, rows: NDArray[np.int64], allowed: NDArray[np.bool_], firmness: NDArray[np.floating] | None = None
    ) -> "Knowledge":
        """This, and rows (A,) that are held within sets (A, K) as far as what is known of them already leaves that.

        Of a row that stands here twice the last set holds, within the others.
        """
        before = self.position[rows]
        known = np.flatnonzero(before >= 0)
        within = torch.from_numpy(allowed).to(self.allowed.device)
        within[known] &= self.allowed[before[known]]
        left = within.any(-1)
        kept = left.cpu().numpy()
        firm = torch.ones(len(rows)) if firmness is None else torch.from_numpy(firmness).float()
        earlier = torch.ones(self.n_held) if self.firmness is None else self.firmness
        return replace(
            self,
            rows=np.concatenate([self.rows, rows[kept]]),
            allowed=torch.cat([self.allowed, within[left]]),
            n_held=self.n_held + int(kept.sum()),
            firmness=torch.cat([earlier.to(within.device), firm.to(within.device)[left]]),
        )

    @property
    def n_labelled(self) -> int:
        """Of how many of the rows, the first ones, a person spoke."""
        return len(self.rows) - self.n_held

    @cached_property
    def position(self) -> NDArray[np.int64]:
        """(N,) where in `rows` each pool row stands, -1 for those that nothing is known of."""
        position = np.full(self.n_items, -1, dtype=np.int64)
        position[self.rows] = np.arange(len(self.rows))
        return position
