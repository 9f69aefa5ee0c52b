"""`dgm reproduce`: what it prints, and runs that are killed and taken up."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock, Timeout

from dgm_engine import cli
from dgm_engine.reproduction import peers, report
from dgm_engine.reproduction.results import MEASURES, ResultFiles, Variant
from dgm_engine.reproduction.tables import TableName
from dgm_engine.services import table_runs
from dgm_engine.services.projects import open_project
from tests.data.test_builtin import write_idx
from tests.reproduction.made_up import result


@pytest.fixture(scope="module")
def data_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fashion-MNIST as far as the program can tell: scikit-learn's digits, enlarged."""
    from sklearn.datasets import load_digits

    root, (values, target) = tmp_path_factory.mktemp("data"), load_digits(return_X_y=True)
    images = np.kron(values.reshape(-1, 8, 8) * (255 / 16), np.ones((3, 3)))
    images = np.pad(images, ((0, 0), (2, 2), (2, 2)))
    for part, rows in (("train", slice(1437)), ("t10k", slice(1437, None))):
        raw = root / "FashionMNIST" / "raw"
        write_idx(raw / f"{part}-images-idx3-ubyte", images[rows])
        write_idx(raw / f"{part}-labels-idx1-ubyte", target[rows])
    return root


@pytest.fixture
def dgm(capsys: pytest.CaptureFixture[str], data_root: Path, tmp_path: Path):
    """Runs ``dgm reproduce`` in this process: (exit code, stdout, stderr)."""

    def run(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            cli.main([str(a) for a in ("reproduce", *arguments, "--data-root", data_root, "--out", tmp_path / "out")])
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return run


@pytest.mark.slow
def test_runs_of_models_and_peers_end_in_one_table_and_are_not_repeated(dgm, tmp_path: Path):
    given = [
        "table1",
        "--preset",
        "paper",
        "--epochs",
        "1",
        "--labels",
        "20",
        "--limit",
        "400",
        "--runs",
        "1",
        "--bound-alone",
        "--json",
    ]
    code, out, err = dgm(*given, "--rows", "m2", "--rows", "label-spreading")
    assert (code, err) == (0, "")
    said = json.loads(out)
    assert (said["finished"], said["skipped"]) == (2, [])
    rows = {row["row"]: row for row in said["rows"]}
    model, peer = rows["m2-300-15"], rows["label-spreading"]
    assert model["variant"] == {"preset": "paper", "labels": 20, "epochs": 1, "limit": 400, "bound_alone": True}
    assert (model["runs"], model["epochs"], model["n_components"]) == (1, "1", 15)
    assert set(model["ours"]) == set(MEASURES)
    assert peer["variant"] == {"preset": None, "labels": 20, "epochs": None, "limit": 400, "bound_alone": False}
    assert peer["ours"]["old"]["mean"] > 80
    assert peer["ours"]["new"]["mean"] == 0
    assert peer["device"].endswith("1 thread")
    assert rows["vade-10"]["note"]
    assert not list((tmp_path / "out" / "work").glob("*/*/*/project.json"))
    assert "| M2 | 300 |" in Path(said["markdown"]).read_text()
    assert Path(said["csv"]).read_text().startswith("row,kind,title")
    assert "variant" not in Path(said["csv"]).read_text().splitlines()[0]

    code, out, _ = dgm(*given, "--rows", "m2", "--rows", "label-spreading")
    assert (code, json.loads(out)["finished"]) == (0, 0)


def test_a_run_that_another_process_has_in_hand_is_left_to_it(dgm, tmp_path: Path):
    work = tmp_path / "out" / "work" / "table2" / "any"
    work.mkdir(parents=True)
    with FileLock(work / "k-means-10-seed0.lock"):
        code, out, _ = dgm("table2", "--rows", "k-means-10", "--runs", 1, "--json")
    assert code == 0
    assert json.loads(out)["skipped"] == ["k-means-10, seed 0: under way in another process"]


def test_a_missing_peer_says_how_to_get_it_and_the_others_run(dgm, monkeypatch, tmp_path: Path):
    monkeypatch.setattr(peers, "find_spec", lambda name: None)
    code, out, _ = dgm("table3", "--rows", "dec-10", "--runs", 1, "--json")
    assert code == 0
    rows = {row["row"]: row["note"] for row in json.loads(out)["rows"]}
    assert rows["dec-10"] == "not installed: pip install 'dgm-studio[dev]'"
    assert rows["dec-30"] == report.NOT_RUN_NOTE


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["table4"], "table4"),
        (["table1", "--rows", "gan"], "table1 has no row 'gan'"),
        (["table2", "--labels", "120"], "leave --labels out"),
        (["table1", "--rows", "k-means-10", "--labels", "1200"], "fewer --labels"),
        (["table3", "--rows", "k-means-10"], "--data-root"),
        (["table1", "--runs", "0"], "--runs"),
    ],
)
def test_bad_input_is_one_line_on_stderr(dgm, arguments, words):
    code, out, err = dgm(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("dgm: ")
    assert err.count("\n") == 1
    assert words in err


def test_a_run_that_fails_is_told_and_does_not_stand_in_the_way(dgm, monkeypatch, tmp_path: Path):
    """Labels of one class only, which the library refuses; the next run of the row comes after it all the same."""
    real = table_runs.labelled_rows
    monkeypatch.setattr(table_runs, "labelled_rows", lambda pool, classes, n, seed: real(pool, classes[:1], n, seed))
    ResultFiles(tmp_path / "out", TableName.TABLE_1).write(
        result("self-training", 1, 0.5, Variant(None, 20, None, 300))
    )
    code, out, err = dgm("table1", "--labels", 20, "--limit", 300, "--runs", 2, "--rows", "self-training")
    assert (code, out) == (2, "")
    assert err.startswith("dgm: table1 self-training, run 1 of 2: failed: ValueError")
    assert "worker.log" in err
    assert err.rstrip().endswith(str(Path("out", "table1.md")))
    text = (tmp_path / "out" / "table1.md").read_text()
    assert "| 50.0 |" in text
    assert "failed: ValueError" in text


def start(data_root: Path, out: Path, *arguments: object) -> subprocess.Popen[str]:
    given = ["reproduce", *arguments, "--data-root", data_root, "--out", out]
    command = [sys.executable, "-m", "dgm_engine.cli", *map(str, given)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_until_it_trains(run: Path, process: subprocess.Popen[str], beyond: float) -> dict:
    """The run's status, once it has passed so many epochs."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()
        status = json.loads((run / "status.json").read_text()) if (run / "status.json").exists() else {}
        if status.get("details", {}).get("epoch", 0) > beyond:
            return status
        time.sleep(0.1)
    raise AssertionError(f"nothing is trained in {run}")


def wait_until_in_hand(root: Path) -> None:
    """Waits until a process has taken up the run of a project."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            FileLock(root.with_suffix(".lock"), timeout=0).acquire().lock.release()
        except Timeout:
            return
        time.sleep(0.1)
    raise AssertionError(f"nobody took up {root}")


@pytest.mark.slow
def test_a_run_goes_on_where_it_was_killed(data_root: Path, tmp_path: Path):
    """Killed with its training process, then without, then stopped by Ctrl-C; at last let be."""
    given = ["table1", "--rows", "gm-dgm-200-15", "--labels", 20, "--runs", 1, "--epochs", 120, "--keep", "--json"]
    out = tmp_path / "out"
    root = out / "work" / "table1" / "fast-20labels-120epochs" / "gm-dgm-200-15-seed0"
    run = root / "runs" / "0001"

    process = start(data_root, out, *given)
    first = wait_until_it_trains(run, process, 0)
    checkpoints = run / "checkpoints"
    process.kill()
    os.kill(first["pid"], signal.SIGKILL)
    process.communicate()
    assert list(checkpoints.glob("*.safetensors"))

    process = start(data_root, out, *given)
    second = wait_until_it_trains(run, process, first["details"]["epoch"] + 1)
    assert second["pid"] != first["pid"]
    assert second["seconds"] > first["seconds"] - 20  # a checkpoint is at most so old
    process.kill()
    process.communicate()

    process = start(data_root, out, *given)
    wait_until_in_hand(root)
    third = wait_until_it_trains(run, process, second["details"]["epoch"] + 1)
    assert third["pid"] == second["pid"]  # it was waited for, not started again
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=180)
    assert process.returncode == 130
    assert json.loads((run / "status.json").read_text())["state"] == "stopped"

    process = start(data_root, out, *given)
    said, err = process.communicate(timeout=500)
    assert process.returncode == 0, err
    row = next(row for row in json.loads(said)["rows"] if row["row"] == "gm-dgm-200-15")
    assert (row["runs"], row["epochs"]) == (1, "120")
    assert row["minutes"] * 60 > third["seconds"]
    assert row["ours"]["old"]["mean"] > 70
    project = open_project(root)
    assert project.paths.run_numbers() == [1]
    assert len(project.labels.history()) == 5 * 20
    epochs = [
        json.loads(line)["epoch"] for line in run.joinpath("metrics.jsonl").read_text().splitlines() if "epoch" in line
    ]
    assert epochs == sorted(set(epochs))


@pytest.mark.slow
def test_two_processes_share_the_rows_of_a_table(data_root: Path, tmp_path: Path):
    given = ["table2", "--rows", "k-means", "--runs", 1, "--limit", 500, "--json"]
    both = [start(data_root, tmp_path, *given) for _ in range(2)]
    said = [json.loads(process.communicate(timeout=120)[0]) for process in both]
    assert sum(one["finished"] for one in said) == 2
    rows = {row["row"]: row["runs"] for row in csv.DictReader((tmp_path / "table2.csv").read_text().splitlines())}
    assert (rows["k-means-10"], rows["k-means-30"]) == ("1", "1")
