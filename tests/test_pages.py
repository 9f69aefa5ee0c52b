"""Every page, run without a browser on a real small project."""

import base64
import inspect
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import streamlit as st
from streamlit.runtime.scriptrunner import RerunData, get_script_run_ctx, script_runner
from streamlit.runtime.state import safe_session_state
from streamlit.testing.v1 import AppTest

from dgm_engine import jobs as engine_jobs
from dgm_engine.config import ModelName, Preset, TrainingConfig
from dgm_engine.data.sources import SourceRequest
from dgm_engine.discovery.clusters import Cluster
from dgm_engine.discovery.projections import Method
from dgm_engine.errors import DgmError
from dgm_engine.jobs import JobState, JobStatus
from dgm_engine.labels.schema import Anchored, Kind, Use
from dgm_engine.paths import read_json, write_json
from dgm_engine.services import auditing, exploring, jobs, labelling, mapping, scoping
from dgm_engine.services import projects as project_service
from dgm_engine.services.palette import UNKNOWN, cluster_colour
from dgm_engine.services.projects import Project
from dgm_engine.services.scoping import Scope
from dgm_engine.training.results import LiveMap, save_live_map
from dgm_engine.training.runs import ARRAYS, TrainRequest, read_config
from pages import _board, _bulk, _figures, _keys, _map, _plotly_map, _queue
from pages._board import Mode
from pages._colours import Colour
from pages._create import _folder_name
from pages._state import Key, Panel
from pages._text import plain
from tests.fabricated import fabricate_comparison, fabricate_model, fabricate_run

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
    there = jobs.LayoutState(Method.TSNE, xy, rows, 1, "token", stale=False, status=None)
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


def ask_for_another_run() -> None:
    """What the browser does in the midst of a script: of the same page, at the same address."""
    context = get_script_run_ctx()
    assert context is not None
    assert context.script_requests is not None
    context.script_requests.request_rerun(RerunData(query_string=context.query_string))


def a_button_that_counts() -> None:
    """A page: while the callback of its button is at work, the browser asks for another run."""
    import streamlit as st

    from pages import _state
    from tests.test_pages import ask_for_another_run

    @_state.callback
    def count() -> None:
        ask_for_another_run()
        st.session_state["counted"] = st.session_state.get("counted", 0) + 1

    st.button("Count", on_click=count)


def test_a_callback_comes_to_its_end_though_the_browser_asks_for_another_run() -> None:
    app = AppTest.from_function(a_button_that_counts).run()
    for n in (1, 2):
        app.button[0].click().run()
        assert app.session_state["counted"] == n


def a_button_that_closes_the_project() -> None:
    """A page: while the callback of its button is at work, the browser asks for another run."""
    import streamlit as st

    from pages import _state
    from tests.test_pages import ask_for_another_run

    @_state.callback
    def close() -> None:
        ask_for_another_run()
        _state.close_project()
        _state.notify("It is closed")

    project = _state.current_project()
    st.write("Nothing is open" if project is None else project.name)
    st.button("Close", on_click=close)
    _state.show_notice()


def test_a_project_is_closed_to_the_end_though_the_browser_asks_for_another_run(project: Project) -> None:
    app = AppTest.from_function(a_button_that_closes_the_project)
    app.query_params[Key.PROJECT] = str(project.paths.root)
    assert project.name in texts(app.run())
    app.button[0].click().run()
    assert [said.value for said in app.toast] == ["It is closed"]
    assert "Nothing is open" in texts(app)
    assert Key.PROJECT not in app.query_params
    assert "Nothing is open" in texts(app.run())


def what_can_be_done_with_a_cluster(root: str, component: int) -> None:
    """A page: where "asked" is set, the browser asks for another run before this one has drawn its buttons."""
    from pathlib import Path

    import streamlit as st

    from dgm_engine.services import exploring, projects
    from pages import _cluster_actions
    from tests.test_pages import ask_for_another_run

    project = projects.open_project(Path(root))
    view = exploring.view(project)
    if st.session_state.pop("asked", False):
        ask_for_another_run()
    _cluster_actions._actions(project, view, view.clusters[component])


