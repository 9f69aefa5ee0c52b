"""Whether a retrain left the project better, and which results are in use because of it."""

import json
from dataclasses import replace

import numpy as np
import pytest

from dgm_engine.errors import CorruptError
from dgm_engine.labels.schema import Anchored, Use
from dgm_engine.services import jobs, labelling
from dgm_engine.services.outcomes import turned_down
from dgm_engine.services.projects import Project
from dgm_engine.training import run_results
from dgm_engine.training.comparing import Comparison, Standing
from dgm_engine.training.judging import compare
from dgm_engine.training.naming import Overruled
from dgm_engine.training.ownership import unseen_items
from dgm_engine.training.results import load_results, save_results
from tests.fabricated import fabricate_comparison, fabricate_run, made_up_components

# How results stand


def test_agreement_is_weighed_by_how_sure_the_model_was_and_coverage_is_of_all_images():
    predicted = np.array(["cat", "dog", "", "cat", ""])
    standing = Standing.of(predicted, np.array([0, 1, 2]), ["cat", "cat", "dog"], [0.5, 0.25, 0.25])
    assert standing == Standing(0.5, 0.6, 3)
    assert Standing.of(predicted, np.array([3, 0]), ["cat", "cat"], [0.1, 1.0]) == Standing(1.0, 0.6, 2)


def test_that_images_have_no_class_which_people_refused_them_is_no_loss_of_coverage():
    predicted, nothing = np.array(["cat", "", "", "dog"]), np.empty(0, dtype=np.int64)
    assert Standing.of(predicted, nothing, [], [], np.array([False, True, False, False])).coverage == 2 / 3
    assert Standing.of(predicted, nothing, [], [], np.ones(4, dtype=bool)).coverage == 0.0


def test_where_nobody_said_anything_there_is_no_agreement():
    nothing = np.empty(0, dtype=np.int64)
    assert Standing.of(np.array(["cat", ""]), nothing, [], []) == Standing(None, 0.5, 0)
    assert Standing.of(np.empty(0, dtype=str), nothing, [], []) == Standing(None, 0.0, 0)


def compared(agreement=(None, None), coverage=(0.5, 0.5)) -> Comparison:
    before, after = (Standing(a, c, 1_000) for a, c in zip(agreement, coverage, strict=True))
    return Comparison(3, before, after)


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
def test_results_are_kept_unless_agreement_or_coverage_fell_by_more_than_two_points(before, after, kept):
    assert compared(agreement=(before, after)).kept == kept
    assert compared(coverage=(before, after)).kept == kept
    assert compared((before, after), (0.1, 0.9)).kept == kept  # what is won on one side makes up for nothing
    assert compared((0.1, 0.9), (before, after)).kept == kept


@pytest.mark.parametrize(
    ("n", "lost", "kept"), [(1, 1, True), (11, 2, True), (11, 3, False), (100, 2, True), (100, 3, False)]
)
def test_an_agreement_of_few_images_falls_only_where_three_of_them_are_lost(n, lost, kept):
    before, after = Standing(1.0, 0.9, n), Standing((n - lost) / n, 0.9, n)
    assert Comparison(1, before, after).kept is kept


def test_a_fall_by_just_two_points_is_none_by_more():
    assert all(compared((n / 100, (n - 2) / 100)).kept for n in range(2, 101))


def test_where_there_is_nothing_to_agree_with_coverage_alone_counts():
    for agreement in ((None, None), (0.9, None), (None, 0.1)):
        assert compared(agreement).kept
        assert not compared(agreement, (0.5, 0.4)).kept


def test_a_comparison_survives_as_json():
    for one in (compared((0.25, 0.125), (0.5, 1.0)), compared()):
        assert Comparison.from_json(json.loads(json.dumps(one.to_json()))) == one


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
    assert (found.run, found.before.n, found.after.n) == (1, len(still) + len(unseen), len(still) + len(unseen))
    moved = set(pool.items[pool.shown[: int(MOVED * len(pool.shown))]].tolist())
    sure = {item: labels.anchors[item].sure for item in still}
    total = sum(sure.values()) + len(unseen)
    assert found.before.agreement == pytest.approx(sum(sure.values()) / total)
    # Of the threes that moved, four is predicted; the fives in cluster 3 by then count as nothing that was said.
    assert found.after.agreement == pytest.approx(sum(s for item, s in sure.items() if item not in moved) / total)
    owned = np.isin(component[pool.shown], [3, 4])
    assert found.before.coverage == pytest.approx(owned.mean())
    moved_rows = np.arange(len(pool.shown)) < int(MOVED * len(pool.shown))
    now = np.where(moved_rows, (component[pool.shown] + 1) % 12, component[pool.shown])
    assert found.after.coverage == pytest.approx(np.isin(now, [3, 4]).mean())


def test_what_labels_spoke_against_is_not_expected_and_names_of_images_that_are_no_more_are_passed_over(
    trained: Project,
):
    fabricate_run(trained, 2)
    named_cluster(trained, 3, "three")
    labels = trained.labels.state(1)
    before, after = (load_results(trained.paths.run(n)) for n in (1, 2))
    for named in ((), ("nonsense",)):
        found = compare(before, after, labels, trained.pool.rows, named)
        assert (found.before.agreement, found.after.agreement, found.before.n) == (None, None, 0)
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


def test_damaged_results_take_no_ones_place_and_can_be_left_behind(three: Project):
    three.paths.run(3).results.write_text("{")
    assert in_use(three) == 1
    found = {run.number: run for run in jobs.runs(three)}
    assert [found[n].damaged for n in (1, 2, 3)] == [False, False, True]
    assert [found[n].has_results for n in (1, 2, 3)] == [True, True, False]
    assert turned_down(three) is not None  # run 2, and not the damaged one
    with pytest.raises(CorruptError, match="choose another run"):
        jobs.use_run(three, 3, "ann")
    jobs.use_run(three, 2, "ann")
    assert in_use(three, three.labels.state().use) == 2


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
