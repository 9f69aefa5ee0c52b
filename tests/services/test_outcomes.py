"""What came of training: results that were turned down, what is left to do, names that moved, what is new."""

from dataclasses import replace

import pytest

from dgm_engine import jobs as engine_jobs
from dgm_engine.config import batches_per_epoch
from dgm_engine.jobs import JobState
from dgm_engine.json_files import read_json, write_json
from dgm_engine.labels.schema import Anchored
from dgm_engine.paths import RunPaths
from dgm_engine.services import jobs, labelling, outcomes
from dgm_engine.services.outcomes import Left, Moved
from dgm_engine.services.projects import Project, open_project
from dgm_engine.services.snapshot import take
from dgm_engine.training import planning, runs
from dgm_engine.training.naming import Overruled, overruled_to_json
from dgm_engine.training.results import append_metrics
from dgm_engine.training.runs import read_config
from tests.fabricated import fabricate_comparison, fabricate_run, made_up_components


@pytest.fixture
def worse(trained: Project) -> Project:
    """Run 2 predicts less of what people said than run 1 does."""
    fabricate_comparison(fabricate_run(trained, 2), 0.9, 0.4)
    return trained


def stop(run: RunPaths, details: dict[str, object], seconds: float = 60.0, progress: float = 0.25) -> None:
    status = engine_jobs.JobStatus(JobState.STOPPED, "Stopped", progress, seconds, details)
    engine_jobs.write_status(run.status, status)


def test_worse_results_are_turned_down_until_a_person_decides_and_again_when_that_is_undone(worse: Project):
    down = outcomes.turned_down(worse)
    assert down is not None
    assert (down.run, down.in_use, down.comparison.after.named.share) == (2, 1, 0.4)
    for choice in (1, 2):
        jobs.use_run(worse, choice, "ann")
        assert outcomes.turned_down(worse) is None
        assert jobs.newest_results(worse) is not None
        assert [run.in_use for run in jobs.runs(worse)] == [choice == 2, choice == 1]
        labelling.undo(worse, "ann")
        assert outcomes.turned_down(worse) == down


def test_results_that_are_not_worse_are_not_turned_down(trained: Project):
    assert outcomes.turned_down(trained) is None
    fabricate_comparison(fabricate_run(trained, 2), 0.9, 0.89)
    assert outcomes.turned_down(trained) is None
    assert [run.in_use for run in jobs.runs(trained)] == [True, False]


def test_a_decision_is_about_the_runs_that_were_there(worse: Project):
    jobs.use_run(worse, 1, "ann")
    run = fabricate_run(worse, 3)
    fabricate_comparison(run, 0.9, 0.5)
    down = outcomes.turned_down(worse)
    assert down is not None
    assert (down.run, down.in_use) == (3, 1)
    engine_jobs.write_status(run.status, engine_jobs.this_process(JobState.RUNNING, "Training"))
    assert outcomes.turned_down(worse) is None  # it may yet come out well
    fabricate_run(worse, 4)
    assert [run.number for run in jobs.runs(worse) if run.in_use] == [4]


def test_a_finished_run_and_one_at_work_have_nothing_left_to_do(project: Project):
    assert outcomes.left_to_do(project) is None
    run = fabricate_run(project, 1)
    assert outcomes.left_to_do(project) is None
    engine_jobs.write_status(run.status, engine_jobs.this_process(JobState.RUNNING, "Training"))
    assert outcomes.left_to_do(project) is None


@pytest.mark.parametrize(
    ("details", "left"),
    [
        ({"epoch": 10.0, "of_epochs": 40.0}, Left(1, 30.0, 40.0, 180.0)),  # 6 s a pass so far
        ({"epoch": 0, "of_epochs": 40.0}, Left(1, 40.0, 40.0, None)),
        ({"of_seconds": 100.0, "epoch": 3}, Left(1, None, None, 40.0)),
        ({"of_seconds": 50.0}, Left(1, None, None, 0.0)),
        ({"of_seconds": 50.0, "work": 20.0}, Left(1, None, None, 30.0)),
        ({"epoch": 3}, Left(1, None, None, 180.0)),  # a run of an earlier version: a quarter in 60 s
    ],
)
def test_what_a_stopped_run_has_left_to_do(trained: Project, details, left: Left):
    stop(trained.paths.run(1), details)
    assert outcomes.left_to_do(trained) == left


