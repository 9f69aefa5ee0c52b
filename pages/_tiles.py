"""What a board is told of an image: what the model says of it, and what people said."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from dgm_engine.labels.state import LabelState
from dgm_engine.services.mapping import Places
from dgm_engine.services.palette import NO_CLASS_COLOUR, class_colour
from dgm_engine.services.viewing import View
from pages._board_messages import Tile
from pages._pictures import tip


@dataclass(frozen=True)
class Shown:
    """What a board shows.

    Attributes:
        items: ids of images of the view, in the order to draw.
        notes: a line below an image where it is shown large.
        expected: classes that images probably are of, in place of the model's predictions.
        waiting: those that are still to be judged; None for those of which nothing was said.
        audit: number of the audit that they are of, which keeps from the person what the model says; 0 for none.
        watched: whether the page wants to know which image the person looks at.
        opens: whether an image can be opened by itself.
        stays: whether an image is shown on when it is judged, as nothing follows it.
        where: places of the view's images on the map that marks the one looked at; None if no map is beside them.
        page: number of the page, from 0 to `pages` - 1.
        pages: at least 1.
    """

    items: Sequence[str]
    notes: Mapping[str, str] = field(default_factory=dict[str, str])
    expected: Mapping[str, str] = field(default_factory=dict[str, str])
    waiting: Collection[str] | None = None
    audit: int = 0
    watched: bool = False
    opens: bool = False
    stays: bool = False
    where: Places | None = None
    page: int = 0
    pages: int = 1


def tile(view: View, position: int, labels: LabelState, shown: Shown) -> Tile:
    """What a board is told of the image at a position of the view.

    Args:
        view: the newest results.
        position: in it.
        labels: what people said.
        shown: what the board shows. In an audit, nothing that the model says is told.
    """
    item, name = str(view.items[position]), str(view.class_name[position])
    predicted, sure = shown.expected.get(item, str(view.predicted[position])), float(view.confidence[position])
    mark = _mark(item, labels)
    told = Tile(
        item=item,
        tip=tip(view, position),
        colour=class_colour(name, view.colours),
        guess=_guess(predicted, sure, mark if item in shown.expected else ""),
        predicted=predicted,
        sure=round(sure, 3),
        note=shown.notes.get(item, ""),
        point=None if shown.where is None else int(shown.where.points[position]),
        mark=mark,
        judged=bool(mark) if shown.waiting is None else item not in shown.waiting,
    )
    return replace(told, tip=item, colour=NO_CLASS_COLOUR, guess="", predicted="", sure=None) if shown.audit else told


def _guess(predicted: str, sure: float, label: str) -> str:
    if label:
        return f"You said {label}; it may be {predicted}"
    return f"The model says {predicted}, {sure:.0%} sure" if predicted else "The model knows no class for it yet"


def _mark(item: str, labels: LabelState) -> str:
    """What was said of an image, in a word; "" for nothing."""
    if item in labels.positive:
        return labels.positive[item]
    if item in labels.none_of_named:
        return "none"
    if item in labels.rejected:
        return f"not {', '.join(sorted(labels.rejected[item]))}"
    return "skipped" if item in labels.skipped else ""
