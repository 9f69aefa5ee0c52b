"""The page Export: classifiers, predictions, and labels from a file."""

from dgm_engine.services import labelling
from dgm_engine.services.projects import Project
from tests.pages.screens import opened, press, texts


def test_export_offers_predictions_and_asks_for_a_class_first(trained: Project) -> None:
    assert "at least one class" in texts(opened("export", trained))

    labelling.name_component(trained, 1, "one", "ann")
    assert "Prepare the classifier" in [button.label for button in opened("export", trained).button]


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
