"""All that is known about one item."""

from dataclasses import dataclass

from dgm_engine.labels.schema import Event
from dgm_engine.services.projects import Project
from dgm_engine.services.snapshot import Snapshot
from dgm_engine.services.viewing import ItemState, state_of
from dgm_engine.training.ownership import class_probabilities


@dataclass(frozen=True)
class ItemDetails:
    """All that is known about one item.

    Attributes:
        item: its id.
        row: its pool row.
        split: "train", "test" or "".
        component: its cluster, or None before training.
        posterior: (class, probability), most probable first; "" is "none of the named classes". Empty before training.
        label: the person's label, or None.
        rejected: the classes that it is not.
        state: what people said.
        history: the events on it, undos and redos of them included, oldest first (who, when, what).
    """

    item: str
    row: int
    split: str
    component: int | None
    posterior: tuple[tuple[str, float], ...]
    label: str | None
    rejected: tuple[str, ...]
    state: ItemState
    history: tuple[Event, ...]


def item_details(project: Project, item: str, seen: Snapshot | None) -> ItemDetails:
    """All that is known about one item.

    Args:
        project: whose item.
        item: its id.
        seen: what the person looks at; None before training.

    Raises:
        NotFoundError: there is no such item.
    """
    row = int(project.pool.rows([item])[0])
    state = project.labels.state() if seen is None else seen.labels
    component, posterior = _posterior(seen, row)
    return ItemDetails(
        item=item,
        row=row,
        split=str(project.pool.split[row]),
        component=component,
        posterior=posterior,
        label=state.positive.get(item),
        rejected=tuple(sorted(state.rejected.get(item, ()))),
        state=state_of(item, state),
        history=tuple(project.labels.history(item)),
    )


def _posterior(seen: Snapshot | None, row: int) -> tuple[int | None, tuple[tuple[str, float], ...]]:
    if seen is None:
        return None, ()
    q_y = seen.q_y[row : row + 1]
    posterior = class_probabilities(q_y, seen.owner)
    pairs = [*zip(posterior.classes, posterior.probability[0].tolist(), strict=True), ("", float(posterior.p_new[0]))]
    return int(q_y[0].argmax()), tuple(sorted(pairs, key=lambda pair: -pair[1]))
