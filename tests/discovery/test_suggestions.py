"""Which items are suggested, in which order, and why."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture
from sklearn.svm import SVC

from dgm_engine.discovery.clusters import summarise
from dgm_engine.discovery.metrics import accuracy_named
from dgm_engine.discovery.suggestions import Strategy, SuggestRequest, suggest
from dgm_engine.errors import InputError

# Three clusters on a line: 30 items at 0, 20 at 10, 10 at 20; items 0, 30 and 50 sit exactly at the centres.
CENTRE = {0: 0, 1: 30, 2: 50}


def three_clusters(owner, n=20, strategy=Strategy.MIXED, labels=None, doubtful=None, unavailable=()):
    """A request on three clear clusters; `doubtful` maps rows to their probabilities."""
    rng = np.random.default_rng(0)
    component = np.repeat([0, 1, 2], [30, 20, 10])
    half = [rng.normal(size=(size // 2, 2)) for size in (30, 20, 10)]
    z = np.concatenate([np.concatenate([[[0, 0]], h[1:], -h[1:], [[0, 0]]]) for h in half])
    z[:, 0] += component * 10
    q_y = np.eye(3)[component] * 0.97 + 0.01
    for row, probability in (doubtful or {}).items():
        q_y[row] = probability
    said = np.full(60, "", dtype="<U10")
    for row, name in (labels or {}).items():
        said[row] = name
    available = said == ""
    available[list(unavailable)] = False
    return SuggestRequest(q_y, z, owner, said, available, strategy, n)


def test_mixed_asks_first_about_every_unnamed_cluster_the_largest_first():
    found = suggest(three_clusters([None, "shoe", None], n=2))
    assert [s.reason for s in found] == [f"centre of an unnamed cluster of {n} images" for n in (30, 10)]
    assert found[0].row < 30
    assert found[1].row >= 50


def test_mixed_asks_about_the_larger_of_the_two_things_in_a_cluster():
    request = three_clusters([None, "shoe", "boot"], n=1)
    request.z[:18, 1] += 50  # the centre of the cluster now lies in the empty middle, and item 20 nearest to it
    request.z[20, 1] = 30
    assert suggest(request)[0].row < 18


def test_mixed_does_not_ask_again_about_a_cluster_with_a_label_in_it():
    found = suggest(three_clusters([None, "shoe", None], n=1, labels={5: "bag"}))
    assert found[0].row >= 50


def test_mixed_passes_over_a_trivial_cluster():
    request = three_clusters(["bag", "shoe", None], n=1)
    request.q_y[50:59] = [0.98, 0.01, 0.01]  # one item is left of the third cluster
    assert "centre" not in suggest(request)[0].reason


def test_mixed_then_asks_about_doubtful_items_far_apart():
    doubtful = {1: [0.51, 0.49, 0], 2: [0.51, 0.49, 0], 31: [0, 0.51, 0.49], 51: [0.49, 0, 0.51]}
    request = three_clusters(["bag", "shoe", "boot"], n=3, doubtful=doubtful)
    request.z[2] = request.z[1] + 0.01  # as doubtful as row 1, and nearly the same
    found = {s.row: s.reason for s in suggest(request)}
    assert found.pop(1, None) or found.pop(2)
    assert found == {31: "between 'shoe' and 'boot'", 51: "between 'boot' and 'bag'"}


def test_mixed_avoids_what_lies_beside_a_labelled_item():
    doubtful = {1: [0.5, 0.5, 0], 31: [0.05, 0.5, 0.45]}
    request = three_clusters(["bag", "shoe", "boot"], n=1, doubtful=doubtful, labels={2: "bag"})
    request.z[1] = request.z[2] + 0.01
    assert suggest(request)[0].row == 31


def test_a_class_of_several_components_has_no_boundary_inside_it():
    doubtful = {1: [0.5, 0.5, 0], 31: [0.1, 0.5, 0.4]}
    found = suggest(three_clusters(["shoe", "shoe", "boot"], 1, Strategy.UNCERTAIN, doubtful=doubtful))
    assert [(s.row, s.reason) for s in found] == [(31, "between 'shoe' and 'boot'")]


@pytest.mark.parametrize(
    ("owner", "reason"),
    [
        (["shoe", None, None], "between 'shoe' and an unnamed cluster"),
        ([None, "shoe", None], "between 'shoe' and an unnamed cluster"),
        ([None, None, "shoe"], "between two unnamed clusters"),
    ],
)
def test_unnamed_clusters_count_each_as_a_class(owner, reason):
    found = suggest(three_clusters(owner, 1, Strategy.UNCERTAIN, doubtful={1: [0.5, 0.45, 0.05]}))
    assert [(s.row, s.reason) for s in found] == [(1, reason)]


def test_clusters_takes_turns():
    found = suggest(three_clusters([None, "shoe", None], 4, Strategy.CLUSTERS))
    assert [s.row for s in found[:3]] == [CENTRE[0], CENTRE[1], CENTRE[2]]
    assert found[1].reason == "centre of a cluster named 'shoe' of 20 images"
    assert found[3].row < 30


def test_diverse_goes_where_nothing_is_labelled():
    found = suggest(three_clusters([None] * 3, 1, Strategy.DIVERSE, labels={3: "bag", 33: "shoe"}))
    assert found[0].row >= 50
    assert found[0].reason == "unlike anything labelled so far"


def test_diverse_leaves_strange_items_alone():
    request = three_clusters([None] * 3, 3, Strategy.DIVERSE)
    request.z[7] = 40, 40
    assert 7 not in {s.row for s in suggest(request)}


def test_disagreement_finds_items_beside_a_label_that_says_otherwise():
    request = three_clusters(["bag", "shoe", "boot"], 1, Strategy.DISAGREEMENT, labels={31: "sandal", 3: "bag"})
    request.z[40] = request.z[31] + 0.001
    found = suggest(request)
    assert [(s.row, s.reason) for s in found] == [(40, "probably 'shoe', but nearest to an image labelled 'sandal'")]


def test_disagreement_needs_labels_and_names():
    assert suggest(three_clusters(["bag", None, None], strategy=Strategy.DISAGREEMENT)) == []
    assert suggest(three_clusters([None] * 3, strategy=Strategy.DISAGREEMENT, labels={1: "bag"})) == []


@pytest.mark.parametrize("strategy", Strategy)
@pytest.mark.parametrize("owner", [[None] * 3, ["bag", "shoe", None], ["bag"] * 3])
def test_every_suggestion_is_available_and_comes_once(strategy, owner):
    request = three_clusters(owner, 100, strategy, labels={0: "bag", 30: "shoe"}, unavailable=range(5, 25))
    rows = [s.row for s in suggest(request)]
    assert len(rows) == len(set(rows))
    assert request.available[rows].all()
    if strategy is not Strategy.DISAGREEMENT:
        assert len(rows) == request.available.sum()


@pytest.mark.parametrize("strategy", Strategy)
def test_nothing_is_left_to_suggest(strategy):
    assert suggest(three_clusters([None] * 3, 5, strategy, unavailable=range(60))) == []


@pytest.mark.parametrize("strategy", Strategy)
def test_identical_items_and_a_sure_model_are_no_trouble(strategy):
    q_y = np.eye(3, dtype=np.float16)[np.arange(30) % 3]
    everything = np.ones(30, dtype=bool)
    request = SuggestRequest(q_y, np.zeros((30, 2)), ["a", None, "b"], np.full(30, ""), everything, strategy, 10)
    rows = [s.row for s in suggest(request)]
    assert len(set(rows)) == len(rows) == (0 if strategy is Strategy.DISAGREEMENT else 10)


def test_requests_that_cannot_be_answered_are_refused():
    with pytest.raises(InputError, match="ask for at least 1"):
        three_clusters([None] * 3, n=0)
    with pytest.raises(InputError, match="owner 2 entries"):
        three_clusters([None] * 2)
    with pytest.raises(InputError, match=r"labels have shape \(2,\)"):
        SuggestRequest(np.zeros((3, 2)), np.zeros((3, 2)), [None] * 2, np.array(["", ""]), np.ones(3, dtype=bool))


@pytest.mark.parametrize("strategy", Strategy)
def test_results_as_they_are_stored_are_asked_about(strategy):
    rng = np.random.default_rng(0)
    q_y = rng.dirichlet(np.full(30, 0.05), 6_000).astype(np.float16)
    z = rng.normal(size=(6_000, 50)).astype(np.float16)
    labels = np.full(6_000, "", dtype="<U4")
    labels[:200] = "shoe"
    found = suggest(SuggestRequest(q_y, z, ["shoe", "boot"] + [None] * 28, labels, labels == "", strategy, 100))
    assert len({suggestion.row for suggestion in found}) == len(found) == 100
    assert min(suggestion.row for suggestion in found) >= 200


def test_twenty_labels_on_digits_repair_more_of_the_naming_than_random_ones():
    """A person names every cluster whose exemplars look alike, then labels 20 items; a classifier learns it."""
    images, digit = load_digits(return_X_y=True)
    truth = digit.astype(str)
    z = PCA(20, random_state=0).fit_transform(images[:1437] / 16)
    mixture = GaussianMixture(20, covariance_type="diag", reg_covar=1e-3, n_init=2, random_state=0).fit(z)
    q_y = mixture.predict_proba(z)
    owner: list[str | None] = [None] * 20
    for cluster in summarise(q_y, z, owner):
        seen = set(truth[cluster.exemplars])
        if len(seen) == 1:
            owner[cluster.component] = seen.pop()

    def accuracy_after(rows):
        names = list(owner)
        component = q_y.argmax(axis=1)
        for row in rows:
            names[component[row]] = names[component[row]] or truth[row]
        said = np.array([names[k] or "" for k in component], dtype="<U1")
        gap = np.linalg.norm(z[:, None] - z[rows], axis=2)
        close = gap.argmin(axis=1)
        near = gap.min(axis=1) < 1.2  # a label speaks for its closest neighbours
        said[near] = truth[rows][close[near]]
        return accuracy_named(SVC().fit(images[:1437], said).predict(images[1437:]), truth[1437:])

    request = SuggestRequest(q_y, z, owner, np.full(1437, "", dtype="<U1"), np.ones(1437, dtype=bool))
    ours = accuracy_after([s.row for s in suggest(request)])
    randoms = [accuracy_after(np.random.default_rng(s).choice(1437, 20, replace=False)) for s in range(5)]
    assert ours > np.mean(randoms)


def checks(request: SuggestRequest) -> list[tuple[int, str]]:
    """The suggestions that check names."""
    return [(s.row, s.reason) for s in suggest(request) if s.reason.startswith("checks")]


DISPUTED = "checks the name 'bag' of its cluster, which answers speak against"


@pytest.mark.parametrize(
    ("labels", "disputed"),
    [
        ({5: "shoe"}, True),
        ({5: "shoe", 6: "bag"}, False),  # as many agree
        ({5: "shoe", 6: "boot", 7: "bag"}, True),
        ({5: "bag", 6: "bag"}, False),
        ({35: "shoe", 55: "boot"}, False),
    ],
)
def test_mixed_checks_a_name_that_answers_speak_against_before_all_else(labels, disputed):
    request = three_clusters(["bag", "shoe", "boot"], n=6, labels=labels, doubtful={45: [0.4, 0.5, 0.1]})
    found = suggest(request)
    assert checks(request) == ([(s.row, DISPUTED) for s in found[:2]] if disputed else [])
    if disputed:
        assert found[0].row in (0, 29)  # both are the very centre
        assert found[1].row < 30
    assert not any(s.reason.startswith("checks") for s in found[2 if disputed else 0 :])


def linked(owner, links, **settings):
    """`three_clusters` where so many neighbours of each cluster's items lie in each."""
    return replace(three_clusters(owner, **settings), links=np.array(links))


