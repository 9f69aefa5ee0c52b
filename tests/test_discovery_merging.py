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


def modularity(group: np.ndarray, neighbours: np.ndarray) -> float:
    """By its definition, over every pair of items."""
    n = len(group)
    links = np.zeros((n, n))
    for item, others in enumerate(neighbours):
        for other in others:
            links[item, other] += 1
            links[other, item] += 1
    ends, total = links.sum(1), links.sum()
    same = group[:, None] == group
    return float(((links / total - np.outer(ends, ends) / total**2) * same).sum())


def test_each_step_takes_the_union_of_highest_modularity():
    x = np.random.default_rng(0).normal(size=(60, 2))
    neighbours = neighbours_of(x, 5)
    part = KMeans(7, n_init=1, random_state=0).fit_predict(x)
    for left in range(6, 1, -1):
        unions = (np.where(part == j, i, part) for i, j in itertools.combinations(np.unique(part), 2))
        best = max(unions, key=lambda group: modularity(group, neighbours))
        found = merge(part, neighbours, left)
        assert adjusted_rand_score(found, best) == pytest.approx(1)
        assert set(found) == set(range(left))
        part = found


def test_groups_that_were_cut_up_come_out_whole():
    """Four crowds of unequal size and shape, cut into 20 parts."""
    rng = np.random.default_rng(0)
    truth = np.repeat(np.arange(4), [300, 200, 150, 100])
    spread = np.array([[2.0, 0.5], [0.5, 2.0], [1.0, 1.0], [0.3, 0.3]])[truth]
    x = np.array([[0, 0], [12, 0], [0, 12], [12, 12]])[truth] + spread * rng.normal(size=(len(truth), 2))
    part = KMeans(20, n_init=3, random_state=0).fit_predict(x)
    assert adjusted_rand_score(merge(part, neighbours_of(x), 4), truth) == pytest.approx(1)


def test_no_more_parts_than_groups_stay_as_they_are():
    part = np.array([4, 4, 2, 2])
    neighbours = np.array([[1], [0], [3], [2]])
    assert merge(part, neighbours, 5).tolist() == [1, 1, 0, 0]
    assert merge(part, neighbours, 2).tolist() == [1, 1, 0, 0]
    assert merge(part, neighbours, 1).tolist() == [0, 0, 0, 0]
