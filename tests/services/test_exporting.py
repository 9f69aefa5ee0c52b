"""Predictions for all images of a project. Exports themselves: test_cli and the tests of dgm_engine.export."""

import csv
from pathlib import Path

import pytest

from dgm_engine.errors import StateError
from dgm_engine.services import exporting, labelling
from dgm_engine.services.projects import Project
from dgm_engine.services.snapshot import take
from tests.fabricated import made_up_components


def test_predictions_cover_all_items_of_both_splits(trained: Project, tmp_path: Path):
    labelling.name_component(trained, 3, "three, or =3", "ann")
    assert exporting.write_predictions(take(trained), tmp_path / "out.csv") == 1797
    with (tmp_path / "out.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["item"] for row in rows] == trained.pool.items.tolist()
    for row, component in zip(rows, made_up_components(trained), strict=True):
        assert row["class"] == ("three, or =3" if component == 3 else "")
        assert row["is_new"] == ("false" if component == 3 else "true")
        assert float(row["confidence"]) == pytest.approx(0.9 if component == 3 else 1 - 0.1 / 11, abs=1e-3)


def test_nothing_is_exported_before_training(project: Project, tmp_path: Path):
    for use in (exporting.export_classifier, exporting.write_predictions):
        with pytest.raises(StateError, match="train it first"):
            use(take(project), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_classifier_without_classes_is_not_exported(trained: Project, tmp_path: Path):
    with pytest.raises(StateError):
        exporting.export_classifier(take(trained), tmp_path / "out")
    assert not (tmp_path / "out").exists()
