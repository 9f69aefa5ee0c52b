"""What the benchmarks print."""

import pandas as pd

from benchmarks import names


def test_a_change_of_nothing_stands_beside_how_many_retrains_were_not_kept():
    figures = [{"change": 0.0, "before": 90.0, "not kept": 1}, {"change": 0.4, "before": 91.0, "not kept": 0}]
    found = [{"version": "1", "figures": one} for one in figures]
    lines = pd.DataFrame(names.lines_of("stopped-0.5", "digits", found))
    assert lines["not kept"].tolist() == ["1"]
    table, _, besides = names.printed(lines).partition(names.BESIDES)
    assert "not kept" in table
    assert "not kept" not in besides

    first = [{"version": "1", "figures": {"kept": 98.0, "worst cluster": 90.0}}]  # nothing is retrained
    assert names.lines_of("first", "digits", first)[0]["not kept"] == "-"