@pytest.mark.parametrize(
    ("button", "kind"),
    [
        ("Merge", Kind.MERGE),
        ("Split it in two", Kind.SPLIT),
        ("Dissolve it", Kind.DISSOLVE),
        ("Ignore it", Kind.IGNORE),
    ],
)
def test_what_is_done_with_a_cluster_is_done_though_the_browser_asks_for_another_run(
    trained: Project, button: str, kind: Kind
) -> None:
    app = AppTest.from_function(what_can_be_done_with_a_cluster, args=(str(trained.paths.root), 3), default_timeout=20)
    chosen = app.run().selectbox[0].options[4]
    app.selectbox[0].set_value(number_in(chosen))  # and pressed before the page has been drawn with it
    app.session_state["asked"] = True
    press(app, button)
    said = trained.labels.history()[-1]
    assert said.kind is kind
    if kind is Kind.MERGE:
        assert exploring.view(trained).edits[-1].other == number_in(chosen)


def number_in(title: str) -> int:
    return int(title.removeprefix("Cluster "))


def test_where_streamlit_no_longer_breaks_off_there_callbacks_run_as_it_runs_them(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    source = inspect.getsource(safe_session_state).replace("_yield_callback", "_give_way")
    newer = ModuleType("newer")
    exec(compile(source, "newer", "exec"), vars(newer))  # Streamlit's own, with one name changed
    monkeypatch.setattr(script_runner, "SafeSessionState", newer.SafeSessionState)

    def page() -> None:
        import streamlit as st

        from pages import _state

        st.button("Name", on_click=_state.callback(lambda: st.session_state.update(named="shoe")))

    app = AppTest.from_function(page).run()
    without_fault(app.button[0].click().run())
    assert app.session_state["named"] == "shoe"
    assert "its session has no _yield_callback" in caplog.text


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
    monkeypatch.setattr(jobs, "be_ready", lambda _project: asked.append(True))
    opened("projects", None)
    assert not asked
    opened("label", project)
    assert asked


def test_the_images_to_label_stay_while_a_run_is_at_work_and_are_chosen_anew_when_it_has_ended(
    trained: Project,
) -> None:
    app = opened("label", trained)
    first = app.session_state[Key.QUEUE].queued
    run = fabricate_run(trained, 2)
    at_work = engine_jobs.this_process(engine_jobs.JobState.RUNNING, "Training")
    engine_jobs.write_status(run.status, at_work)
    app.run()
    assert app.session_state[Key.QUEUE].queued is first
    for _ in range(2):  # its last results, then those of the run when it is continued: the same number
        fabricate_run(trained, 2)
        app.run()
        assert app.session_state[Key.QUEUE].queued is not first
        first = app.session_state[Key.QUEUE].queued
        notes = [one.note for one in first]
        assert notes[: _queue.FEW] == [_queue.EARLIER] * _queue.FEW
        assert _queue.EARLIER not in notes[_queue.FEW :]


def test_other_images_are_others_until_all_have_been_in_view(trained: Project) -> None:
    app = opened("label", trained)
    seen = [one.item for one in app.session_state[Key.QUEUE].queued]
    next(button for button in app.button if button.label == "Other images").click().run()
    more = [one.item for one in app.session_state[Key.QUEUE].queued]
    assert len(more) == len(seen) == len({*seen, *more}) / 2
    app.session_state[Key.QUEUE].passed = frozenset(trained.pool.items.tolist())
    app.session_state[Key.QUEUE].choice = None
    app.run()
    assert [one.item for one in app.session_state[Key.QUEUE].queued] == seen


def test_before_the_last_image_is_judged_more_follow_behind_the_one_in_view(trained: Project) -> None:
    app = opened("label", trained)
    items = [one.item for one in app.session_state[Key.QUEUE].queued]
    labelling.label_items(trained, items[:11], "one", "ann")
    app.run()
    assert [one.item for one in app.session_state[Key.QUEUE].queued] == items
    labelling.label_items(trained, items[11:12], "one", "ann")
    for _ in range(50):  # they are chosen in a thread, which may take its time here
        app.run()
        now = [one.item for one in app.session_state[Key.QUEUE].queued]
        if now != items:
            break
    assert now[:20] == items  # those that are judged stay, to go back to
    assert len({*now}) == 40
    fabricate_run(trained, 2)
    app.run()
    again = [one.item for one in app.session_state[Key.QUEUE].queued]
    assert again[:20] == items
    assert len({*again}) == 32


def test_a_grid_stays_until_all_its_images_are_judged(trained: Project) -> None:
    app = opened("label", trained)
    app.segmented_control(key=Key.LABEL_MODE).set_value(Mode.GRID).run()
    items = [one.item for one in app.session_state[Key.QUEUE].queued]
    labelling.label_items(trained, items[1:], "one", "ann")
    fabricate_run(trained, 2)
    app.run()
    assert [one.item for one in app.session_state[Key.QUEUE].queued] == items
    labelling.label_items(trained, items[:1], "one", "ann")
    app.run()
    assert not {one.item for one in app.session_state[Key.QUEUE].queued} & {*items}


def test_another_project_opens_on_its_clusters(mapped: Project) -> None:
    app = opened("discover", mapped)
    app.segmented_control(key=Key.PANEL).set_value(Panel.IMAGES).run()
    assert "No images are picked out" in "".join(said.value for said in app.info)
    app.switch_page("pages/projects.py").run()
    app.button(key=f"open_{mapped.paths.root}").click().run()  # which leads to Discover
    assert "0 of 11 clusters have a class" in texts(without_fault(app))


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
    assert "1 of 11 clusters have a class" in texts(app)

    next(s for s in app.selectbox if s.label == "Name of cluster 3").set_value(None).run()
    assert mapped.labels.state(1).names[3] is None


def test_a_field_that_the_browser_speaks_of_twice_names_once(mapped: Project) -> None:
    def page(project: "Project", view: "exploring.View", cluster: "Cluster") -> None:
        import streamlit as st

        from pages import _clusters

        key = _clusters._field(project, view, cluster)
        for said in ("three", "three", None):  # once it has spoken it gives no name and takes none away
            st.session_state[key] = said
            _clusters._name(project, view, cluster, key)

    view = exploring.view(mapped)
    app = AppTest.from_function(page, args=(mapped, view, view.clusters[3])).run()
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
    labelling.name_component(mapped, 3, "three", labelling.default_annotator())
    before = mapped.labels.version()

    app = opened("discover", mapped)
    app.run()
    press(app, "Undo")
    app.run()

    assert mapped.labels.version() == before + 1  # the undo


def test_a_bulk_label_reaches_what_is_selected_by_id(mapped: Project) -> None:
    view = exploring.view(mapped)
    chosen = np.flatnonzero(view.component == 4)[-70:]
    mask = np.isin(np.arange(len(view.items)), chosen)
    app = opened("discover", mapped)
    app.session_state[Key.SCOPE] = scoping.pick(mapped, view, Scope(), mask)
    app.session_state[Key.PANEL] = Panel.IMAGES
    app.run()

    app.selectbox(key=Key.BULK_CLASS).set_value("four").run()
    assert "70 get a first label" in texts(app)
    assert "at least 80% sure of all of them" in texts(app)
    press(app, "Label all 70")

    labelled = mapped.labels.state().positive
    four = {item for item, name in labelled.items() if name == "four"}
    assert four == {*view.items[chosen].tolist(), "train/00001"}

    app.selectbox(key=Key.BULK_CLASS).set_value("five")
    press(app, "Label all 70")  # before the page has been drawn with that class
    assert {mapped.labels.state().positive[item] for item in view.items[chosen].tolist()} == {"five"}

    press(app, "Undo")
    press(app, "Undo")
    assert set(mapped.labels.state().positive) == {"train/00000", "train/00001", "train/00002"}


def test_show_images_selects_the_whole_cluster_that_the_filters_let_through(mapped: Project) -> None:
    app = opened("discover", mapped)
    view = exploring.view(mapped)
    app.button(key="show_5").click().run()
    whole = view.component == 5
    scope = app.session_state[Key.SCOPE]
    assert np.array_equal(scoping.picked(mapped, view, scope), whole)
    assert f"{whole.sum()} images" in texts(app)

    app.text_input(key="filter_text").set_value("0017").run()
    found = whole & np.array(["0017" in item for item in view.items])
    assert 0 < found.sum() < whole.sum()
    assert f"**{found.sum()} images**" in texts(app)
    assert (app.query_params["text"], app.query_params["selection"]) == ("0017", scope.selection)


def test_an_address_brings_filters_and_selection_back(mapped: Project) -> None:
    view = exploring.view(mapped)
    scope = scoping.pick(mapped, view, Scope(clusters=(4,)), view.component == 4)
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=20)
    app.query_params["project"] = str(mapped.paths.root)
    for name, value in scope.to_query().items():
        app.query_params[name] = value
    app.run()
    app.switch_page("pages/discover.py").run()
    assert app.session_state[Key.SCOPE] == scope
    assert without_fault(app).multiselect(key="filter_clusters").value == [4]


