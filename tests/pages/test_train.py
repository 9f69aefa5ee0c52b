"""The page Train: settings, the list of runs, a run at work, and what a person decides after one."""

import base64
import json

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from dgm_engine import jobs as engine_jobs
from dgm_engine.config import ModelName, Preset, TrainingConfig
from dgm_engine.jobs import JobState, JobStatus
from dgm_engine.json_files import read_json, write_json
from dgm_engine.labels.schema import Anchored, Use
from dgm_engine.services import jobs, labelling, layouts, mapping, viewing
from dgm_engine.services.palette import NO_CLASS_COLOUR, cluster_colour
from dgm_engine.services.projects import Project
from dgm_engine.services.snapshot import take
from dgm_engine.training.planning import TrainRequest
from dgm_engine.training.results import LiveMap, save_live_map
from dgm_engine.training.runs import read_config
from pages import _map
from pages._colours import Colour
from pages._state import Key
from tests.fabricated import fabricate_comparison, fabricate_run
from tests.pages.screens import badges, in_use, opened, press, texts, without_fault


def test_training_again_offers_the_settings_of_the_run_before(trained: Project) -> None:
    run = trained.paths.run(1)
    training = {"consistency_weight": 0.0, "n_classes": 17}
    write_json(run.config, {**read_config(run).to_json(), "training": TrainingConfig(**training).to_json()})
    fields = {field.label: field.value for field in opened("train", trained).number_input}
    assert fields["Steadiness under small changes"] == 0
    assert fields["How many classes there are, if you know"] == 17
    assert fields["Keep similar images together"] == TrainingConfig.neighbour_weight


def test_train_offers_settings_and_lists_runs(trained: Project) -> None:
    app = opened("train", trained)

    assert app.slider[0].value == 12
    assert app.select_slider[0].value == "as long as it needs"
    assert "**Run 1**  :gray[finished · a fresh start · GM-DGM, 12 clusters · 3 passes · 0 s]" in texts(app)
    assert "always holds out 5% of the labels of every class with 20 or more" in texts(app)


def test_the_list_says_which_passes_are_of_the_run_before(trained: Project) -> None:
    config = fabricate_run(trained, 2).config
    assert "finished · from run 1 · GM-DGM, 12 clusters · 3 passes · 0 s]" in texts(opened("train", trained))
    write_json(config, {**read_json(config), "goes_on": True})
    told = "finished · from run 1 · GM-DGM, 12 clusters · 3 passes with those of run 1 · 0 s]"
    assert told in texts(opened("train", trained))


def test_each_run_can_be_gone_back_to_but_not_while_one_is_at_work(mapped: Project) -> None:
    run = fabricate_run(mapped, 2)
    fabricate_comparison(run, 0.8, 0.81)
    app = opened("train", mapped)
    assert "predicts 81% as you said" in texts(app)
    assert [button.key for button in app.button if button.label == "Go back to this run"] == ["use_1"]
    assert "How run 2 was trained" in texts(app)
    app.button(key="use_1").click().run()
    assert in_use(mapped) == 1
    assert [button.key for button in without_fault(app).button if button.label == "Use this run"] == ["use_2"]
    assert "How run 1 was trained" in texts(app)
    for page in ("train", "discover"):
        assert "Run 1 in use" in texts(opened(page, mapped))
    press(app, "Undo")
    assert in_use(mapped) == 2
    assert "Run 2 in use" not in texts(app)

    engine_jobs.write_status(run.status, engine_jobs.this_process(JobState.RUNNING, "Training"))
    assert opened("train", mapped).button(key="use_1").disabled


@pytest.mark.parametrize(
    ("page", "choice", "chosen"),
    [
        ("train", "keep_earlier", 1),
        ("train", "use_later", 2),
        ("discover", "use_later", 2),
        ("label", "keep_earlier", 1),
    ],
)
def test_after_a_run_that_came_out_worse_a_person_decides_which_stays(
    mapped: Project, page: str, choice: str, chosen: int
) -> None:
    fabricate_comparison(fabricate_run(mapped, 2), 0.85, 0.34)
    app = opened(page, mapped)
    told = "**Run 2 came out worse: you still see run 1.** Of 50 images under your names it predicts **34%**"
    assert told in texts(app)
    assert in_use(mapped) == 1
    app.button(key=choice).click().run()
    assert told not in texts(without_fault(app))
    assert mapped.labels.state().use == Use(chosen, 2)
    assert in_use(mapped) == chosen
    press(app, "Undo")
    assert told in texts(app)
    assert in_use(mapped) == 1


