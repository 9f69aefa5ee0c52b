"""Nearest neighbours in z, against distances computed one by one."""

import numpy as np
import pytest

from dgm_engine.errors import InputError, NotFoundError, StateError
from dgm_engine.services import labelling, viewing
from dgm_engine.services.latest import results_of
from dgm_engine.services.neighbours import nearest
from dgm_engine.services.projects import Project
from dgm_engine.services.snapshot import take


@pytest.mark.parametrize("item", ["train/00005", "test/00005"])
def test_the_nearest_are_those_at_the_shortest_distances(trained: Project, item: str):
    z = results_of(trained.paths.run(1)).z.astype(np.float64)
    row = int(trained.pool.rows([item])[0])
    distance = {int(r): float(np.sqrt(((z[r] - z[row]) ** 2).sum())) for r in trained.pool.shown if r != row}
    expected = sorted(distance, key=distance.__getitem__)[:12]
    found = nearest(take(trained), item)
    assert [f.row for f in found] == expected
    assert [f.item for f in found] == trained.pool.items[expected].tolist()
    assert [f.distance for f in found] == pytest.approx([distance[r] for r in expected], rel=1e-4)


def test_neighbours_count_as_what_the_view_says(trained: Project):
    first, second = nearest(take(trained), "train/00005", 2)
    labelling.label_items(trained, [first.item], "odd", "ann")
    labelling.name_component(trained, int(trained.pool.truth[5]), "five", "ann")
    assert [(f.label, f.class_name) for f in nearest(take(trained), "train/00005", 2)] == [("odd", "odd"), ("", "five")]
    view = viewing.view(take(trained))
    assert second.confidence == view.confidence[view.rows == second.row]


def test_no_more_neighbours_than_there_are_items(trained: Project):
    found = nearest(take(trained), "train/00005", 5_000)
    assert {f.row for f in found} == set(trained.pool.shown.tolist()) - {5}


def test_neighbours_of_nothing(project: Project, trained: Project):
    with pytest.raises(NotFoundError, match="nowhere"):
        nearest(take(trained), "nowhere")
    with pytest.raises(InputError, match="at least 1"):
        nearest(take(trained), "train/00005", 0)


def test_no_neighbours_before_training(project: Project):
    with pytest.raises(StateError, match="train it first"):
        nearest(take(project), "train/00005")
