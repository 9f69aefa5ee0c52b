"""The results of a run for the screens: arrays over the whole pool, read by memory map."""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dgm_engine.discovery.edits import NO_EDITS, Contained, difference, edited
from dgm_engine.errors import CorruptError
from dgm_engine.json_files import read_json, write_json
from dgm_engine.labels.schema import Edit
from dgm_engine.labels.state import LabelState, possible_edits
from dgm_engine.npy import load_array, save_array
from dgm_engine.paths import ProjectPaths, RunPaths
from dgm_engine.training.comparing import Comparison
from dgm_engine.training.naming import (
    Overruled,
    Rows,
    claims,
    overruled_from_json,
    overruled_to_json,
    size_sample,
    still_overruled,
)
from dgm_engine.training.ownership import Owner, effective_owner, redefined, unowned
from dgm_engine.training.run_results import RESULT_ARRAYS
from dgm_engine.training.runs import RunConfig, read_config
from dgm_engine.whole import write_atomic


@dataclass(frozen=True, eq=False)
class Results:
    """The latest results of a run on the pool. Caches identify them by object identity.

    Attributes:
        q_y: (N, K) float16, q(y | x) of every item of the pool.
        z: (N, Z) float16, the mean of q(z | x, y*) with y* = argmax q(y | x).
        shown: (M,) int64, the pool rows that were trained on.
        prototypes: (K, H, W, C) uint8 images, or (K, D) float32 features: the mean of p(x | z) at the mean of p(z | y).
        owner: the class that training gave to each component, or None.
        labels_version: the last label event that training saw.
        config: the configuration of the run.
        step: the number of optimiser steps of the model.
        contained: the edits that the model contains.
        overruled: by component, the names that labels overruled.
        compared: the comparison with the results of the parent run; None if there is no parent.
        unlearned: classes of labels and names that no shown image is predicted as.
    """

    q_y: NDArray[np.float16]
    z: NDArray[np.float16]
    shown: NDArray[np.int64]
    prototypes: NDArray[np.generic]
    owner: tuple[str | None, ...]
    labels_version: int
    config: RunConfig
    step: int
    contained: Contained = NO_EDITS
    overruled: Mapping[int, Overruled] = field(default_factory=dict[int, Overruled])
    compared: Comparison | None = None
    unlearned: tuple[str, ...] = ()

    def edited(self, edits: Sequence[Edit]) -> tuple[NDArray[np.floating], Mapping[int, NDArray[np.void]]]:
        """q(y | x) (N, K) as if the model contained exactly these edits, the ones in force; see `edits.edited`.

        It is `q_y` itself if the model contains exactly these. All that people see of results goes through this method.
        """
        return edited(self.q_y, self.z, self.shown, self.contained, possible_edits(edits, len(self.owner)))

    def owners(self, labels: LabelState, q_y: NDArray[np.floating], rows: Rows) -> Owner:
        """(K,) the owners of the components after what people said, with the names of this run's lineage.

        Args:
            labels: what people said.
            q_y: (N, K) under these labels' edits, as `edited` gives it.
            rows: maps item ids to pool rows.
        """
        labels = labels.within(len(self.owner))
        _, done = difference(self.contained.edits, labels.edits)
        items, other = list(labels.anchors), redefined(done)
        overruled = {k: said for k, said in still_overruled(self.overruled, labels).items() if k not in other}
        component = q_y[rows(items)].argmax(axis=1)
        claimed = claims(component, list(labels.anchors.values()), overruled, self._sizes(q_y))
        return effective_owner(unowned(self.owner, done), labels, claimed)

    def _sizes(self, q_y: NDArray[np.floating]) -> NDArray[np.float64]:
        """(K,) estimates of how many of the shown items each component holds."""
        chosen = size_sample(self.shown)
        count = np.bincount(q_y[chosen].argmax(axis=1), minlength=q_y.shape[1])
        return count.astype(np.float64) * len(self.shown) / max(len(chosen), 1)


@dataclass(frozen=True)
class LiveMap:
    """A sample of the pool as the model sees it while it trains.

    Attributes:
        rows: (n,) pool rows.
        xy: (n, 2) positions.
        component: (n,) their most probable components.
        class_name: (n,) their predicted classes, by the names and labels given so far; "" for none of them.
        epoch: the epoch of the model.
    """

    rows: NDArray[np.int64]
    xy: NDArray[np.float32]
    component: NDArray[np.int32]
    class_name: NDArray[np.str_]
    epoch: int