@pytest.mark.parametrize("page", ["train", "discover", "label"])
def test_names_that_moved_are_told_until_they_are_known(mapped: Project, page: str) -> None:
    view = viewing.view(take(mapped))
    images = [Anchored(str(item), 0.9) for item in view.items[view.component == 7][:30]]
    app = opened(page, mapped)
    assert "follows its images" not in texts(app)
    mapped.labels.name_component(1, 3, "RBC", images, annotator="ann")
    app.run()
    assert "“RBC” follows its images: from cluster 3 to cluster 7." in texts(app)
    press(app, "Understood")
    assert "follows its images" not in texts(app)
    app = opened(page, mapped)  # as after a refresh
    assert "follows its images" not in texts(app)
    app.text_input(key=Key.ANNOTATOR).set_value("somebody else").run()
    assert "follows its images" in texts(without_fault(app))


def test_a_run_at_work_is_coloured_by_the_classes_that_images_have_now(mapped: Project) -> None:
    run, view = fabricate_run(mapped, 2), viewing.view(take(mapped))
    rows, n = view.rows[:6], 6
    xy, component = np.random.default_rng(0).normal(size=(n, 2)).astype(np.float32), np.zeros(n, dtype=np.int32)
    engine_jobs.write_status(run.status, engine_jobs.this_process(JobState.RUNNING, "Training"))
    save_live_map(run, LiveMap(rows, xy, component, np.full(n, ""), 3))
    app = opened("train", mapped)
    assert Key.LIVE_COLOUR not in [group.key for group in app.segmented_control]
    names = np.array(["three", "", "three", "four", "", "x < y"])
    save_live_map(run, LiveMap(rows, xy, component, names, 4))
    app.run()
    assert "Map after pass 4" in texts(app)
    assert traces(app) == {"three": 2, "four": 1, "x &lt; y": 1, "no class yet": 2}
    app.segmented_control(key=Key.LIVE_COLOUR).set_value("Cluster").run()
    assert list(traces(without_fault(app)).values()) == [n]

    labelling.name_component(mapped, 0, "four", "ann")  # the run at work has component 0 for "three" by now
    seen = viewing.view(take(mapped))
    where = _map.places(mapped, layouts.ensure_layout(take(mapped)))
    live = jobs.live_map(run)
    assert where is not None
    assert live is not None
    sample = mapping.followed(where, seen, live)
    assert sample is not None
    wanted = [NO_CLASS_COLOUR if name in ("", "x < y") else seen.colours[name] for name in sample.class_name.tolist()]
    assert _map.hues_of(seen, sample, Colour.CLASS) == wanted
    assert _map.hues_of(seen, sample, Colour.CLUSTER) == [cluster_colour(0)] * n
    assert _map.hues_of(seen, sample, Colour.STATE) is None


def traces(app: AppTest) -> dict[str, int]:
    """The points of the live map under each name of its legend."""
    drawn = json.loads(app.get("plotly_chart")[0].proto.spec)["data"]
    return {
        trace.get("name", ""): len(np.frombuffer(base64.b64decode(trace["x"]["bdata"]), trace["x"]["dtype"]))
        for trace in drawn
    }


@pytest.mark.parametrize("page", ["train", "discover", "label"])
def test_a_class_that_cannot_be_predicted_is_told(mapped: Project, page: str) -> None:
    run = fabricate_run(mapped, 2)
    fabricate_comparison(run, 0.9, 0.9)
    assert "cannot predict" not in texts(opened(page, mapped))
    fabricate_comparison(run, 0.9, 0.9, unlearned=("three", "four"))
    assert "The model cannot predict “three”, “four”" in texts(opened(page, mapped))


def stopped(project: Project) -> None:
    """Run 1 was stopped after a quarter of its passes."""
    details = {"epoch": 10.0, "of_epochs": 40.0}
    engine_jobs.write_status(project.paths.run(1).status, JobStatus(JobState.STOPPED, "Stopped", 0.3, 60, details))


