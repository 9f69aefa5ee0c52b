"""Whether a retrain left the project better, and which results are in use because of it."""

import json
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from dgm_engine.config import TrainingConfig
from dgm_engine.errors import CorruptError
from dgm_engine.labels.schema import Anchored, Use
from dgm_engine.services import jobs, labelling
from dgm_engine.services.latest import latest_run
from dgm_engine.services.outcomes import turned_down
from dgm_engine.services.projects import Project
from dgm_engine.training import planning, run_results, runs
from dgm_engine.training.comparing import Comparison, Expected, Score, Standing
from dgm_engine.training.judging import compare
from dgm_engine.training.naming import Overruled
from dgm_engine.training.ownership import unseen_items
from dgm_engine.training.results import load_results, save_results
from tests.fabricated import fabricate_comparison, fabricate_run, made_up_components

# How results stand


NOTHING = Expected(np.empty(0, dtype=np.int64), [], [])


def test_what_people_said_is_weighed_by_how_sure_the_model_was():
    predicted = np.array(["cat", "dog", "", "cat", ""])
    assert Expected(np.array([0, 1, 2]), ["cat", "cat", "dog"], [0.5, 0.25, 0.25]).score(predicted) == Score(
        0.5, 1.0, 3
    )
    assert Expected(np.array([3, 0]), ["cat", "cat"], [0.1, 0.9]).score(predicted).share == 1.0
    assert NOTHING.score(predicted) == Score(0.0, 0.0, 0)
    assert NOTHING.score(predicted).share is None


def test_the_agreement_is_of_images_under_a_name_and_held_out_labels_together():
    assert Standing(Score(6.0, 8.0, 20), Score(0.0, 4.0, 4), 0.5).agreement == 0.5
    assert Standing(Score(), Score(1.0, 4.0, 4), 0.5).agreement == 0.25
    assert Standing(Score(), Score(), 0.5).agreement is None


def test_two_predictions_are_held_against_names_labels_and_each_other():
    before, after = np.array(["cat", "dog", "", "cat", ""]), np.array(["cat", "cat", "cat", "", ""])
    named, held_out = (
        Expected(np.array([0, 3]), ["cat"] * 2, [0.5, 0.25]),
        Expected(np.array([1, 2]), ["dog"] * 2, [1.0] * 2),
    )
    none = np.zeros(5, dtype=bool)
    found = Comparison.of(3, (before, after), named, held_out, none)
    assert found.before == Standing(Score(0.75, 0.75, 2), Score(1.0, 2.0, 2), 0.6)
    assert found.after == Standing(Score(0.5, 0.75, 2), Score(0.0, 2.0, 2), 0.6)
    assert (found.run, found.lost, found.won) == (3, 1, 0)
    back = Comparison.of(3, (after, before), named, held_out, none)
    assert (back.before, back.after, back.lost, back.won) == (found.after, found.before, 0, 1)


def test_that_images_have_no_class_which_people_refused_them_is_no_loss_of_coverage():
    predicted = np.array(["cat", "", "", "dog"])
    refused = np.array([False, True, False, False])
    assert Comparison.of(1, (predicted, predicted), NOTHING, NOTHING, refused).after.coverage == 2 / 3
    assert Comparison.of(1, (predicted, predicted), NOTHING, NOTHING, np.ones(4, dtype=bool)).after.coverage == 0.0


def score(share: float | None, n: int = 1_000) -> Score:
    return Score() if share is None else Score(share * n, n, n)


def compared(named=(None, None), coverage=(0.5, 0.5), held_out=(None, None), n=1_000) -> Comparison:
    """Held-out labels that only one of the two predicts are those that one has more of."""
    sides = zip(named, held_out, coverage, strict=True)
    before, after = (Standing(score(a), score(b, n), c) for a, b, c in sides)
    more = round(after.held_out.right - before.held_out.right)
    return Comparison(3, before, after, max(-more, 0), max(more, 0))


