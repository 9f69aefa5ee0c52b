"""Names that belong to images: which images keep a name, which component has it, and what speaks against it."""

import json
from collections import Counter, defaultdict

import numpy as np
import pytest

from dgm_engine.labels.schema import Anchored
from dgm_engine.labels.state import Anchor
from dgm_engine.labels.store import LabelStore
from dgm_engine.training import naming
from dgm_engine.training.naming import (
    MAX_ANCHORS,
    MIN_CLAIM_SHARE,
    MIN_SHARE_OF_COMPONENT,
    Overruled,
    chosen_anchors,
    claims,
    overruled_from_json,
    overruled_to_json,
    pinned_by_names,
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


@pytest.mark.parametrize("n", [0, 1, 7, MAX_ANCHORS])
def test_all_images_of_a_small_cluster_keep_its_name(n):
    order = np.random.default_rng(0).permutation(n)
    assert (10 * order)[chosen_anchors(10 * order)].tolist() == list(range(0, 10 * n, 10))


def test_of_a_large_cluster_it_is_some_evenly_spread_over_the_pool():
    n = 5 * MAX_ANCHORS
    pool_rows = np.random.default_rng(0).permutation(2 * n)[:n]
    chosen = chosen_anchors(pool_rows)
    assert len(set(chosen.tolist())) == MAX_ANCHORS
    place = np.searchsorted(np.sort(pool_rows), pool_rows[chosen])  # among the cluster's, in the order of the pool
    assert (place[0], place[-1]) == (0, n - 1)
    assert set(np.diff(place).tolist()) == {5, 6}


# Which component has a name


def anchors(*names, event=1, sure=1.0, named=None):
    return [Anchor(class_name, sure, event, named or len(names)) for class_name in names]


def have(components, said, overruled=naming.NONE_OVERRULED, sizes=(0, 0, 0, 0)):
    """`claims` where components hold no more images than those under a name, or so many."""
    return claims(np.array(components, dtype=np.int64), said, overruled, np.array(sizes))


def test_a_name_goes_where_its_images_go():
    cats = anchors("cat", "cat", "cat")
    assert have([1, 1, 1], cats) == (None, "cat", None, None)
    assert have([3, 3, 3], cats) == (None, None, None, "cat")


@pytest.mark.parametrize(
    ("beside", "expected"), [(5, ("cat", "cat")), (2, ("cat", "cat")), (1, ("cat", None)), (0, ("cat", None))]
)
def test_two_components_have_a_name_whose_images_lie_in_both(beside, expected):
    assert 1 / 10 < MIN_CLAIM_SHARE <= 2 / 10
    assert have([0] * (10 - beside) + [1] * beside, anchors(*["cat"] * 10), sizes=(0, 0)) == expected


def test_images_in_many_components_leave_the_name_to_the_one_with_most():
    assert have([0, 1, 2, 2, 3, 4, 5, 6], anchors(*["cat"] * 8, named=12), sizes=[0] * 7) == (
        *[None] * 2,
        "cat",
        *[None] * 4,
    )


@pytest.mark.parametrize(
    ("components", "sizes", "expected"),
    [
        ([0, 0, 0, 0, 1], (4, 500), ("cat", None)),  # a fifth of them, which are nothing there
        ([0, 0, 0, 0, 1], (4, 5), ("cat", "cat")),
        ([1, 1, 1, 1, 0], (40, 500), (None, None)),  # the component that they all went to is another one
        ([1, 1, 1, 1, 0], (40, 80), (None, "cat")),  # it has grown
    ],
)
def test_a_few_images_do_not_name_a_much_larger_component_that_they_came_to_lie_in(components, sizes, expected):
    assert 4 / 500 < MIN_SHARE_OF_COMPONENT <= 4 / 80 < MIN_CLAIM_SHARE <= 1 / 5
    assert have(components, anchors(*["cat"] * 5), sizes=sizes) == expected


def test_of_a_large_cluster_only_some_images_keep_the_name_and_they_stand_for_all():
    many = anchors(*["cat"] * MAX_ANCHORS)
    assert have([0] * MAX_ANCHORS, many, sizes=(100 * MAX_ANCHORS, 0)) == ("cat", None)
    halves = [0, 1] * (MAX_ANCHORS // 2)
    assert have(halves, many, sizes=(50 * MAX_ANCHORS, 50 * MAX_ANCHORS)) == ("cat", "cat")


def test_of_two_names_in_a_component_the_one_with_more_images_has_it():
    both = [*anchors("cat", "cat", "cat"), *anchors("dog", "dog", event=2)]
    assert have([0, 0, 0, 0, 0], both) == ("cat", None, None, None)
    assert have([0, 0, 0, 1, 0], both) == ("cat", "dog", None, None)
    sure = [*anchors("cat", "cat", "cat", sure=0.5), *anchors("dog", "dog", event=2, sure=0.9)]
    assert have([0, 0, 0, 0, 0], sure)[0] == "dog"  # images count as much as the model was sure of them


def test_a_name_whose_images_are_mostly_there_comes_before_one_that_has_most_elsewhere():
    both = [*anchors(*["cat"] * 100), *anchors(*["dog"] * 10, event=2)]
    components = [0] * 70 + [1] * 30 + [1] * 10
    assert have(components, both, sizes=(70, 40)) == ("cat", "dog")


def test_names_of_a_class_in_several_clusters_add_up():
    three = [*anchors("cat", "cat"), *anchors("dog", "dog", "dog", event=2), *anchors("cat", "cat", event=3)]
    assert have([0] * 7, three)[0] == "cat"
    assert have([0, 0, 2, 2, 2, 1, 1], three) == ("cat", "cat", "dog", None)


def test_images_without_a_name_on_purpose_leave_their_component_without_one():
    said = [*anchors("", "", ""), *anchors("cat", "cat", event=2)]
    assert have([0, 0, 0, 1, 1], said) == ("", "cat", None, None)
    assert have([1, 1, 1, 1, 1], said) == (None, "", None, None)


def test_what_overrules_a_name_holds_until_another_name_has_more_images_there():
    overruled = {0: Overruled("dog", frozenset({1}))}
    assert have([0, 0], anchors("cat", "cat"), overruled)[0] == "dog"
    # The component is still the dog's where the cats are elsewhere.
    assert have([1, 1], anchors("cat", "cat"), overruled)[:2] == ("dog", "cat")
    for n, expected in ((1, "dog"), (2, "dog"), (3, "cow")):
        later = [*anchors("cat", "cat"), *anchors(*["cow"] * n, event=2)]
        assert have([0] * (2 + n), later, overruled)[0] == expected
    again = [*anchors("cat", "cat"), *anchors("cat", "cat", "cat", event=2)]  # named once more, and by more images
    assert have([0] * 5, again, overruled)[0] == "cat"


def test_without_names_there_is_what_overruled_them():
    assert have([], []) == (None,) * 4
    assert have([], [], {1: Overruled("dog", frozenset())}) == (None, "dog", None, None)


def test_what_was_overruled_in_components_that_are_no_more_is_passed_over():
    assert have([0], anchors("cat"), {5: Overruled("dog", frozenset())}, (0, 0)) == ("cat", None)


def outweighed(k, components, said, names):
    """Whether of the images in a component as many, by weight, have names that labels spoke against as have others."""
    there = [anchor for anchor, at in zip(said, components, strict=True) if at == k]
    over = sum(anchor.sure for anchor in there if anchor.event in names)
    return over >= sum(anchor.sure for anchor in there if anchor.event not in names)


def claimed(components, said, overruled, sizes):
    """`claims`, one image, naming and component after the other."""
    first, second = defaultdict(float), defaultdict(float)
    for event in {anchor.event for anchor in said}:
        mine = [(anchor, k) for anchor, k in zip(said, components, strict=True) if anchor.event == event]
        (name, *_, named), there = mine[0][0], Counter(k for _, k in mine)
        most = min(k for k, n in there.items() if n == max(there.values()))
        for k, n in there.items():
            sure = sum(anchor.sure for anchor, other in mine if other == k)
            part = 1.0 if named >= MAX_ANCHORS else n / max(sizes[k], n)
            if k == most and part >= MIN_SHARE_OF_COMPONENT:
                first[k, name] += sure
            elif k != most and n >= MIN_CLAIM_SHARE * named and part >= MIN_CLAIM_SHARE:
                second[k, name] += sure
    found = []
    for k in range(len(sizes)):
        here = {key[1]: mass for of in (second, first) for key, mass in of.items() if key[0] == k}
        main = {key[1]: mass for key, mass in first.items() if key[0] == k} or here
        found.append(max(main, key=lambda name: main[name]) if main else None)
        if k in overruled and outweighed(k, components, said, overruled[k].names):
            found[k] = overruled[k].class_name
    return tuple(found)


@pytest.mark.parametrize("seed", range(20))
def test_claims_equal_those_that_are_counted_one_by_one(seed):
    rng = np.random.default_rng(seed)
    names = {event: rng.choice(["cat", "dog", "cow", ""]).item() for event in range(1, 7)}
    named = {event: rng.choice([5, 8, 12, MAX_ANCHORS]).item() for event in names}
    said = [Anchor(names[e], rng.random() + 0.01, e, named[e]) for e in rng.integers(1, 7, 40).tolist()]
    components = rng.choice(5, 40, p=rng.dirichlet(np.full(5, 0.5)))
    sizes = rng.integers(0, 200, 5)
    overruled = {2: Overruled("owl", frozenset({1, 2, 3})), 4: Overruled("", frozenset({4}))}
    assert claims(components, said, overruled, sizes) == claimed(components.tolist(), said, overruled, sizes.tolist())


def test_what_answers_overruled_holds_while_most_of_them_hold(store):
    said = {
        0: Overruled("dog", frozenset({1}), frozenset({"i1", "i2", "i3"})),
        1: Overruled("", frozenset({1}), frozenset({"i4", "i5"})),
    }
    store.label(["i1", "i2", "i3", "i6"], "dog", annotator=ME)
    store.none_of_named(["i4"], annotator=ME)
    store.reject(["i5"], "cat", annotator=ME)
    assert still_overruled(said, store.state(1)) == said
    store.clear(["i1"], annotator=ME)
    assert still_overruled(said, store.state(1)) == said
    store.clear(["i2", "i4"], annotator=ME)
    assert still_overruled(said, store.state(1)) == {}
    store.undo(annotator=ME)
    assert still_overruled(said, store.state(1)) == said


def test_what_was_overruled_survives_as_json_and_while_its_class_is_spoken_of(store):
    overruled = {3: Overruled("dog", frozenset({7, 2}), frozenset({"i1"})), 0: Overruled("", frozenset())}
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


def against(store, near):
    """`spoken_against` where training looks at all labels."""
    labels = store.state(1)
    return spoken_against(labels, labels.positive, rows, near)


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
    assert against(store, near).tolist() == [expected]
    back = alone(9, **{f"i{item}": [0] for item in (*dogs, *cats)})  # it is a neighbour of theirs
    assert against(store, back).tolist() == [expected]


def test_each_image_is_judged_by_its_own_neighbours(store):
    name(store, 0, "cat", [0, 1])
    name(store, 1, "dog", [2])
    store.label(["i5"], "dog", annotator=ME)
    store.label(["i6"], "cow", annotator=ME)
    near = alone(9, i0=[5], i1=[1], i2=[5])
    assert against(store, near).tolist() == [True, False, False]
    assert against(store, alone(9, i1=[6], i5=[2])).tolist() == [False, True, False]
    assert against(store, alone(9)).tolist() == [False, False, False]


def test_other_names_around_an_image_say_nothing_of_its_own(store):
    name(store, 0, "cat", [0])
    name(store, 1, "dog", [1, 2, 3, 4])
    assert not against(store, alone(9, i0=[1, 2, 3, 4])).any()


def test_held_out_labels_say_nothing_against_a_name(store):
    name(store, 0, "cat", [0])
    store.label(["i1", "i2"], "dog", annotator=ME)
    labels, near = store.state(1), alone(9, i0=[1, 2])
    assert spoken_against(labels, {"i1": "dog"}, rows, near).tolist() == [True]
    assert spoken_against(labels, {}, rows, near).tolist() == [False]


def test_without_names_nothing_is_spoken_against(store):
    store.label(["i1"], "dog", annotator=ME)
    assert against(store, alone(9)).shape == (0,)


# What training holds


def test_images_are_pinned_in_the_components_of_their_name_as_firmly_as_the_model_was_sure(store):
    name(store, 0, "cat", [0, 1], sure=0.25)
    name(store, 1, "dog", [2], sure=0.81)
    name(store, 2, "cow", [3])
    labels = store.state(1)
    owner = ("cat", "dog", None, "cat")  # no component is a cow's
    positions, within, firmness = pinned_by_names(labels, np.array([True, False, True, True]), owner)
    assert positions.tolist() == [0, 2]
    assert within.tolist() == [[True, False, False, True], [False, True, False, False]]
    np.testing.assert_allclose(firmness, [(1 + 0.25) / 2, (1 + 0.81) / 2])


def test_where_no_image_has_a_name_nothing_is_pinned(store):
    positions, within, firmness = pinned_by_names(store.state(1), np.zeros(0, dtype=bool), ("cat", None))
    assert (positions.shape, within.shape, firmness.shape) == ((0,), (0, 2), (0,))
    name(store, 0, "cat", [0])
    assert pinned_by_names(store.state(1), np.array([False]), ("cat", None))[1].shape == (0, 2)