def lassoed(
    mapped: Project, polygon: list[list[float]], mode: str, scope: Scope, dimmed: tuple[int, ...] = (), look: str = ""
) -> Scope:
    """The scope after the map says that a polygon of its unit square was drawn."""

    def page(project: "Project", event: "dict[str, object]", scope: "Scope") -> None:
        import streamlit as st

        from dgm_engine.services import exploring, jobs
        from pages import _map, _state
        from pages._colours import Colour, look

        st.session_state[_state.Key.SCOPE] = scope
        view = exploring.view(project)
        where = _map.places(project, jobs.ensure_layout(project))
        seen = look(project, view, where, Colour.CLUSTER, scope)
        st.session_state[_state.Key.MAP] = {"enclosed": {"token": where.token, "look": seen.token} | event}
        _map._on_enclosed(project, view, where, seen)

    event = {"polygon": polygon, "mode": mode, "dimmed": list(dimmed)} | ({"look": look} if look else {})
    app = AppTest.from_function(page, args=(mapped, event, scope)).run()
    return without_fault(app).session_state[Key.SCOPE]


def test_a_lasso_selects_exactly_what_it_encloses_adds_takes_away_and_minds_filters(mapped: Project) -> None:
    view = exploring.view(mapped)
    where = _map.places(mapped, jobs.ensure_layout(mapped))
    assert where is not None
    x, y = (where.xy / mapping.STEPS).T
    left = [[-1.0, -1.0], [0.5, -1.0], [0.5, 2.0], [-1.0, 2.0]]
    low = [[-1.0, -1.0], [2.0, -1.0], [2.0, 0.5], [-1.0, 0.5]]

    scope = lassoed(mapped, left, "replace", Scope())
    assert np.array_equal(scoping.picked(mapped, view, scope), x < 0.5)
    added = lassoed(mapped, low, "add", scope)
    assert np.array_equal(scoping.picked(mapped, view, added), (x < 0.5) | (y < 0.5))
    taken = lassoed(mapped, low, "subtract", scope)
    assert np.array_equal(scoping.picked(mapped, view, taken), (x < 0.5) & (y > 0.5))

    filtered = lassoed(mapped, left, "replace", Scope(clusters=(3, 4)))
    assert np.array_equal(scoping.picked(mapped, view, filtered), (x < 0.5) & np.isin(view.component, (3, 4)))
    dimmed = lassoed(mapped, left, "replace", Scope(), dimmed=(3,))
    assert np.array_equal(scoping.picked(mapped, view, dimmed), (x < 0.5) & (view.component != 3))
    assert lassoed(mapped, left, "replace", scope, dimmed=(3,), look="earlier") == scope  # group 3 may be another now
    assert not lassoed(mapped, [[2.0, 2.0], [3.0, 2.0], [3.0, 3.0]], "replace", scope).selection


