"""The tile of an image on a board: what the model and people say of the image."""

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
        expected: item to the class that it probably has, in place of the model's prediction.
        waiting: the items that are still to be judged; None for all items of which nothing was said.
        audit: number of the audit that the images belong to, in which the model's predictions are hidden; 0 for none.
        watched: whether the page wants to know which image the person looks at.
        opens: whether a person can open an image to see it large.
        stays: whether an image stays in view when it is judged, because no other follows.
        where: places of the view's images on the map beside the board, which marks the one looked at; None for no map.
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
    """The tile of the image at a position of the view.

    Args:
        view: the items and what the model says of them.
        position: the position of the image in the view.
        labels: what people said.
        shown: what the board shows; in an audit the tile holds nothing that the model says.
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
