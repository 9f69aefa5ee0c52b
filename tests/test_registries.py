"""The registries of readers and label formats: a new member is seen wherever files are named or opened."""

import io
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from dgm_engine.data.image_readers import IMAGE_READERS
from dgm_engine.data.pool import load_pool
from dgm_engine.data.readers import READERS, open_images
from dgm_engine.data.sources import SourceRequest, ingest
from dgm_engine.errors import InputError
from dgm_engine.labels.formats import LABEL_FORMATS, label_suffixes
from dgm_engine.services import file_kinds, labelling
from dgm_engine.services.projects import Project
from tests.pages.screens import opened
from tests.toys import TOY_IMAGE, TOY_LABELS, TOY_PILE

ROOT = Path(__file__).parents[1]


@pytest.fixture
def toys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(READERS, ".toys", TOY_PILE)
    monkeypatch.setitem(IMAGE_READERS, ".toy", TOY_IMAGE)
    monkeypatch.setitem(LABEL_FORMATS, ".toyl", TOY_LABELS)


HELP = """
import sys
from dgm_engine.data.readers import READERS
from dgm_engine.labels.formats import LABEL_FORMATS
from tests.toys import TOY_LABELS, TOY_PILE
READERS[".toys"], LABEL_FORMATS[".toyl"] = TOY_PILE, TOY_LABELS
from dgm_engine.cli import main
for command in sys.argv[1:]:
    try:
        main([command, "--help"])
    except SystemExit as end:
        assert not end.code
        print(chr(0))
"""


def helped(*commands: str) -> list[str]:
    """What ``dgm ... --help`` says of each command where the toys are registered; helps are made at import."""
    given = [sys.executable, "-c", HELP, *commands]
    done = subprocess.run(given, cwd=ROOT, capture_output=True, text=True, check=True)
    return [" ".join(text.split()) for text in done.stdout.split(chr(0))]


@pytest.mark.usefixtures("toys")
def test_a_new_kind_of_pile_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.toys").write_text("[[1, 2], [3, 4], [5, 6]]")
    ingest(SourceRequest(str(tmp_path / "a.toys")), tmp_path / "images")
    assert load_pool(tmp_path / "images").x.tolist() == [[1, 2], [3, 4], [5, 6]]


@pytest.mark.usefixtures("toys")
def test_a_new_kind_of_image_is_read_alone_and_in_folders_and_zips(tmp_path: Path) -> None:
    folder = tmp_path / "pile"
    folder.mkdir()
    (folder / "a.toy").write_bytes(b"TOY\x07")
    (folder / "b.png").write_bytes(b"TOY\x09")  # the content decides, not the name
    with zipfile.ZipFile(tmp_path / "pile.zip", "w") as archive:
        for path in folder.iterdir():
            archive.write(path, path.name)
    for source, items in {folder: 2, tmp_path / "pile.zip": 2, folder / "a.toy": 1}.items():
        with open_images(source) as catalogue:
            assert len(catalogue.items) == items
            assert catalogue.content.look(0) == (4, 4, 1)
            assert (catalogue.content.read(0, (2, 2, 1)) == 7).all()


@pytest.mark.usefixtures("toys")
def test_messages_name_new_kinds(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").touch()
    (tmp_path / "broken.png").write_bytes(b"no image")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"of no kind that can be read; give an image, .* a \.toys of toy vectors"):
        open_images(tmp_path / "a.pdf")
    with pytest.raises(InputError, match=r"there is no folder .* a \.toys of toy vectors"):
        open_images(tmp_path / "nowhere")
    with (
        pytest.raises(InputError, match=r"holds no images; expected PNG, .* or TOY files"),
        open_images(tmp_path / "empty"),
    ):
        pass
    with open_images(tmp_path / "broken.png") as catalogue, pytest.raises(InputError, match=r"expected one of .* TOY"):
        catalogue.content.look(0)


def test_the_help_of_commands_names_new_kinds() -> None:
    new, predict, label, labels, _ = helped("new", "predict", "label", "labels")
    assert "a .toys of toy vectors" in new
    assert "a .toys of toy vectors" in predict
    assert f"Toy labels with an item and a class, by its ending: {label_suffixes()} or .toyl" in label
    assert f"ending in {label_suffixes()} or .toyl" in labels


@pytest.mark.usefixtures("toys")
def test_upload_boxes_and_buttons_follow(trained: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DGM_HOME", str(tmp_path / "home"))
    export = opened("export", trained)
    assert list(export.file_uploader(key="label_file").proto.type) == [*LABEL_FORMATS]
    assert "Toy labels" in [button.label for button in export.get("download_button")]
    create = opened("projects", None)
    create.segmented_control(key="source_kind").set_value("Upload").run()
    (box,) = create.file_uploader
    assert list(box.proto.type) == [*READERS]
    assert box.label.endswith("or a .toys of toy vectors")


@pytest.mark.usefixtures("toys")
def test_a_new_label_format_is_read_and_written(trained: Project, tmp_path: Path) -> None:
    item = str(trained.pool.items[0])
    labelling.label_items(trained, [item], "a zero", "tester")
    assert labelling.write_labels(trained, tmp_path / "out.toyl") == 1
    assert (tmp_path / "out.toyl").read_text() == f"{item} a zero\n"
    labelling.clear_labels(trained, [item], "tester")
    assert labelling.import_labels(trained, tmp_path / "out.toyl", "tester").accepted == 1
    assert trained.labels.state().positive == {item: "a zero"}
    with pytest.raises(InputError, match=re.escape(f"ends in {label_suffixes()}")):
        labelling.write_labels(trained, tmp_path / "out.xlsx")


def test_every_label_format_comes_back(trained: Project, tmp_path: Path) -> None:
    """All that a state holds; `test_labels_interchange` does the same with names that are hard to write."""
    first, second, third = map(str, trained.pool.items[:3])
    labelling.label_items(trained, [first], "zero", "tester")
    labelling.reject_class(trained, [second], "zero", "tester")
    labelling.mark_none_of_named(trained, [third], "tester")
    before = trained.labels.state()
    for suffix in LABEL_FORMATS:
        path = tmp_path / f"labels{suffix}"
        assert labelling.write_labels(trained, path) == 3
        labelling.clear_labels(trained, [first, second, third], "tester")
        assert labelling.import_labels(trained, path, "other").rejected == []
        after = trained.labels.state()
        assert (after.positive, after.rejected, after.none_of_named) == (
            before.positive,
            before.rejected,
            before.none_of_named,
        )
        assert after.annotators == before.annotators


def test_signatures_admit_what_pillow_admits() -> None:
    for suffix, reader in IMAGE_READERS.items():
        data = io.BytesIO()
        Image.new("RGB", (5, 4)).save(data, reader.name)
        assert reader.signature.match(data.getvalue()), suffix
        assert [other.name for other in IMAGE_READERS.values() if other.signature.match(data.getvalue())] == [
            reader.name
        ] * len(reader.suffixes)


def test_the_page_of_files_is_up_to_date() -> None:
    assert (ROOT / "docs" / "files.md").read_text(encoding="utf-8") == file_kinds.page()
