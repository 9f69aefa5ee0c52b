"""What a component holds."""

import numpy as np
import pytest

from dgm_engine.discovery.clusters import N_EXEMPLARS, summarise
from dgm_engine.errors import InputError


def test_sizes_names_and_confidence_count_the_most_probable_component():
    q_y = np.array([[0.9, 0.1, 0], [0.7, 0.3, 0], [0.2, 0.8, 0]])
    clusters = summarise(q_y, np.zeros((3, 2)), ["shoe", None, "boot"])
    assert [(c.component, c.size, c.class_name) for c in clusters] == [(0, 2, "shoe"), (1, 1, None), (2, 0, "boot")]
    assert [c.confidence for c in clusters] == pytest.approx([0.8, 0.8, 0.0])
    assert clusters[2].exemplars.size == 0


def test_exemplars_are_sure_items_the_most_typical_first():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(100, 3)).astype(np.float16)
    sure = np.arange(100) % 2 == 0
    q_y = np.stack([np.where(sure, 0.99, 0.6), np.where(sure, 0.01, 0.4)], axis=1).astype(np.float16)
    exemplars = summarise(q_y, z, [None, None])[0].exemplars
    assert len(exemplars) == N_EXEMPLARS
    assert sure[exemplars].all()
    distance = np.linalg.norm(z.astype(float) - z.astype(float).mean(axis=0), axis=1)
    assert exemplars.tolist() == sorted(np.flatnonzero(sure), key=distance.__getitem__)[:N_EXEMPLARS]


def test_a_small_cluster_shows_what_it_has():
    (cluster, _) = summarise(np.array([[1.0, 0.0]]), np.zeros((1, 2)), [None, None])
    assert cluster.exemplars.tolist() == [0]


def test_where_few_are_sure_the_others_follow():
    q = np.array([0.6, 0.9, 0.7, 0.8])
    z = np.array([[0.0], [3.0], [1.0], [0.5]])  # their mean is 1.125
    (cluster, _) = summarise(np.stack([q, 1 - q], axis=1), z, [None, None])
    assert cluster.exemplars.tolist() == [3, 1, 2, 0]


def test_arrays_of_different_runs_are_refused():
    with pytest.raises(InputError, match=r"q_y has shape \(3, 2\), z \(3, 4\) and owner 5 entries"):
        summarise(np.zeros((3, 2)), np.zeros((3, 4)), [None] * 5)
