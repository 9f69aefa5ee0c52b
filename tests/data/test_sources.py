"""Folders and zips of images become a pool."""

import io
import os
import zipfile

import numpy as np
import pytest
from PIL import Image

from dgm_engine.data import files
from dgm_engine.data.catalogue import read_rows
from dgm_engine.data.decode import MAX_FILE_BYTES, decode
from dgm_engine.data.files import folder_classes
from dgm_engine.data.pool import load_pool
from dgm_engine.data.readers import open_images
from dgm_engine.data.sources import ClassFolders, SourceRequest, ingest, open_source
from dgm_engine.errors import InputError, NotFoundError, StateError


def save(path, size=(40, 30), value=(200, 30, 90)):
    """A one-coloured image of (width, height) at ``path``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB" if isinstance(value, tuple) else "L", size, value).save(path)
    return path


def png(value=128, size=(8, 8)) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", size, value).save(buffer, "PNG")
    return buffer.getvalue()


def pack(path, members: dict[str, bytes], compression=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def say_size(path, member: str, n: int) -> None:
    """Has a zip say that a member, whose name no other ends in, unpacks to `n` bytes."""
    data = bytearray(path.read_bytes())
    entry = data.rindex(member.encode()) - 46  # in the directory, at the end of the file
    data[entry + 24 : entry + 28] = n.to_bytes(4, "little")
    path.write_bytes(data)


@pytest.fixture
def pile(tmp_path):
    """Cats and dogs in sub-folders, one image in neither, and things that are no images."""
    root = tmp_path / "pile"
    for i in range(3):
        save(root / "cats" / f"{i}.png")
        save(root / "dogs" / "old" / f"{i}.jpg")
    save(root / "stray.bmp", value=7)
    save(root / ".hidden" / "a.png")
    save(root / "cats" / "._0.png")
    (root / "cats" / "notes.txt").write_text("not an image")
    return root


def run(source, tmp_path, **options):
    """The pool and the report of an ingest."""
    folder = tmp_path / "project" / "images"
    report = ingest(SourceRequest(str(source), **options), folder)
    return load_pool(folder), report


def test_a_nested_folder(pile, tmp_path):
    pool, report = run(pile, tmp_path)
    assert pool.items.tolist() == [
        *(f"cats/{i}.png" for i in range(3)),
        *(f"dogs/old/{i}.jpg" for i in range(3)),
        "stray.bmp",
    ]
    assert report.items == 7
    assert report.classes == pool.classes == ("cats", "dogs")
    assert pool.truth.tolist() == [0, 0, 0, 1, 1, 1, -1]
    assert set(pool.split) == {""}
    assert pool.shape == (30, 40, 3)
    assert not report.quarantined
    assert not report.labels
    for row, item in enumerate(pool.items):
        assert (pool.x[row] == decode(pile / item, (30, 40), 3)).all()


def test_class_folders_as_labels_or_ignored(pile, tmp_path):
    pool, report = run(pile, tmp_path, class_folders="labels")
    assert report.labels == [(item, item.split("/")[0]) for item in pool.items if "/" in item]
    assert report.classes == ("cats", "dogs")
    assert pool.classes == ()
    assert set(pool.truth) == {-1}
    pool, report = run(pile, tmp_path / "other", class_folders=ClassFolders.IGNORE)
    assert (report.labels, report.classes, pool.classes, set(pool.truth)) == ([], (), (), {-1})


@pytest.mark.parametrize(
    ("items", "classes"),
    [
        (["a.png"], [""]),
        (["cats/a.png", "dogs/b.png"], ["cats", "dogs"]),
        (["pile/cats/a.png", "pile/dogs/x/b.png", "pile/c.png"], ["cats", "dogs", ""]),
        (["pile/a.png", "pile/b.png"], ["", ""]),
        (["cats/a.png", "c.png"], ["cats", ""]),
    ],
)
def test_the_class_is_the_first_folder_that_tells_images_apart(items, classes):
    assert folder_classes(items) == classes


def test_broken_files_are_listed_and_not_fatal(pile, tmp_path):
    good = (pile / "dogs" / "old" / "0.jpg").read_bytes()
    (pile / "dogs" / "cut.jpg").write_bytes(good[: len(good) // 2])
    (pile / "dogs" / "empty.png").touch()
    (pile / "dogs" / "letter.GIF").write_text("dear aunt")
    (pile / "phone.heic").write_bytes(b"\0\0\0\x20ftypheic")
    os.mkfifo(pile / "pipe.png")
    (pile / "dangling.png").symlink_to(pile / "gone.png")
    pool, report = run(pile, tmp_path)
    assert report.items == pool.n_items == 7
    reasons = {entry.path: entry.reason for entry in report.quarantined}
    assert set(reasons) == {
        *("dogs/cut.jpg", "dogs/empty.png", "dogs/letter.GIF", "phone.heic", "pipe.png", "dangling.png")
    }
    assert "empty" in reasons["dogs/empty.png"]
    assert "damaged" in reasons["dogs/cut.jpg"]
    assert "expected one of PNG" in reasons["dogs/letter.GIF"]
    assert "not a regular file" in reasons["pipe.png"]
    assert list(pool.quarantined) == report.quarantined


def test_names_that_cannot_be_written_are_listed(pile, tmp_path):
    save(pile / "cats" / "naïve \u202f猫.png")
    (pile / "cats" / "two\nlines.png").write_bytes(png())
    (pile / "cats" / os.fsdecode(b"\xff.png")).write_bytes(png())
    pool, report = run(pile, tmp_path)
    assert "cats/naïve \u202f猫.png" in pool.items
    assert sorted(entry.path for entry in report.quarantined) == ["cats/\\udcff.png", "cats/two\\nlines.png"]


def test_links_are_followed_once(pile, tmp_path):
    elsewhere = save(tmp_path / "elsewhere" / "a.png").parent
    (pile / "birds").symlink_to(elsewhere)
    (pile / "cats" / "loop").symlink_to(pile)
    pool, _ = run(pile, tmp_path)
    assert pool.n_items == 8
    assert pool.classes == ("birds", "cats", "dogs")


def test_a_zip_gives_what_its_folder_gives(pile, tmp_path):
    members = {str(p.relative_to(pile)): p.read_bytes() for p in pile.rglob("*") if p.is_file()}
    path = pack(tmp_path / "pile.ZIP", {**members, "__MACOSX/cats/0.png": b"", "cats\\3.png": png()})
    (pile / "cats" / "3.png").write_bytes(png())
    from_zip, report = run(path, tmp_path / "a")
    from_folder, _ = run(pile, tmp_path / "b")
    assert from_zip.items.tolist() == from_folder.items.tolist()
    assert (from_zip.x == from_folder.x).all()
    assert (from_zip.truth == from_folder.truth).all()
    assert not report.quarantined


def test_dangerous_members_of_a_zip_are_listed(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("good.png", png())
        archive.writestr("../../evil.png", png())
        archive.writestr("/root.png", png())
        archive.writestr("big.png", png())
        archive.writestr("changed.png", png(size=(9, 9)))
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("good.png", png(3))
    data = bytearray(path.read_bytes())
    data[data.index(png(size=(9, 9))) + 40] ^= 1
    path.write_bytes(data)
    say_size(path, "big.png", MAX_FILE_BYTES + 1)
    pool, report = run(path, tmp_path)
    assert pool.items.tolist() == ["good.png"]
    reasons = {entry.path: entry.reason for entry in report.quarantined}
    assert set(reasons) == {"../../evil.png", "/root.png", "big.png", "changed.png", "good.png"}
    assert "too large" in reasons["big.png"]
    assert "damaged" in reasons["changed.png"]
    assert "twice" in reasons["good.png"]
    assert not (tmp_path.parent / "evil.png").exists()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.zip", "project"]


def test_members_with_a_password_are_listed(tmp_path):
    path = pack(tmp_path / "a.zip", {"a.png": png(), "b.png": png()})
    data = bytearray(path.read_bytes())
    data[data.rindex(b"PK\x01\x02") + 8] |= 1  # the flag of the last entry of the directory
    path.write_bytes(data)
    _, report = run(path, tmp_path)
    assert [(e.path, e.reason) for e in report.quarantined] == [
        ("b.png", "protected by a password; pack it without one")
    ]


def test_a_zip_beyond_the_limits_is_refused(tmp_path, monkeypatch):
    path = pack(tmp_path / "a.zip", {f"{i:02}.png": png() for i in range(20)})
    for i in range(20):
        say_size(path, f"{i:02}.png", files.MAX_UNCHECKED_BYTES // 20 + 1)
    with pytest.raises(InputError, match="200 times its size"):
        run(path, tmp_path)
    monkeypatch.setattr(files, "MAX_MEMBERS", 10)
    with pytest.raises(InputError, match="20 entries"):
        run(path, tmp_path)


def test_what_holds_nothing_is_refused_and_leaves_nothing(tmp_path):
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "a.txt").touch()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "a.png").touch()
    (tmp_path / "a.zip").write_bytes(b"PK")
    (tmp_path / "a.pdf").touch()
    for source, complaint in {
        "text": "holds no images",
        "broken": "a.png: the file is empty",
        "a.zip": "cannot be read as a zip",
        "a.pdf": "of no kind",
        save(tmp_path / "one.png").name: "single image",
    }.items():
        with pytest.raises(InputError, match=complaint):
            run(tmp_path / source, tmp_path)
    with pytest.raises(NotFoundError, match=r"there is no folder or file .*give digits, mnist"):
        run(tmp_path / "nowhere", tmp_path)
    assert not list(tmp_path.glob("project/*"))
    assert not list(tmp_path.glob("project/.*"))


def test_a_failure_on_the_way_leaves_nothing(pile, tmp_path):
    def fail(_share, doing):
        if doing == "Decoding":
            raise KeyboardInterrupt

    (tmp_path / "project").mkdir()
    with pytest.raises(KeyboardInterrupt):
        ingest(SourceRequest(str(pile)), tmp_path / "project" / "images", fail)
    assert not list((tmp_path / "project").iterdir())


def test_a_folder_that_cannot_be_written_is_reported(pile, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written"):
        ingest(SourceRequest(str(pile)), tmp_path / "file" / "images")


def test_a_pool_is_never_overwritten(pile, tmp_path):
    run(pile, tmp_path)
    with pytest.raises(StateError, match="exists already"):
        run(pile, tmp_path)


def test_progress_goes_from_0_to_1(pile, tmp_path):
    told = []
    ingest(SourceRequest(str(pile)), tmp_path / "images", lambda share, doing: told.append((share, doing)))
    shares = [share for share, _ in told]
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0, 1)
    assert [doing for _, doing in told if doing != "Decoding"] == [
        *("Looking through the source", "Choosing a size", "Decoded 7 items")
    ]


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([(20, 10)] * 3, (10, 20)),  # small and alike: kept
        ([(64, 64)] * 3, (64, 64)),
        ([(65, 65)] * 3, (64, 64)),
        ([(400, 200), (300, 150), (900, 900)], (32, 64)),  # median aspect 2
        ([(100, 300)] * 2, (64, 21)),
        ([(20, 20), (24, 24), (30, 30)], (24, 24)),  # never larger than the images are
    ],
)
def test_the_size_is_chosen_from_the_data(tmp_path, sizes, expected):
    for i, size in enumerate(sizes):
        save(tmp_path / "pile" / f"{i}.png", size)
    pool, _ = run(tmp_path / "pile", tmp_path)
    assert pool.shape[:2] == expected


def test_many_images_are_kept_smaller(tmp_path, monkeypatch):
    monkeypatch.setattr("dgm_engine.data.survey.MAX_ITEMS_LARGE", 2)
    for i in range(3):
        save(tmp_path / "pile" / f"{i}.png", (200, 100))
    assert run(tmp_path / "pile", tmp_path)[0].shape[:2] == (16, 32)


def test_channels_are_chosen_from_the_data(tmp_path):
    save(tmp_path / "pile" / "a.png", value=7)
    save(tmp_path / "pile" / "b.png", value=(9, 9, 9))  # saved in colour, but grey
    assert run(tmp_path / "pile", tmp_path / "grey")[0].shape[2] == 1
    save(tmp_path / "pile" / "c.png", value=(9, 9, 10))
    assert run(tmp_path / "pile", tmp_path / "colour")[0].shape[2] == 3


def test_size_and_channels_can_be_set(pile, tmp_path):
    assert run(pile, tmp_path, size=(5, 9), channels=1)[0].shape == (5, 9, 1)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"limit": 0}, "limit is 0"),
        ({"size": (0, 5)}, "size is"),
        ({"size": (5, 5000)}, "size is"),
        ({"channels": 2}, "channels is 2"),
        ({"class_folders": "maybe"}, "choose truth, labels, ignore"),
    ],
)
def test_options_are_checked(options, complaint):
    with pytest.raises(InputError, match=complaint):
        SourceRequest("digits", **options)


def test_a_limit_samples_every_class_alike_each_time(tmp_path):
    root = tmp_path / "pile"
    for i in range(60):
        save(root / ("many" if i < 58 else "few" if i < 59 else "one") / f"{i:02d}.png", (4, 4))
    pool, report = run(root, tmp_path / "a", limit=12)
    again, _ = run(root, tmp_path / "b", limit=12)
    assert report.items == 12
    assert pool.items.tolist() == again.items.tolist() == sorted(pool.items)
    assert report.classes == ("few", "many", "one")
    places = np.array([int(item[-6:-4]) for item in pool.items])
    assert np.histogram(places, 4, (0, 60))[0].min() >= 2  # from all over the pile
    pool, _ = run(root, tmp_path / "c", limit=2)
    assert pool.n_items == 2
    assert len(pool.classes) == 2
    assert run(root, tmp_path / "d", limit=1000)[0].n_items == 60


def test_images_are_opened_for_predicting_as_they_were_ingested(pile, tmp_path):
    pool, _ = run(pile, tmp_path)
    (pile / "cats" / "1.png").write_bytes(b"broken")
    with open_images(pile) as catalogue:
        read = dict(read_rows(catalogue, range(len(catalogue.items)), pool.shape))
        assert list(catalogue.items) == pool.items.tolist()
    assert "not a readable image" in read.pop(1)
    assert all((values == pool.x[row]).all() for row, values in read.items())
    with open_images(pile / "stray.bmp") as catalogue:
        assert list(catalogue.items) == ["stray.bmp"]
        assert (catalogue.content.read(0, pool.shape) == pool.x[6]).all()


def test_no_built_in_set_is_recommended_for_a_classifier_to_work_on(tmp_path):
    with pytest.raises(NotFoundError, match=r"or give an image, a folder of images") as refused:
        open_images(tmp_path / "digits")
    assert "fashion" not in str(refused.value)
    with pytest.raises(NotFoundError, match="fashion"):
        open_source(SourceRequest(str(tmp_path / "digits")))
