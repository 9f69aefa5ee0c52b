"""The page Evaluate: accuracies, and every figure of a run."""

import pytest

from dgm_engine.config import ModelName
from dgm_engine.services import labelling
from dgm_engine.services.projects import Project
from pages import _figures
from pages._state import Key
from tests.fabricated import fabricate_comparison, fabricate_model, fabricate_run
from tests.pages.screens import opened, texts


def test_evaluate_shows_accuracies_and_classes(trained: Project) -> None:
    for component in range(9):
        labelling.name_component(trained, component, str(component), "ann")

    app = opened("evaluate", trained)

    shown = {metric.label: metric.value for metric in app.metric}
    assert shown["Clusters, best naming"] == f"{0.95:.1%}"
    assert shown["Predicted classes"].endswith("%")
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