@pytest.mark.parametrize(
    ("before", "after", "kept"),
    [
        (0.9, 0.9, True),
        (0.3, 0.9, True),
        (0.9, 0.885, True),
        (0.9, 0.879, False),
        (0.02, 0.0, True),
        (0.5, 0.4799, False),
        (1.0, 0.9799, False),
    ],
)
def test_results_are_kept_unless_one_of_the_three_fell_by_more_than_two_points(before, after, kept):
    assert compared(named=(before, after)).kept == kept
    assert compared(coverage=(before, after)).kept == kept
    assert compared(held_out=(before, after)).kept == kept
    won = (0.1, 0.9)  # which makes up for nothing
    assert compared((before, after), won, won).kept == kept
    assert compared(won, (before, after), won).kept == kept
    assert compared(won, won, (before, after)).kept == kept


def test_labels_kept_aside_that_all_went_wrong_are_seen_beside_thousands_of_named_images():
    before, after = Standing(score(1.0, 2_000), score(1.0, 35), 0.9), Standing(score(1.0, 2_000), score(0.0, 35), 0.9)
    fell = Comparison(1, before, after, lost=35)
    assert fell.after.agreement == pytest.approx(2_000 / 2_035)
    assert not fell.kept
    worse_names = Standing(score(0.97, 2_000), score(1.0, 10_000), 0.9)
    fell = Comparison(1, replace(before, held_out=score(1.0, 10_000)), worse_names)
    assert fell.after.agreement == pytest.approx(11_940 / 12_000)
    assert not fell.kept


@pytest.mark.parametrize(
    ("n", "lost", "kept"), [(1, 1, True), (11, 2, True), (11, 3, False), (100, 2, True), (100, 3, False)]
)
def test_of_few_images_a_name_falls_only_where_three_of_them_are_lost(n, lost, kept):
    before, after = Standing(score(1.0, n), Score(), 0.9), Standing(score((n - lost) / n, n), Score(), 0.9)
    assert Comparison(1, before, after).kept is kept


@pytest.mark.parametrize(
    ("n", "lost", "won", "kept"),
    [
        (11, 4, 0, True),  # as four coins that all fall alike
        (35, 5, 0, False),
        (35, 5, 1, True),
        (35, 7, 1, False),
        (100, 10, 5, True),
        (100, 14, 5, False),
        (300, 5, 0, True),  # less than two points
    ],
)
def test_held_out_labels_fall_only_where_chance_does_not_turn_so_many(n, lost, won, kept):
    half = n // 2
    before, after = (Standing(score(0.9), score(right / n, n), 0.9) for right in (half, half - lost + won))
    assert Comparison(1, before, after, lost, won).kept is kept


@pytest.mark.parametrize("n", [11, 35, 100, 300])
def test_hardly_any_retrain_that_is_no_worse_is_turned_down_by_the_luck_of_the_held_out_labels(n):
    generator = np.random.default_rng(0)
    truth, classes = np.full(n, "cat"), np.array(["cat", "dog"])
    expected = Expected(np.arange(n), truth.tolist(), [1.0] * n)
    kept = []
    for _ in range(400):
        doubtful = generator.random(n) < 0.2  # these are as right before as after, on the average
        twice = (np.where(doubtful, generator.choice(classes, n), truth) for _ in range(2))
        before, after = twice
        kept.append(Comparison.of(1, (before, after), NOTHING, expected, np.zeros(n, dtype=bool)).kept)
    assert np.mean(kept) > 0.95


def test_a_fall_by_just_two_points_is_none_by_more():
    for n in range(2, 101):
        fell = (n / 100, (n - 2) / 100)
        assert compared(fell).kept
        assert compared(coverage=fell).kept
        assert compared(held_out=fell).kept


def test_where_there_is_nothing_to_agree_with_coverage_alone_counts():
    for nothing in ((None, None), (0.9, None), (None, 0.1)):
        assert compared(nothing).kept
        assert not compared(nothing, (0.5, 0.4)).kept


