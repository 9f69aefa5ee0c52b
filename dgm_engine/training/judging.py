"""A run's results beside what people said, and beside those that it went on from, over a project."""

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from dgm_engine.labels.state import LabelState
from dgm_engine.training.comparing import Comparison, Standing, unpredicted
from dgm_engine.training.naming import Rows, spoken_of, still_overruled
from dgm_engine.training.ownership import class_probabilities, unseen_items
from dgm_engine.training.results import Results


def compare(before: Results, after: Results, labels: LabelState, rows: Rows, named: Collection[str]) -> Comparison:
    """Both as they stand to what people have said by now.

    They should predict the names that people gave to images, but for those that labels spoke against, and the labels
    that the later training did not see.

    Args:
        before: of the run that the later one went on from.
        after: of the later one.
        labels: what people said.
        rows: from item ids to pool rows.
        named: the images that still have the name that a person gave their cluster.
    """
    left_alone = unseen_items(labels, after.config.training)
    expected = {item: labels.positive[item] for item in left_alone}
    sure = {item: labels.anchors[item].sure for item in named if item in labels.anchors}
    expected |= {item: labels.anchors[item].class_name for item in sure}
    place = {row: position for position, row in enumerate(after.shown.tolist())}
    items = [item for item, row in zip(expected, rows(list(expected)).tolist(), strict=True) if row in place]
    positions = np.array([place[row] for row in rows(items).tolist()], dtype=np.int64)
    said, weights = [expected[item] for item in items], [sure.get(item, 1.0) for item in items]
    seen = [(one, one.edited(labels.edits)[0]) for one in (before, after)]
    refused = np.isin(seen[-1][1][after.shown].argmax(axis=1), _refused(after, labels))
    standings = (
        Standing.of(_predicted(one, q_y, labels, rows), positions, said, weights, refused) for one, q_y in seen
    )
    number = after.config.parent
    return Comparison(0 if number is None else number, *standings)


def unlearned(results: Results, labels: LabelState, rows: Rows, named: Collection[str]) -> tuple[str, ...]:
    """The classes that images stand for and results predict of none. Arguments are those of `compare`."""
    predicted = _predicted(results, results.edited(labels.edits)[0], labels, rows)
    return unpredicted(spoken_of(labels, named), predicted)


def _refused(results: Results, labels: LabelState) -> list[int]:
    """The components that labels said are of none of the classes."""
    return [k for k, said in still_overruled(results.overruled, labels).items() if not said.class_name]


def _predicted(results: Results, q_y: NDArray[np.floating], labels: LabelState, rows: Rows) -> NDArray[np.str_]:
    """(M,) the classes that results, edited, predict for the shown items, "" for none of the named ones."""
    owner = results.owners(labels, q_y, rows)
    return class_probabilities(np.asarray(q_y[results.shown], dtype=np.float32), owner).predicted()
