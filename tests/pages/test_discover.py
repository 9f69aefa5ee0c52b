"""The page Discover: cards, names, what is selected, and bulk labels."""

from dataclasses import replace

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from dgm_engine import jobs as engine_jobs
from dgm_engine.config import ModelName
from dgm_engine.discovery.clusters import Cluster
from dgm_engine.jobs import JobState
from dgm_engine.labels.schema import Anchored, Kind
from dgm_engine.services import clusters, labelling, scoping, viewing
from dgm_engine.services.projects import Project
from dgm_engine.services.scoping import Scope
from dgm_engine.services.snapshot import Snapshot, take
from dgm_engine.training.results import load_results, save_results
from pages import _bulk
from pages._state import Key, Panel
from tests.fabricated import fabricate_model, fabricate_run
from tests.pages.screens import ROOT, opened, press, texts, without_fault


def test_naming_a_cluster_in_place_and_taking_the_name_away(mapped: Project) -> None:
    app = opened("discover", mapped)
    field = next(s for s in app.selectbox if s.label == "Name of cluster 3")

    field.set_value("three").run()
    assert mapped.labels.state(1).names[3] == "three"
    assert "1 of 11 clusters have a class" in texts(app)

    next(s for s in app.selectbox if s.label == "Name of cluster 3").set_value(None).run()
    assert mapped.labels.state(1).names[3] is None


def test_a_field_that_the_browser_speaks_of_twice_names_once(mapped: Project) -> None:
    def page(seen: "Snapshot", cluster: "Cluster") -> None:
        import streamlit as st

        from pages import _clusters

        key = _clusters._field(seen, cluster)
        for said in ("three", "three", None):  # once it has spoken it gives no name and takes none away
            st.session_state[key] = said
            _clusters._name(seen, cluster, key)

    seen = take(mapped)
    app = AppTest.from_function(page, args=(seen, viewing.view(seen).clusters[3])).run()
    assert not app.exception
    assert mapped.labels.state(1).names[3] == "three"
    assert sum(event.kind is Kind.NAME for event in mapped.labels.history()) == 1


def test_a_bulk_label_reaches_what_is_selected_by_id(mapped: Project) -> None:
    view = viewing.view(take(mapped))
    chosen = np.flatnonzero(view.component == 4)[-70:]
    mask = np.isin(np.arange(len(view.items)), chosen)
    app = opened("discover", mapped)
    app.session_state[Key.SCOPE] = scoping.pick(take(mapped), Scope(), mask)
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
    view = viewing.view(take(mapped))
    app.button(key="show_5").click().run()
    whole = view.component == 5
    scope = app.session_state[Key.SCOPE]
    assert np.array_equal(scoping.picked(take(mapped), scope), whole)
    assert f"{whole.sum()} images" in texts(app)

    app.text_input(key="filter_text").set_value("0017").run()
    found = whole & np.array(["0017" in item for item in view.items])
    assert 0 < found.sum() < whole.sum()
    assert f"**{found.sum()} images**" in texts(app)
    assert (app.query_params["text"], app.query_params["selection"]) == ("0017", scope.selection)


def test_an_address_brings_filters_and_selection_back(mapped: Project) -> None:
    view = viewing.view(take(mapped))
    scope = scoping.pick(take(mapped), Scope(clusters=(4,)), view.component == 4)
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=20)
    app.query_params["project"] = str(mapped.paths.root)
    for name, value in scope.to_query().items():
        app.query_params[name] = value
    app.run()
    app.switch_page("pages/discover.py").run()
    assert app.session_state[Key.SCOPE] == scope
    assert without_fault(app).multiselect(key="filter_clusters").value == [4]


def test_a_card_says_what_nobody_named_and_what_has_grown_since(mapped: Project) -> None:
    view = viewing.view(take(mapped))
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


