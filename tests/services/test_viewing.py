"""What the screens show of every item and cluster."""

import numpy as np
import pytest

from dgm_engine.errors import StateError
from dgm_engine.services import labelling, viewing
from dgm_engine.services.projects import Project
from dgm_engine.services.snapshot import take
from tests.fabricated import N_COMPONENTS, fabricate_run, made_up_components


def test_nothing_to_view_before_training(project: Project):
    with pytest.raises(StateError, match="no clusters yet; train it"):
        viewing.view(take(project))


def test_the_view_shows_the_train_split_by_component(trained: Project):
    view = viewing.view(take(trained))
    shown = trained.pool.shown
    assert view.run == 1
    assert view.items.tolist() == trained.pool.items[shown].tolist()
    assert view.component.tolist() == made_up_components(trained)[shown].tolist()
    assert view.confidence == pytest.approx(0.9, abs=1e-3)
    assert set(view.predicted) == set(view.class_name) == {""}
    assert [c.size for c in view.clusters] == np.bincount(view.component, minlength=N_COMPONENTS).tolist()
    for cluster in view.clusters:
        assert set(made_up_components(trained)[cluster.exemplars]) <= {cluster.component}


def test_names_and_labels_change_the_view_at_once(trained: Project):
    before = viewing.view(take(trained))
    assert viewing.view(take(trained)) is before
    for component in (9, 10):
        labelling.name_component(trained, component, "nine", "ann")
    labelling.name_component(trained, 3, "three", "ann")
    labelling.label_items(trained, ["train/00000"], "a nought", "ann")
    labelling.reject_class(trained, ["train/00001"], "nine", "ann")
    labelling.mark_none_of_named(trained, ["train/00002"], "ann")
    labelling.label_items(trained, ["train/00003"], "nine", "ann")
    labelling.clear_labels(trained, ["train/00003"], "ann")
    view = viewing.view(take(trained))
    expected = np.select([np.isin(before.component, [9, 10]), before.component == 3], ["nine", "three"], "")
    assert view.predicted.tolist() == expected.tolist()
    assert view.class_name[0] == view.label[0] == "a nought"
    assert view.class_name[1:].tolist() == expected[1:].tolist()
    assert view.state[:4].tolist() == ["labelled", "rejected", "none", "unlabelled"]
    assert view.classes == ("nine", "three", "a nought")
    assert [c.class_name for c in view.clusters] == list(view.owner)
    nine = view.confidence[view.component == 9]
    assert nine == pytest.approx(0.9 + 0.1 / 11, abs=1e-3)


def test_the_newest_run_is_shown_and_names_stay_with_their_images_or_if_they_have_none_with_their_lineage(
    trained: Project,
):
    labelling.name_component(trained, 3, "three", "ann")
    trained.labels.name_component(1, 4, "four", annotator="ann")
    fabricate_run(trained, 2)
    assert take(trained).owner[3:5] == ("three", "four")
    fabricate_run(trained, 3, lineage=3)
    view = viewing.view(take(trained))
    assert (view.run, view.owner[3:5]) == (3, ("three", None))
