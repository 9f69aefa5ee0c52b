"""Names that belong to images: which images keep a name, which component has it, and what speaks against it."""

import json
from collections import defaultdict

import numpy as np
import pytest

from dgm_engine.labels.schema import Anchored
from dgm_engine.labels.state import Anchor
from dgm_engine.labels.store import LabelStore
from dgm_engine.training.naming import (
    CLAIM,
    N_ANCHORS,
    Overruled,
    chosen_anchors,
    claims,
    held_by_names,
    overruled_from_json,
    overruled_to_json,
    spoken_against,
    still_named,
    still_overruled,
)

ME = "tester"


@pytest.fixture
def store(tmp_path):
    store = LabelStore(tmp_path / "labels.db")
    yield store
    store.close()


def name(store, component, class_name, items, sure=0.9):
    """Names a component of lineage 1; the id of the event."""
    images = [Anchored(f"i{item}", sure) for item in items]
    return store.name_component(1, component, class_name, images, annotator=ME)


def rows(items):
    return np.array([int(item[1:]) for item in items], dtype=np.int64)


# Which images keep a name


@pytest.mark.parametrize("n", [0, 1, 7, N_ANCHORS])
def test_all_images_of_a_small_cluster_keep_its_name(n):
    order = np.random.default_rng(0).permutation(n)
    chosen = chosen_anchors(10 * order, np.linspace(0.1, 1, n))
    assert (10 * order)[chosen].tolist() == list(range(0, 10 * n, 10))


def test_of_a_large_cluster_it_is_some_of_the_surer_half_evenly_spread_over_the_pool():
    n, rng = 5 * N_ANCHORS, np.random.default_rng(0)
    pool_rows, sure = rng.permutation(10_000)[:n], rng.random(n)
    chosen = chosen_anchors(pool_rows, sure)
    assert len(set(chosen.tolist())) == N_ANCHORS
    half = np.flatnonzero(sure > np.median(sure))
    assert np.isin(chosen, half).all()
    place = np.searchsorted(np.sort(pool_rows[half]), pool_rows[chosen])  # among the half, in the order of the pool
    assert (place[0], place[-1]) == (0, len(half) - 1)
    assert set(np.diff(place).tolist()) == {2, 3}


def test_half_of_a_middling_cluster_would_be_too_few():
    sure = np.random.default_rng(0).random(N_ANCHORS + 50)
    chosen = chosen_anchors(np.arange(len(sure)), sure)
    assert sorted(chosen.tolist()) == sorted(np.argsort(-sure)[:N_ANCHORS].tolist())


# Which component has a name


def held(*components, k=4, share=1.0):
    """(A, K): each image with this probability in its component, and the rest in the next one."""
    q_y = np.zeros((len(components), k), dtype=np.float16)
    for image, component in enumerate(components):
        q_y[image, component] += share
        q_y[image, (component + 1) % k] += 1 - share
    return q_y


def anchors(*names, event=1, sure=1.0):
    return [Anchor(class_name, sure, event) for class_name in names]


def test_a_name_goes_where_its_images_go():
    cats = anchors("cat", "cat", "cat")
    assert claims(held(1, 1, 1), cats, {}) == (None, "cat", None, None)
    assert claims(held(3, 3, 3), cats, {}) == (None, None, None, "cat")


@pytest.mark.parametrize(
    ("share", "expected"), [(0.5, ("cat", "cat")), (0.75, ("cat", "cat")), (0.875, ("cat", None)), (1.0, ("cat", None))]
)
def test_two_components_have_a_name_whose_images_lie_in_both(share, expected):
    assert 1 - 0.875 < CLAIM <= 1 - 0.75
    assert claims(held(0, 0, k=2, share=share), anchors("cat", "cat"), {}) == expected


def test_images_in_many_components_leave_the_name_to_those_with_most():
    q_y = np.full((5, 8), 0.125, dtype=np.float16)
    q_y[:, 2], q_y[:, 3] = 0.15, 0.1
    assert claims(q_y, anchors(*["cat"] * 5), {}) == (None, None, "cat", *[None] * 5)


def test_of_two_names_in_a_component_the_one_with_more_images_has_it():
    both = [*anchors("cat", "cat", "cat"), *anchors("dog", "dog", event=2)]
    assert claims(held(0, 0, 0, 0, 0), both, {}) == ("cat", None, None, None)
    assert claims(held(0, 0, 0, 1, 0), both, {}) == ("cat", "dog", None, None)
    sure = [*anchors("cat", "cat", "cat", sure=0.5), *anchors("dog", "dog", event=2, sure=0.9)]
    assert claims(held(0, 0, 0, 0, 0), sure, {})[0] == "dog"  # images count as much as the model was sure of them


