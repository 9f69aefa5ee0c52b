"""Labels as files: what comes back, what is refused and why."""

import csv
import json

import pytest

from dgm_engine.errors import InputError
from dgm_engine.labels.csv_labels import read_csv, write_csv
from dgm_engine.labels.formats import LABEL_FORMATS
from dgm_engine.labels.interchange import import_rows
from dgm_engine.labels.jsonl_labels import read_jsonl, write_jsonl
from dgm_engine.labels.schema import Anchored, images_as_text
from dgm_engine.labels.store import LabelStore

NASTY = [
    "=1+1",
    "+a",
    "-a",
    "@a",
    "'=a",
    "''-a",
    "'quoted'",
    "'",
    "a,b",
    'say "shoe"',
    ";semi",
    "türkçe 靴 👟",
    "1",
    "true",
    "null",
    "# no comment",
    "a\u00a0b",
]
ITEMS = [f"i{n}" for n in range(5)]
FORMATS = pytest.mark.parametrize(
    ("write", "read"), [(known.write, known.read) for known in LABEL_FORMATS.values()], ids=[*LABEL_FORMATS]
)


@pytest.fixture
def store(tmp_path):
    store = LabelStore(tmp_path / "labels.db")
    yield store
    store.close()


@pytest.fixture
def file(tmp_path):
    return tmp_path / "labels.csv"


def import_text(store, file, text):
    file.write_bytes(text.encode())
    return import_rows(store, read_csv(file), ITEMS, "ann")


@FORMATS
def test_state_comes_back_as_it_was(store, tmp_path, write, read):
    items = [f"{name}/=x '\r\n\u2028{n}.png" for n, name in enumerate(NASTY)] + ["=cmd", "\tx", " y ", "z"]
    for item, name in zip(items, NASTY, strict=False):
        store.label([item], name, annotator=name)
        store.reject([item], f"not {name}", annotator=name)
        store.reject([item], f"{name}!", annotator=name)
    store.none_of_named(items[-4:], annotator="=bob")
    store.reject(items[-2:], "=x", annotator="+bob")
    write(tmp_path / "out", store.state())

    copy = LabelStore(tmp_path / "copy.db")
    report = import_rows(copy, read(tmp_path / "out"), items, "somebody")

    assert (report.accepted, report.rejected) == (3 * len(NASTY) + 6, [])
    before, after = store.state(), copy.state()
    for name in ("positive", "rejected", "none_of_named", "annotators"):
        assert getattr(after, name) == getattr(before, name)
    assert copy.undo(annotator="ann").events == report.accepted  # one batch
    copy.close()


def test_a_csv_of_ours_holds_no_formula(store, file):
    for n, name in enumerate(["=1+1", "+1", "-1", "@x", "'=x"]):
        store.label([f"{name}{n}"], name, annotator="=ann")
    for content in (store.state(), store.history()):
        write_csv(file, content)
        with file.open(newline="", encoding="utf-8") as opened:
            cells = [cell for row in csv.reader(opened) for cell in row]
        assert [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))] == []
        assert cells.count("'=1+1") == 1


def test_jsonl_has_only_what_is_said(store, tmp_path):
    store.label(["b"], "shoe", annotator="ann")
    store.none_of_named(["a"], annotator="bob")
    store.skip(["c"], annotator="bob")
    write_jsonl(tmp_path / "out.jsonl", store.state())
    assert [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()] == [
        {"item": "a", "none_of_named": True, "annotator": "bob"},
        {"item": "b", "class": "shoe", "annotator": "ann"},
    ]


def test_history_has_every_field_of_every_event(store, tmp_path):
    store.label(["a"], "shoe", annotator="ann")
    store.name_component(1, 0, "shoe", [Anchored("a", 0.5)], annotator="ann")
    store.use_run(1, 2, annotator="ann")
    store.undo(annotator="bob")
    write_jsonl(tmp_path / "h.jsonl", store.history())
    write_csv(tmp_path / "h.csv", store.history())

    lines = [json.loads(line) for line in (tmp_path / "h.jsonl").read_text().splitlines()]
    history = [tuple(event._replace(images=images_as_text(event.images))) for event in store.history()]
    assert [tuple(line.values()) for line in lines] == history
    assert lines[1]["images"] == '[["a", 0.5]]'
    assert list(lines[0]) == [
        *("id", "batch", "time", "annotator", "kind", "item", "class"),
        *("lineage", "component", "version", "target", "other", "images", "run", "newest"),
    ]
    with (tmp_path / "h.csv").open(newline="", encoding="utf-8") as opened:
        rows = list(csv.DictReader(opened))
    assert rows == [{k: "" if v is None else str(v) for k, v in line.items()} for line in lines]
    with pytest.raises(InputError, match="history"):
        read_csv(tmp_path / "h.csv")


