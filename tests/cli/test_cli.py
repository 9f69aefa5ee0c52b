"""The command line: what it prints, how it exits, how it is stopped."""

import contextlib
import csv
import json
import os
import pty
import signal
import socket
import subprocess
import sys
import termios
import time
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from dgm_engine import cli, serving
from dgm_engine.config import Preset, TrainingConfig
from dgm_engine.errors import StateError
from dgm_engine.jobs import JobState, JobStatus, write_status
from dgm_engine.json_files import write_json
from dgm_engine.services import exporting, jobs
from dgm_engine.services.projects import Project, open_project
from dgm_engine.services.snapshot import take
from dgm_engine.training import runs as training_runs
from dgm_engine.training.planning import TrainRequest
from dgm_engine.training.results import load_results, save_results
from dgm_engine.training.runs import read_config
from tests.fabricated import N_COMPONENTS, fabricate_comparison, fabricate_run

COMMANDS = [
    *("app", "new", "info", "train", "runs", "use", "clusters", "name", "label", "labels", "suggest"),
    *("evaluate", "figures", "export", "predict", "reproduce"),
]


@pytest.fixture
def dgm(capsys: pytest.CaptureFixture[str]):
    """Runs a command line in this process: (exit code, stdout, stderr)."""

    def run(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            cli.main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return run


@pytest.fixture
def asked(dgm):
    """Runs a command line with --json and returns the one object that it prints."""

    def run(*arguments: object):
        code, out, err = dgm(*arguments, "--json")
        assert (code, err) == (0, "")
        return json.loads(out)

    return run


def start(*arguments: object, **options) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "dgm_engine.cli", *map(str, arguments)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, **{**pipes, **options})


def test_help_lists_the_commands_in_the_order_of_the_work(dgm):
    code, out, _ = dgm("--help")
    assert code == 0
    lines = [line.split() for line in out.split("Commands:")[1].splitlines() if line.strip()]
    assert [words[0] for words in lines] == COMMANDS
    assert all(words[-1].endswith(".") and not words[-1].endswith("...") for words in lines)
    assert dgm()[1] == out


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_and_argument_is_explained(dgm, command):
    code, out, _ = dgm(command, "--help")
    assert code == 0
    assert ("--json" in out) == (command != "app")  # the app has no result to print
    for line in out.splitlines():
        if line.startswith("  -") and len(line.split("  ")) < 3:  # too long for one line: the text is on the next
            following = out.splitlines()[out.splitlines().index(line) + 1]
            assert following.strip()
            assert not following.startswith("  -")


def test_the_app_does_not_open_on_a_port_that_is_taken(dgm):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        code, out, err = dgm("app", "--port", port)
    assert (code, out) == (2, "")
    assert (
        err == f"dgm: --port is {port}, where the app cannot listen (Address already in use); give another, or none\n"
    )


def test_new_reports_what_was_taken_in_and_what_not(asked, dgm, tmp_path: Path):
    (tmp_path / "pile" / "cat").mkdir(parents=True)
    for i in range(3):
        Image.fromarray(np.full((12, 12), 50 * i, dtype=np.uint8)).save(tmp_path / "pile" / "cat" / f"{i}.png")
    (tmp_path / "pile" / "bad.png").write_text("no image")
    made = asked("new", tmp_path / "p", "--source", tmp_path / "pile", "--class-folders", "labels", "--size", "8x6")
    assert (made["items"], made["classes"], made["labels"]) == (3, ["cat"], 3)
    assert [entry["path"] for entry in made["quarantined"]] == ["bad.png"]
    about = asked("info", tmp_path / "p")
    assert (about["items"], about["shape"], about["labelled"], about["state"]) == (3, [8, 6, 1], 3, "new")
    code, out, _ = dgm("new", tmp_path / "q", "--source", tmp_path / "pile")
    assert code == 0
    assert f"{tmp_path / 'q'}: 3 items, ground truth of 1 class\n" in out
    assert "left out bad.png" in out
    _, out, _ = dgm("new", tmp_path / "r", "--source", tmp_path / "pile", "--class-folders", "labels")
    assert f"{tmp_path / 'r'}: 3 items, 3 labels of 1 class\n" in out
    _, out, _ = dgm("new", tmp_path / "s", "--source", tmp_path / "pile", "--class-folders", "ignore")
    assert f"{tmp_path / 's'}: 3 items\n" in out