def test_names_of_a_class_in_several_clusters_add_up():
    three = [*anchors("cat", "cat"), *anchors("dog", "dog", "dog", event=2), *anchors("cat", "cat", event=3)]
    assert claims(held(0, 0, 0, 0, 0, 0, 0), three, {})[0] == "cat"
    each = claims(held(0, 0, 2, 2, 2, 1, 1), three, {})
    assert each == ("cat", "cat", "dog", None)  # a fifth of a naming's images is a fifth of this naming's


def test_images_without_a_name_on_purpose_leave_their_component_without_one():
    said = [*anchors("", "", ""), *anchors("cat", "cat", event=2)]
    assert claims(held(0, 0, 0, 1, 1), said, {}) == ("", "cat", None, None)
    assert claims(held(1, 1, 1, 1, 1), said, {}) == (None, "", None, None)


def test_what_overrules_a_name_holds_until_another_name_has_more_images_there():
    overruled = {0: Overruled("dog", frozenset({1}))}
    assert claims(held(0, 0), anchors("cat", "cat"), overruled)[0] == "dog"
    assert claims(held(1, 1), anchors("cat", "cat"), overruled)[:2] == (
        "dog",
        "cat",
    )  # the component is still the dog's
    for n, expected in ((1, "dog"), (2, "dog"), (3, "cow")):
        later = [*anchors("cat", "cat"), *anchors(*["cow"] * n, event=2)]
        assert claims(held(*[0] * (2 + n)), later, overruled)[0] == expected
    again = [*anchors("cat", "cat"), *anchors("cat", "cat", "cat", event=2)]  # named once more, and by more images
    assert claims(held(0, 0, 0, 0, 0), again, overruled)[0] == "cat"


def test_without_names_there_is_what_overruled_them():
    assert claims(np.empty((0, 3)), [], {}) == (None, None, None)
    assert claims(np.empty((0, 3)), [], {1: Overruled("dog", frozenset())}) == (None, "dog", None)


def test_what_was_overruled_in_components_that_are_no_more_is_passed_over():
    assert claims(held(0, k=2), anchors("cat"), {5: Overruled("dog", frozenset())}) == ("cat", None)


def claimed(q_y, said, overruled):
    """`claims`, one image, naming and component after the other."""
    n_components = q_y.shape[1]
    mass, has = defaultdict(float), set()
    for event in {anchor.event for anchor in said}:
        mine = [(anchor, q) for anchor, q in zip(said, q_y.tolist(), strict=True) if anchor.event == event]
        of = [sum(anchor.sure * q[k] for anchor, q in mine) for k in range(n_components)]
        for k in range(n_components):
            mass[mine[0][0].class_name, k] += of[k]
            if of[k] >= CLAIM * sum(of) or of[k] == max(of):
                has.add((mine[0][0].class_name, k))
    found = []
    for k in range(n_components):
        here = [(mass[key], key[0]) for key in has if key[1] == k]
        found.append(max(here)[1] if here else None)
        if k in overruled:
            over, rest = 0.0, 0.0
            for anchor, q in zip(said, q_y.tolist(), strict=True):
                if anchor.event in overruled[k].names:
                    over += anchor.sure * q[k]
                else:
                    rest += anchor.sure * q[k]
            if over >= rest:
                found[k] = overruled[k].class_name
    return tuple(found)


@pytest.mark.parametrize("seed", range(20))
def test_claims_equal_those_that_are_counted_one_by_one(seed):
    rng = np.random.default_rng(seed)
    names = {event: rng.choice(["cat", "dog", "cow", ""]).item() for event in range(1, 7)}
    said = [Anchor(names[event], rng.random() + 0.01, event) for event in rng.integers(1, 7, 40).tolist()]
    q_y = rng.dirichlet(np.full(5, 0.2), 40)
    overruled = {2: Overruled("owl", frozenset({1, 2, 3})), 4: Overruled("", frozenset({4}))}
    assert claims(q_y, said, overruled) == claimed(q_y, said, overruled)


def test_what_was_overruled_survives_as_json_and_while_its_class_is_spoken_of(store):
    overruled = {3: Overruled("dog", frozenset({7, 2})), 0: Overruled("", frozenset())}
    assert overruled_from_json(json.loads(json.dumps(overruled_to_json(overruled)))) == overruled
    assert still_overruled(overruled, store.state(1)) == {0: overruled[0]}  # "" is none of the classes
    store.label(["i1"], "dog", annotator=ME)
    assert still_overruled(overruled, store.state(1)) == overruled
    store.undo(annotator=ME)
    assert 3 not in still_overruled(overruled, store.state(1))


