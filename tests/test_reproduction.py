"""The paper's tables: rows, peers, scores, reports, and runs that are killed and taken up."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock, Timeout

from dgm_engine import cli
from dgm_engine.config import ModelConfig, Preset
from dgm_engine.discovery import metrics
from dgm_engine.errors import CorruptError, InputError
from dgm_engine.reproduction import peers, report
from dgm_engine.reproduction.peers import PeerTask, run_peer
from dgm_engine.reproduction.results import MEASURES, ResultFiles, RunResult, Variant
from dgm_engine.reproduction.scores import score
from dgm_engine.reproduction.tables import TABLES, PeerName, TableName
from dgm_engine.services import evaluating, labelling, table_runs
from dgm_engine.services.latest import latest_run, results_of
from dgm_engine.services.projects import Project, open_project
from dgm_engine.services.snapshot import take
from tests.test_data_builtin import write_idx

TABLE_1, TABLE_2, TABLE_3 = (TABLES[name] for name in TableName)


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


def result(row: str, seed: int, overall: float, variant: Variant | None = None, **changes) -> RunResult:
    made = RunResult(
        table=TableName.TABLE_1,
        row=row,
        seed=seed,
        variant=variant or Variant(Preset.FAST, 120),
        measures=dict.fromkeys(MEASURES) | {"overall": overall, "semi_sup": 0.5},
        components_used=20 + seed,
        seconds=90.0,
        epochs="6",
        device="a machine",
        version="1",
        date="2026-01-01",
        confusion={},
    )
    return replace(made, **changes)


def test_the_rows_are_the_papers():
    assert [(len(t.models), len(t.published)) for t in TABLES.values()] == [(7, 0), (7, 1), (6, 11)]
    for table in TABLES.values():
        keys = [row.key for row in table.rows]
        assert len(set(keys)) == len(keys)
        for row in table.models:
            assert len(row.paper) == (3 if table.labelled else 1)
            assert row.n_auxiliary in (None, ModelConfig.n_auxiliary)
            assert (row.n_auxiliary is None) == (row.model in ("m2", "gm-dgm"))
    best = next(row for row in TABLE_1.models if row.key == "gm-dgm-200-30")
    assert [(f.mean, f.sd) for f in best.paper] == [(77.2, 1.3), (77.4, 2.5), (77.1, 1.7)]


def test_rows_are_chosen_by_name_beginning_or_kind():
    def keys(*wanted):
        return [row.key for row in TABLE_1.chosen(wanted)]

    assert keys() == [row.key for row in TABLE_1.rows]
    assert keys("gm-dgm-200-30") == ["gm-dgm-200-30"]
    assert keys("gm-dgm") == ["gm-dgm-200-15", "gm-dgm-200-30", "gm-dgm-300-15"]
    assert keys("vade", "m2") == ["m2-300-15", "vade-10", "vade-30"]
    assert keys("models") == [row.key for row in TABLE_1.models]
    assert keys("peers", "m2") == ["m2-300-15", *(row.key for row in TABLE_1.peers)]
    with pytest.raises(InputError, match="table1 has no row 'gan'; choose from models, peers, m2-300-15"):
        keys("gan")


def test_scores_agree_with_evaluate_and_with_the_papers_definition(trained: Project):
    """Digits 0 to 4 unlabelled, components 5 and 6 named."""
    for component in (5, 6):
        labelling.name_component(trained, component, str(component), "tester")
    pool, results = trained.pool, results_of(latest_run(trained))
    owner = tuple(str(k) if k in (5, 6) else None for k in range(12))
    scores = score(pool, results.q_y, owner, (5, 6))
    known = evaluating.evaluate(take(trained))
    expected = {
        "overall": known.accuracy_cluster_and_label,
        "named": known.accuracy_named,
        "hungarian": known.accuracy_hungarian,
        "all": known.all,
        "old": known.old,
        "new": known.new,
    }
    assert {name: scores.measures[name] for name in expected} == pytest.approx(expected)
    assert scores.components_used == known.components_used
    component, truth = results.q_y[pool.scored].argmax(1), pool.truth[pool.scored]
    right = np.array([np.bincount(truth[component == k]).argmax() for k in component]) == truth
    labelled = np.isin(truth, (5, 6))
    assert scores.measures["semi_sup"] == pytest.approx(right[labelled].mean())
    assert scores.measures["un_sup"] == pytest.approx(right[~labelled].mean())
    assert np.sum(scores.confusion["counts"]) == len(pool.scored)


def test_without_labels_there_is_no_figure_for_them(trained: Project):
    scores = score(trained.pool, results_of(latest_run(trained)).q_y, (None,) * 12, ())
    assert [name for name in MEASURES if scores.measures[name] is None] == ["semi_sup", "un_sup", "named", "old"]
    assert scores.measures["new"] == scores.measures["all"] == scores.measures["hungarian"]


def test_a_classifier_finds_nothing_new(trained: Project):
    """It calls everything 5 or 6, and every 1 a 5: matched freely, that would count as finding the ones."""
    pool = trained.pool
    said = np.where(pool.truth == 1, 0, 1)
    scores = score(pool, np.eye(2)[said], ("5", "6"), (5, 6), classifier=True)
    share = {digit: np.mean(pool.truth[pool.scored] == digit) for digit in (5, 6)}
    assert scores.measures["new"] == 0
    assert scores.measures["old"] == pytest.approx(share[6] / (share[5] + share[6]))
    assert scores.measures["all"] == scores.measures["named"] == pytest.approx(share[6])
    assert score(pool, np.eye(2)[said], ("5", "6"), (5, 6)).measures["new"] > 0


def test_labels_are_drawn_by_seed_from_training_images(project: Project):
    pool = project.pool
    first, again, other = (table_runs.labelled_rows(pool, (5, 7), 20, seed) for seed in (0, 0, 1))
    assert first == again != other
    assert np.bincount(pool.truth[first]).tolist() == [0] * 5 + [20, 0, 20]
    assert set(first) <= set(pool.shown.tolist())
    assert len(set(first)) == 40
    with pytest.raises(InputError, match=r"500 labels per class .* '5' has .* --labels"):
        table_runs.labelled_rows(pool, (5,), 500, 0)


@pytest.fixture(scope="module")
def blobs() -> tuple[np.ndarray, np.ndarray]:
    """Values (400, 60) between 0 and 1 in four well separated groups, and the groups."""
    generator = np.random.default_rng(0)
    group = np.arange(400) % 4
    centres = generator.uniform(size=(4, 60))
    return (centres[group] + generator.normal(scale=0.05, size=(400, 60))).clip(0, 1).astype(np.float32), group


DEEP = [
    pytest.param(peer, marks=[pytest.mark.slow, pytest.mark.skipif(bool(peers.missing(peer)), reason="no clustpy")])
    for peer in sorted(peers.DEEP_PEERS)
]


@pytest.mark.parametrize("peer", [PeerName.K_MEANS, pytest.param(PeerName.UMAP_GMM, marks=pytest.mark.slow), *DEEP])
def test_clusterers_find_groups_on_images_that_they_were_not_fitted_to(blobs, peer):
    x, group = blobs
    task = PeerTask(peer, 4, seed=0, epochs=(60, 5))
    found = run_peer(task, x, np.full(300, -1), 300)
    assert found.shape == (400,)
    # Deep peers may merge two of the four groups after so few passes; chance is 0.25.
    assert metrics.accuracy_hungarian(found[300:], group[300:]) > (0.7 if peer in peers.DEEP_PEERS else 0.95)


@pytest.mark.parametrize("peer", [PeerName.LABEL_SPREADING, PeerName.SELF_TRAINING])
def test_classifiers_learn_the_labelled_classes(blobs, peer):
    x, group = blobs
    known = np.where((np.arange(300) < 40) & (group[:300] < 2), group[:300], -1)
    found = run_peer(PeerTask(peer, None, 0, (1, 1)), x, known, 300)
    old = group < 2
    assert (found[old] == group[old]).mean() > 0.95
    assert set(found) == {0, 1}


def test_epochs_of_deep_peers_are_said():
    assert peers.deep_epochs(Preset.PAPER, None) == (100, 150)
    assert peers.deep_epochs(Preset.FAST, 1) == (1, 1)
    assert PeerTask(PeerName.DEC, 10, 0, peers.deep_epochs(Preset.FAST, None)).stages == "10 + 15"
    assert PeerTask(PeerName.K_MEANS, 10, 0, (10, 15)).stages == ""


def test_results_survive_a_round_trip_and_variants_stay_apart(tmp_path: Path):
    files = ResultFiles(tmp_path, TableName.TABLE_1)
    made = [result("m2-300-15", 0, 0.6), result("m2-300-15", 0, 0.7, Variant(Preset.PAPER, 1200, 5, 100))]
    for one in made:
        files.write(one)
    assert sorted(files.read(), key=lambda r: r.seconds) == made
    assert files.path(made[1].variant, "m2-300-15", 0).parent.name == "paper-1200labels-5epochs-100items"
    path = files.path(made[0].variant, "m2-300-15", 0)
    path.write_text(json.dumps({**json.loads(path.read_text()), "table": "table9"}))
    with pytest.raises(CorruptError, match=r"m2-300-15-seed0\.json is not the result"):
        files.read()


def test_the_report_has_mean_sd_and_worst_of_each_row_and_variant():
    results = [result("gm-dgm-200-30", seed, overall) for seed, overall in enumerate((0.70, 0.74, 0.78))]
    results += [result("gm-dgm-200-30", 0, 0.8, Variant(Preset.PAPER, 1200), epochs="2000")]
    found = report.lines(TABLE_1, results, {"vade-10": "not installed"})
    ours, paper = (line for line in found if line.row == "gm-dgm-200-30")
    assert (ours.runs, ours.seeds, ours.minutes, ours.components_used) == (3, (0, 1, 2), 1.5, 21)
    statistic = ours.ours["overall"]
    assert (statistic.mean, statistic.sd, statistic.worst) == pytest.approx((74.0, 4.0, 70.0))
    assert (paper.runs, paper.ours["overall"].sd, paper.epochs) == (1, None, "2000")
    assert [line.note for line in found if line.row == "vade-10"] == ["not installed"]
    assert sum(line.note == report.NOT_RUN_NOTE for line in found) == len(TABLE_1.rows) - 2

    text = report.to_markdown(TABLE_1, found)
    line = next(line for line in text.splitlines() if "| 74.0 ± 4.0 |" in line)
    assert line.startswith("| GM-DGM | 200 |  | 30 | 77.2 ± 1.3 | 74.0 ± 4.0 | 77.4 ± 2.5 | 50.0 ± 0.0 | 77.1 ± 1.7 |")
    assert line.endswith("| 21 | 3 | fast, 120 labels per class | 6 | 1.5 | a machine | 1 |")
    grid = [line for line in text.splitlines() if line.startswith("|")]
    assert {row.count("|") for row in grid} == {grid[0].count("|")}

    rows = list(csv.DictReader(report.to_csv(found).splitlines()))
    row = next(row for row in rows if row["row"] == "gm-dgm-200-30")
    assert (row["overall"], row["overall_sd"], row["paper_un_sup"], row["preset"]) == ("74.0", "4.0", "77.1", "fast")
    assert len(rows) == len(found)


def test_published_baselines_stand_below(tmp_path: Path):
    text = report.to_markdown(TABLE_3, report.lines(TABLE_3, [], {}))
    assert "| VaDE (Jiang et al., 2017) | 10 | 94.0 |" in text
    assert "un-sup" not in text


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
