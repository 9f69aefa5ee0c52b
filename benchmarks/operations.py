"""What an act of a person costs the processor, beside the same act on a tenth of the images.

    python -m benchmarks.operations [--items 60000] [--repeats 5]

*s*: median processor seconds of one act on N images. *a tenth*: the same on N / 10. *times*: the one over the other; 10
where the cost is in proportion to the images. All labels are one act, written to a store in the temporary folder that
keeps the turns before; results are random, with K = 30 and 50 latent dimensions, in half precision as they are stored.
"""

import argparse
import tempfile
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
import pandas as pd

from dgm_engine import machine
from dgm_engine.discovery.clusters import summarise
from dgm_engine.discovery.edits import NO_EDITS, edited
from dgm_engine.discovery.suggestions import Strategy, SuggestRequest, suggest
from dgm_engine.labels.schema import Edit, Kind
from dgm_engine.labels.store import LabelStore

K, LATENT = 30, 50
WHO = "benchmark"
N_LABELLED, N_SUGGESTED, N_MOMENTS = 200, 100, 20
EDITS = (Edit(1, Kind.MERGE, 3, 1), Edit(2, Kind.DISSOLVE, 0), Edit(3, Kind.SPLIT, 2, 3))
Acts = dict[str, Callable[[], object]]


def acts_on_results(n: int) -> Acts:
    """Suggestions, edits of clusters and their cards."""
    rng = np.random.default_rng(0)
    q_y = rng.dirichlet(np.full(K, 0.05), n).astype(np.float16)
    z = rng.normal(size=(n, LATENT)).astype(np.float16)
    owner = ["shoe", "boot"] + [None] * (K - 2)
    labels = np.full(n, "", dtype="<U4")
    labels[:N_LABELLED] = "shoe"

    def suggested(strategy: Strategy) -> Callable[[], object]:
        return lambda: suggest(SuggestRequest(q_y, z, owner, labels, labels == "", strategy, N_SUGGESTED))

    return {f"suggest, {strategy}": suggested(strategy) for strategy in Strategy} | {
        "merge, dissolve and split": lambda: edited(q_y, z, np.arange(n), NO_EDITS, EDITS),
        "cards of the clusters": lambda: summarise(q_y, z, owner),
    }


def acts_on_labels(store: LabelStore, n: int) -> Acts:
    """One label for all images, the state that follows, its undo, and looks back at what held before."""
    items = [f"train/{i:07d}" for i in range(n)]
    moments = np.linspace(1, n, N_MOMENTS).astype(int).tolist()
    return {
        "label all at once": lambda: store.label(items, "shoe", annotator=WHO),
        "read all labels": store.state,
        "undo it": lambda: store.undo(annotator=WHO),
        f"what held at {N_MOMENTS} moments": lambda: deque(store.states_at(moments), maxlen=0),
        "the same, one after the other": lambda: deque(map(store.state_at, moments), maxlen=0),
    }


def seconds(acts: Acts, repeats: int) -> dict[str, float]:
    """Median processor seconds of each; they take turns, and the first turn warms up."""
    turns = [{what: one(act) for what, act in acts.items()} for _ in range(repeats + 1)][1:]
    return {what: median(turn[what] for turn in turns) for what in acts}


def one(act: Callable[[], object]) -> float:
    """Processor seconds of one act."""
    began = time.process_time()
    act()
    return time.process_time() - began


def measured(n: int, repeats: int) -> dict[str, float]:
    """All acts on n images."""
    with tempfile.TemporaryDirectory() as folder:
        store = LabelStore(Path(folder) / "labels.sqlite")
        found = seconds(acts_on_labels(store, n), repeats)
        store.close()
    return found | seconds(acts_on_results(n), repeats)


def main() -> None:
    """Measures and prints a table for each number of images."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, nargs="+", default=[60_000])
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    print(f"{machine.describe()['device']}, version {machine.version()}\n")
    for n in given.items:
        whole, tenth = measured(n, given.repeats), measured(n // 10, given.repeats)
        table = pd.DataFrame({"s": whole, "a tenth": tenth})
        table["times"] = table["s"] / table["a tenth"]
        print(table.rename_axis(f"{n:,}").to_string(float_format="{:.3f}".format), "\n", flush=True)


if __name__ == "__main__":
    main()
