"""All that is known about one item."""

import pytest

from dgm_engine.errors import NotFoundError
from dgm_engine.services import labelling
from dgm_engine.services.details import item_details
from dgm_engine.services.projects import Project
from dgm_engine.services.snapshot import take
from dgm_engine.services.viewing import ItemState


def test_details_of_an_item_tell_what_is_known_of_it(trained: Project):
    labelling.name_component(trained, 1, "one", "ann")
    labelling.label_items(trained, ["train/00001", "train/00002"], "one", "ann")
    labelling.reject_class(trained, ["train/00001"], "two", "bob")
    details = item_details(trained, "train/00001", take(trained))
    assert (details.row, details.split, details.component) == (1, "train", 1)
    assert [name for name, _ in details.posterior] == ["one", ""]
    assert [share for _, share in details.posterior] == pytest.approx([0.9, 0.1], abs=1e-3)
    assert (details.label, details.rejected, details.state) == ("one", ("two",), ItemState.LABELLED)
    assert [(e.annotator, e.kind, e.class_name) for e in details.history] == [
        ("ann", "label", "one"),
        ("bob", "reject", "two"),
    ]
    with pytest.raises(NotFoundError, match="nowhere"):
        item_details(trained, "nowhere", take(trained))


def test_details_before_training_have_no_posterior(project: Project):
    details = item_details(project, "test/00000", None)
    assert (details.component, details.posterior, details.state) == (None, (), ItemState.UNLABELLED)
