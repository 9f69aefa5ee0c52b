"""Which images a person looks at: filters and a selection, one state for map, grid and clusters.

It is short enough to stand in an address.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dgm_engine.errors import CorruptError
from dgm_engine.npy import load_array, save_array
from dgm_engine.services.projects import Project
from dgm_engine.services.snapshot import Snapshot
from dgm_engine.services.viewing import ItemState, view

SELECTIONS_KEPT = 100
"""The newest selections that a project keeps; an address that names an older one selects nothing."""

_LIST_PARAMETERS = ("clusters", "classes", "states")


@dataclass(frozen=True)
class Scope:
    """Filters, all of which must hold, and a selection among what they leave.

    Attributes:
        clusters: components to show; empty shows all.
        classes: classes to show, "" for images without one; empty shows all.
        states: what people said; empty shows all.
        confidence: percent, from and to, both included.
        disputed: only images whose label is not what the model predicts.
        text: part of an item's id, in any case of letters.
        selection: name of a stored selection; "" if nothing is selected.
    """

    clusters: tuple[int, ...] = ()
    classes: tuple[str, ...] = ()
    states: tuple[ItemState, ...] = ()
    confidence: tuple[int, int] = (0, 100)
    disputed: bool = False
    text: str = ""
    selection: str = ""

    @property
    def filters(self) -> "Scope":
        """The filters alone."""
        return replace(self, selection="")

    @property
    def filtering(self) -> bool:
        """Whether any filter is set."""
        return self.filters != Scope()

    def to_query(self) -> dict[str, str | list[str]]:
        """The parameters of an address; what is as by default is left out."""
        query: dict[str, str | list[str]] = {}
        for name in _LIST_PARAMETERS:
            if values := getattr(self, name):
                query[name] = [str(value) for value in values]
        if self.confidence != Scope.confidence:
            query["confidence"] = f"{self.confidence[0]}-{self.confidence[1]}"
        query |= {"disputed": "1"} if self.disputed else {}
        query |= {name: value for name in ("text", "selection") if (value := getattr(self, name))}
        return query

    @classmethod
    def from_query(cls, query: Mapping[str, Sequence[str]]) -> "Scope":
        """Reads the parameters of an address; what cannot be read is left as by default."""
        known = {state.value for state in ItemState}
        first = {name: values[0] for name, values in query.items() if values}
        return cls(
            clusters=tuple(int(c) for c in query.get("clusters", ()) if _is_number(c)),
            classes=tuple(query.get("classes", ())),
            states=tuple(ItemState(s) for s in query.get("states", ()) if s in known),
            confidence=_percents(first.get("confidence", "")),
            disputed=first.get("disputed") == "1",
            text=first.get("text", ""),
            selection=first.get("selection", ""),
        )


ADDRESS_PARAMETERS = (*_LIST_PARAMETERS, "confidence", "disputed", "text", "selection")
"""Names of the parameters of an address."""


def filtered(seen: Snapshot, scope: Scope) -> NDArray[np.bool_]:
    """(M,) which of the items shown the filters let through; read-only."""
    return _filtered(seen, scope.filters)


def picked(seen: Snapshot, scope: Scope) -> NDArray[np.bool_]:
    """(M,) which items are selected and let through by the filters; an item that is not shown any more is left out."""
    if not scope.selection:
        return np.zeros(len(seen.results.shown), dtype=bool)
    chosen = np.zeros(seen.project.pool.n_items, dtype=bool)
    chosen[_stored(seen.project, scope.selection)] = True
    return chosen[seen.results.shown] & filtered(seen, scope)


def pick(seen: Snapshot, scope: Scope, mask: NDArray[np.bool_]) -> Scope:
    """The scope with the items of `mask` (M,) for its selection, which is stored with the project."""
    rows = np.sort(seen.results.shown[mask]).astype(np.int64)
    if not len(rows):
        return replace(scope, selection="")
    name = blake2b(rows.tobytes(), digest_size=8).hexdigest()
    paths = seen.project.paths
    paths.selections.mkdir(exist_ok=True)
    save_array(paths.selection(name), rows)
    for old in sorted(paths.all_selections(), key=_written_at)[:-SELECTIONS_KEPT]:
        old.unlink(missing_ok=True)
    return replace(scope, selection=name)


@lru_cache(maxsize=4)
def _filtered(seen: Snapshot, scope: Scope) -> NDArray[np.bool_]:
    shown = view(seen)
    mask = np.ones(len(shown.items), dtype=bool)
    if scope.clusters:
        mask &= np.isin(shown.component, scope.clusters)
    if scope.classes:
        mask &= np.isin(shown.class_name, scope.classes)
    if scope.states:
        mask &= np.isin(shown.state, [state.value for state in scope.states])
    if scope.confidence != Scope.confidence:
        percent = 100 * shown.confidence
        mask &= (percent >= scope.confidence[0]) & (percent <= scope.confidence[1])
    if scope.disputed:
        mask &= (shown.label != "") & (shown.label != shown.predicted)
    if scope.text:
        wanted = scope.text.lower()
        mask &= np.fromiter((wanted in item.lower() for item in shown.items.tolist()), dtype=bool, count=len(mask))
    mask.flags.writeable = False
    return mask


def _written_at(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:  # another tab has just deleted it
        return 0


def _stored(project: Project, name: str) -> NDArray[np.int64]:
    """The pool rows of a stored selection; none where it is not kept any more."""
    if not name.isalnum():  # an address that somebody wrote
        return np.zeros(0, dtype=np.int64)
    try:
        rows = load_array(project.paths.selection(name))
    except CorruptError:
        return np.zeros(0, dtype=np.int64)
    return rows[rows < project.pool.n_items]


def _is_number(text: str) -> bool:
    return text.isdecimal() and len(text) < 10  # Python reads no number of thousands of digits


def _percents(text: str) -> tuple[int, int]:
    low, _, high = text.partition("-")
    if _is_number(low) and _is_number(high) and int(low) <= int(high) <= 100:
        return int(low), int(high)
    return Scope.confidence
