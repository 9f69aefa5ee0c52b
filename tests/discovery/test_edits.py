"""What people did with clusters, seen through results: against loops over images, and how two groups are told apart."""

import numpy as np
import pytest
from scipy.cluster import hierarchy

from dgm_engine.discovery.clusters import similarity, summarise
from dgm_engine.discovery.edits import NO_EDITS, Contained, difference, edited
from dgm_engine.discovery.halves import halves
from dgm_engine.labels.schema import Edit, Kind

K, N = 5, 300
GROUP = np.arange(N) % K
MERGE, DISSOLVE, SPLIT = Edit(1, Kind.MERGE, 3, 1), Edit(2, Kind.DISSOLVE, 0), Edit(3, Kind.SPLIT, 2, 3)


@pytest.fixture
def q_y():
    """Component 4 is not in use by any image but has some probability."""
    rng = np.random.default_rng(0)
    q = rng.dirichlet(np.full(K, 0.3), N)
    q[:, 4] *= 0.1
    return (q / q.sum(1, keepdims=True)).astype(np.float16)


@pytest.fixture
def z(q_y):
    """Images of component 2 lie in two places, 20 apart; the even ones in the larger."""
    z = np.random.default_rng(1).normal(size=(N, 6))
    z[:, 0] += np.where(np.arange(N) % 3 == 0, 20, 0)
    return z.astype(np.float16)


def reference(q_y, z, edits):
    """Image by image, in double precision."""
    q = q_y.astype(np.float64)
    for edit in edits:
        before = q.argmax(1)
        for x in range(len(q)):
            if edit.kind is Kind.MERGE:
                q[x, edit.other] += q[x, edit.component]
                q[x, edit.component] = 0
            elif edit.kind is Kind.DISSOLVE:
                q[x, edit.component] = 0
                q[x] = [share / sum(q[x]) for share in q[x]]
            elif before[x] == edit.component and z[x, 0] > 10:
                q[x, edit.other] += q[x, edit.component]
                q[x, edit.component] = 0
    return q


@pytest.mark.parametrize("edits", [(MERGE,), (DISSOLVE,), (SPLIT,), (MERGE, DISSOLVE, SPLIT), (MERGE, SPLIT)], ids=str)
def test_edits_do_what_they_say_and_leave_the_results_alone(q_y, z, edits):
    before = q_y.copy()
    q, contents = edited(q_y, z, np.arange(N), NO_EDITS, edits)
    np.testing.assert_allclose(q, reference(q_y, z, edits), atol=1e-6)
    np.testing.assert_allclose(q.sum(1), 1, atol=2e-3)
    assert contents.keys() == {edit.event for edit in edits}
    np.testing.assert_array_equal(q_y, before)
    again, _ = edited(q_y, z, np.arange(N), NO_EDITS, edits)
    np.testing.assert_array_equal(again, q)


def test_what_the_model_contains_is_not_done_again(q_y, z):
    q, contents = edited(q_y, z, np.arange(N), Contained((MERGE, SPLIT), {}), (MERGE, SPLIT))
    assert q is q_y
    assert contents == {}


def test_what_was_undone_since_is_taken_back_newest_first(q_y, z):
    all_of_them = (MERGE, DISSOLVE, SPLIT)
    known, contents = edited(q_y, z, np.arange(N), NO_EDITS, all_of_them)
    for n in (2, 1, 0):
        back, _ = edited(known, z, np.arange(N), Contained(all_of_them, contents), all_of_them[:n])
        expected = edited(q_y, z, np.arange(N), NO_EDITS, all_of_them[:n])[0].argmax(1)
        assert (back.argmax(1) == expected).mean() > 0.9  # who was between two components may have changed sides
        for edit in all_of_them[n:]:
            rows = contents[edit.event]["row"] if edit.kind is not Kind.SPLIT else []
            np.testing.assert_array_equal(back.argmax(1)[rows], expected[rows])
    lost, _ = edited(known, z, np.arange(N), Contained(all_of_them, {}), ())
    assert not (lost.argmax(1) == DISSOLVE.component).any()  # nobody knows what it held


def test_the_difference_of_edits_begins_where_they_part():
    other = Edit(9, Kind.DISSOLVE, 1)
    assert difference((MERGE, DISSOLVE, SPLIT), (MERGE, other)) == ([SPLIT, DISSOLVE], [other])
    assert difference((), (MERGE,)) == ([], [MERGE])


def test_a_split_looks_at_the_images_trained_on_and_parts_the_others_alike(q_y, z):
    shown = np.arange(0, N, 2)
    q, contents = edited(q_y, z, shown, NO_EDITS, (SPLIT,))
    np.testing.assert_allclose(q, reference(q_y, z, (SPLIT,)), atol=1e-6)
    images = contents[SPLIT.event]
    np.testing.assert_array_equal(images["row"], np.flatnonzero(q_y.argmax(1) == SPLIT.component))
    np.testing.assert_array_equal(images["moved"], q.argmax(1)[images["row"]] == SPLIT.other)
    q, _ = edited(q_y, z, shown[:0], NO_EDITS, (SPLIT,))
    np.testing.assert_array_equal(q, q_y)


