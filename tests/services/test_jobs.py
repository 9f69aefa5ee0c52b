"""Training and layout jobs as a page starts and watches them."""

import threading
import time
from dataclasses import replace

import numpy as np
import psutil
import pytest

from dgm_engine import jobs as engine_jobs
from dgm_engine.config import Preset, TrainingConfig, batches_per_epoch
from dgm_engine.discovery.projections import Method
from dgm_engine.errors import InputError, NotFoundError, StateError
from dgm_engine.jobs import JobState
from dgm_engine.json_files import read_json, write_json
from dgm_engine.npy import save_array
from dgm_engine.services import evaluating, jobs, labelling, layouts, viewing
from dgm_engine.services.details import item_details
from dgm_engine.services.layouts import LayoutState
from dgm_engine.services.projects import Project
from dgm_engine.services.snapshot import take
from dgm_engine.training import planning, run_results
from dgm_engine.training import runs as training_runs
from dgm_engine.training.planning import TrainRequest
from dgm_engine.training.results import LiveMap, append_metrics, save_live_map
from dgm_engine.training.runs import read_config
from tests.fabricated import fabricate_comparison, fabricate_layout, fabricate_run


@pytest.fixture
def at_work(trained: Project) -> Project:
    """Run 2 is at work: this process says so."""
    run = fabricate_run(trained, 2)
    engine_jobs.write_status(run.status, engine_jobs.this_process(JobState.RUNNING, "Training"))
    return trained


def wait_for_layout(project: Project, method: Method) -> LayoutState:
    deadline = time.monotonic() + 60
    while (state := layouts.ensure_layout(take(project), method)).status is not None:
        assert time.monotonic() < deadline, state.status
        time.sleep(0.1)
    return state


def test_nothing_was_ever_trained(project: Project):
    assert jobs.active_status(project) is None
    assert jobs.runs(project) == []
    jobs.stop_training(project)
    with pytest.raises(StateError, match="no run to continue"):
        jobs.resume_training(project)
    with pytest.raises(StateError, match="train it first"):
        layouts.ensure_layout(take(project))


def test_a_process_waits_for_a_run_and_while_one_is_at_work_for_a_layout_that_takes_long_to_begin(
    trained: Project, monkeypatch: pytest.MonkeyPatch
):
    waiting: list[str] = []
    monkeypatch.setattr(engine_jobs, "keep_ready", waiting.append)
    jobs.be_ready(trained)
    run = fabricate_run(trained, 2)
    engine_jobs.write_status(run.status, engine_jobs.this_process(JobState.RUNNING, "Training"))
    jobs.be_ready(trained)  # few images are laid out by t-SNE, which begins at once
    assert waiting == [training_runs.TRAINING_WORKER]
    jobs.be_ready(replace(trained, manifest=replace(trained.manifest, items=60_000)))
    assert waiting == [training_runs.TRAINING_WORKER, jobs.LAYOUT_WORKER]


def test_preset_fast_goes_on_from_a_run_that_saw_no_edges_and_preset_paper_not_from_one_that_did(trained: Project):
    run = trained.paths.run(1)
    assert jobs.continues(trained, TrainRequest())
    assert not jobs.continues(trained, TrainRequest(preset=Preset.PAPER))
    config = read_config(run)
    write_json(run.config, {**config.to_json(), "model": config.model.replaced(extractor=None).to_json()})
    assert jobs.continues(trained, TrainRequest())
    assert not jobs.continues(trained, TrainRequest(fresh=True))
    assert not jobs.continues(trained, TrainRequest(n_components=13))


def test_who_asks_for_as_many_clusters_as_at_first_goes_on_with_those_that_were_added(
    trained: Project, monkeypatch: pytest.MonkeyPatch
):
    first, asked = trained.paths.run(1), read_config(trained.paths.run(1)).model.n_components
    grown = len(trained.pool.shown) + 1  # more than there are images
    write_json(first.results, {**read_json(first.results), "owner": [None] * grown})
    assert run_results.model_now(first).n_components == grown
    for n in (None, asked, grown):
        assert jobs.continues(trained, TrainRequest(n_components=n))
    assert not jobs.continues(trained, TrainRequest(n_components=asked + 1))
    monkeypatch.setattr(training_runs, "launch", lambda run: None)
    other_shape = (TrainRequest(n_components=asked, fresh=True), TrainRequest(n_components=asked, n_latent=7))
    for request in other_shape:
        assert read_config(jobs.start_training(trained, request)).model.n_components == asked
    with pytest.raises(InputError, match="ask for fewer clusters"):
        jobs.continues(trained, TrainRequest(n_components=grown + 1))


