"""Layouts of z: faithful, repeatable, steady, and never in trouble with odd piles."""

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from dgm_engine.discovery import projections
from dgm_engine.discovery.projections import Method, align, default_method, n_fitted, project, refine, still_fits
from dgm_engine.errors import InputError

QUICK = [Method.TSNE, Method.PCA]


def blobs(n: int = 120, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Three well-separated clusters in 6 dimensions of which 2 are constant, and which is which."""
    rng = np.random.default_rng(seed)
    cluster = np.arange(n) % 3
    z = np.zeros((n, 6))
    z[:, :4] = rng.normal(size=(n, 4)) + 12 * np.eye(4)[cluster]
    z[:, 5] = 3
    return z.astype(np.float16), cluster


def separation(xy: np.ndarray, cluster: np.ndarray) -> float:
    """Share of items whose nearest others in the layout are of their cluster."""
    return KNeighborsClassifier(3).fit(xy[::2], cluster[::2]).score(xy[1::2], cluster[1::2])


@pytest.mark.parametrize("method", QUICK)
def test_clusters_stay_apart_and_the_seed_decides(method):
    z, cluster = blobs()
    xy = project(z, method, seed=3)
    assert xy.shape == (120, 2)
    assert xy.dtype == np.float32
    assert separation(xy, cluster) == 1
    assert np.array_equal(xy, project(z, method, seed=3))


def test_pca_keeps_the_distances_of_flat_data():
    flat = np.random.default_rng(0).normal(size=(30, 2)) @ np.array([[1, 0, 2, 0], [0, 1, 0, 0.5]])
    xy = project(flat, Method.PCA)
    assert np.linalg.norm(xy - xy[0], axis=1) == pytest.approx(np.linalg.norm(flat - flat[0], axis=1), rel=1e-4)


@pytest.mark.parametrize("method", Method)
@pytest.mark.parametrize("n", [1, 2, 3, 7])
def test_tiny_piles_are_laid_out_by_any_method(method, n):
    z = blobs(n)[0]
    xy = project(z, method)
    assert xy.shape == (n, 2)
    assert np.isfinite(xy).all()
    assert refine(z, xy, method) == pytest.approx(xy, abs=1e-4)
    assert still_fits(z, xy)


@pytest.mark.parametrize("n", [8, 9, 20])
def test_piles_smaller_than_the_perplexity(n):
    xy = project(blobs(n)[0], Method.TSNE)
    assert np.isfinite(xy).all()
    assert len(np.unique(xy, axis=0)) == n


@pytest.mark.parametrize("method", Method)
def test_identical_items_lie_in_one_place(method):
    xy = project(np.ones((20, 3), dtype=np.float16), method)
    assert np.array_equal(xy, np.zeros((20, 2)))
    assert np.isfinite(project(np.ones((20, 3)), method, previous=np.ones((20, 2)))).all()


def test_many_identical_items_among_others():
    z = np.concatenate([np.zeros((40, 4)), blobs(40)[0][:, :4]])
    assert np.isfinite(project(z, Method.TSNE)).all()


@pytest.mark.parametrize("method", QUICK)
def test_one_dimension_is_enough(method):
    xy = project(np.arange(30, dtype=np.float32)[:, None], method)
    assert xy.shape == (30, 2)
    assert np.isfinite(xy).all()


def test_long_z_is_reduced_first():
    z, cluster = blobs()
    wide = np.concatenate([z, np.random.default_rng(0).normal(scale=0.1, size=(120, 100))], axis=1)
    assert separation(project(wide, Method.TSNE), cluster) == 1


def test_items_beyond_the_limit_are_placed_among_the_others(monkeypatch):
    monkeypatch.setattr(projections, "MAX_ITEMS_FITTED", 60)
    z, cluster = blobs()
    xy = project(z, Method.TSNE)
    assert np.isfinite(xy).all()
    assert separation(xy, cluster) == 1
    assert len(np.unique(xy[:, 0])) == len(np.unique(xy[:, 1])) == len(z)  # none in line with another
    assert separation(refine(z, xy, Method.TSNE), cluster) == 1
    assert n_fitted(120, Method.TSNE) == 60
    assert n_fitted(50, Method.TSNE) == 50
    assert n_fitted(120, Method.PCA) == 120


def test_align_undoes_turning_mirroring_scaling_and_shifting():
    previous = np.random.default_rng(0).normal(size=(50, 2))
    turn = np.array([[np.cos(2), -np.sin(2)], [np.sin(2), np.cos(2)]]) @ np.diag([1, -1])
    assert align(7 * previous @ turn + [30, -4], previous) == pytest.approx(previous)


def test_align_does_not_shrink_a_layout_that_differs():
    rng = np.random.default_rng(0)
    previous, other = rng.normal(size=(50, 2)), rng.normal(size=(50, 2))
    aligned = align(other, previous)
    assert np.linalg.norm(aligned - aligned.mean(axis=0)) == pytest.approx(
        np.linalg.norm(previous - previous.mean(axis=0))
    )
    assert aligned.mean(axis=0) == pytest.approx(previous.mean(axis=0))


def test_a_new_layout_lies_on_the_previous_one():
    z, cluster = blobs()
    previous = project(z, Method.TSNE, seed=0) @ np.array([[0, -1], [1, 0]]) + 100
    found = project(z, Method.TSNE, seed=1, previous=previous)
    for k in range(3):
        assert found[cluster == k].mean(axis=0) == pytest.approx(
            previous[cluster == k].mean(axis=0), abs=previous.std() / 4
        )


def test_refining_moves_little_where_z_changed_little():
    z, cluster = blobs()
    xy = project(z, Method.TSNE)
    changed = z + np.random.default_rng(1).normal(scale=0.1, size=z.shape)
    found = refine(changed, xy, Method.TSNE)
    assert separation(found, cluster) == 1
    assert np.linalg.norm(found - xy, axis=1).mean() < xy.std() / 4
    assert not np.array_equal(found, xy)


def test_an_earlier_layout_of_something_else_is_recognised():
    z, _ = blobs()
    xy = project(z, Method.TSNE)
    assert still_fits(z, xy)
    assert not still_fits(z, np.random.default_rng(0).permutation(xy))


def test_progress_rises_to_one():
    shares: list[float] = []
    project(blobs()[0], Method.TSNE, progress=lambda share, _: shares.append(share))
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert len(shares) > 5


def test_the_default_method_depends_on_the_size():
    assert default_method(5_000) is Method.TSNE
    assert default_method(5_001) is Method.UMAP


def test_what_cannot_be_laid_out_is_refused():
    z = blobs()[0]
    with pytest.raises(InputError, match=r"shape \(5,\)"):
        project(np.zeros(5), Method.PCA)
    with pytest.raises(InputError, match="not finite"):
        project(np.where(np.arange(6) == 2, np.nan, z), Method.PCA)
    with pytest.raises(InputError, match=r"earlier layout has shape \(3, 2\); expected \(120, 2\)"):
        project(z, Method.PCA, previous=np.zeros((3, 2)))


@pytest.mark.slow
def test_umap_does_all_of_that_too(monkeypatch):
    """One test, since umap compiles itself for some 20 s in every new process."""
    z, cluster = blobs()
    xy = project(z, Method.UMAP, seed=3)
    assert separation(xy, cluster) == 1
    assert np.array_equal(xy, project(z, Method.UMAP, seed=3))
    refined = refine(z, xy, Method.UMAP)
    assert separation(refined, cluster) == 1
    assert np.linalg.norm(refined - xy, axis=1).mean() < xy.std() / 2
    assert np.isfinite(project(blobs(9)[0], Method.UMAP)).all()
    monkeypatch.setattr(projections, "MAX_ITEMS_FITTED", 60)
    assert separation(project(z, Method.UMAP), cluster) == 1