def said(project: Project, *statements: dict[str, object], client: str = "browser") -> AppTest:
    """What the page does once the browser has said all this, twice in the same words."""

    def page(project: "Project", said: "dict[str, object]") -> None:
        import streamlit as st

        from pages import _board, _state

        for _ in range(2):
            st.session_state["board"] = {"said": said}
            _board._take(project, "board")
        _state.show_notice()

    blank = {"items": [], "names": [], "project": str(project.paths.root), "audit": 0}
    numbered = [blank | {"seq": n} | s for n, s in enumerate(statements, start=1)]
    return without_fault(AppTest.from_function(page, args=(project, {"client": client, "statements": numbered})).run())


def test_statements_are_taken_once_in_order_and_each_can_be_undone(trained: Project) -> None:
    first = {"kind": "label", "items": ["train/00001", "train/00002"], "names": ["a", "a"]}
    second = {"kind": "reject", "items": ["train/00003"], "names": ["a"]}
    third = {"kind": "none", "items": ["train/00004"]}
    fourth = {"kind": "skip", "items": ["train/00005"]}
    said(trained, first)
    said(trained, first, second, third, fourth)  # it had no answer to the first when it sent the others
    state = trained.labels.state()
    assert state.version == 5
    assert dict(state.positive) == {"train/00001": "a", "train/00002": "a"}
    assert dict(state.rejected) == {"train/00003": {"a"}}
    assert (state.none_of_named, state.skipped) == ({"train/00004"}, {"train/00005"})
    said(trained, first, second, third, fourth, *[{"kind": "undo"}] * 4)
    assert not trained.labels.state().positive
    said(trained, {"kind": "clear", "items": ["train/00001"]}, client="another tab")
    assert trained.labels.history()[-1].kind is Kind.CLEAR