def test_a_comparison_survives_as_json():
    for one in (compared((0.25, 0.125), (0.5, 1.0), (0.9, 0.8)), compared()):
        assert Comparison.from_json(json.loads(json.dumps(one.to_json()))) == one


@pytest.mark.parametrize(
    ("before", "after", "n", "kept"),
    [(0.9, 0.4, 50, False), (0.9, 0.89, 50, True), (1.0, 0.8, 10, True), (None, None, 0, True)],
)
def test_a_comparison_of_an_earlier_version_is_judged_as_it_was(before, after, n, kept):
    sides = {side: {"agreement": a, "coverage": 0.9, "n": n} for side, a in (("before", before), ("after", after))}
    found = Comparison.from_json({"run": 1, **sides})
    assert found.kept is kept
    assert (found.before.agreement, found.after.agreement) == pytest.approx((before, after), nan_ok=True)
    assert Comparison.from_json(found.to_json()) == found


# Results beside those before

MOVED = 0.1
"""Too small a share of a name's images for the name to go with them."""


def shift(project: Project, number: int, share: float) -> None:
    """Makes results of a run those of run 1, but for some images of each cluster, which are in the next one now."""
    run = project.paths.run(number)
    results = load_results(run)
    q_y = np.array(results.q_y)
    moved = project.pool.shown[: int(share * len(project.pool.shown))]
    q_y[moved] = np.roll(q_y[moved], 1, axis=1)
    save_results(run, replace(results, q_y=q_y, step=1))


def named_cluster(project: Project, component: int, class_name: str) -> list[str]:
    """Names a made-up cluster by all its images, the first ones surest."""
    shown = project.pool.shown
    rows = shown[made_up_components(project)[shown] == component]
    images = [Anchored(str(item), 0.25 if at % 2 else 1.0) for at, item in enumerate(project.pool.items[rows])]
    project.labels.name_component(1, component, class_name, images, annotator="ann")
    return [image.item for image in images]


def test_names_and_labels_that_training_did_not_see_should_be_predicted_before_and_after(trained: Project):
    fabricate_run(trained, 2)
    shift(trained, 2, MOVED)
    threes, fours = named_cluster(trained, 3, "three"), named_cluster(trained, 4, "four")
    pool, component = trained.pool, made_up_components(trained)
    rows = pool.shown[component[pool.shown] == 5]
    trained.labels.label(pool.items[rows].tolist(), "three", annotator="ann")  # none of them is predicted so
    labels = trained.labels.state(1)
    before, after = (load_results(trained.paths.run(n)) for n in (1, 2))
    unseen = unseen_items(labels, after.config.training)
    assert 0 < len(unseen) < len(rows)

    still = [*threes[:50], *fours]
    found = compare(before, after, labels, pool.rows, still)
    for standing in (found.before, found.after):
        assert (standing.named.n, standing.held_out.n) == (len(still), len(unseen))
    assert (found.run, found.lost, found.won) == (1, 0, 0)
    moved = set(pool.items[pool.shown[: int(MOVED * len(pool.shown))]].tolist())
    sure = {item: labels.anchors[item].sure for item in still}
    total = sum(sure.values())
    assert found.before.named.share == 1.0
    # Of the threes that moved, four is predicted; the fives in cluster 3 by then count as nothing that was said.
    stayed = sum(s for item, s in sure.items() if item not in moved)
    assert found.after.named.share == pytest.approx(stayed / total)
    assert found.before.held_out.share == found.after.held_out.share == 0.0
    assert found.after.agreement == pytest.approx(stayed / (total + len(unseen)))
    owned = np.isin(component[pool.shown], [3, 4])
    assert found.before.coverage == pytest.approx(owned.mean())
    moved_rows = np.arange(len(pool.shown)) < int(MOVED * len(pool.shown))
    now = np.where(moved_rows, (component[pool.shown] + 1) % 12, component[pool.shown])
    assert found.after.coverage == pytest.approx(np.isin(now, [3, 4]).mean())


