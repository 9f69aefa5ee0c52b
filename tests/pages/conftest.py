"""Projects as pages find them: with a map, and with a name that answers speak against."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import streamlit as st

from dgm_engine.discovery.projections import Method
from dgm_engine.services import labelling, layouts, viewing
from dgm_engine.services import projects as project_service
from dgm_engine.services.projects import Project
from dgm_engine.services.snapshot import take


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
    there = layouts.LayoutState(Method.TSNE, xy, rows, 1, "token", stale=False, status=None)
    monkeypatch.setattr(layouts, "ensure_layout", lambda *_, **__: there)
    for row, name in enumerate(["three", "four", "five"]):
        labelling.label_items(trained, [f"train/{row:05d}"], name, "ann")
    return trained


@pytest.fixture
def doubted(mapped: Project) -> tuple[Project, list[str]]:
    """Cluster 5 is named "five"; one answer agrees and three, of the images returned, say "seven"."""
    labelling.name_component(mapped, 5, "five", labelling.default_annotator())
    view = viewing.view(take(mapped))
    first, *others = view.items[view.component == 5][-4:].tolist()
    labelling.label_items(mapped, [first], "five", labelling.default_annotator())
    labelling.label_items(mapped, others, "seven", labelling.default_annotator())
    return mapped, others