def load_results(run: RunPaths) -> Results:
    """The results of a run.

    Raises:
        CorruptError: an array or the description of the arrays is missing or damaged.
    """
    about, config = read_json(run.results), read_config(run)  # read once: a run at work may replace it at any moment
    config = replace(config, model=config.model.replaced(n_components=len(about["owner"])))
    compared = about.get("compared")
    edits = tuple(Edit.from_json(values) for values in about.get("edits", ()))
    return Results(
        **{name: load_array(run.array(name, about["step"])) for name in RESULT_ARRAYS},
        owner=tuple(about["owner"]),
        labels_version=about["labels_version"],
        config=config,
        step=about["step"],
        contained=Contained(edits, load_contents(run, config.lineage, edits)),
        overruled=overruled_from_json(about.get("overruled", ())),
        compared=None if compared is None else Comparison.from_json(compared),
        unlearned=tuple(about.get("unlearned", ())),
    )


def results_step(run: RunPaths) -> int | None:
    """The step of the model of a run's results; None if it has no results yet."""
    return read_json(run.results)["step"] if run.results.exists() else None


def save_results(run: RunPaths, results: Results) -> None:
    """Writes the arrays, then their description; the previous arrays stay for processes that are reading them."""
    before = results_step(run)
    for name in RESULT_ARRAYS:
        save_array(run.array(name, results.step), getattr(results, name))
    about = {
        "owner": results.owner,
        "labels_version": results.labels_version,
        "step": results.step,
        "edits": results.contained.edits,
        "overruled": overruled_to_json(results.overruled),
        "compared": None if results.compared is None else results.compared.to_json(),
        "unlearned": results.unlearned,
    }
    write_json(run.results, about)
    for name in RESULT_ARRAYS:
        kept = [run.array(name, step) for step in (results.step, before) if step is not None]
        for old in run.arrays_of(name):
            if old not in kept:
                old.unlink()


def save_contents(run: RunPaths, lineage: int, contents: Mapping[int, NDArray[np.void]]) -> None:
    """Saves the images of the components of edits, by event, for all runs of the lineage; see `Contained`."""
    for event, images in contents.items():
        save_array(_contents_path(run, lineage, event), images)


def load_contents(run: RunPaths, lineage: int, edits: Sequence[Edit]) -> dict[int, NDArray[np.void]]:
    """The images of the components of edits, by event; an edit whose file is lost is left out."""
    contents: dict[int, NDArray[np.void]] = {}
    for edit in edits:
        with suppress(CorruptError):
            contents[edit.event] = load_array(_contents_path(run, lineage, edit.event))
    return contents


def load_live_map(run: RunPaths) -> LiveMap | None:
    """The newest live map of a run, or None if there is none yet."""
    if not run.live_map.exists():
        return None
    table = load_array(run.live_map)
    known = "class_name" in (table.dtype.names or ())  # earlier versions did not write class names
    return LiveMap(
        rows=table["row"].astype(np.int64),
        xy=np.stack([table["x"], table["y"]], axis=1),
        component=table["component"],
        class_name=table["class_name"] if known else np.full(len(table), ""),
        epoch=int(table["epoch"][0]),
    )


def save_live_map(run: RunPaths, live: LiveMap) -> None:
    """Replaces the live map. It is one file, so that a reader never mixes two maps."""
    fields = [("row", "<i8"), ("x", "<f4"), ("y", "<f4"), ("component", "<i4"), ("epoch", "<i4")]
    table = np.zeros(len(live.rows), dtype=[*fields, ("class_name", live.class_name.dtype)])
    table["row"], table["component"], table["epoch"] = live.rows, live.component, live.epoch
    table["class_name"] = live.class_name
    table["x"], table["y"] = live.xy.T
    save_array(run.live_map, table)


def append_metrics(run: RunPaths, records: list[dict[str, object]]) -> None:
    """Adds records to the curves, by atomic replace."""
    earlier = run.metrics.read_bytes() if run.metrics.exists() else b""
    lines = "".join(json.dumps(record, allow_nan=False) + "\n" for record in records)
    write_atomic(run.metrics, earlier + lines.encode())


def keep_metrics(run: RunPaths, step: int) -> None:
    """Drops the records after a step, which a killed worker wrote after its last checkpoint; at step 0 drops all."""
    if not run.metrics.exists():
        return
    lines = run.metrics.read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line for line in lines if step and json.loads(line).get("step", 0) <= step]
    write_atomic(run.metrics, "".join(kept).encode())


def _contents_path(run: RunPaths, lineage: int, event: int) -> Path:
    return ProjectPaths(run.root.parent.parent).run(lineage).contents(event)
