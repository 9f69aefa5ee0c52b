"""The paper's tables: rows, results and reports."""

import csv
import json
from pathlib import Path

import pytest

from dgm_engine.config import ModelConfig, Preset
from dgm_engine.errors import CorruptError, InputError
from dgm_engine.reproduction import report
from dgm_engine.reproduction.results import ResultFiles, Variant
from dgm_engine.reproduction.tables import TABLES, TableName
from tests.reproduction.made_up import result

TABLE_1, TABLE_2, TABLE_3 = (TABLES[name] for name in TableName)


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
