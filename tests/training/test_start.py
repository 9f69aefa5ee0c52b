"""The clustering start: its steps, its neighbours and its groups, for small piles and for large ones."""

from itertools import count, takewhile

import numpy as np
import pytest
import torch
from sklearn.datasets import make_blobs
from sklearn.metrics import adjusted_rand_score
from sklearn.neighbors import KDTree

from dgm_engine.config import LikelihoodName, ModelConfig, TrainingConfig
from dgm_engine.discovery.projections import Method
from dgm_engine.training import start
from dgm_engine.training.batches import Table
from dgm_engine.training.fitting import default_epochs, fresh_state

N_NEIGHBOURS = start.N_NEIGHBOURS


def fresh(table: Table, config: TrainingConfig):
    shape = ModelConfig(table.x.shape[1], 3, LikelihoodName.GAUSSIAN, n_latent=2, n_hidden=8)
    return fresh_state(shape, config, table, torch.device("cpu"))


def nearest(points: np.ndarray) -> np.ndarray:
    """By a tree, each point itself left out."""
    found = KDTree(points).query(points, k=N_NEIGHBOURS + 1, return_distance=False)
    return np.array([[j for j in row if j != i][:N_NEIGHBOURS] for i, row in enumerate(found)])


@pytest.fixture
def points() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(600, 6)).astype(np.float32)


def test_neighbours_are_the_nearest_other_points(points):
    np.testing.assert_array_equal(start.find_neighbours(points), nearest(points))


@pytest.mark.parametrize("limit", [start.MAX_EXACT_SEARCH, pytest.param(10, marks=pytest.mark.slow)])
def test_none_of_many_equals_is_its_own_neighbour(points, monkeypatch, limit):
    monkeypatch.setattr(start, "MAX_EXACT_SEARCH", limit)
    found = start.find_neighbours(np.repeat(points[:20], 30, axis=0))
    assert (found != np.arange(600)[:, None]).all()
    assert (found // 30 == np.arange(600)[:, None] // 30).mean() > 0.99


@pytest.mark.slow  # compiles the approximate search, which takes longer than all else here
def test_among_very_many_points_nearly_all_neighbours_are_the_nearest(points, monkeypatch):
    monkeypatch.setattr(start, "MAX_EXACT_SEARCH", 10)
    found, expected = start.find_neighbours(points), nearest(points)
    assert np.mean([np.isin(a, b).mean() for a, b in zip(found, expected, strict=True)]) > 0.95


def test_where_the_search_finds_too_few_a_point_stands_for_itself(points, monkeypatch):
    class Search:
        def __init__(self, points, n_neighbors, **_):
            found = np.full((len(points), n_neighbors), -1)
            found[:, 0], found[:, 1] = np.arange(len(points)), (np.arange(len(points)) + 1) % len(points)
            self.neighbor_graph = (found, None)

    monkeypatch.setattr(start, "MAX_EXACT_SEARCH", 10)
    monkeypatch.setattr("pynndescent.NNDescent", Search)
    itself = np.arange(600)
    expected = np.stack([(itself + 1) % 600, *[itself] * (N_NEIGHBOURS - 1)], axis=1)
    np.testing.assert_array_equal(start.find_neighbours(points), expected)


@pytest.mark.parametrize(("n", "expected"), [(1, [[0]]), (2, [[1], [0]]), (3, [{1, 2}, {0, 2}, {0, 1}])])
def test_so_few_points_that_neighbours_repeat(n, expected):
    found = start.find_neighbours(np.arange(n)[:, None] ** 2.0)
    assert found.shape == (n, N_NEIGHBOURS)
    assert [set(row) for row in found.tolist()] == [set(row) for row in expected]


def test_neighbours_are_told_in_rows_of_the_pool(points):
    shown = np.arange(0, 600, 3)
    table = Table(points, shown)
    config = TrainingConfig()
    state = fresh(table, config)
    found = start.nearest_rows(state, table)
    seen = state.model.inputs(table.values(shown)).numpy()
    np.testing.assert_array_equal(found[shown], shown[nearest(seen)])
    assert (found[1::3] == 0).all()


@pytest.mark.parametrize(("n", "steps"), [(320, 250), (3_200, 400), (32_000, 1_000)])
def test_the_vae_takes_two_passes_within_limits(n, steps):
    table = Table(np.random.default_rng(0).normal(size=(n, 2)).astype(np.float32), np.arange(n))
    config = TrainingConfig(batch_size=16)
    records = takewhile(
        lambda r: r.phase.startswith("Learning"), start.clustering_start(fresh(table, config), table, config)
    )
    assert len(list(records)) == steps


def test_a_short_time_budget_leaves_clusters_that_q_y_has_learned():
    x, truth = make_blobs([40] * 8, n_features=6, cluster_std=0.5, random_state=1)
    table, config = Table(x.astype(np.float32), np.arange(320)), TrainingConfig(max_minutes=1e-4)
    shape = ModelConfig(6, 8, LikelihoodName.GAUSSIAN, n_latent=2, n_hidden=32)
    state = fresh_state(shape, config, table, torch.device("cpu"))
    for _ in start.clustering_start(state, table, config):
        pass
    q_y = state.model.encode(state.model.inputs(table.values(table.rows)), 1, state.generator).log_q_y
    assert adjusted_rand_score(q_y.argmax(1).numpy(), truth) > 0.9


def test_of_the_time_budget_counts_what_the_clock_of_work_says(monkeypatch):
    table = Table(np.random.default_rng(0).normal(size=(320, 2)).astype(np.float32), np.arange(320))
    config = TrainingConfig(batch_size=16, max_minutes=1e-4)

    def n_steps(clock) -> int:
        monkeypatch.setattr(start.machine, "work_clock", lambda _: clock)
        records = start.clustering_start(fresh(table, config), table, config)
        return len(list(takewhile(lambda r: r.phase.startswith("Learning"), records)))

    assert n_steps(lambda: 0.0) == 250  # of others' work on the machine: as many as without a budget
    ticks = count()
    assert n_steps(lambda: float(next(ticks))) < 5


@pytest.mark.parametrize(("n", "passes"), [(0, 150), (1_797, 150), (60_000, 10), (120_000, 5), (1_000_000, 3)])
def test_small_piles_are_gone_through_more_often(n, passes):
    assert default_epochs(n) == passes


@pytest.mark.slow
def test_groups_of_a_large_pile_come_out_whole(monkeypatch):
    monkeypatch.setattr(start, "default_method", lambda _: Method.UMAP)
    x, truth = make_blobs([400, 250, 100, 50], n_features=8, cluster_std=1.5, random_state=1)
    assert adjusted_rand_score(start.cluster(x, 4, seed=0), truth) > 0.98


def test_more_separate_groups_than_clusters_do_not_all_end_in_one():
    x, _ = make_blobs(
        [50] * 12, n_features=6, centers=100 * np.eye(12)[:, :6] - 100 * np.eye(12)[:, 6:], random_state=0
    )
    sizes = np.bincount(start.cluster(x, 4, seed=0))
    assert sizes.sum() == 600
    assert sizes.min() >= 100