def test_without_ground_truth_evaluate_says_what_measures_the_model(dgm, tmp_path: Path):
    np.save(tmp_path / "pile.npy", np.random.default_rng(0).random((20, 8, 8)).astype(np.float32))
    assert dgm("new", tmp_path / "p", "--source", tmp_path / "pile.npy")[0] == 0
    fabricate_run(open_project(tmp_path / "p"), 1)
    code, out, _ = dgm("evaluate", tmp_path / "p")
    assert code == 0
    assert "each run is measured by the labels that you give after it" in out


def test_the_version_is_that_of_the_package(dgm):
    assert dgm("--version") == (0, f"dgm {version('dgm-studio')}\n", "")


def test_naming_labelling_and_evaluating(asked, trained: Project, tmp_path: Path):
    root = trained.paths.root
    listed = asked("clusters", root)["clusters"]
    assert [c["component"] for c in listed] == list(range(N_COMPONENTS))
    assert {"size", "class", "confidence", "exemplars"} <= listed[0].keys()
    assert listed[3]["class"] is None
    assert set(listed[3]["exemplars"]) <= set(trained.pool.items.tolist())
    for component in range(9):
        assert asked("name", root, component, str(component)) == {"component": component, "class": str(component)}
    (tmp_path / "labels.csv").write_text("item,class,annotator\ntrain/00009,9,eve\ntest/00001,9,eve\ntrain/00001,,\n")
    report = asked("label", root, "--csv", tmp_path / "labels.csv")
    assert report["accepted"] == 1
    assert [(entry["row"], "test split" in entry["reason"]) for entry in report["rejected"]] == [(2, True), (3, False)]
    scores = asked("evaluate", root)
    assert (scores["split"], scores["n"], scores["components_used"]) == ("test", 360, 11)
    assert scores["accuracy_cluster_and_label"] == pytest.approx(0.95)
    assert 0 < scores["accuracy_named"] < scores["all"] <= scores["old"]
    assert {"accuracy_hungarian", "new"} <= scores.keys()
    assert asked("name", root, 0, "")["class"] is None
    assert asked("clusters", root)["clusters"][0]["class"] is None


def test_a_name_is_of_the_clusters_of_the_run_that_was_looked_at(asked, dgm, trained: Project):
    root = trained.paths.root
    looked_at = asked("clusters", root)["run"]
    assert f"of run {looked_at}" in dgm("clusters", root)[1]
    results = load_results(trained.paths.run(1))
    later = fabricate_run(trained, 2)  # in which cluster 3 is number 4
    save_results(later, replace(load_results(later), q_y=np.roll(results.q_y, 1, axis=1)))
    asked("name", root, 3, "three", "--run", looked_at)
    assert [c["component"] for c in asked("clusters", root)["clusters"] if c["class"] == "three"] == [4]
    asked("name", root, 6, "five")
    assert [c["component"] for c in asked("clusters", root)["clusters"] if c["class"] == "five"] == [6]
    fabricate_run(trained, 3, lineage=3)
    code, _, err = dgm("name", root, 3, "three", "--run", looked_at)
    assert (code, "found again since you saw them" in err) == (2, True)
    code, _, err = dgm("name", root, 3, "three", "--run", 7)
    assert (code, "no run 7 with results" in err) == (2, True)


def test_the_terminal_and_the_app_sign_alike_so_that_one_undoes_what_the_other_said(
    asked, trained: Project, monkeypatch: pytest.MonkeyPatch
):
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):  # as in a container, or a service
        monkeypatch.delenv(name, raising=False)
    asked("name", trained.paths.root, 3, "three")
    app = AppTest.from_file(str(serving.script()), default_timeout=60)
    app.session_state["project"] = str(trained.paths.root)
    app.run().switch_page("pages/label.py").run()
    app.button(key="header_undo").click().run()
    assert "Undone" in app.toast[0].value
    assert asked("clusters", trained.paths.root)["clusters"][3]["class"] is None