# Which images still have a name


def test_images_that_somebody_judged_by_themselves_or_left_without_a_name_have_none(store):
    name(store, 0, "cat", range(6))
    name(store, 1, None, [6, 7])
    store.label(["i1"], "cat", annotator=ME)
    store.reject(["i2"], "dog", annotator=ME)
    store.none_of_named(["i3"], annotator=ME)
    store.skip(["i4"], annotator=ME)
    labels = store.state(1)
    kept = still_named(labels, np.zeros(8, dtype=np.int64), {})
    assert dict(zip(labels.anchors, kept.tolist(), strict=True)) == {f"i{n}": n in (0, 4, 5) for n in range(8)}


def test_a_name_that_labels_spoke_against_is_no_ones_in_that_component_and_a_later_one_is(store):
    first = name(store, 0, "cat", range(4))
    later = name(store, 0, "cat", [2])
    component = np.array([0, 1, 0, 0])
    kept = still_named(store.state(1), component, {0: Overruled("dog", frozenset({first}))})
    assert kept.tolist() == [False, True, True, False]
    kept = still_named(store.state(1), component, {0: Overruled("dog", frozenset({first, later}))})
    assert kept.tolist() == [False, True, False, False]


# What speaks against a name


def alone(n, **near):
    """(n, 4) neighbours: those given by row, and else the last row, of which nobody says anything."""
    found = np.full((n, 4), n - 1, dtype=np.int32)
    for row, those in near.items():
        found[int(row[1:]), : len(those)] = those
    return found


@pytest.mark.parametrize(
    ("dogs", "cats", "expected"),
    [([], [], False), ([1], [], True), ([1], [2], False), ([1, 2], [3], True), ([1], [2, 3], False)],
)
def test_labels_of_its_neighbours_speak_against_an_images_name(store, dogs, cats, expected):
    name(store, 0, "cat", [0])
    for class_name, items in (("dog", dogs), ("cat", cats)):
        if items:
            store.label([f"i{item}" for item in items], class_name, annotator=ME)
    near = alone(9, i0=[1, 2, 3])
    assert spoken_against(store.state(1), rows, near).tolist() == [expected]
    back = alone(9, **{f"i{item}": [0] for item in (*dogs, *cats)})  # it is a neighbour of theirs
    assert spoken_against(store.state(1), rows, back).tolist() == [expected]


def test_each_image_is_judged_by_its_own_neighbours(store):
    name(store, 0, "cat", [0, 1])
    name(store, 1, "dog", [2])
    store.label(["i5"], "dog", annotator=ME)
    store.label(["i6"], "cow", annotator=ME)
    near = alone(9, i0=[5], i1=[1], i2=[5])
    assert spoken_against(store.state(1), rows, near).tolist() == [True, False, False]
    assert spoken_against(store.state(1), rows, alone(9, i1=[6], i5=[2])).tolist() == [False, True, False]
    assert spoken_against(store.state(1), rows, alone(9)).tolist() == [False, False, False]


def test_other_names_around_an_image_say_nothing_of_its_own(store):
    name(store, 0, "cat", [0])
    name(store, 1, "dog", [1, 2, 3, 4])
    assert not spoken_against(store.state(1), rows, alone(9, i0=[1, 2, 3, 4])).any()


def test_without_names_nothing_is_spoken_against(store):
    store.label(["i1"], "dog", annotator=ME)
    assert spoken_against(store.state(1), rows, alone(9)).shape == (0,)


# What training holds


def test_images_are_held_in_the_components_of_their_name_as_firmly_as_the_model_was_sure(store):
    name(store, 0, "cat", [0, 1], sure=0.25)
    name(store, 1, "dog", [2], sure=0.81)
    name(store, 2, "cow", [3])
    labels = store.state(1)
    owner = ("cat", "dog", None, "cat")  # no component is a cow's
    positions, within, firmness = held_by_names(labels, np.array([True, False, True, True]), owner)
    assert positions.tolist() == [0, 2]
    assert within.tolist() == [[True, False, False, True], [False, True, False, False]]
    np.testing.assert_allclose(firmness, [(1 + 0.25) / 2, (1 + 0.81) / 2])


def test_where_no_image_has_a_name_nothing_is_held(store):
    positions, within, firmness = held_by_names(store.state(1), np.zeros(0, dtype=bool), ("cat", None))
    assert (positions.shape, within.shape, firmness.shape) == ((0,), (0, 2), (0,))
    name(store, 0, "cat", [0])
    assert held_by_names(store.state(1), np.array([False]), ("cat", None))[1].shape == (0, 2)
