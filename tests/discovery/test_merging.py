"""Merging groups along the links between neighbours."""

import itertools

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score
from sklearn.neighbors import NearestNeighbors

from dgm_engine.discovery.merging import merge


def neighbours_of(x: np.ndarray, n: int = 8) -> np.ndarray:
    return NearestNeighbors(n_neighbors=n + 1).fit(x).kneighbors(x, return_distance=False)[:, 1:]


def linkage(first: np.ndarray, second: np.ndarray, neighbours: np.ndarray) -> float:
    """Average linkage by its definition, over every pair of items."""
    linked = [(b in neighbours[a]) + (a in neighbours[b]) for a, b in itertools.product(first, second)]
    return float(np.mean(linked))


def test_each_step_unites_the_two_of_highest_average_linkage():
    x = np.random.default_rng(0).normal(size=(60, 2))
    neighbours = neighbours_of(x, 5)
    part = KMeans(7, n_init=1, random_state=0).fit_predict(x)
    for left in range(6, 0, -1):
        pairs = itertools.combinations(np.unique(part), 2)
        i, j = max(pairs, key=lambda p: linkage(np.flatnonzero(part == p[0]), np.flatnonzero(part == p[1]), neighbours))
        best, part = np.where(part == j, i, part), merge(part, neighbours, left)
        assert adjusted_rand_score(part, best) == pytest.approx(1)
        assert set(part) == set(range(left))


@pytest.mark.parametrize("sizes", [(150, 150, 150, 150), (500, 100, 50, 25)])
@pytest.mark.parametrize("n_parts", [8, 20])
def test_crowds_that_were_cut_up_come_out_whole_whatever_their_sizes(sizes, n_parts):
    rng = np.random.default_rng(0)
    truth = np.repeat(np.arange(4), sizes)
    spread = np.array([[2.0, 0.5], [0.5, 2.0], [1.0, 1.0], [0.3, 0.3]])[truth]
    x = np.array([[0, 0], [12, 0], [0, 12], [12, 12]])[truth] + spread * rng.normal(size=(len(truth), 2))
    part = KMeans(n_parts, n_init=3, random_state=0).fit_predict(x)
    assert adjusted_rand_score(merge(part, neighbours_of(x), 4), truth) == pytest.approx(1)


def test_no_more_parts_than_groups_stay_as_they_are():
    part = np.array([4, 4, 2, 2])
    neighbours = np.array([[1], [0], [3], [2]])
    assert merge(part, neighbours, 5).tolist() == [1, 1, 0, 0]
    assert merge(part, neighbours, 2).tolist() == [1, 1, 0, 0]
    assert merge(part, neighbours, 1).tolist() == [0, 0, 0, 0]
