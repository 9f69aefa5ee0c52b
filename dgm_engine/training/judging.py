"""Compares the results of a run with what people said, and with those of its parent run."""

from collections.abc import Collection, Mapping

import numpy as np
from numpy.typing import NDArray

from dgm_engine.labels.state import LabelState
from dgm_engine.training.comparing import Comparison, Expected, unpredicted
from dgm_engine.training.naming import Rows, spoken_of, still_overruled
from dgm_engine.training.ownership import class_probabilities, unseen_items
from dgm_engine.training.results import Results


def compare(before: Results, after: Results, labels: LabelState, rows: Rows, named: Collection[str]) -> Comparison:
    """Compares how two results agree with what people have said by now.

    Both should predict the names that people gave to images, except those that labels overruled, and the labels that
    the later training did not see. No image counts twice, since an image that somebody judged by itself loses its name.

    Args:
        before: the results of the parent run.
        after: the results of the later run.
        labels: what people said.
        rows: maps item ids to pool rows.
        named: the images that still have the name that a person gave their cluster.
    """
    place = {row: position for position, row in enumerate(after.shown.tolist())}

    def expected(said: Mapping[str, str], sure: Mapping[str, float]) -> Expected:
        found = [item for item, row in zip(said, rows(list(said)).tolist(), strict=True) if row in place]
        positions = np.array([place[row] for row in rows(found).tolist()], dtype=np.int64)
        return Expected(positions, [said[item] for item in found], [sure.get(item, 1.0) for item in found])

    anchors = {item: labels.anchors[item] for item in named if item in labels.anchors}
    under_names = expected({item: a.class_name for item, a in anchors.items()}, {i: a.sure for i, a in anchors.items()})
    unseen = sorted(unseen_items(labels, after.config.training))
    held_out = expected({item: labels.positive[item] for item in unseen}, {})
    seen = [(one, one.edited(labels.edits)[0]) for one in (before, after)]
    earlier, later = (_predicted(one, q_y, labels, rows) for one, q_y in seen)
    refused = np.isin(seen[-1][1][after.shown].argmax(axis=1), _refused(after, labels))
    return Comparison.of(after.config.parent or 0, (earlier, later), under_names, held_out, refused)


def unlearned(results: Results, labels: LabelState, rows: Rows, named: Collection[str]) -> tuple[str, ...]:
    """The classes that have images and that no image is predicted as. The arguments are those of `compare`."""
    predicted = _predicted(results, results.edited(labels.edits)[0], labels, rows)
    return unpredicted(spoken_of(labels, named), predicted)


def _refused(results: Results, labels: LabelState) -> list[int]:
    """The components that labels assign to none of the classes."""
    return [k for k, said in still_overruled(results.overruled, labels).items() if not said.class_name]


def _predicted(results: Results, q_y: NDArray[np.floating], labels: LabelState, rows: Rows) -> NDArray[np.str_]:
    """(M,) the classes that the edited results predict for the shown items; "" for none of the named ones."""
    owner = results.owners(labels, q_y, rows)
    return class_probabilities(np.asarray(q_y[results.shown], dtype=np.float32), owner).predicted()