def test_what_one_browser_says_waits_for_no_other() -> None:
    heard, both_at_work = _board._Heard(), threading.Barrier(2)

    def say(client: str) -> list[DgmError]:
        return heard.take({"client": client, "statements": [{"seq": 1}]}, lambda _: both_at_work.wait(10))

    with ThreadPoolExecutor() as browsers:
        assert list(browsers.map(say, ("one", "another"))) == [[], []]


def test_classes_accepted_for_several_images_are_one_step(trained: Project) -> None:
    items = ["train/00001", "train/00002", "train/00003"]
    accepted = {"kind": "label", "items": items, "names": ["a", "b", "a"]}
    said(trained, accepted)
    assert dict(trained.labels.state().positive) == dict(zip(items, "aba", strict=True))
    app = said(trained, accepted, {"kind": "undo"})
    assert "3 different labels" in app.toast[0].value
    assert not trained.labels.state().positive


def test_a_grid_stays_on_its_page_when_it_loses_images_and_begins_anew_for_another_choice(trained: Project) -> None:
    def page(project: "Project", n: int, choice: str, turn: bool) -> None:
        import streamlit as st

        from dgm_engine.services import exploring
        from pages import _board

        view = exploring.view(project)
        if turn:
            st.session_state["grid_page"] = (choice, 2)
        _board.pages(project, view, _board.Shown(view.items[:n].tolist()), choice, "grid")

    def at(n: int, choice: str, turn: bool = False) -> int:
        app.args = (trained, n, choice, turn)  # AppTest runs it again with these
        return without_fault(app.run()).session_state["grid_page"][1]

    app = AppTest.from_function(page, args=(trained, 300, "unlabelled", True))
    assert at(300, "unlabelled", turn=True) == 2
    assert at(290, "unlabelled") == 2
    assert at(150, "unlabelled") == 1
    assert at(150, "others") == 0


def test_a_statement_that_is_refused_is_told_and_the_next_is_taken(trained: Project) -> None:
    wrong = {"kind": "label", "items": ["test/00001"], "names": ["a"]}
    app = said(trained, wrong, {"kind": "label", "items": ["train/00001"], "names": ["a"]})
    assert "is in the test split" in app.toast[0].value
    gone = {"kind": "label", "items": ["train/00002"], "names": ["a"], "project": "/another"}
    assert "/another" in said(trained, gone, client="late").toast[0].value
    assert dict(trained.labels.state().positive) == {"train/00001": "a"}


def test_what_was_said_before_another_project_was_opened_reaches_its_own(trained: Project, tmp_path: Path) -> None:
    other = project_service.create_project(tmp_path / "other", SourceRequest("digits")).project
    said(other, {"kind": "label", "items": ["train/00001"], "names": ["a"], "project": str(trained.paths.root)})
    assert dict(trained.labels.state().positive) == {"train/00001": "a"}
    assert not other.labels.state().positive


def test_training_is_offered_once_something_new_is_known(trained: Project) -> None:
    def offers() -> bool:
        return any(button.key == "header_train" for button in opened("label", trained).button)

    labelling.skip_items(trained, ["train/00007"], "ann")
    assert not offers()
    labelling.label_items(trained, ["train/00007"], "seven", "ann")
    assert offers()
    labelling.undo(trained, "ann")
    assert not offers()


def test_only_what_is_said_in_an_audit_answers_it(trained: Project) -> None:
    labelling.name_component(trained, 3, "three", "ann")
    audit = auditing.start(trained, 3)
    first, second, third = ({"kind": "none", "items": [of.item]} for of in audit.items)
    said(trained, first | {"audit": audit.number}, second, third | {"audit": audit.number}, {"kind": "undo"})
    found = auditing.current(trained)
    assert found is not None
    assert found.unanswered == audit.items[1:]


def test_an_unusable_class_name_is_told_and_nothing_is_written(trained: Project) -> None:
    app = said(trained, {"kind": "label", "items": ["train/00001"], "names": ["   "]})
    assert trained.labels.version() == 0
    assert "is empty" in app.toast[0].value


def test_evaluate_shows_accuracies_and_classes(trained: Project) -> None:
    for component in range(9):
        labelling.name_component(trained, component, str(component), "ann")

    app = opened("evaluate", trained)

    shown = {metric.label: metric.value for metric in app.metric}
    assert shown["Clusters, best naming"] == f"{0.95:.1%}"
    assert shown["Your classes"].endswith("%")
    assert len(app.dataframe[0].value) == 10