def test_a_card_says_that_answers_speak_against_its_name_and_shows_which(doubted: tuple[Project, list[str]]) -> None:
    project, others = doubted
    app = opened("discover", project)
    assert "**3 answers say “seven”, 1 agrees.** Training follows the answers where enough of them agree." in texts(app)
    for page in (app, opened("label", project)):
        assert "answers speak against the name of 1 cluster\n" in texts(page) + "\n"
    app.button(key="against_5").click().run()
    view = viewing.view(take(project))
    shown = view.items[scoping.picked(take(project), app.session_state[Key.SCOPE])]
    assert {*shown.tolist()} == {*others}
    assert app.session_state[Key.PANEL] is Panel.IMAGES

    app.session_state[Key.PANEL] = Panel.CLUSTERS
    app.run()
    app.button(key="rename_5").click().run()
    assert viewing.view(take(project)).owner[5] == "seven"
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
    view = viewing.view(take(mapped))
    labelling.reject_class(mapped, view.items[view.component == 5][-2:].tolist(), "five", "ann")
    app = opened("discover", mapped)
    assert "**2 answers say not “five”, none agrees.**" in texts(app)
    assert not [button for button in app.button if button.key == "rename_5"]


def test_the_cards_say_that_they_do_not_follow_the_run_at_work(mapped: Project) -> None:
    told = "The cards show what was saved last"
    assert told not in texts(opened("discover", mapped))
    run = fabricate_run(mapped, 2)
    run.results.unlink()
    engine_jobs.write_status(run.status, engine_jobs.this_process(JobState.RUNNING, "Training"))
    assert told in texts(opened("discover", mapped))


def what_is_known_of_an_image(root: str, item: str) -> None:
    """A page."""
    from pathlib import Path

    from dgm_engine.services import projects
    from dgm_engine.services.snapshot import take
    from pages import _details

    _details.show(take(projects.open_project(Path(root))), item)


def test_an_image_is_redrawn_by_the_cluster_that_it_is_in_now(trained: Project) -> None:
    run, item = trained.paths.run(1), "train/00001"
    results = load_results(run)
    save_results(run, replace(results, z=np.array(results.z[:, :6])))
    fabricate_model(run, ModelName.M2)  # whose p(x | z, y) depends on y
    app = AppTest.from_function(what_is_known_of_an_image, args=(str(trained.paths.root), item), default_timeout=20)
    before = redrawn(app)
    component = int(results.q_y[trained.pool.rows([item])[0]].argmax())
    clusters.merge(trained, component, (component + 1) % 10, "ann")
    assert redrawn(app) != before


def redrawn(app: AppTest) -> str:
    """How the model redraws the image that a page shows all of."""
    (details,) = without_fault(app.run()).get("html")
    _, found, after = details.proto.body.partition('<div class="redrawn"><img src="')
    assert found
    return after.partition('"')[0]


def test_the_preview_counts_what_a_bulk_label_would_change(project: Project) -> None:
    labelling.label_items(project, ["train/00000", "train/00001"], "a", "ann")
    labelling.label_items(project, ["train/00002"], "b", "ann")

    change = _bulk.preview(project.labels.state(), [f"train/{i:05d}" for i in range(5)], "b")

    assert change == _bulk.Change(new=2, same=1, moved={"a": 2})


def what_can_be_done_with_a_cluster(root: str, component: int) -> None:
    """A page: where "asked" is set, the browser asks for another run before this one has drawn its buttons."""
    from pathlib import Path

    import streamlit as st

    from dgm_engine.services import projects
    from dgm_engine.services.snapshot import take
    from dgm_engine.services.viewing import clusters_of
    from pages import _cluster_actions
    from tests.pages.screens import ask_for_another_run

    seen = take(projects.open_project(Path(root)))
    if st.session_state.pop("asked", False):
        ask_for_another_run()
    _cluster_actions.dialog(seen, clusters_of(seen)[component])


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
        assert take(trained).labels.edits[-1].other == number_in(chosen)


def number_in(title: str) -> int:
    return int(title.removeprefix("Cluster "))
