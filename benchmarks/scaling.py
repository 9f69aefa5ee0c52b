"""Time and memory of a pass over the images against their number N, the clusters K and the length Z of z.

    python -m benchmarks.scaling --out DIR [--items 10000 60000 240000 1000000] [--components 10 30 100]

Each line is one pass of preset `fast` over synthetic images of 28 x 28 pixels in a process of its own, with pixels,
edges and neighbours memory-mapped from files under --out, as the worker has them. N varies at K = 30 and Z = 50; K and
Z vary at N = 60,000. *MiB* is the largest amount of memory that was the process's own, files read through the page
cache not counted (RssAnon; Linux only); beside it what it was before the first step. The first steps of a process
are not timed.

The second table is what a fresh run does once, before its first pass: the search for each image's nearest neighbours
among all, here among as many points of 50 principal components around 100 means.
"""

import argparse
import json
import math
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.lib.format import open_memmap

from dgm_engine import machine
from dgm_engine.config import HOG, LikelihoodName, ModelConfig, TrainingConfig
from dgm_engine.extractors.registry import extractor
from dgm_engine.progress import silent
from dgm_engine.training.batches import Table
from dgm_engine.training.features import stored_features
from dgm_engine.training.fitting import fresh_state
from dgm_engine.training.knowledge import Knowledge
from dgm_engine.training.loop import Schedule, train
from dgm_engine.training.start import N_NEIGHBOURS, START_DIMENSIONS, find_neighbours
from dgm_engine.training.worker import make_room

SHAPE = (28, 28, 1)
PIECE = 10_000
USUAL_N, USUAL_K = 60_000, 30


def own_memory() -> float:
    """Mebibytes of memory that belong to this process alone."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.split("RssAnon:")[1].split()[0]) / 1024


class Watch(threading.Thread):
    """Looks at the memory from now on until it is told to end, and keeps the most."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._most, self._over = 0.0, threading.Event()
        self.start()

    def run(self) -> None:
        """Looks ten times a second."""
        while not self._over.wait(0.1):
            self._most = max(self._most, own_memory())

    def end(self) -> float:
        """The most, in mebibytes."""
        self._over.set()
        self.join()
        return max(self._most, own_memory())


def images(folder: Path, n: int) -> np.ndarray:
    """(N, 28, 28, 1) uint8, memory-mapped: blurred noise around one of 100 prototypes."""
    path = folder / f"images-{n}.npy"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(0)
        prototypes = rng.integers(256, size=(100, *SHAPE))
        unfinished = path.with_suffix(".part")
        x = open_memmap(unfinished, "w+", np.uint8, (n, *SHAPE))
        for begin in range(0, n, PIECE):
            part = x[begin : begin + PIECE]
            noise = rng.integers(-60, 60, size=part.shape)
            part[:] = (prototypes[rng.integers(100, size=len(part))] + noise).clip(0, 255)
        x.flush()
        unfinished.rename(path)
    return np.load(path, mmap_mode="r")


def neighbours(folder: Path, n: int) -> np.ndarray:
    """(N, n) int32, memory-mapped: any will do."""
    path = folder / f"neighbours-{n}.npy"
    if not path.exists():
        np.save(path, np.random.default_rng(1).integers(n, size=(n, N_NEIGHBOURS), dtype=np.int32))
    return np.load(path, mmap_mode="r")


def one_pass(folder: Path, n: int, k: int, z: int) -> dict[str, float]:
    """Seconds and memory of one pass, in this process."""
    make_room()
    x = images(folder, n)
    edges_folder = folder / f"edges-{n}"
    edges_folder.mkdir(exist_ok=True)
    table = Table(x, np.arange(n), stored_features(extractor(HOG), edges_folder, x, silent))
    config = TrainingConfig()
    shape = ModelConfig(math.prod(SHAPE), k, LikelihoodName.BERNOULLI, n_latent=z, image_shape=SHAPE, extractor=HOG)
    state = fresh_state(shape, config, table, torch.device("cpu"))
    state.neighbours = neighbours(folder, n)
    nothing = Knowledge.nothing(k, n)
    before, watch = own_memory(), Watch()
    records = train(state, table, lambda: nothing, config, Schedule(1, None, time.monotonic()))
    n_timed, began = n - next(records).step * config.batch_size, time.monotonic()  # the first steps warm up
    for _ in records:
        pass
    per_image = (time.monotonic() - began) / n_timed
    return {"s": per_image * n, "us per image": 1e6 * per_image, "MiB": watch.end(), "MiB before": before}


def one_search(n: int) -> dict[str, float]:
    """Seconds and memory of the search for neighbours, in this process."""
    make_room()
    find_neighbours(points(1_000))  # imports
    searched, before, watch = points(n), own_memory(), Watch()
    began = time.monotonic()
    find_neighbours(searched)
    seconds = time.monotonic() - began
    return {"s": seconds, "us per image": 1e6 * seconds / n, "MiB": watch.end(), "MiB before": before}


def points(n: int) -> np.ndarray:
    """(N, 50) float32 around 100 means."""
    rng = np.random.default_rng(2)
    means = rng.normal(scale=3, size=(100, START_DIMENSIONS)).astype(np.float32)
    return means[rng.integers(100, size=n)] + rng.standard_normal((n, START_DIMENSIONS), dtype=np.float32)


def in_a_process(folder: Path, one: tuple[int, ...]) -> dict[str, float]:
    """One line of a table."""
    command = [sys.executable, "-m", "benchmarks.scaling", "--out", str(folder), "--one", *map(str, one)]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("scaling"))
    parser.add_argument("--items", type=int, nargs="+", default=[10_000, 60_000, 240_000, 1_000_000])
    parser.add_argument("--components", type=int, nargs="+", default=[10, 30, 100])
    parser.add_argument("--latent", type=int, nargs="+", default=[50, 200])
    parser.add_argument("--one", type=int, nargs="+", help="N K Z or N alone: one line, as JSON, in this process")
    given = parser.parse_args()
    if given.one:
        print(json.dumps(one_search(*given.one) if len(given.one) == 1 else one_pass(given.out, *given.one)))
        return
    usual_z = ModelConfig.n_latent
    passes = [(n, USUAL_K, usual_z) for n in given.items]
    passes += [(USUAL_N, k, usual_z) for k in given.components] + [(USUAL_N, USUAL_K, z) for z in given.latent]
    print(f"{machine.describe()['device']}, version {machine.version()}\n")
    for wanted, names in ((passes, ["N", "K", "Z"]), ([(n,) for n in given.items], ["N"])):
        lines = {one: in_a_process(given.out, one) for one in dict.fromkeys(wanted)}
        table = pd.DataFrame(lines.values(), pd.MultiIndex.from_tuples(lines, names=names))
        print(table.to_string(float_format="{:.1f}".format), "\n", flush=True)


if __name__ == "__main__":
    main()