def test_a_card_says_what_nobody_named_and_what_has_grown_since(mapped: Project) -> None:
    view = exploring.view(mapped)
    fives = view.items[view.component == 5].tolist()
    images = [Anchored(str(item), 0.9) for item in fives[:20]]
    mapped.labels.name_component(1, 5, "five", images, annotator="ann")
    fabricate_run(mapped, 2, owner=(None,) * 4 + ("four",) + (None,) * 7)
    said = {card.proto.body for card in opened("discover", mapped).get("html")}
    (five,) = (html for html in said if "Cluster 5 " in html)
    (four,) = (html for html in said if "Cluster 4 " in html)
    assert "had 20 images when it was named" in five
    assert "named by training" not in five
    assert "named by training" in four
    assert "when it was named" not in four
    fours = view.items[view.component == 4].tolist()
    for labelled, said_of_it in ((fours[:1], "named by training, from 1 label<"), (fours[1:3], "from 3 labels<")):
        labelling.label_items(mapped, labelled, "four", "ann")
        assert any(said_of_it in card.proto.body for card in opened("discover", mapped).get("html"))
    labelling.label_items(mapped, fours[3:4], "nine", "ann")
    assert any("from 3 of 4 labels<" in card.proto.body for card in opened("discover", mapped).get("html"))
    labelling.name_component(mapped, 5, "five", "ann")
    labelling.name_component(mapped, 4, "four", "ann")
    said = " ".join(card.proto.body for card in opened("discover", mapped).get("html"))
    assert "named by training" not in said
    assert "when it was named" not in said


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
        assert [said.value for said in app.error] == []
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


def test_evaluate_begins_with_the_run_in_use(trained: Project) -> None:
    fabricate_comparison(fabricate_run(trained, 2), 0.9, 0.5)
    app = opened("evaluate", trained)
    assert "Run 1, scored on 360 images" in texts(app)
    assert next(s for s in app.selectbox if s.label == "Run").value == 1


def test_export_offers_predictions_and_asks_for_a_class_first(trained: Project) -> None:
    assert "at least one class" in texts(opened("export", trained))

    labelling.name_component(trained, 1, "one", "ann")
    assert "Prepare the classifier" in [button.label for button in opened("export", trained).button]


def test_train_offers_settings_and_lists_runs(trained: Project) -> None:
    app = opened("train", trained)

    assert app.slider[0].value == 12
    assert app.select_slider[0].value == "as long as it needs"
    assert "**Run 1**  :gray[finished · a fresh start · GM-DGM, 12 clusters · 3 passes · 0 s]" in texts(app)
    assert "sets 5% of the labels of every class with 20 or more aside in any case" in texts(app)


def test_the_list_says_which_passes_are_of_the_run_before(trained: Project) -> None:
    config = fabricate_run(trained, 2).config
    assert "finished · from run 1 · GM-DGM, 12 clusters · 3 passes · 0 s]" in texts(opened("train", trained))
    write_json(config, {**read_json(config), "goes_on": True})
    told = "finished · from run 1 · GM-DGM, 12 clusters · 3 passes with those of run 1 · 0 s]"
    assert told in texts(opened("train", trained))


def in_use(project: Project) -> int:
    return exploring.view(project).run


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


def badges(app: AppTest) -> str:
    """How the header says that the last run ended, and where that leads to."""
    links = [f"{link.proto.label} -> {link.proto.page}" for link in app.main.get("page_link")]
    return " ".join([*links, *(said.value for said in app.main.markdown if "-badge[" in said.value)])


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


def test_labels_kept_aside_that_a_run_lost_are_told_by_themselves(mapped: Project) -> None:
    fabricate_comparison(fabricate_run(mapped, 2), 1.0, 1.0, held_out=(35, 7))
    told = texts(opened("train", mapped))
    assert "Of 50 images under your names it predicts **100%** as you said, run 1 100%." in told
    assert "Of 35 labels kept aside it predicts **20%** as you said, run 1 100%." in told


@pytest.mark.parametrize("page", ["train", "discover", "label"])
def test_names_that_moved_are_told_until_they_are_known(mapped: Project, page: str) -> None:
    view = exploring.view(mapped)
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


@pytest.fixture
def doubted(mapped: Project) -> tuple[Project, list[str]]:
    """Cluster 5 is named "five"; one answer agrees and three, of the images returned, say "seven"."""
    labelling.name_component(mapped, 5, "five", labelling.default_annotator())
    view = exploring.view(mapped)
    first, *others = view.items[view.component == 5][-4:].tolist()
    labelling.label_items(mapped, [first], "five", labelling.default_annotator())
    labelling.label_items(mapped, others, "seven", labelling.default_annotator())
    return mapped, others


