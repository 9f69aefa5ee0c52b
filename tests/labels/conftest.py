"""A label store in a file of its own."""

import pytest

from dgm_engine.labels.store import LabelStore


@pytest.fixture
def path(tmp_path):
    return tmp_path / "labels.db"


@pytest.fixture
def store(path):
    store = LabelStore(path)
    yield store
    store.close()