def test_what_is_left_takes_as_long_as_passes_took_without_what_came_before_the_first(trained: Project):
    run = trained.paths.run(1)
    stop(run, {"epoch": 10.0, "of_epochs": 40.0})
    start = {"phase": "start", "elbo": -3.0, "seconds": 30.0}
    append_metrics(run, [start, *({"epoch": e, "seconds": 40.0 + 2 * e} for e in (1.0, 5.5, 10.0))])
    found = outcomes.left_to_do(trained)
    assert found is not None
    assert found.seconds == pytest.approx(60)


def test_only_the_run_in_use_has_anything_left_to_do(trained: Project):
    stop(trained.paths.run(1), {"epoch": 10.0, "of_epochs": 40.0})
    fabricate_run(trained, 2)
    assert outcomes.left_to_do(trained) is None
    jobs.use_run(trained, 1, "ann")
    found = outcomes.left_to_do(trained)
    assert found is not None
    assert found.run == 1


def goes_on_with_the_rest(project: Project) -> bool:
    """Whether the next training goes on with a stopped schedule, which is just what the screens say is left to do."""
    found = outcomes.left_to_do(project)
    config = read_config(planning.create_run(project.paths, project.pool, planning.as_before(project.paths)))
    assert config.parent == 1
    assert config.goes_on == (found is not None)
    briefly = planning.RETRAIN_STEPS / batches_per_epoch(len(project.pool.shown), config.training.batch_size)
    assert config.training.max_epochs == (None if config.goes_on else briefly)
    return config.goes_on


@pytest.mark.parametrize(("goes_on", "state"), [(True, JobState.STOPPED), (False, JobState.FINISHED)])
def test_what_a_later_run_came_to_the_end_of_is_not_left_to_do(trained: Project, goes_on, state):
    stop(trained.paths.run(1), {"epoch": 10.0, "of_epochs": 40.0})
    later = fabricate_run(trained, 2)
    fabricate_comparison(later, 0.9, 0.1)
    config = {**read_config(later).to_json(), "parent": 1}
    write_json(later.config, {**config, "goes_on": True})
    assert not goes_on_with_the_rest(trained)
    engine_jobs.write_status(later.status, replace(runs.status(later), state=state, details={}, progress=0.3))
    write_json(later.config, {**config, "goes_on": goes_on})
    assert goes_on_with_the_rest(trained)


def test_nor_is_what_a_run_came_to_the_end_of_that_took_it_up_from_another(trained: Project):
    stop(trained.paths.run(1), {"epoch": 10.0, "of_epochs": 40.0})
    for number in (2, 3):
        later = fabricate_run(trained, number)
        write_json(later.config, {**read_config(later).to_json(), "goes_on": True})
        fabricate_comparison(later, 0.9, 0.1)
    stop(trained.paths.run(2), {"epoch": 20.0, "of_epochs": 40.0})
    assert not goes_on_with_the_rest(trained)
    trained.paths.run(3).results.write_text("{")  # nobody can use it any more
    assert goes_on_with_the_rest(trained)


def test_what_is_new_is_what_the_results_in_use_have_not_learned(trained: Project):
    assert not outcomes.something_new(trained)
    labelling.label_items(trained, ["train/00001"], "one", "ann")
    assert outcomes.something_new(trained)
    run = fabricate_run(trained, 2)  # it has seen the label
    assert not outcomes.something_new(trained)
    jobs.use_run(trained, 1, "ann")
    assert outcomes.something_new(trained)
    jobs.use_run(trained, 2, "ann")
    assert not outcomes.something_new(trained)
    fabricate_comparison(run, 0.9, 0.1)
    labelling.undo(trained, "ann")
    labelling.undo(trained, "ann")
    assert outcomes.something_new(trained)


def test_a_name_that_a_stopped_run_heard_of_and_did_not_learn_is_new(trained: Project):
    version = trained.labels.version()
    labelling.name_component(trained, 3, "three", "ann")
    status = engine_jobs.read_status(trained.paths.run(1).status)
    assert status is not None
    heard = {**status.details, "labels_version": trained.labels.version()}
    engine_jobs.write_status(trained.paths.run(1).status, replace(status, details=heard))
    assert read_json(trained.paths.run(1).results)["labels_version"] == version
    assert outcomes.something_new(trained)