def test_a_card_says_that_answers_speak_against_its_name_and_shows_which(doubted: tuple[Project, list[str]]) -> None:
    project, others = doubted
    app = opened("discover", project)
    assert "**3 answers say “seven”, 1 agrees.** Training follows the answers where enough of them agree." in texts(app)
    for page in (app, opened("label", project)):
        assert "answers speak against the name of 1 cluster\n" in texts(page) + "\n"
    app.button(key="against_5").click().run()
    view = exploring.view(project)
    shown = view.items[scoping.picked(project, view, app.session_state[Key.SCOPE])]
    assert {*shown.tolist()} == {*others}
    assert app.session_state[Key.PANEL] is Panel.IMAGES

    app.session_state[Key.PANEL] = Panel.CLUSTERS
    app.run()
    app.button(key="rename_5").click().run()
    assert exploring.view(project).owner[5] == "seven"
    assert app.toast[0].value == "Cluster 5 is now seven"
    assert next(s for s in app.selectbox if s.label == "Name of cluster 5").value == "seven"
    assert "Training follows the answers" not in texts(without_fault(app))
    press(app, "Undo")
    assert "**3 answers say “seven”, 1 agrees.**" in texts(app)
    app.button(key="keep_5").click().run()
    assert app.toast[0].value == "Cluster 5 stays five"
    assert "Training follows the answers" not in texts(without_fault(app))


def test_a_name_that_images_are_only_said_not_to_have_is_told_and_no_other_is_offered(mapped: Project) -> None:
    labelling.name_component(mapped, 5, "five", "ann")
    view = exploring.view(mapped)
    labelling.reject_class(mapped, view.items[view.component == 5][-2:].tolist(), "five", "ann")
    app = opened("discover", mapped)
    assert "**2 answers say not “five”, none agrees.**" in texts(app)
    assert not [button for button in app.button if button.key == "rename_5"]


def test_names_that_may_be_wrong_stand_with_the_labels_that_may_be(doubted: tuple[Project, list[str]]) -> None:
    app = opened("label", doubted[0])
    assert "may be wrong" not in texts(app)
    app.selectbox(key=Key.SOURCE).set_value(_queue.Source.SUSPECTS).run()
    told = "The name “five” of cluster 5 may be wrong: 3 answers say “seven”, 1 agrees."
    assert told in texts(without_fault(app))
    app.button(key="rename_5").click().run()
    assert exploring.view(doubted[0]).owner[5] == "seven"
    assert "may be wrong" not in texts(without_fault(app))


PAGES = ("discover", "label", "train", "evaluate", "export")