def test_a_label_file_of_which_no_row_can_be_taken_in_is_an_error_that_says_why(dgm, trained: Project, tmp_path: Path):
    (tmp_path / "wrong.csv").write_text("item,class\nIMG_1.png,cat\nIMG_2.png,cat\n")
    code, out, err = dgm("label", trained.paths.root, "--csv", tmp_path / "wrong.csv", "--json")
    assert code == 2
    assert [entry["row"] for entry in json.loads(out)["rejected"]] == [1, 2]
    assert err.count("\n") == 1
    assert "unknown item 'IMG_1.png'; items have ids like 'train/00000'" in err
    (tmp_path / "empty.csv").write_text("item,class\n")
    code, _, err = dgm("label", trained.paths.root, "--csv", tmp_path / "empty.csv")
    assert (code, "no rows below" in err) == (2, True)


def test_suggestions_and_labels_out(asked, trained: Project, tmp_path: Path):
    root = trained.paths.root
    found = asked("suggest", root, "--n", 3, "--strategy", "uncertain")["items"]
    assert len(found) == 3
    assert all(entry["reason"] for entry in found)
    rows = "".join(json.dumps({"item": entry["item"], "class": "x"}) + "\n" for entry in found)
    (tmp_path / "in.jsonl").write_text(rows)
    assert asked("label", root, "--csv", tmp_path / "in.jsonl") == {"accepted": 3, "rejected": []}
    assert asked("labels", root, "--out", tmp_path / "out.csv")["rows"] == 3
    with (tmp_path / "out.csv").open() as file:
        assert {row["item"]: row["class"] for row in csv.DictReader(file)} == {e["item"]: "x" for e in found}
    assert asked("labels", root, "--out", tmp_path / "all.jsonl", "--history")["rows"] == 3


@pytest.mark.parametrize("command", ["clusters", "suggest", "evaluate"])
def test_what_needs_training_says_so(dgm, project: Project, command):
    code, out, err = dgm(command, project.paths.root)
    assert (code, out) == (2, "")
    assert "train it first" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train"], "PROJECT"),
        (["train", "{root}", "--components", "many"], "--components"),
        (["train", "{root}", "--components", "1"], "--components"),
        (["train", "{root}", "--model", "gan"], "--model"),
        (["train", "{root}", "--minutes", "1", "--epochs", "1"], "--minutes and --epochs"),
        (["train", "{root}", "--components", "5000"], "5000 clusters"),
        (["suggest", "{root}", "--n", "0"], "--n"),
        (["suggest", "{root}", "--strategy", "lucky"], "--strategy"),
        (["new", "{root}/new"], "--source"),
        (["new", "{root}/new", "--source", "nowhere"], "nowhere"),
        (["new", "{root}/new", "--source", "digits", "--size", "big"], "--size"),
        (["new", "{root}/new", "--source", "digits", "--channels", "2"], "channels"),
        (["new", "{root}", "--source", "digits"], "not an empty folder"),
        (["info", "{root}/missing"], "missing"),
        (["label", "{root}", "--csv", "{root}/missing.csv"], "missing.csv"),
        (["label", "{root}", "--csv", "{root}/project.json"], "project.json"),
        (["labels", "{root}", "--out", "labels.xlsx"], "labels.xlsx"),
        (["use", "{root}", "1"], "train it first"),
        (["use", "{root}", "last"], "RUN"),
        (["export", "{root}", "{root}/out"], "train it first"),
        (["predict", "{root}/missing", "{root}", "--out", "x.csv"], "missing"),
        (["info", "{root}", "--nonsense"], "--nonsense"),
        (["dance"], "dance"),
    ],
)
def test_bad_input_is_one_line_on_stderr(dgm, project: Project, arguments, words):
    code, out, err = dgm(*(argument.replace("{root}", str(project.paths.root)) for argument in arguments))
    assert (code, out) == (2, "")
    assert err.startswith("dgm: ")
    assert err.count("\n") == 1
    assert words in err
    assert project.paths.run_numbers() == []


def test_what_the_system_refuses_is_told_in_one_line(dgm, project: Project):
    project.paths.runs.write_text("in the way")
    code, out, err = dgm("train", project.paths.root)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert str(project.paths.runs) in err
    assert "try again" in err


