"""Every page, run without a browser on a real small project."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from dgm_engine import jobs as engine_jobs
from dgm_engine.config import ModelName, Preset, TrainingConfig
from dgm_engine.discovery.clusters import Cluster
from dgm_engine.discovery.projections import Method
from dgm_engine.labels.schema import Kind
from dgm_engine.paths import write_json
from dgm_engine.services import exploring, jobs, labelling
from dgm_engine.services import projects as project_service
from dgm_engine.services.projects import Project
from dgm_engine.training.runs import read_config
from pages import _bulk, _figures, _gallery, _map, _shortcuts
from pages._create import _folder_name
from pages._state import Key
from pages._text import plain
from tests.fabricated import fabricate_model, fabricate_run

ROOT = Path(__file__).parent.parent
FAULT = "The program has a fault"
PAGES = ("discover", "label", "train", "evaluate", "export")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of projects is this test's own, and nothing cached for another test is left."""
    monkeypatch.setenv(project_service.HOME_VARIABLE, str(tmp_path))
    yield tmp_path
    st.cache_data.clear()
    st.cache_resource.clear()


@pytest.fixture
def mapped(trained: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A trained project whose map is there, and three images labelled "three", "four" and "five"."""
    rows = trained.pool.shown
    xy = np.random.default_rng(0).normal(size=(len(rows), 2)).astype(np.float32)
    there = jobs.LayoutState(Method.TSNE, xy, rows, 1, stale=False, status=None)
    monkeypatch.setattr(jobs, "ensure_layout", lambda *_, **__: there)
    for row, name in enumerate(["three", "four", "five"]):
        labelling.label_items(trained, [f"train/{row:05d}"], name, "ann")
    return trained


def opened(page: str, project: Project | None) -> AppTest:
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=20)
    if project is not None:
        app.session_state[Key.PROJECT] = str(project.paths.root)
    app.run()
    if page != "projects":
        app.switch_page(f"pages/{page}.py").run()
    return without_fault(app)


def without_fault(app: AppTest) -> AppTest:
    assert not app.exception
    assert not [said.value for said in (*app.error, *app.toast) if FAULT in said.value]
    return app


def texts(app: AppTest) -> str:
    kinds = (app.markdown, app.caption, app.subheader, app.info, app.success, app.error, app.warning)
    return "\n".join(str(element.value) for kind in kinds for element in kind)


def press(app: AppTest, label: str) -> AppTest:
    button = next(b for b in app.button if b.label == label)
    button.click().run()
    return without_fault(app)


@pytest.mark.parametrize("page", PAGES)
def test_without_a_project_every_page_leads_to_projects(page: str) -> None:
    assert "No project is open" in texts(opened(page, None))


@pytest.mark.parametrize("page", ["discover", "label", "evaluate", "export"])
def test_before_training_pages_offer_to_find_clusters(page: str, project: Project) -> None:
    app = opened(page, project)

    assert "Nothing has been learned yet" in texts(app)
    assert "Find clusters" in [button.label for button in app.button]


def test_an_open_project_has_a_process_wait_for_its_next_run(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []
    monkeypatch.setattr(jobs, "be_ready", lambda: asked.append(True))
    opened("projects", None)
    assert not asked
    opened("label", project)
    assert asked


def test_the_images_to_label_stay_while_a_run_is_at_work_and_are_chosen_anew_when_it_has_ended(
    trained: Project,
) -> None:
    app = opened("label", trained)
    first = app.session_state[Key.QUEUE]
    run = fabricate_run(trained, 2)
    at_work = engine_jobs.this_process(engine_jobs.JobState.RUNNING, "Training")
    engine_jobs.write_status(run.status, at_work)
    app.run()
    assert app.session_state[Key.QUEUE] is first
    for _ in range(2):  # its last results, then those of the run when it is continued: the same number
        fabricate_run(trained, 2)
        app.run()
        assert app.session_state[Key.QUEUE] is not first
        first = app.session_state[Key.QUEUE]


def test_another_project_opens_on_its_clusters(mapped: Project) -> None:
    app = opened("discover", mapped)
    app.segmented_control(key=Key.PANEL).set_value("Selected").run()
    assert "Nothing is selected" in "".join(said.value for said in app.info)
    app.switch_page("pages/projects.py").run()
    app.button(key=f"open_{mapped.paths.root}").click().run()
    app.switch_page("pages/discover.py").run()
    assert "clusters have a name" in texts(without_fault(app))


def test_projects_lists_opens_and_deletes(project: Project) -> None:
    app = opened("projects", None)

    app.button(key=f"delete_{project.paths.root}").click().run()
    assert project.paths.root.exists()
    press(app, "Delete")
    assert not project.paths.root.exists()


def test_training_again_offers_the_settings_of_the_run_before(trained: Project) -> None:
    run = trained.paths.run(1)
    training = {"consistency_weight": 0.0, "n_classes": 17}
    write_json(run.config, {**read_config(run).to_json(), "training": TrainingConfig(**training).to_json()})
    fields = {field.label: field.value for field in opened("train", trained).number_input}
    assert fields["Steadiness under small changes"] == 0
    assert fields["How many classes there are, if you know"] == 17
    assert fields["Keep similar images together"] == TrainingConfig.neighbour_weight


def test_what_the_system_refuses_becomes_a_message(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", "labels.db")

    app = opened("discover", project)
    monkeypatch.setattr(jobs, "start_training", full)
    next(button for button in app.button if button.label == "Find clusters").click().run()
    assert not app.exception
    assert "labels.db: No space left on device; see that there is room" in app.toast[0].value


def test_a_damaged_project_is_shown_with_its_error(project: Project) -> None:
    project.paths.manifest.write_text("{", encoding="utf-8")

    app = opened("projects", None)

    assert str(project.paths.manifest) in texts(app)


def test_naming_a_cluster_in_place_and_taking_the_name_away(mapped: Project) -> None:
    app = opened("discover", mapped)
    field = next(s for s in app.selectbox if s.label == "Name of cluster 3")

    field.set_value("three").run()
    assert mapped.labels.state(1).names[3] == "three"
    assert "1 of 11 clusters have a name" in texts(app)

    next(s for s in app.selectbox if s.label == "Name of cluster 3").set_value(None).run()
    assert mapped.labels.state(1).names[3] is None


def test_a_field_that_the_browser_speaks_of_twice_names_once(mapped: Project) -> None:
    def page(project: "Project", run: int, cluster: "Cluster") -> None:
        import streamlit as st

        from pages import _clusters

        st.session_state["field"] = "three"
        for _ in range(2):  # the second time it is gone, and takes no name away either
            _clusters._name(project, run, cluster, "field")

    view = exploring.view(mapped)
    app = AppTest.from_function(page, args=(mapped, view.run, view.clusters[3])).run()
    assert not app.exception
    assert mapped.labels.state(1).names[3] == "three"
    assert sum(event.kind is Kind.NAME for event in mapped.labels.history()) == 1


def test_a_fault_of_ours_is_a_message_and_leaves_the_page(mapped: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def faulty(*_: object) -> None:
        raise KeyError("lost")

    monkeypatch.setattr(labelling, "name_component", faulty)
    app = opened("discover", mapped)
    next(s for s in app.selectbox if s.label == "Name of cluster 3").set_value("three").run()
    assert not app.exception
    assert f"{FAULT} here (KeyError); nothing is lost" in app.toast[0].value

    monkeypatch.setattr(jobs, "active_status", faulty)
    app = AppTest.from_function(_polled).run()
    assert not app.exception
    assert f"{FAULT} here (KeyError)" in app.error[0].value


def _polled() -> None:
    from dgm_engine.services import jobs
    from pages import _state

    _state.polling(jobs.active_status, None)(None)  # type: ignore[arg-type]


def test_drawing_a_page_again_says_nothing_in_the_persons_name(mapped: Project) -> None:
    labelling.name_component(mapped, 3, "three", "ann")
    before = mapped.labels.version()

    app = opened("discover", mapped)
    app.run()
    press(app, "Undo")
    app.run()

    assert mapped.labels.version() == before + 1  # the undo


def test_a_bulk_label_reaches_what_is_selected_by_id(mapped: Project) -> None:
    view = exploring.view(mapped)
    chosen = view.items[view.component == 4][-70:].tolist()
    app = opened("discover", mapped)
    app.session_state[Key.SELECTION] = tuple(chosen)
    app.session_state[Key.PANEL] = "Selected"
    app.run()

    app.selectbox(key=Key.BULK_CLASS).set_value("four").run()
    assert "70 get a first label" in texts(app)
    press(app, "Label all 70")

    labelled = mapped.labels.state().positive
    assert {item for item, name in labelled.items() if name == "four"} == {*chosen, "train/00001"}


def test_show_images_selects_the_whole_cluster(mapped: Project) -> None:
    app = opened("discover", mapped)

    app.button(key="show_5").click().run()

    view = exploring.view(mapped)
    assert set(app.session_state[Key.SELECTION]) == set(view.items[view.component == 5])
    assert f"{(view.component == 5).sum()} images" in texts(app)


def test_labelling_one_by_one_advances_and_undo_brings_the_image_back(trained: Project) -> None:
    app = opened("label", trained)
    first = app.session_state[Key.QUEUE][0].item

    app.text_input(key=Key.NEW_CLASS).set_value("nine")
    press(app, "Add class")
    assert dict(trained.labels.state().positive) == {first: "nine"}
    assert "2 of 20" in texts(app)

    app.button(key="label_undo").click().run()
    assert not trained.labels.state().positive
    assert "1 of 20" in texts(app)


def test_training_is_offered_once_something_new_is_known(trained: Project) -> None:
    def offers() -> bool:
        return any(button.key == "header_train" for button in opened("label", trained).button)

    labelling.skip_items(trained, ["train/00007"], "ann")
    assert not offers()
    labelling.label_items(trained, ["train/00007"], "seven", "ann")
    assert offers()


def test_an_unusable_class_name_is_told_and_nothing_is_written(trained: Project) -> None:
    app = opened("label", trained)

    app.text_input(key=Key.NEW_CLASS).set_value("   ")
    press(app, "Add class")

    assert trained.labels.version() == 0
    assert app.toast


def test_evaluate_shows_accuracies_and_classes(trained: Project) -> None:
    for component in range(9):
        labelling.name_component(trained, component, str(component), "ann")

    app = opened("evaluate", trained)

    shown = {metric.label: metric.value for metric in app.metric}
    assert shown["Clusters, best naming"] == f"{0.95:.1%}"
    assert shown["Your classes"].endswith("%")
    assert len(app.dataframe[0].value) == 10


def test_evaluate_says_which_names_the_ground_truth_does_not_know(trained: Project) -> None:
    labelling.name_component(trained, 3, "3", "ann")
    assert "knows no" not in texts(opened("evaluate", trained))
    labelling.name_component(trained, 4, "four", "ann")
    said = texts(opened("evaluate", trained))
    assert "knows no “four”: " in said
    assert "“8”, “9”" in said


@pytest.mark.parametrize("name", [ModelName.GM_DGM, ModelName.M2])
def test_every_figure_of_a_run_can_be_looked_at(trained: Project, name: ModelName) -> None:
    fabricate_model(fabricate_run(trained, 2, lineage=2), name)
    app = opened("evaluate", trained)

    drawn: dict[str, int] = {}
    for look in _figures.Look:
        app.segmented_control(key=Key.LOOK).set_value(look).run()
        assert not app.exception
        assert not app.error
        drawn[look] = len(app.get("plotly_chart")) - 1  # the page's own confusion matrix comes first

    pairs = 2 if name is ModelName.GM_DGM else 0
    assert drawn == {
        "Map": 1,
        "Compare runs": 1,
        "Typical images": 0,
        "Walk": 0,
        "Numbers in use": 1,
        "Distances": pairs,
    }
    assert ("share one p(z)" in texts(app)) == (name is ModelName.M2)


def test_evaluate_shows_the_run_that_is_chosen_and_says_what_it_lacks(trained: Project) -> None:
    fabricate_model(fabricate_run(trained, 2))
    app = opened("evaluate", trained)
    assert "Run 2, scored on 360 images" in texts(app)

    next(s for s in app.selectbox if s.label == "Run").set_value(1).run()
    assert "Run 1, scored on 360 images" in texts(app)
    app.segmented_control(key=Key.LOOK).set_value(_figures.Look.UNITS).run()
    assert not app.exception
    assert "run 1 has not saved a model yet" in texts(app)


def test_export_offers_predictions_and_asks_for_a_class_first(trained: Project) -> None:
    assert "at least one class" in texts(opened("export", trained))

    labelling.name_component(trained, 1, "one", "ann")
    assert "Prepare the classifier" in [button.label for button in opened("export", trained).button]


def test_train_offers_settings_and_lists_runs(trained: Project) -> None:
    app = opened("train", trained)

    assert app.slider[0].value == 12
    assert app.dataframe[0].value["State"].tolist() == ["finished"]


def test_train_says_when_settings_mean_a_start_from_scratch(trained: Project) -> None:
    app = opened("train", trained)
    assert "scratch" not in texts(app)

    def chosen(label: str) -> list[str]:
        return [str(box.value) for box in app.selectbox if box.label == label]

    def choose(label: str, value: object) -> None:
        next(box for box in app.selectbox if box.label == label).set_value(value).run()
        assert not app.exception

    choose("Way of training", Preset.PAPER)
    assert "it starts from scratch" in texts(app)
    assert "choose a longer time" in texts(app)
    choose("Way of training", Preset.FAST)
    assert "scratch" not in texts(app)
    assert not chosen("Auxiliary latent")
    choose("Model", ModelName.AGM_DGM)
    assert chosen("Auxiliary latent") == ["gaussian"]
    assert "it starts from scratch" in texts(app)


def test_a_lasso_and_a_box_select_what_they_enclose() -> None:
    xy = np.array([[0.0, 0.0], [2.0, 2.0], [5.0, 5.0], [9.0, 9.0]], dtype=np.float32)
    event = {"lasso": [{"x": [-1, 1, 1, -1], "y": [-1, -1, 1, 1]}], "box": [{"x": [4, 6], "y": [6, 4]}]}

    assert _map.selected(xy, event).tolist() == [True, False, True, False]


def test_what_is_drawn_of_many_points_is_the_same_sample_each_time() -> None:
    drawn = _map.drawn_rows(60_000)

    assert len(np.unique(drawn)) == _map.DRAWN
    assert np.array_equal(drawn, _map.drawn_rows(60_000))
    assert _map.drawn_rows(7).tolist() == list(range(7))


def test_positions_follow_ids_and_leave_out_unknown_ones(trained: Project) -> None:
    view = exploring.view(trained)

    found = _gallery.positions(view, ["train/00007", "test/00000", "train/00003"])

    assert view.items[found].tolist() == ["train/00007", "train/00003"]
    assert len(_gallery.positions(view, [])) == 0


def test_the_preview_counts_what_a_bulk_label_would_change(project: Project) -> None:
    labelling.label_items(project, ["train/00000", "train/00001"], "a", "ann")
    labelling.label_items(project, ["train/00002"], "b", "ann")

    change = _bulk.preview(project.labels.state(), [f"train/{i:05d}" for i in range(5)], "b")

    assert change == _bulk.Change(new=2, same=1, moved={"a": 2})


@pytest.mark.parametrize(
    ("classes", "keys"),
    [
        (["7", "shoe", "0"], {"7": "7", "shoe": "1", "0": "0"}),
        (["a", "b", "r"], {"a": "1", "b": "B", "r": "2"}),
        ([f"class {i}" for i in range(11)], {f"class {i}": k for i, k in enumerate([*"1234567890", None])}),
    ],
)
def test_shortcuts_are_unique_and_spare_reserved_keys(classes: list[str], keys: dict[str, str | None]) -> None:
    assert _shortcuts.keys_for(classes) == keys


@pytest.mark.parametrize(
    ("typed", "folder"),
    [("My set", "My set"), ("../../etc", "-..-etc"), (".hidden", "hidden"), ("a/b\\c", "a-b-c"), ("...", "project")],
)
def test_a_projects_folder_stays_inside_the_home(typed: str, folder: str) -> None:
    assert _folder_name(typed) == folder


def test_plain_text_loses_its_marks() -> None:
    assert plain("*a* [b](c)\n<i>") == r"\*a\* \[b\]\(c\) \<i\>"


def test_labels_taken_in_from_a_file_show_at_once_with_what_was_left_out(trained: Project) -> None:
    app = opened("export", trained)
    items = trained.pool.items[:2].tolist()
    rows = f"item,class\n{items[0]},zero\n{items[1]},one\nnobody,one\n"
    app.file_uploader(key="label_file").set_value(("labels.csv", rows.encode(), "text/csv")).run()
    press(app, "Take them in")
    assert "2 rows taken in, 1 left out" in app.success[-1].value
    assert "nobody" in str(app.table[0].value)
    assert len(trained.labels.state().positive) == 2
    assert any("2 labelled" in caption.value for caption in app.caption)