def test_an_image_that_half_precision_is_sure_of_goes_where_its_neighbours_are():
    q_y = np.eye(3, dtype=np.float16)[[0, 0, 1, 1, 2, 2]]
    z = np.array([[0.0], [9.0], [0.5], [1.0], [8.0], [9.0]], dtype=np.float16)
    q, contents = edited(q_y, z, np.arange(6), NO_EDITS, (Edit(1, Kind.DISSOLVE, 0),))
    assert q.argmax(1).tolist() == [1, 2, 1, 1, 2, 2]
    assert contents[1].tolist() == [(0, True), (1, True)]


def test_the_parts_of_two_groups_are_the_groups_and_the_second_is_the_smaller():
    z = np.random.default_rng(0).normal(size=(3000, 20))
    z[:1000] += 3 * np.random.default_rng(1).normal(size=20)
    found = halves(z)
    assert found.second[:1000].mean() > 0.99
    assert found.second[1000:].mean() < 0.01
    assert found.two_like


@pytest.mark.parametrize("n", [100, 1000, 5000])
def test_one_group_does_not_look_like_two_however_long_it_is(n):
    rng = np.random.default_rng(n)
    z = rng.normal(size=(n, 20)) * np.linspace(3, 0.5, 20)
    found = halves(z)
    assert not found.two_like
    assert 0 < found.second.sum() <= n / 2


@pytest.mark.parametrize("z", [np.zeros((7, 3)), np.zeros((2, 3)), np.arange(2.0)[:, None], np.ones((200, 4))], ids=len)
def test_any_two_images_can_be_parted(z):
    found = halves(z)
    assert found.second.sum() >= 1
    assert (~found.second).sum() >= 1
    assert not found.two_like


def test_a_cluster_says_that_it_looks_like_two():
    z = np.random.default_rng(0).normal(size=(400, 5))
    z[::2] += 8
    q_y = np.eye(2)[np.repeat([0, 1], [200, 200])]
    z[200:, :] = np.random.default_rng(1).normal(size=(200, 5))
    assert [cluster.two_like for cluster in summarise(q_y, z, [None, None])] == [True, False]


def test_clusters_that_the_model_confuses_are_similar_and_stand_side_by_side():
    """0 and 3 are confused often, 1 and 4 sometimes, 2 with nobody; 5 is not in use."""
    q_y = np.full((100, 6), 1e-4)
    component = np.arange(100) % 5
    q_y[np.arange(100), component] = 1
    for one, other, share in ((0, 3, 0.3), (3, 0, 0.1), (1, 4, 0.02), (4, 1, 0.02)):
        q_y[component == one, other] = share
    found = similarity(q_y)
    assert found.components.tolist() == [0, 1, 2, 3, 4]
    expected = np.array([[q_y[component == i, j].mean() for j in range(5)] for i in range(5)])
    expected = (expected + expected.T) / 2
    np.fill_diagonal(expected, 1)
    np.testing.assert_allclose(found.matrix, expected)
    place = {int(k): i for i, k in enumerate(found.order)}
    assert abs(place[0] - place[3]) == abs(place[1] - place[4]) == 1
    assert sorted(found.order) == [0, 1, 2, 3, 4]
    tree = hierarchy.linkage(-np.log(expected[np.triu_indices(5, 1)]), "average", optimal_ordering=True)
    assert found.order.tolist() == hierarchy.leaves_list(tree).tolist()


def test_a_single_cluster_is_like_itself():
    found = similarity(np.eye(3)[[1, 1]])
    assert (found.components.tolist(), found.matrix.tolist(), found.order.tolist()) == ([1], [[1.0]], [0])


def test_an_edit_tells_what_it_does_to_components():
    assert [edit.touched for edit in (MERGE, DISSOLVE, SPLIT)] == [{1, 3}, {0}, {2, 3}]
    assert [edit.opens for edit in (MERGE, DISSOLVE, SPLIT)] == [None, None, 3]
    assert [edit.closes for edit in (MERGE, DISSOLVE, SPLIT)] == [3, 0, None]
    assert [edit.redefines for edit in (MERGE, DISSOLVE, SPLIT)] == [3, 0, 3]
    mass = (1.0, 2.0, 3.0, 4.0)
    assert [edit.mass(mass) for edit in (MERGE, DISSOLVE, SPLIT)] == [{3: 0, 1: 6}, {0: 0}, {2: 3.5, 3: 3.5}]
    again = Edit(4, Kind.MERGE, 3, 2)
    assert again.rejoins(SPLIT)
    assert not MERGE.rejoins(SPLIT)
    assert [[edit.changes(half) for half in range(4)] for edit in (SPLIT, again)] == [[0, 0, 1, 1], [0, 0, 0, 1]]