def test_a_retrain_that_gets_the_held_out_labels_wrong_and_keeps_every_name_is_turned_down(trained: Project):
    """The first images move to the next cluster, fours and threes; the names of the last ones stay where they are."""
    fabricate_run(trained, 2)
    shift(trained, 2, 0.4)
    threes = named_cluster(trained, 3, "three")
    pool, component = trained.pool, made_up_components(trained)
    trained.labels.label(threes, "three", annotator="ann")
    labels = trained.labels.state(1)
    results = (load_results(trained.paths.run(n)) for n in (1, 2))
    training = TrainingConfig(held_out_fraction=0.5)
    before, after = (replace(one, config=replace(one.config, training=training)) for one in results)
    unseen = unseen_items(labels, training)
    fours = pool.items[pool.shown[-300:]][component[pool.shown[-300:]] == 4].tolist()
    trained.labels.name_component(1, 4, "four", [Anchored(item, 1.0) for item in fours], annotator="ann")
    found = compare(before, after, trained.labels.state(1), pool.rows, fours)
    assert (found.before.named.share, found.after.named.share) == (1.0, 1.0)
    assert found.before.held_out == Score(len(unseen), len(unseen), len(unseen))
    lost = len(unseen & set(pool.items[pool.shown[: int(0.4 * len(pool.shown))]].tolist()))
    assert (found.lost, found.won) == (lost, 0)
    assert lost >= 5
    assert not found.kept
    assert compare(after, before, trained.labels.state(1), pool.rows, fours).kept


def test_what_labels_spoke_against_is_not_expected_and_names_of_images_that_are_no_more_are_passed_over(
    trained: Project,
):
    fabricate_run(trained, 2)
    named_cluster(trained, 3, "three")
    labels = trained.labels.state(1)
    before, after = (load_results(trained.paths.run(n)) for n in (1, 2))
    for named in ((), ("nonsense",)):
        found = compare(before, after, labels, trained.pool.rows, named)
        assert (found.before.named, found.before.held_out) == (Score(), Score())
        assert found.before == found.after


def test_a_run_that_takes_a_name_away_as_answers_ask_is_no_worse_for_it(trained: Project):
    fabricate_run(trained, 2)
    threes = named_cluster(trained, 3, "three")
    named_cluster(trained, 4, "four")
    labelling.mark_none_of_named(trained, threes[:3], "ann")
    before, after = (load_results(trained.paths.run(n)) for n in (1, 2))
    labels = trained.labels.state(1)
    said = Overruled("", frozenset(anchor.event for anchor in labels.anchors.values()), frozenset(threes[:3]))
    found = compare(before, replace(after, overruled={3: said}), labels, trained.pool.rows, ())
    assert found.kept
    assert found.before == found.after
    labelling.clear_labels(trained, threes[:3], "ann")  # nobody says so any more
    found = compare(before, replace(after, overruled={3: said}), trained.labels.state(1), trained.pool.rows, ())
    assert found.before == found.after
    assert found.after.coverage > 0.1


# Which results are in use


@pytest.fixture
def three(project: Project) -> Project:
    """Three runs: the second compares worse than the first, the third better."""
    for number, (before, after) in enumerate([(0.9, 0.9), (0.9, 0.5), (0.9, 0.95)], start=1):
        fabricate_comparison(fabricate_run(project, number), before, after)
    return project


def in_use(project: Project, use: Use | None = None, upto: int = 3) -> int | None:
    for number in range(upto + 1, 4):
        project.paths.run(number).results.unlink(missing_ok=True)
    found = run_results.latest_results(project.paths, use)
    return None if found is None else found.number


def test_the_newest_kept_results_are_in_use(three: Project):
    assert [run_results.is_kept(three.paths.run(n)) for n in (1, 2, 3)] == [True, False, True]
    assert in_use(three) == 3
    assert in_use(three, upto=2) == 1
    assert in_use(three, upto=1) == 1
    assert in_use(three, upto=0) is None