def test_a_reader_who_leaves_early_gets_no_complaint(project: Project):
    reading, writing = os.pipe()
    os.close(reading)
    process = start("info", project.paths.root, stdout=writing)
    os.close(writing)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (1, "")


def test_progress_is_shown_on_a_terminal_only(tmp_path: Path):
    terminal, end = pty.openpty()
    termios.tcsetwinsize(end, (24, 80))
    process = start("new", tmp_path / "p", "--source", "digits", "--json", stderr=end)
    os.close(end)
    shown = b""
    with contextlib.suppress(OSError):  # what Linux says where the process at the other end is gone
        while chunk := os.read(terminal, 10_000):
            shown += chunk
    os.close(terminal)
    assert b"Decoding" in shown
    assert json.loads(process.communicate(timeout=60)[0])["items"] == 1797
    out, err = start("new", tmp_path / "q", "--source", "digits").communicate(timeout=60)
    assert err == ""
    assert "1797 items" in out


def test_training_keeps_the_settings_of_the_run_before_but_for_those_that_are_given(
    dgm, trained: Project, monkeypatch: pytest.MonkeyPatch
):
    asked_for: list[TrainRequest] = []

    def remember(_, request: TrainRequest):
        asked_for.append(request)
        raise StateError("enough")

    monkeypatch.setattr(jobs, "start_training", remember)
    run = trained.paths.run(1)
    training = TrainingConfig(held_out_fraction=0.5, consistency_weight=0.0, seed=4)
    write_json(run.config, {**read_config(run).to_json(), "training": training.to_json()})
    for arguments in ([], ["--epochs", 3, "--seed", 2], ["--fresh"], ["--preset", "paper"]):
        dgm("train", trained.paths.root, *arguments)
    plain, some, fresh, paper = asked_for
    assert plain.overrides == some.overrides == {"held_out_fraction": 0.5, "consistency_weight": 0.0}
    assert (plain.seed, plain.minutes, plain.epochs) == (4, None, None)
    assert (some.seed, some.epochs) == (2, 3)
    assert fresh == TrainRequest(fresh=True)
    assert paper == TrainRequest(preset=Preset.PAPER)


def test_runs_are_listed_and_one_can_be_gone_back_to(asked, dgm, trained: Project):
    root = trained.paths.root
    fabricate_comparison(fabricate_run(trained, 2), 0.9, 0.91)
    rows = asked("runs", root)["runs"]
    keys = ("run", "parent", "state", "epochs", "accuracy_held_out", "in_use", "kept", "damaged")
    assert rows == [
        dict(zip(keys, (2, 1, "finished", 3, 0.91, True, True, False), strict=True)),
        dict(zip(keys, (1, None, "finished", 3, None, False, True, False), strict=True)),
    ]
    assert asked("use", root, 1) == {"run": 1}
    assert [row["run"] for row in asked("runs", root)["runs"] if row["in_use"]] == [1]
    assert asked("clusters", root)["run"] == asked("evaluate", root)["run"] == 1
    code, out, err = dgm("use", root, 1)
    assert (code, out) == (2, "")
    assert "in use already" in err
    lines = dgm("runs", root)[1].splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["2", "1"]
    assert (lines[1].endswith("91%"), lines[2].endswith("in use")) == (True, True)
    trained.paths.run(2).results.write_text("{")
    assert [row["damaged"] for row in asked("runs", root)["runs"]] == [True, False]
    lines = dgm("runs", root)[1].splitlines()
    assert (lines[1].endswith("damaged"), lines[2].endswith("in use")) == (True, True)
    trained.paths.run(2).results.unlink()  # as of one that was stopped before it had any
    assert asked("runs", root)["runs"][0]["kept"] is True
    assert "not kept" not in dgm("runs", root)[1]


@pytest.fixture
def run_that_ends(trained: Project, monkeypatch: pytest.MonkeyPatch):
    """Has the next run end at once, with results that compare so to those before."""

    def ends(
        before: float, after: float, unlearned: tuple[str, ...] = (), held_out: tuple[int, int] | None = None
    ) -> None:
        def launch(run):
            fabricate_comparison(fabricate_run(trained, run.number), before, after, unlearned, held_out)
            write_status(run.status, JobStatus(JobState.FINISHED, "Finished", 1.0, 2.0, {"epoch": 5}))

        monkeypatch.setattr(training_runs, "launch", launch)

    return ends