@pytest.mark.parametrize(
    ("progress", "details", "unfinished"),
    [
        (0.2, {}, True),
        (0.89, {}, True),
        (0.95, {}, False),
        (
            0.902,
            {"epoch": 34.4, "of_epochs": 40.0, "of_seconds": None},
            True,
        ),  # a first run's start is a part of its bar
        (0.86, {"epoch": 34.4, "of_epochs": 40.0, "of_seconds": None}, True),
        (0.5, {"epoch": 37.0, "of_epochs": 40.0, "of_seconds": None}, False),
        (0.95, {"epoch": 3.0, "of_epochs": None, "of_seconds": 60.0, "work": 50.0}, True),
        (0.5, {"epoch": 3.0, "of_epochs": 40.0, "of_seconds": 60.0, "work": 55.0}, False),
        (0.1, {"of_epochs": 0.0}, True),
    ],
)
def test_a_run_that_was_stopped_just_before_its_end_is_not_gone_on_with(
    trained: Project, progress, details, unfinished
):
    run = trained.paths.run(1)
    status = replace(training_runs.status(run), state=JobState.STOPPED, progress=progress, details=details)
    engine_jobs.write_status(run.status, status)
    assert run_results.unfinished(run) == unfinished


@pytest.mark.parametrize("preset", list(Preset))
def test_a_retrain_keeps_the_settings_of_the_run_before(trained: Project, monkeypatch: pytest.MonkeyPatch, preset):
    monkeypatch.setattr(training_runs, "launch", lambda run: None)
    first = trained.paths.run(1)
    chosen = {"consistency_weight": 0.5, "learning_rate": 2e-4, "held_out_fraction": 0.1, "n_classes": 7, "seed": 5}
    before = TrainingConfig.for_preset(preset, max_epochs=3, **chosen)
    model = read_config(first).model.replaced(extractor=before.extractor)
    write_json(first.config, {**read_config(first).to_json(), "model": model.to_json(), "training": before.to_json()})
    config = read_config(jobs.retrain(trained))
    assert (config.parent, config.lineage) == (1, 1)
    assert config.training == before.replaced(
        max_epochs=planning.RETRAIN_STEPS / batches_per_epoch(1437, before.batch_size)
    )