def cut(path: Path) -> None:
    """Leaves the first half of a file."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("file", ["results", *ARRAYS])
def test_damaged_results_of_a_later_run_leave_those_before_in_use(mapped: Project, page: str, file: str) -> None:
    run = fabricate_run(mapped, 2)
    cut(run.results if file == "results" else run.array(file, 0))
    app = opened(page, mapped)
    assert [said.value for said in app.error] == []
    assert exploring.view(mapped).run == 1
    assert "Results damaged] -> train" in badges(app)
    if page == "train":
        assert "its results are damaged" in texts(app)
        assert "The results of run 2 cannot be read." in texts(app)
        assert "use_2" not in [button.key for button in app.button]


@pytest.mark.parametrize("page", PAGES)
def test_where_all_results_are_damaged_every_page_offers_to_train(mapped: Project, page: str) -> None:
    cut(mapped.paths.run(1).array("q_y", 0))
    app = opened(page, mapped)
    assert [said.value for said in app.error] == []
    assert "Results damaged] -> train" in badges(app)
    assert "header_undo" in [button.key for button in app.button]
    offers = [button.label for button in app.button]
    assert "Find clusters" in offers
    assert "Train with the new labels" not in offers  # which would promise a short training
    if page == "train":
        assert "its results are damaged" in texts(app)


def test_the_list_of_runs_stands_though_something_else_on_the_page_cannot_be_read(trained: Project) -> None:
    fabricate_run(trained, 2)
    live = trained.paths.run(2).root / "live.npy"
    live.write_bytes(b"")
    app = opened("train", trained)
    assert "live.npy cannot be read" in texts(app)
    assert [button.key for button in app.button if button.label == "Go back to this run"] == ["use_1"]


def test_the_cards_say_that_they_do_not_follow_the_run_at_work(mapped: Project) -> None:
    told = "The cards show what was saved last"
    assert told not in texts(opened("discover", mapped))
    run = fabricate_run(mapped, 2)
    run.results.unlink()
    engine_jobs.write_status(run.status, engine_jobs.this_process(JobState.RUNNING, "Training"))
    assert told in texts(opened("discover", mapped))


def test_a_run_at_work_is_coloured_by_the_classes_that_images_have_now(mapped: Project) -> None:
    run, view = fabricate_run(mapped, 2), exploring.view(mapped)
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
    seen = exploring.view(mapped)
    where = _map.places(mapped, jobs.ensure_layout(mapped))
    live = jobs.live_map(run)
    assert where is not None
    assert live is not None
    sample = mapping.followed(where, seen, live)
    assert sample is not None
    wanted = [UNKNOWN if name in ("", "x < y") else seen.colours[name] for name in sample.class_name.tolist()]
    assert _map._hues(seen, sample, Colour.CLASS) == wanted
    assert _map._hues(seen, sample, Colour.CLUSTER) == [cluster_colour(0)] * n
    assert _map._hues(seen, sample, Colour.STATE) is None


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


def test_a_box_and_a_lasso_of_the_plain_map_select_what_they_enclose(mapped: Project) -> None:
    where = _map.places(mapped, jobs.ensure_layout(mapped))
    assert where is not None
    x, y = (where.xy / mapping.STEPS).T
    lasso = {"x": [-1, 0.3, 0.3, -1], "y": [-1, -1, 2, 2]}
    box = {"x": [0.6, 2], "y": [2, 0.4]}
    found = _plotly_map._enclosed(where, {"lasso": [lasso], "box": [box]})
    assert np.array_equal(found, (x < 0.3) | ((x > 0.6) & (y > 0.4)))


def test_positions_follow_ids_and_leave_out_those_not_shown(trained: Project) -> None:
    view = exploring.view(trained)
    found = exploring.positions(trained, view.rows, ["train/00007", "test/00000", "train/00003"])
    assert view.items[found].tolist() == ["train/00007", "train/00003"]
    assert len(exploring.positions(trained, view.rows, [])) == 0


def test_the_preview_counts_what_a_bulk_label_would_change(project: Project) -> None:
    labelling.label_items(project, ["train/00000", "train/00001"], "a", "ann")
    labelling.label_items(project, ["train/00002"], "b", "ann")

    change = _bulk.preview(project.labels.state(), [f"train/{i:05d}" for i in range(5)], "b")

    assert change == _bulk.Change(new=2, same=1, moved={"a": 2})


@pytest.mark.parametrize(
    ("classes", "keys"),
    [
        (["7", "shoe", "0"], {"7": "7", "shoe": "1", "0": "0"}),
        (["a", "b", "x"], {"a": "1", "b": "B", "x": "2"}),
        ([f"class {i}" for i in range(11)], {f"class {i}": k for i, k in enumerate([*"1234567890", None])}),
    ],
)
def test_keys_are_unique_and_spare_reserved_keys(classes: list[str], keys: dict[str, str | None]) -> None:
    assert _keys.keys_for(classes, classes) == keys


def test_a_class_keeps_its_key_while_others_come_and_go() -> None:
    assert _keys.keys_for(["cat", "dog", "1"], ["cat", "dog", "1"]) == {"cat": "1", "dog": "2", "1": "3"}
    assert _keys.keys_for(["dog", "fox"], ["cat", "dog", "fox"]) == {"dog": "2", "fox": "3"}
    many = [f"class {i}" for i in range(11)]
    assert _keys.keys_for(many[1:], many)["class 10"] == "1"


def test_classes_stand_in_the_order_of_their_keys() -> None:
    classes = ["b", "0", "shoe", "7", *(f"class {i}" for i in range(8))]
    keys = list(_keys.keys_for(classes, classes).values())
    assert keys == [*"1234567890", "B", None]


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
    app.file_uploader(key="label_file").set_value(("others.csv", b"item,class\nnobody,two\n", "text/csv")).run()
    press(app, "Take them in")
    assert "0 rows taken in, 1 left out" in app.error[-1].value
    app.file_uploader(key="label_file").set_value(("labels.csv", rows.encode(), "text/csv"))
    press(app, "Take them in")  # before the page has been drawn with that file
    assert "2 rows taken in, 1 left out" in app.success[-1].value
    assert "nobody" in str(app.table[0].value)
    assert len(trained.labels.state().positive) == 2
    assert any("2 labelled" in caption.value for caption in app.caption)