def test_train_tells_that_its_results_are_not_shown_and_what_it_could_not_learn(
    asked, dgm, trained: Project, run_that_ends
):
    root = trained.paths.root
    run_that_ends(0.85, 0.34, ("rare",))
    told = asked("train", root)
    shares = ("named_before", "named_after", "held_out_before", "held_out_after")
    assert {key: told[key] for key in ("run", "epochs", *shares, "kept", "unlearned")} == {
        "run": 2,
        "epochs": 5,
        "named_before": 0.85,
        "named_after": 0.34,
        "held_out_before": None,
        "held_out_after": None,
        "kept": False,
        "unlearned": ["rare"],
    }
    code, out, _ = dgm("train", root)
    assert code == 0
    assert (
        f"run 3 is not shown: named 85% -> 34%, with a class 90% -> 90%; run 1 stays; `dgm use {root} 3` shows it all "
        "the same" in out
    )
    assert "rare cannot be predicted" in out

    run_that_ends(1.0, 1.0, held_out=(35, 7))
    told = asked("train", root)
    assert (told["held_out_before"], told["held_out_after"], told["kept"]) == (1.0, 0.2, False)
    assert told["named_after"] == pytest.approx(57 / 85)
    assert "named 100% -> 100%, of 35 labels held out 100% -> 20%, with a class 90% -> 90%;" in dgm("train", root)[1]

    run_that_ends(0.85, 0.86)
    told = asked("train", root)
    assert (told["kept"], told["unlearned"]) == (True, [])
    assert dgm("train", root)[1].count("\n") == 1


def test_a_first_run_is_kept_and_compared_with_nothing(asked, project: Project, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(training_runs, "launch", lambda run: fabricate_run(project, run.number))
    told = asked("train", project.paths.root)
    assert (told["named_before"], told["named_after"], told["kept"], told["unlearned"]) == (None, None, True, [])


@pytest.mark.slow
def test_from_a_stopped_training_to_predictions_elsewhere(asked, dgm, project: Project, tmp_path: Path):
    root = project.paths.root
    process = start("train", root, "--components", 12, "--minutes", 5, "--json")
    deadline = time.monotonic() + 300
    while not (status(root).get("details") or {}).get("epoch"):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert "still at work" in dgm("train", root)[2]
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=180)
    assert process.returncode == 0, err
    run = json.loads(out)
    assert (run["run"], run["state"]) == (1, "stopped")
    assert run["epochs"] > 0
    assert run["seconds"] > 0
    assert run["elbo"] < 0
    assert 2 <= run["components_used"] <= 12

    for cluster in asked("clusters", root)["clusters"][:6]:
        asked("name", root, cluster["component"], f"class {cluster['component'] % 3}")
    exported = asked("export", root, tmp_path / "export")
    assert exported["classes"] == ["class 0", "class 1", "class 2"]
    assert {"model.onnx", "SHA256SUMS"} <= set(exported["files"])
    pool = open_project(root).pool
    np.save(tmp_path / "images.npy", pool.x)
    predicted = asked("predict", tmp_path / "export", tmp_path / "images.npy", "--out", tmp_path / "out.csv")
    assert predicted["rows"] == pool.n_items
    exporting.write_predictions(take(open_project(root)), tmp_path / "own.csv")
    with (tmp_path / "out.csv").open() as out_file, (tmp_path / "own.csv").open() as own_file:
        pairs = list(zip(csv.DictReader(out_file), csv.DictReader(own_file), strict=True))
    assert list(pairs[0][0]) == ["item", "class", "confidence", "is_new"]
    assert {row["class"] for row, _ in pairs} <= {"", "class 0", "class 1", "class 2"}
    assert all(abs(float(row["confidence"]) - float(own["confidence"])) < 2e-3 for row, own in pairs)
    assert np.mean([row["class"] == own["class"] for row, own in pairs]) > 0.995  # near ties, stored as float16


def status(root: Path) -> dict[str, object]:
    path = root / "runs" / "0001" / "status.json"
    return json.loads(path.read_text()) if path.exists() else {}