def test_the_first_retrain_is_a_first_run(project: Project, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(training_runs, "launch", lambda run: None)
    config = read_config(jobs.retrain(project))
    assert (config.parent, config.training) == (None, TrainingConfig())


def test_only_one_run_at_a_time(at_work: Project):
    with pytest.raises(StateError, match="run 2 is still at work"):
        jobs.start_training(at_work, TrainRequest())
    with pytest.raises(StateError, match="run 2 is running"):
        jobs.resume_training(at_work)
    assert at_work.paths.run_numbers() == [1, 2]


def test_the_run_at_work_comes_first_and_can_be_asked_to_stop(at_work: Project):
    active = jobs.active_status(at_work)
    assert active is not None
    assert (active[0].number, active[1].phase) == (2, "Training")
    jobs.stop_training(at_work)
    assert active[0].stop_request.exists()
    fabricate_run(at_work, 3)
    again = jobs.active_status(at_work)
    assert again is not None
    assert again[0].number == 2


def test_following_a_run_tells_its_progress_to_the_end(at_work: Project):
    run = at_work.paths.run(2)
    begun = engine_jobs.this_process(JobState.RUNNING)
    seen: list[tuple[float, str]] = []

    def work() -> None:
        for share in (0.2, 0.8):
            engine_jobs.write_status(run.status, replace(begun, progress=share, phase="Training"))
            time.sleep(3 * jobs.POLL_SECONDS)
        engine_jobs.write_status(run.status, replace(begun, state=JobState.FINISHED, progress=1.0, phase="Done"))

    worker = threading.Thread(target=work)
    worker.start()
    status = jobs.follow(run, lambda share, what: seen.append((share, what)))
    worker.join()
    assert status.state is JobState.FINISHED
    assert {(0.2, "Training"), (0.8, "Training")} <= set(seen)
    assert seen[-1] == (1.0, "Done")


def test_curves_and_the_live_map_are_read_while_they_grow(at_work: Project):
    run = at_work.paths.run(2)
    assert jobs.curves(run).empty
    assert jobs.live_map(run) is None
    append_metrics(run, [{"epoch": 1, "elbo": -3.5}, {"epoch": 2, "elbo": -3.0}])
    component, names = np.array([0, 1], dtype=np.int32), np.array(["", "a long name"])
    save_live_map(run, LiveMap(np.array([4, 7]), np.eye(2, dtype=np.float32), component, names, 2))
    assert jobs.curves(run)["elbo"].tolist() == [-3.5, -3.0]
    live = jobs.live_map(run)
    assert live is not None
    assert (live.rows.tolist(), live.class_name.tolist(), live.epoch) == ([4, 7], ["", "a long name"], 2)
    table = np.load(run.root / "live.npy")
    save_array(run.root / "live.npy", table[["row", "x", "y", "component", "epoch"]])  # as before they had classes
    live = jobs.live_map(run)
    assert live is not None
    assert (live.rows.tolist(), live.class_name.tolist()) == ([4, 7], ["", ""])


def test_runs_are_listed_newest_first(at_work: Project):
    assert [(r.number, r.parent, r.lineage, r.status.state, r.has_results) for r in jobs.runs(at_work)] == [
        (2, 1, 1, JobState.RUNNING, True),
        (1, None, 1, JobState.FINISHED, True),
    ]


def in_use(project: Project) -> list[int]:
    return [run.number for run in jobs.runs(project) if run.in_use]


def test_going_back_to_a_run_is_undone_like_a_label(trained: Project):
    fabricate_run(trained, 2)
    before = jobs.newest_results(trained)
    jobs.use_run(trained, 1, "ann")
    assert in_use(trained) == [1]
    assert viewing.view(take(trained)).run == evaluating.evaluate(take(trained)).run == 1
    assert jobs.newest_results(trained) != before
    assert layouts.ensure_layout(take(trained), Method.PCA).status is not None
    assert labelling.undo(trained, "ann") == "choosing run 1"
    assert (in_use(trained), jobs.newest_results(trained)) == ([2], before)
    labelling.redo(trained, "ann")
    assert in_use(trained) == [1]
    fabricate_run(trained, 3)
    assert in_use(trained) == [3]


def test_training_goes_on_from_the_run_in_use(trained: Project, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(training_runs, "launch", lambda run: None)
    first = trained.paths.run(1)
    config = read_config(first)
    write_json(first.config, {**config.to_json(), "training": config.training.replaced(seed=7).to_json()})
    about = read_json(first.results)
    write_json(first.results, {**about, "owner": [*about["owner"], None]})  # it has grown by a component
    fabricate_run(trained, 2)
    assert not jobs.continues(trained, TrainRequest(n_components=13))
    assert jobs.as_before(trained).seed == 0
    jobs.use_run(trained, 1, "ann")
    assert jobs.continues(trained, TrainRequest(n_components=13))
    config = read_config(jobs.retrain(trained))
    assert (config.parent, config.training.seed, config.model.n_components) == (1, 7, 13)


def test_what_is_told_of_an_image_and_which_names_hold_are_of_the_run_in_use(trained: Project):
    trained.labels.name_component(1, 3, "three", annotator="ann")  # of the number: it holds in that lineage only
    fabricate_run(trained, 2, lineage=2)
    item = str(trained.pool.items[0])
    assert [name for name, _ in item_details(trained, item, take(trained)).posterior] == [""]
    jobs.use_run(trained, 1, "ann")
    assert {name for name, _ in item_details(trained, item, take(trained)).posterior} == {"", "three"}


def test_only_another_run_that_has_results_can_be_gone_back_to_and_not_while_one_is_at_work(trained: Project):
    with pytest.raises(StateError, match="run 1 is in use already"):
        jobs.use_run(trained, 1, "ann")
    run = fabricate_run(trained, 2)
    write_json(trained.paths.run(3).config, read_config(run).to_json())
    for number in (3, 9):
        with pytest.raises(NotFoundError, match=f"no run {number} with results; it has 1, 2"):
            jobs.use_run(trained, number, "ann")
    engine_jobs.write_status(run.status, engine_jobs.this_process(JobState.RUNNING, "Training"))
    with pytest.raises(StateError, match="run 2 is still at work"):
        jobs.use_run(trained, 1, "ann")
    assert trained.labels.version() == 0


def test_a_run_that_is_continued_after_a_person_went_back_comes_into_use_where_it_had_no_results(trained: Project):
    fabricate_run(trained, 2)
    write_json(trained.paths.run(3).config, read_config(trained.paths.run(2)).to_json())
    jobs.use_run(trained, 1, "ann")
    fabricate_run(trained, 3)
    assert in_use(trained) == [3]


def test_the_list_of_runs_says_how_each_compares_and_how_many_clusters_it_has_now(trained: Project):
    run = fabricate_run(trained, 2)
    fabricate_comparison(run, 0.9, 0.5)
    about = read_json(run.results)
    write_json(run.results, {**about, "owner": [*about["owner"], "late"]})
    later, first = jobs.runs(trained)
    assert (later.accuracy_held_out, later.in_use, later.kept, later.model.n_components) == (0.5, False, False, 13)
    assert (first.accuracy_held_out, first.in_use, first.kept, first.model.n_components) == (None, True, True, 12)


def test_a_layout_appears_and_the_earlier_one_stands_in_after_a_retrain(trained: Project):
    first = layouts.ensure_layout(take(trained), Method.PCA)
    assert first.xy is None
    assert first.status is not None
    assert first.status.alive
    done = wait_for_layout(trained, Method.PCA)
    assert done.xy is not None
    assert (done.xy.shape, done.from_run, done.stale) == ((1437, 2), 1, False)
    assert done.shown_rows.tolist() == trained.pool.shown.tolist()
    fabricate_run(trained, 2)
    meanwhile = layouts.ensure_layout(take(trained), Method.PCA)
    assert meanwhile.xy is not None
    assert (meanwhile.from_run, meanwhile.stale) == (1, True)
    assert (meanwhile.xy == done.xy).all()
    after = wait_for_layout(trained, Method.PCA)
    assert (after.from_run, after.stale) == (2, False)
    fabricate_run(trained, 2)  # as a resumed run does
    again = layouts.ensure_layout(take(trained), Method.PCA)
    assert (again.from_run, again.stale) == (2, True)
    assert wait_for_layout(trained, Method.PCA).stale is False


def test_a_layout_that_failed_is_tried_again_only_when_asked(trained: Project):
    started = layouts.ensure_layout(take(trained), Method.PCA).status
    assert started is not None
    psutil.Process(started.pid).kill()
    wait_until_dead(trained)
    state = layouts.ensure_layout(take(trained), Method.PCA)
    assert state.status is not None
    assert not state.status.alive
    again = layouts.ensure_layout(take(trained), Method.PCA, retry=True)
    assert again.status is not None
    assert again.status.alive
    wait_for_layout(trained, Method.PCA)


def test_a_run_at_work_keeps_the_earlier_layout(at_work: Project):
    xy = np.random.default_rng(0).normal(size=(1437, 2)).astype(np.float32)
    save_array(at_work.paths.run(1).root / "layouts" / "pca.npy", xy)
    state = layouts.ensure_layout(take(at_work), Method.PCA)
    assert state.xy is not None
    assert (state.xy == xy).all()
    assert (state.from_run, state.stale, state.status) == (1, True, None)


def wait_until_dead(project: Project) -> None:
    deadline = time.monotonic() + 60
    while (status := layouts.ensure_layout(take(project), Method.PCA).status) is None or status.alive:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_until_a_method_has_its_first_layout_that_of_another_is_shown(trained: Project):
    fabricate_layout(trained, trained.paths.run(1))
    there = layouts.ensure_layout(take(trained))
    meanwhile = layouts.ensure_layout(take(trained), Method.PCA)
    assert meanwhile.status is not None
    assert (meanwhile.method, meanwhile.token, meanwhile.stale) == (there.method, there.token, False)
    assert wait_for_layout(trained, Method.PCA).method is Method.PCA
