"""Making, opening, listing and deleting projects."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dgm_engine import jobs
from dgm_engine.data.sources import ClassFolders, SourceRequest
from dgm_engine.errors import CorruptError, InputError, NotFoundError, StateError
from dgm_engine.services import projects
from dgm_engine.services.projects import Project
from tests.fabricated import fabricate_run


@pytest.fixture
def pile(tmp_path: Path) -> Path:
    """Two class folders of three images, and a broken file."""
    for name, shade in (("cat", 40), ("dog", 200)):
        (tmp_path / "pile" / name).mkdir(parents=True)
        for i in range(3):
            Image.fromarray(np.full((12, 12), shade + i, dtype=np.uint8)).save(tmp_path / "pile" / name / f"{i}.png")
    (tmp_path / "pile" / "broken.png").write_bytes(b"no image")
    return tmp_path / "pile"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DGM_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.mark.parametrize(
    ("typed", "folder"),
    [("My set", "My set"), ("../../etc", "-..-etc"), (".hidden", "hidden"), ("a/b\\c", "a-b-c"), ("...", "project")],
)
def test_a_projects_folder_stays_inside_the_home(home: Path, typed: str, folder: str):
    assert projects.folder_of(typed) == home / folder


def test_a_new_project_opens_again_with_what_was_taken_in(pile: Path, tmp_path: Path):
    report = projects.create_project(tmp_path / "p", SourceRequest(str(pile)))
    assert (report.items, report.classes, report.labels) == (6, ("cat", "dog"), 0)
    assert [q.path for q in report.quarantined] == ["broken.png"]
    opened = projects.open_project(tmp_path / "p")
    assert opened.name == "p"
    assert opened.manifest.source == str(pile)
    assert opened.pool.items.tolist() == [f"{c}/{i}.png" for c in ("cat", "dog") for i in range(3)]
    assert projects.quarantined(opened) == report.quarantined


def test_class_folders_read_as_labels_become_labels_and_no_truth(pile: Path, tmp_path: Path):
    report = projects.create_project(tmp_path / "p", SourceRequest(str(pile), class_folders=ClassFolders.LABELS))
    assert report.labels == 6
    assert report.project.labels.state().positive["dog/2.png"] == "dog"
    assert (report.project.pool.truth == -1).all()


def test_a_failed_creation_leaves_nothing_behind(tmp_path: Path):
    with pytest.raises(InputError):
        projects.create_project(tmp_path / "p", SourceRequest(str(tmp_path / "missing.zip")))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_use_is_refused_and_an_empty_one_taken(pile: Path, tmp_path: Path):
    with pytest.raises(InputError, match="not an empty folder"):
        projects.create_project(pile, SourceRequest("digits"))
    assert len(list(pile.rglob("*.png"))) == 7
    (tmp_path / "empty").mkdir()
    assert projects.create_project(tmp_path / "empty", SourceRequest(str(pile))).items == 6


def test_a_place_that_cannot_be_a_folder_is_refused(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="choose another place"):
        projects.create_project(tmp_path / "file" / "p", SourceRequest("digits"))


def test_opening_is_cached_until_the_project_is_another(pile: Path, tmp_path: Path):
    projects.create_project(tmp_path / "p", SourceRequest(str(pile)))
    first = projects.open_project(tmp_path / "p")
    assert projects.open_project(tmp_path / "p") is first
    projects.delete_project(tmp_path / "p")
    projects.create_project(tmp_path / "p", SourceRequest(str(pile), size=(8, 8)))
    assert projects.open_project(tmp_path / "p").pool.shape == (8, 8, 1)


def test_what_is_no_project_is_neither_opened_nor_deleted(pile: Path):
    for use in (projects.open_project, projects.delete_project):
        with pytest.raises(NotFoundError, match="not a project"):
            use(pile)
    assert (pile / "broken.png").exists()


def test_deleting_removes_the_folder_and_nothing_beside_it(project: Project):
    beside = project.paths.root.parent / "beside.txt"
    beside.touch()
    projects.delete_project(project.paths.root)
    assert list(beside.parent.iterdir()) == [beside]


def test_a_project_at_work_is_not_deleted(trained: Project):
    status = jobs.this_process(jobs.JobState.RUNNING)
    jobs.write_status(trained.paths.run(1).status, status)
    with pytest.raises(StateError, match=r"run 1 .* stop it"):
        projects.delete_project(trained.paths.root)
    jobs.write_status(trained.paths.run(1).status, replace(status, state=jobs.JobState.FINISHED))
    projects.delete_project(trained.paths.root)
    assert not trained.paths.root.exists()


def test_the_list_tells_how_far_each_project_is(home: Path, pile: Path):
    assert projects.list_projects() == []
    example = projects.create_example()
    assert projects.create_example() is example
    fabricate_run(example, 1)
    fresh = projects.create_project(home / "fresh", SourceRequest(str(pile), class_folders=ClassFolders.LABELS)).project
    projects.create_project(home / "bad", SourceRequest(str(pile)))
    (home / "bad" / "project.json").write_text("{")
    cards = {card.root.name: card for card in projects.list_projects()}
    assert {name: card.state for name, card in cards.items()} == {
        projects.EXAMPLE_NAME: "clustered",
        "fresh": "new",
        "bad": "damaged",
    }
    assert (cards["fresh"].items, cards["fresh"].n_labels) == (6, 6)
    assert cards["fresh"].created == fresh.manifest.created
    assert "project.json" in cards["bad"].error
    projects.delete_project(home / "bad")
    assert len(projects.list_projects()) == 2


def test_a_project_of_a_later_version_says_so(project: Project):
    manifest = json.loads(project.paths.manifest.read_text())
    project.paths.manifest.write_text(json.dumps({**manifest, "version": 99, "more": 1}))
    with pytest.raises(CorruptError, match=r"version 99.*update the program"):
        projects.open_project(project.paths.root)
