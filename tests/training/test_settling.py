"""What gives way to what people said of single images, in a small model of blobs: names, clusters, room for more."""

from collections import deque
from copy import deepcopy
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch

from dgm_engine.config import LikelihoodName, ModelConfig, TrainingConfig
from dgm_engine.labels.schema import Anchored, Edit, Kind
from dgm_engine.labels.store import LabelStore
from dgm_engine.training import takeover
from dgm_engine.training.batches import Table
from dgm_engine.training.fitting import assess, fresh_state, predict
from dgm_engine.training.loop import TrainingState
from dgm_engine.training.naming import Overruled
from dgm_engine.training.ownership import unseen_items
from dgm_engine.training.scene import Scene
from dgm_engine.training.settling import Settlement, make_components, settle, taken_by_names
from dgm_engine.training.start import find_neighbours, fit_q_y
from dgm_engine.training.takeover import Beginning, begin_components

ME = "tester"
N, D, K = 150, 6, 3
"""Images of a blob. The model's third component holds two of the four blobs."""
CENTRES = 8 * np.array([[1, 0, 0, 0, 0, 0], [0, 1, 0, 0, 0, 0], [0, 0, 1, 0, 0, 0], [0, 0, 0, 1, 0, 0]])
CONFIG = TrainingConfig(batch_size=64, checked_fraction=0.0, n_samples=1)


@pytest.fixture(scope="module")
def table() -> Table:
    x = np.random.default_rng(0).normal(size=(4 * N, D)) + np.repeat(CENTRES, N, axis=0)
    return Table(x.astype(np.float32), np.arange(4 * N))


