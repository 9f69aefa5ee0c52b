"""The collapse of M2 on classes without labels, and its absence in the GM-DGM: the paper's Fig. 4.

    python -m benchmarks.collapse --data-root DIR [--out DIR]

Both models are trained on Fashion-MNIST with 120 labels for each of classes 5 to 9 and none for 0 to 4, from the same
clustering start, for as many passes, on the paper's objective alone (|z| = 300, |y| = 15). Prints for each what the
test images of every class are taken for, and the accuracies of the labelled (old) and unlabelled (new) classes.
"""

import argparse
from pathlib import Path

import pandas as pd

from dgm_engine.config import Preset
from dgm_engine.reproduction.results import ResultFiles, RunResult, Variant
from dgm_engine.reproduction.tables import TableName
from dgm_engine.services.reproducing import DEFAULT_LABELS, Request, reproduce

ROWS = ("m2-300-15", "gm-dgm-300-15")
VARIANT = Variant(Preset.FAST, labels=DEFAULT_LABELS, bound_alone=True)


def run(out: Path, data_root: Path | None) -> dict[str, RunResult]:
    """The results of both models, from their files where they were run before."""
    outcome = reproduce(Request(TableName.TABLE_1, VARIANT, ROWS, runs=1, out=out, data_root=data_root))
    if outcome.failures:
        raise SystemExit("\n".join(outcome.failures))
    files = ResultFiles(out, TableName.TABLE_1)
    return {result.row: result for result in files.read() if result.variant == VARIANT and result.row in ROWS}


def confusion(result: RunResult) -> str:
    """The matrix as text: classes by what they are taken for, clusters beside the class they hold most of."""
    found = result.confusion
    table = pd.DataFrame(found["counts"], index=found["truth"], columns=found["predicted"])
    filled = table.columns[table.sum() > 0]
    order = sorted(filled, key=lambda name: (name not in table.index, int(table[name].to_numpy().argmax())))
    return table[order].to_string()


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-root", type=Path)
    parser.add_argument("--out", type=Path, default=Path("reproduce"))
    given = parser.parse_args()
    results = run(given.out, given.data_root)
    measures = {
        row: {name: f"{100 * value:.1f}" for name, value in results[row].measures.items() if value is not None}
        for row in ROWS
    }
    print(pd.DataFrame(measures).T.to_string(), "\n")
    for row in ROWS:
        print(f"{row}, {results[row].epochs} passes, {results[row].seconds / 60:.1f} min, {results[row].device}")
        print(confusion(results[row]), "\n")


if __name__ == "__main__":
    main()