def test_mixed_checks_a_name_whose_cluster_lies_closer_to_one_other_class_than_to_its_own():
    links = [[80, 15, 5], [2, 96, 2], [4, 4, 92]]
    [(row, reason)] = checks(linked(["bag", "shoe", "bag"], links, labels={31: "shoe", 55: "bag"}))
    assert row < 30
    assert reason == "checks the name 'bag' of its cluster"
    assert (
        checks(linked(["bag", "shoe", "bag"], links, labels={3: "bag", 31: "shoe", 55: "bag"})) == []
    )  # it has an answer
    closer_to_its_own = [[80, 5, 15], [2, 96, 2], [4, 4, 92]]
    assert checks(linked(["bag", "shoe", "bag"], closer_to_its_own, labels={31: "shoe", 55: "bag"})) == []
    assert checks(three_clusters(["bag", "shoe", "bag"], labels={31: "shoe", 55: "bag"})) == []  # nothing is known


def test_the_clearest_doubt_comes_first_behind_disputed_names_and_half_is_left_for_the_rest():
    owner, links = ["bag", "bag", "boot"], [[90, 4, 6], [3, 77, 20], [30, 1, 69]]
    found = checks(linked(owner, links, n=20))
    assert np.repeat([0, 1, 2], [30, 20, 10])[[row for row, _ in found]].tolist() == [2, 1, 0]
    assert [reason for _, reason in found] == [
        f"checks the name '{name}' of its cluster" for name in ("boot", "bag", "bag")
    ]
    assert len(checks(linked(owner, links, n=4))) == 2
    assert len(checks(linked(owner, links, n=1))) == 1
    disputed = checks(linked(owner, links, n=20, labels={3: "boot"}))
    assert [reason == DISPUTED for _, reason in disputed] == [True, True, False, False]


def test_unnamed_clusters_come_before_names_that_may_be_wrong():
    found = suggest(three_clusters(["bag", "shoe", None], n=4, labels={5: "shoe"}))
    assert found[0].reason == "centre of an unnamed cluster of 10 images"
    assert [s.reason for s in found[1:3]] == [DISPUTED, DISPUTED]