def test_where_no_results_were_kept_the_newest_are_in_use(three: Project):
    for number in (1, 3):
        fabricate_comparison(three.paths.run(number), 0.9, 0.1)
    assert in_use(three) == 3
    assert in_use(three, upto=1) == 1


@pytest.mark.parametrize(
    ("use", "expected"),
    [
        (Use(1, 3), 1),  # of all three
        (Use(2, 3), 2),  # although it is worse
        (Use(3, 3), 3),
        (Use(1, 2), 3),  # the third came later and was kept
        (Use(2, 2), 3),
        (Use(7, 3), 3),  # a run that is no more
        (Use(2, 9), 2),
    ],
)
def test_a_chosen_run_is_in_use_until_a_later_one_is_kept(three: Project, use, expected):
    assert in_use(three, use) == expected


@pytest.mark.parametrize(("use", "expected"), [(Use(2, 2), 2), (Use(1, 1), 1), (Use(2, 1), 2), (Use(1, 2), 1)])
def test_a_later_run_that_was_not_kept_takes_no_ones_place(three: Project, use, expected):
    assert in_use(three, use, upto=2) == expected


def test_a_choice_among_runs_without_results_chooses_nothing(three: Project):
    assert in_use(three, Use(2, 3), upto=0) is None


def nothing_left(path: Path) -> None:
    path.write_bytes(b"")


def half_left(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def nearly_all_left(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


CUT = (nothing_left, half_left)


@pytest.mark.parametrize(
    ("file", "damage"),
    [*product(["results"], CUT), *product(run_results.RESULT_ARRAYS, (*CUT, nearly_all_left, Path.unlink))],
)
def test_damaged_results_take_no_ones_place_and_can_be_left_behind(three: Project, file, damage):
    run = three.paths.run(3)
    damage(run.results if file == "results" else run.array(file, 0))
    assert in_use(three) == 1
    found = {run.number: run for run in jobs.runs(three)}
    assert [found[n].damaged for n in (1, 2, 3)] == [False, False, True]
    assert [found[n].has_results for n in (1, 2, 3)] == [True, True, False]
    assert turned_down(three) is not None  # run 2, and not the damaged one
    with pytest.raises(CorruptError, match="choose another run"):
        jobs.use_run(three, 3, "ann")
    jobs.use_run(three, 2, "ann")
    assert in_use(three, three.labels.state().use) == 2
    assert in_use(three, Use(3, 3)) == 1
    request = planning.as_before(three.paths)
    assert runs.read_config(planning.create_run(three.paths, three.pool, request)).parent == 1


def test_where_no_results_can_be_read_none_are_in_use_and_training_begins_anew(three: Project):
    for number in (1, 2, 3):
        half_left(three.paths.run(number).array("q_y", 0))
    assert in_use(three) is None
    with pytest.raises(CorruptError, match=r"run 3 of digits are damaged; .* train again \(dgm train"):
        latest_run(three)
    assert (
        runs.read_config(planning.create_run(three.paths, three.pool, planning.as_before(three.paths))).parent is None
    )


def test_runs_of_before_results_were_compared_count_as_kept(three: Project):
    fabricate_run(three, 2)
    assert run_results.comparison(three.paths.run(2)) is None
    assert in_use(three, upto=2) == 2
    assert run_results.unlearned(three.paths.run(2)) == ()


def test_a_choice_is_a_step_that_is_undone(three: Project):
    assert three.labels.state().use is None
    three.labels.use_run(1, 3, annotator="ann")
    known = three.labels.state().known
    assert in_use(three, three.labels.state().use) == 1
    three.labels.use_run(2, 3, annotator="ann")
    assert in_use(three, three.labels.state(1).use) == 2
    assert three.labels.state().known == known == 0  # there is nothing to learn
    assert labelling.undo(three, "ann") == "choosing run 2"
    assert three.labels.state().use == Use(1, 3)
    labelling.undo(three, "ann")
    assert in_use(three, three.labels.state().use) == 3
    labelling.redo(three, "ann")
    assert three.labels.state(7).use == Use(1, 3)