def test_training_that_was_stopped_can_be_finished(trained: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Project] = []
    monkeypatch.setattr(jobs, "retrain", asked.append)
    assert all(button.key != "header_train" for button in opened("train", trained).button)
    stopped(trained)
    app = opened("train", trained)
    offer = app.button(key="header_train")
    assert offer.label == "Finish training"
    assert "30 of 40 passes, about 3 minutes" in offer.help
    assert "Left to do: 30 of 40 passes, about 3 minutes. **Finish training**" in texts(app)
    assert "Continue it" not in [button.label for button in app.button]
    labelling.label_items(trained, ["train/00007"], "seven", "ann")
    app.run()
    offer = app.button(key="header_train")
    assert offer.label == "Train with the new labels"
    assert "to its end: 30 of 40 passes, about 3 minutes" in offer.help
    press(app, "Train with the new labels")
    assert [project.name for project in asked] == [trained.name]


def test_a_run_that_left_nothing_is_continued_itself(trained: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    run = fabricate_run(trained, 2)
    run.results.unlink()
    engine_jobs.write_status(run.status, JobStatus(JobState.STOPPED, "Stopped before there were clusters", 0.1, 9))
    resumed: list[int] = []
    monkeypatch.setattr(jobs, "resume_training", lambda project: resumed.append(project.paths.run_numbers()[-1]))
    app = opened("train", trained)
    assert "Run 2 was stopped after 9 s." in texts(app)
    press(app, "Continue it")
    assert resumed == [2]


def settings_form(root: str) -> None:
    """The form by itself; AppTest runs this body alone."""
    from pathlib import Path

    from dgm_engine.services import jobs, projects
    from pages import _settings

    project = projects.open_project(Path(root))
    _settings.form(project, jobs.runs(project))


def test_a_run_has_the_settings_as_they_are_when_it_is_started(
    trained: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[TrainRequest] = []
    monkeypatch.setattr(jobs, "start_training", lambda _, request: asked.append(request))
    app = AppTest.from_function(settings_form, args=(str(trained.paths.root),), default_timeout=20).run()
    app.slider[0].set_value(20)
    press(app, "Train")  # before the page has been drawn with that number
    assert [request.n_components for request in asked] == [20]


def test_train_says_when_settings_mean_a_start_from_scratch(trained: Project) -> None:
    app = opened("train", trained)
    assert "scratch" not in texts(app)

    def chosen(label: str) -> list[str]:
        return [str(box.value) for box in app.selectbox if box.label == label]

    def choose(label: str, value: object) -> None:
        next(box for box in app.selectbox if box.label == label).set_value(value).run()
        assert not app.exception

    app.select_slider[0].set_value("20 s").run()
    choose("Way of training", Preset.PAPER)
    assert "it starts from scratch" in texts(app)
    assert "choose a longer time" in texts(app)
    choose("Way of training", Preset.FAST)
    assert "scratch" not in texts(app)
    assert not chosen("Auxiliary latent")
    choose("Model", ModelName.AGM_DGM)
    assert chosen("Auxiliary latent") == ["gaussian"]
    assert "it starts from scratch" in texts(app)


@pytest.mark.parametrize("page", ["projects", "discover", "label", "train", "evaluate", "export"])
def test_every_page_says_that_a_run_came_out_worse_and_leads_to_the_decision(mapped: Project, page: str) -> None:
    assert "Trained" in badges(opened(page, mapped))
    fabricate_comparison(fabricate_run(mapped, 2), 0.85, 0.34)
    told = badges(opened(page, mapped))
    assert "Came out worse] -> train" in told
    assert "Trained" not in told
    third = mapped.paths.run(3)  # it fails, and the decision about the second is still to be made
    write_json(third.config, read_config(mapped.paths.run(2)).to_json())
    engine_jobs.write_status(third.status, JobStatus(JobState.FAILED, "Training", 0.1, 9))
    told = badges(opened(page, mapped))
    assert "Came out worse] -> train" in told
    assert "Training failed" in told
    third.config.unlink()
    third.status.unlink()
    third.root.rmdir()
    jobs.use_run(mapped, 1, "ann")
    told = badges(opened(page, mapped))
    assert "Came out worse" not in told
    assert "Trained" in told


def test_held_out_labels_that_a_run_lost_are_told_by_themselves(mapped: Project) -> None:
    fabricate_comparison(fabricate_run(mapped, 2), 1.0, 1.0, held_out=(35, 7))
    told = texts(opened("train", mapped))
    assert "Of 50 images under your names it predicts **100%** as you said, run 1 100%." in told
    assert "Of 35 labels held out it predicts **20%** as you said, run 1 100%." in told