@pytest.fixture(scope="module")
def fitted(table) -> TrainingState:
    shape = ModelConfig(D, K, LikelihoodName.GAUSSIAN, n_latent=2, n_hidden=32)
    state = fresh_state(shape, CONFIG, table, torch.device("cpu"))
    target = np.minimum(np.arange(4 * N) // N, 2)
    deque(fit_q_y(state, table, target, CONFIG), maxlen=0)
    assert (predict(state.model, table, table.rows)[0].argmax(1) == target).mean() > 0.99
    return state


@dataclass
class Play:
    """A model, what people say of it, and what became of its components."""

    state: TrainingState
    table: Table
    store: LabelStore
    overruled: dict[int, Overruled] = field(default_factory=dict)
    given: tuple[str | None, ...] = ()

    def name(self, component: int, class_name: str | None) -> int:
        """Names a component by all images that it holds; the id of the event."""
        images = [Anchored(f"i{row}", 0.9) for row in np.flatnonzero(self.component() == component)]
        return self.store.name_component(1, component, class_name, images, annotator=ME)

    def label(self, rows, class_name: str) -> None:
        self.store.label([f"i{row}" for row in rows], class_name, annotator=ME)

    def component(self) -> np.ndarray:
        return predict(self.state.model, self.table, self.table.rows)[0].argmax(1)

    def centre(self, blob: int, n: int) -> list[int]:
        """Rows of a blob from its midst, where many others lie further out."""
        return (blob * N + np.argsort(self._distance(blob))[N // 4 :][:n]).tolist()

    def edge(self, blob: int, n: int) -> list[int]:
        return (blob * N + np.argsort(-self._distance(blob))[:n]).tolist()

    def _distance(self, blob: int) -> np.ndarray:
        x = self.table.x[blob * N : (blob + 1) * N]
        return np.linalg.norm(x - x.mean(0), axis=1)

    def assessed(self):
        given = self.given or (None,) * self.state.model.config.n_components
        labels = self.store.state(1)
        return assess(self.state.model, self.table, labels, rows, given, CONFIG, self.overruled, strays=False)

    def scene(self) -> Scene:
        return Scene(self.state, self.table, self.store.state(1), rows, self.assessed(), CONFIG)

    @property
    def owner(self) -> tuple[str | None, ...]:
        return self.assessed().owner

    def settle(self) -> Settlement:
        """What the worker does in the midst of a run."""
        scene = self.scene()
        found = settle(scene)
        self.overruled |= found.overruled
        make_components(scene, found.new, self.store.state(1).edits, self.overruled)
        return found


def rows(items):
    return np.array([int(item[1:]) for item in items], dtype=np.int64)


@pytest.fixture
def play(fitted, table, tmp_path):
    store = LabelStore(tmp_path / "labels.db")
    yield Play(deepcopy(fitted), table, store)
    store.close()


@pytest.fixture
def named(play) -> Play:
    """All three components have names; what the third one's two blobs are was not seen."""
    for component, class_name in enumerate("abc"):
        play.name(component, class_name)
    assert play.owner == ("a", "b", "c")
    return play


def name_elsewhere(play: Play, n: int) -> int:
    """Component 1 has the images that were named "a" as component 0, as if training had moved them; the event's id."""
    images = [Anchored(f"i{row}", 0.9) for row in play.edge(1, n)]
    return play.store.name_component(1, 0, "a", images, annotator=ME)


def add_empty(play: Play) -> int:
    """Gives the model a component that nothing is in."""
    play.state.neighbours = None
    (made,) = begin_components(play.state, play.table, [Beginning(0, np.array([0]))], CONFIG)
    with torch.no_grad():
        play.state.model._q_y.output.bias[made] = -50
    return made


# Room for a class


def test_where_nothing_is_said_against_names_nothing_changes(named):
    named.label(named.centre(0, 3), "a")
    named.label(named.centre(1, 3), "b")
    assert named.settle() == Settlement({}, ())
    assert named.owner == ("a", "b", "c")


@pytest.mark.parametrize("n", [1, 2])
def test_a_class_that_comes_late_gets_a_component_for_its_first_examples_and_their_likes(named, n):
    named.state.neighbours = find_neighbours(named.table.x).astype(np.int32)
    examples = named.centre(3, n)
    named.label(examples, "d")
    before = named.component()
    assert named.scene().waiting() == ["d"]
    found = named.settle()
    assert found.overruled == {}
    (new,) = found.new
    assert (new.class_name, new.source) == ("d", before[examples[0]])
    assert set(examples) < set(new.rows.tolist())
    assert (new.rows // N == 3).mean() > 0.9
    assert named.state.model.config.n_components == K + 1
    assert named.owner == ("a", "b", "c", "d")
    after = named.component()
    assert (after[examples] == K).all()
    assert (after == before)[before != 2].mean() > 0.98  # the others keep theirs
    assert named.settle() == Settlement({}, ())


def test_several_classes_that_come_late_get_their_components_in_one_go(named, monkeypatch):
    fits = []
    monkeypatch.setattr(takeover, "fit_q_y", lambda *given: fits.append(given) or fit_q_y(*given))
    for blob, name in ((2, "d"), (3, "e")):
        named.label(named.centre(blob, 3), name)
    found = named.settle()
    assert [new.class_name for new in found.new] == ["d", "e"]
    assert len(fits) == 1
    assert named.owner == ("a", "b", "c", "d", "e")
    after = named.component()
    assert (after[named.centre(2, 3)] == K).all()
    assert (after[named.centre(3, 3)] == K + 1).all()


def test_an_empty_component_is_taken_before_one_is_made(named):
    empty = add_empty(named)
    assert named.scene().empty((), {}) == empty == K
    assert named.scene().empty((), {empty: Overruled("x", frozenset())}) is None
    assert named.scene().empty((Edit(9, Kind.DISSOLVE, empty),), {}) is None  # somebody closed it
    named.store.edit_component(Kind.IGNORE, 1, empty, annotator=ME)
    assert named.scene().empty((), {}) is None  # "ignored" would be said of what comes into it
    named.store.undo(annotator=ME)
    named.label(named.centre(3, 1), "d")
    named.settle()
    assert named.state.model.config.n_components == K + 1
    assert named.owner[empty] == "d"
    assert named.scene().empty((), {}) is None
    named.label(named.centre(1, 1), "e")  # and the next one finds none
    named.settle()
    assert named.owner == ("a", "b", "c", "d", "e")


def test_a_name_whose_images_all_went_elsewhere_gets_a_component_of_its_own(named):
    """Of the two names of images in one component the second has more."""
    images = [Anchored(f"i{row}", 0.9) for row in named.centre(3, 100)]
    named.store.name_component(1, 7, "d", images, annotator=ME)
    (new,) = named.settle().new
    assert new.class_name == "d"
    assert set(rows(one.item for one in images).tolist()) == set(new.rows.tolist())
    assert named.owner == ("a", "b", "c", "d")


def test_none_is_made_with_a_number_that_people_did_something_with_in_another_run(named):
    named.label(named.centre(3, 1), "d")
    scene = named.scene()
    (new,) = settle(scene).new
    assert make_components(scene, [new], (Edit(9, Kind.MERGE, K, 1),), {}) == [None]
    assert named.state.model.config.n_components == K
    assert make_components(scene, [new], (Edit(9, Kind.MERGE, K + 1, 1),), {}) == [K]


# A wrong name


def test_a_wrong_name_gives_way_to_three_answers_about_typical_images(play):
    events = [play.name(component, class_name) for component, class_name in enumerate(("x", "b", "c"))]
    play.label(play.centre(0, 2), "a")
    assert settle(play.scene()).overruled == {}  # two are not more than a name is worth
    play.label(play.centre(0, 3), "a")
    answers = frozenset(f"i{row}" for row in play.centre(0, 3))
    assert play.settle() == Settlement({0: Overruled("a", frozenset({events[0]}), answers)}, ())
    assert play.owner == ("a", "b", "c")
    assert play.state.model.config.n_components == K
    named, held = play.assessed().named, {f"i{row}" for row in np.flatnonzero(play.component() == 0)}
    assert not named & held  # its images have that name no more
    assert {f"i{row}" for row in np.flatnonzero(play.component() == 1)} <= named


def test_a_twin_that_is_named_like_another_gives_way_to_two_answers(play):
    """A class that owns nothing takes it, where the name has more; one that owns something has to outweigh the name."""
    for component, class_name in enumerate(("b", "b", "c")):
        play.name(component, class_name)
    play.label(play.centre(0, 2), "c")
    assert play.settle() == Settlement({}, ())
    play.label(play.centre(0, 2), "a")
    assert set(play.settle().overruled) == {0}
    assert play.owner == ("a", "b", "c")


def test_answers_that_agree_with_a_name_outweigh_those_that_do_not(named):
    named.label(named.centre(0, 6)[:3], "b")
    named.label(named.centre(0, 6)[3:], "a")
    assert named.settle() == Settlement({}, ())
    assert named.owner == ("a", "b", "c")


def test_answers_about_the_edge_of_a_cluster_do_not_take_its_name(named):
    named.label(named.edge(0, 4), "b")
    assert list(named.scene().disputes())
    assert named.settle() == Settlement({}, ())
    assert named.owner == ("a", "b", "c")


def test_unless_they_are_about_much_of_it(named):
    named.label(named.edge(0, N // 5), "b")
    assert set(named.settle().overruled) == {0}
    assert named.owner == ("b", "b", "c")


def test_a_name_that_is_given_again_stands_above_the_answers(play):
    for component, class_name in enumerate(("x", "b", "c")):
        play.name(component, class_name)
    play.label(play.centre(0, 4), "a")
    play.settle()
    assert play.owner[0] == "a"
    play.name(0, "x")
    assert play.owner[0] == "x"


def test_a_name_that_is_given_again_stands_above_the_answers_of_before(play):
    for component, class_name in enumerate(("x", "b", "c")):
        play.name(component, class_name)
    play.label(play.centre(0, 4), "a")
    play.settle()
    play.name(0, "x")
    assert play.settle().overruled == {}
    assert play.owner[0] == "x"


def test_a_name_that_gave_way_everywhere_does_not_come_back_as_a_class_without_a_component(play):
    for component, class_name in enumerate(("x", "b", "c")):
        play.name(component, class_name)
    play.label(play.centre(0, 3), "a")
    play.settle()
    assert play.owner == ("a", "b", "c")
    assert play.settle() == Settlement({}, ())
    assert play.owner == ("a", "b", "c")


def test_a_name_whose_images_come_to_lie_in_a_component_does_not_take_it_from_its_labels(play):
    event = name_elsewhere(play, 10)
    play.given = (None, "b", None)
    labelled = play.centre(1, 13)
    play.label(labelled, "b")
    assert play.owner == (None, "a", None)
    taken = taken_by_names(play.scene())
    assert taken == {1: Overruled("b", frozenset({event}), frozenset(f"i{row}" for row in labelled))}
    play.overruled |= taken
    assert play.owner == (None, "b", None)
    assert taken_by_names(play.scene()) == {}


def test_a_name_keeps_a_component_that_few_labels_were_given_to_or_that_was_seen_under_it(play):
    name_elsewhere(play, 10)
    play.given = (None, "b", None)
    play.label(play.centre(1, 2), "b")  # no more than a name is worth
    assert taken_by_names(play.scene()) == {}
    play.label(play.centre(1, 13), "b")
    play.name(1, "a")
    assert taken_by_names(play.scene()) == {}
    play.label(play.edge(1, 20), "b")
    assert taken_by_names(play.scene()) == {}


@pytest.mark.parametrize("agreeing", [0, 1])
def test_rejections_speak_against_a_name_and_leave_the_cluster_to_nobody(named, agreeing):
    chosen = named.centre(0, 4)
    if agreeing:
        named.label(chosen[3:], "a")
    for row in chosen[:2]:
        named.store.reject([f"i{row}"], "a", annotator=ME)
    assert named.settle() == Settlement({}, ())
    named.store.reject([f"i{chosen[2]}"], "a", annotator=ME)
    assert set(named.settle().overruled) == (set() if agreeing else {0})
    assert named.owner[0] == ("a" if agreeing else None)
    assert list(named.scene().disputes()) == []
    assert named.state.model.config.n_components == K


def test_images_of_no_named_class_speak_against_a_name_too_and_other_rejections_do_not(named):
    named.store.reject([f"i{row}" for row in named.centre(0, 5)], "b", annotator=ME)
    assert named.settle() == Settlement({}, ())
    named.store.none_of_named([f"i{row}" for row in named.centre(1, 3)], annotator=ME)
    assert {k: said.class_name for k, said in named.settle().overruled.items()} == {1: ""}
    assert named.owner == ("a", None, "c")


# Two things under one name


@pytest.mark.parametrize("against", ["d", "b"])
def test_a_cluster_of_two_things_is_parted_along_the_answers(named, against):
    """Whether the class has a component already or not."""
    named.label(named.centre(3, 4), against)
    found = named.settle()
    (new,) = found.new
    assert found.overruled == {}
    assert (new.class_name, new.source) == (against, 2)
    assert (new.rows // N == 3).mean() > 0.98
    assert len(new.rows) > 0.95 * N
    assert named.owner == ("a", "b", "c", against)
    after = named.component().reshape(4, N)
    for blob, component in enumerate((0, 1, 2, K)):
        assert (after[blob] == component).mean() > 0.95
    left = named.assessed().named
    assert {f"i{row}" for row in range(2 * N, 3 * N)} & left  # the other half has its name still
    assert named.settle() == Settlement({}, ())


def test_rejections_part_a_cluster_of_two_things_and_leave_a_half_to_nobody(named):
    named.store.reject([f"i{row}" for row in named.centre(2, 4)], "c", annotator=ME)
    (new,) = named.settle().new
    assert (new.class_name, new.source) == ("", 2)
    assert (new.rows // N == 2).mean() > 0.98
    assert named.owner == ("a", "b", "c", None)


def test_answers_all_over_a_cluster_of_two_things_take_all_of_it(named):
    named.label([*named.centre(2, 3), *named.centre(3, 3)], "d")
    assert {k: said.class_name for k, said in named.settle().overruled.items()} == {2: "d"}
    assert named.owner == ("a", "b", "d")


def test_training_knows_nothing_of_the_labels_that_it_leaves_out(play):
    play.label(range(N), "first")
    config = CONFIG.replaced(held_out_fraction=0.3)
    labels = play.store.state(1)
    held_out = rows(unseen_items(labels, config))
    assert 0.2 * N < len(held_out) < 0.4 * N
    known = assess(play.state.model, play.table, labels, rows, (None,) * K, config).known
    assert set(known.rows.tolist()) == set(range(N)) - set(held_out.tolist())