def name_images(project: Project, component: int, name: str | None, of: int) -> None:
    """Names a component by images that the model has in another one, or in the same."""
    rows = [row for row in project.pool.shown.tolist() if made_up_components(project)[row] == of][:30]
    images = [Anchored(str(project.pool.items[row]), 0.9) for row in rows]
    project.labels.name_component(1, component, name, images, annotator="ann")


def test_a_name_whose_images_are_elsewhere_has_moved(trained: Project):
    name_images(trained, 3, "three", of=3)
    assert outcomes.moved_names(take(trained)) == ()
    name_images(trained, 5, "five", of=7)
    assert outcomes.moved_names(take(trained)) == (Moved(5, "five", (7,)),)
    name_images(trained, 8, None, of=9)
    trained.labels.name_component(1, 12, "six", annotator="ann")  # of a number, and not of images
    assert outcomes.moved_names(take(trained)) == (Moved(5, "five", (7,)),)
    trained.labels.undo(annotator="ann")
    trained.labels.undo(annotator="ann")
    trained.labels.undo(annotator="ann")
    assert outcomes.moved_names(take(trained)) == ()


def test_each_person_is_told_once_that_a_name_moved(trained: Project):
    name_images(trained, 5, "five", of=7)
    name_images(trained, 3, "three", of=8)
    moved = outcomes.moved_names(take(trained))
    assert outcomes.moves_known(take(trained), "ann") == frozenset()
    outcomes.know_moves(take(trained), "ann", moved[:1])
    outcomes.know_moves(take(trained), "bob", moved)
    outcomes.know_moves(take(trained), "ann", [Moved(9, "nine", (), "")])
    again = open_project(trained.paths.root)
    assert outcomes.moves_known(take(again), "ann") == {moved[0], Moved(9, "nine", (), "")}
    assert outcomes.moves_known(take(again), "bob") == set(moved)
    fabricate_run(trained, 2)
    assert outcomes.moves_known(take(trained), "bob") == set(moved)  # of the lineage
    fabricate_run(trained, 3, lineage=3)
    assert outcomes.moves_known(take(trained), "bob") == frozenset()
    trained.paths.run(3).moves_seen.write_text("[")
    assert outcomes.moves_known(take(trained), "bob") == frozenset()


def test_a_name_that_was_given_up_or_that_answers_took_is_not_said_to_have_lost_its_images(trained: Project):
    name_images(trained, 5, "five", of=7)
    labelling.name_component(trained, 7, "seven", "ann")  # the cluster that it went to
    assert outcomes.moved_names(take(trained)) == ()
    labelling.name_component(trained, 3, "three", "ann")
    event = trained.labels.version()
    threes = [str(trained.pool.items[row]) for row in range(3)]
    labelling.label_items(trained, threes, "seven", "ann")
    run = trained.paths.run(1)
    overruled = overruled_to_json({3: Overruled("seven", frozenset({event}), frozenset(threes))})
    write_json(run.results, {**read_json(run.results), "overruled": overruled})
    assert outcomes.moved_names(take(trained)) == (Moved(3, "three", (), "seven"),)


def test_classes_that_cannot_be_predicted_are_told_while_somebody_speaks_of_them(trained: Project):
    labelling.label_items(trained, ["train/00001"], "rare", "ann")
    run = fabricate_run(trained, 2)
    fabricate_comparison(run, 0.9, 0.9, unlearned=("rare", "gone"))
    assert outcomes.unlearned(take(trained)) == ("rare",)
    labelling.name_component(trained, 3, "rare", "ann")
    assert outcomes.unlearned(take(trained)) == ()
    write_json(run.results, {**read_json(run.results), "unlearned": []})
    labelling.undo(trained, "ann")
    assert outcomes.unlearned(take(trained)) == ()


@pytest.mark.parametrize(("component", "told"), [(11, ("rare",)), (8, ())])
def test_a_class_that_owns_no_images_cannot_be_predicted(trained: Project, component: int, told: tuple[str, ...]):
    """Component 11 is empty."""
    trained.labels.name_component(1, component, "rare", annotator="ann")
    fabricate_comparison(fabricate_run(trained, 2), 0.9, 0.9, unlearned=("rare",))
    assert "rare" in take(trained).owner
    assert outcomes.unlearned(take(trained)) == told