def test_rows_are_counted_from_the_first_below_the_header(store, file):
    report = import_text(
        store,
        file,
        "item,class,not_class,none_of_named,annotator\n"
        "i0,shoe,,,\n"  # 1
        "nobody,shoe,,,\n"  # 2
        "\n"  # 3: says nothing, is no error
        "i1, ,,,\n"  # 4
        "i1,shoe,shirt,,\n"  # 5
        f"i1,{'x' * 81},,,\n"  # 6
        "i0,shoe,,,bob\n"  # 7
        "i0,shirt,,,\n"  # 8
        "i0,,shoe,,\n"  # 9
        "i0,,,true,\n"  # 10
        "i1,a,b,c,d,e\n"  # 11
        "i1,,,perhaps,\n"  # 12
        "i2,,,TRUE,bob\n"  # 13
        "i0,,shirt,,\n"  # 14
        "i1,shoe\n"  # 15
        " i3 , shoe ,,,\n"  # 16
        '"i4","two\nlines",,,\n',  # 17
    )
    assert report.accepted == 5
    reasons = {rejected.row: rejected.reason for rejected in report.rejected}
    assert list(reasons) == [2, 4, 5, 6, 7, 8, 9, 10, 11, 12, 17]
    for row, words in {
        2: "unknown item 'nobody'",
        4: "empty class",
        5: "more than one of",
        6: "81 characters",
        7: "repeats row 1",
        8: "contradicts row 1",
        9: "contradicts row 1",
        10: "contradicts row 1",
        11: "6 cells under 5 columns",
        12: "none_of_named",
        17: "control character",
    }.items():
        assert words in reasons[row]
    state = store.state()
    assert state.positive == {"i0": "shoe", "i1": "shoe", "i3": "shoe"}
    assert state.rejected == {"i0": {"shirt"}}
    assert state.none_of_named == {"i2"}
    assert state.annotators == {"i0": "ann", "i1": "ann", "i2": "bob", "i3": "ann"}


@pytest.mark.parametrize("header", ["item,class", "item,not_class", " Item , CLASS ,annotator", "class,note,item"])
def test_the_columns_may_come_in_any_order_and_number(store, file, header):
    cells = {"item": "i0", "class": "shoe", "not_class": "shoe"}
    row = ",".join(cells.get(name.strip().lower(), "bob") for name in header.split(","))
    assert import_text(store, file, f"{header}\r\n{row}\r\n").accepted == 1


def test_a_spreadsheet_s_byte_order_mark_is_no_part_of_the_header(store, file):
    file.write_bytes("item,class\ni0,shoe\n".encode("utf-8-sig"))
    assert import_rows(store, read_csv(file), ITEMS, "ann").accepted == 1


def test_nothing_is_written_where_no_row_is_good(store, file):
    assert import_text(store, file, "item,class\nnobody,shoe\n").accepted == 0
    assert import_text(store, file, "item,class\n").rejected == []
    assert store.version() == 0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b" \n\n", "is empty"),
        (b"item,class\ni0,caf\xe9\n", r"not UTF-8 \(byte 18\); save it again as UTF-8"),
        ("item,class\n".encode("utf-16"), "not UTF-8"),
        (b"image,class\ni0,shoe\n", "expected item and class"),
        (b"item;class\ni0;shoe\n", "separated by commas"),
        (b"item,annotator\ni0,ann\n", "expected item and class"),
        (b"item,class,class\ni0,a,b\n", "twice"),
        (b'item,class\ni0,"shoe\n', "not a CSV file"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_by_name(file, content, message):
    file.write_bytes(content)
    with pytest.raises(InputError, match=rf"labels\.csv.*{message}"):
        read_csv(file)


def test_missing_and_unwritable_files_are_named(store, tmp_path):
    with pytest.raises(InputError, match=r"gone\.csv cannot be read"):
        read_csv(tmp_path / "gone.csv")
    with pytest.raises(InputError, match=r"gone\.jsonl cannot be read"):
        read_jsonl(tmp_path / "gone.jsonl")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        write_csv(tmp_path / "file" / "labels.csv", store.state())


def test_bad_lines_of_jsonl_are_rejected_by_number(store, tmp_path):
    file = tmp_path / "labels.jsonl"
    file.write_text(
        '{"item": "i0", "class": 3, "more": [1]}\n'
        "item,class\n"
        "[1, 2]\n"
        "\n"
        '{"item": "i1", "class": ["shoe"]}\n'
        '{"item": "i1", "class": null, "not_class": "shoe", "none_of_named": false}\n'
        '{"class": "shoe"}\n'
        '{"item": "i2", "none_of_named": true}\n'
    )
    report = import_rows(store, read_jsonl(file), ITEMS, "ann")
    assert report.accepted == 3
    assert [(rejected.row, rejected.reason.split(";")[0].split(" (")[0]) for rejected in report.rejected] == [
        (2, "not JSON"),
        (3, "got [1, 2]"),
        (5, "class is ['shoe']"),
        (7, "unknown item ''"),
    ]
    assert store.state().positive == {"i0": "3"}
    assert store.state().rejected == {"i1": {"shoe"}}
    assert store.state().none_of_named == {"i2"}
