"""The process that trains one run: ``python -m dgm_engine.training.worker RUN``.

It reports its status in ``status.json`` and writes curves, a live map, checkpoints and results beside it. It uses
labels that are given while it works, stops on request, and continues a run that has checkpoints.
"""

import math
import os
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from dgm_engine import jobs, machine
from dgm_engine.child import StopRequested, run_job
from dgm_engine.discovery.edits import Contained
from dgm_engine.errors import CorruptError
from dgm_engine.jobs import JobState
from dgm_engine.npy import load_array, save_array
from dgm_engine.paths import RunPaths
from dgm_engine.progress import watched
from dgm_engine.training.checkpoint import read_checkpoint, save_checkpoint
from dgm_engine.training.features import stored_features
from dgm_engine.training.fitting import default_epochs, predict
from dgm_engine.training.judging import compare, unlearned
from dgm_engine.training.live import LiveView
from dgm_engine.training.loop import Record, Schedule, bfloat16, train
from dgm_engine.training.origin import Origin
from dgm_engine.training.reporter import Reporter
from dgm_engine.training.results import Results, keep_metrics, load_results, save_results
from dgm_engine.training.run_results import has_results
from dgm_engine.training.setting import Setting, scheduled
from dgm_engine.training.start import clustering_start, nearest_rows
from dgm_engine.training.supervision import Supervision

CHECKPOINT_SECONDS = 20.0
FIRST_RESULTS_SECONDS = 0.5
"""A run that goes on from an earlier one saves first results after this much training, so that people see the effect of
new labels soon."""
MAX_ITEMS_FIRST_RESULTS = 100_000
"""With more items than this a run saves no first results: to save them would take longer than such a run lasts."""
FEATURES_SHARE, START_SHARE = 0.05, 0.3
"""The progress that a fresh run shows once it has the features of the images, and once it has its first clusters."""


class Worker:
    """Trains one run from where it stopped, or from its beginning, to its end."""

    def __init__(self, setting: Setting, reporter: Reporter | None = None) -> None:
        self.config = scheduled(setting.project, setting.run)
        checkpoint = read_checkpoint(setting.run)
        self.reporter = reporter or Reporter(setting.run)
        self.reporter.count_in(checkpoint.about["seconds"] if checkpoint else 0.0)
        self.setting = setting
        self.clock = machine.work_clock(setting.device.type)
        self.saving = 0.0  # seconds in which the results were saved last time; the time budget leaves room for them
        self.origin = Origin.of(setting, self.config, checkpoint)
        self.state = self.origin.state
        self.work_began = self.clock() - self.state.work
        epochs = self.state.epoch + self.state.batch / setting.table.batches_per_epoch(self.config.batch_size)
        self.reporter.phase("Opening the images", self.reporter.progress, epoch=round(epochs, 2), **machine.describe())
        keep_metrics(setting.run, self.state.step)

    def work(self) -> None:
        """Trains to the end of the schedule or to a request to stop, and saves results.

        A stop before the first clusters saves none; the run then starts again when it is continued.
        """
        try:
            self._prepare()
        except StopRequested:
            known = has_results(self.setting.run)
            self.reporter.end(JobState.STOPPED, "Stopped" if known else "Stopped before there were clusters")
            return
        try:
            self._train()
        except StopRequested:
            self._save()
            self.reporter.end(JobState.STOPPED, "Stopped")
            return
        self._save()
        self.reporter.end(JobState.FINISHED, "Finished")

    def _prepare(self) -> None:
        """Prepares all that training needs, including the first clusters of a fresh model."""
        self._describe()
        self.live = LiveView(self.setting)
        self.supervision = Supervision(self.setting, self.config, self.origin, self.reporter)
        if self.origin.needs_start:
            self._start()  # no labels before the start: the components mean nothing yet
        else:
            self._find_neighbours()
            self.supervision.assess()

    def _describe(self) -> None:
        """Adds the features of the images to the table, if the model sees any."""
        extractor = self.state.model.extractor
        if extractor is None:
            return

        def report(share: float, what: str) -> None:
            self.reporter.phase(what, FEATURES_SHARE * share)
            self._check_stop()

        table = self.setting.table
        features = stored_features(extractor, self.setting.project.images, table.x, report)
        self.setting = replace(self.setting, table=replace(table, features=features))

    def _start(self) -> None:
        """Gives a fresh model its first clusters, and saves results for the screens."""
        begun = self.reporter.progress
        for record in clustering_start(self.state, self.setting.table, self.config):
            self.reporter.phase(record.phase, begun + (START_SHARE - begun) * record.progress)
            if record.elbo is not None:
                self.reporter.record({"phase": "start", "elbo": record.elbo})
            self._check_stop()
        self.supervision.carry_over()
        self.supervision.assess()
        self._save()
        self._find_neighbours()

    def _find_neighbours(self) -> None:
        """Loads the lineage's neighbours from their file, or searches for them if no earlier run needed them."""
        if not self.config.neighbour_weight:
            return
        try:
            self.state.neighbours = load_array(self.setting.neighbours)
        except CorruptError:  # the file is missing or damaged
            found = watched(lambda: nearest_rows(self.state, self.setting.table), self._look_while_searching)
            save_array(self.setting.neighbours, found)
            self.state.neighbours = load_array(self.setting.neighbours)

    def _look_while_searching(self) -> None:
        self.reporter.phase("Looking for neighbours", START_SHARE)
        self._check_stop()

    def _train(self) -> None:
        """Runs the training loop, with reports, checkpoints and checks for a request to stop."""
        budget, epochs = self.config.max_minutes, self.config.max_epochs
        if budget is None and epochs is None:
            epochs = default_epochs(len(self.setting.table.rows))
        seconds = None if budget is None else max(60 * budget - self.saving, 0.0)
        schedule = Schedule(epochs, seconds, 0.0, self._worked)
        whole = {"of_epochs": None if epochs is None else round(epochs, 2), "of_seconds": seconds}
        self.reporter.phase("Training", self.reporter.progress, **whole)
        saved = time.monotonic()
        continued = self.setting.config.parent is not None and not has_results(self.setting.run)
        shows_early = continued and self.setting.pool.n_items <= MAX_ITEMS_FIRST_RESULTS
        early = saved + FIRST_RESULTS_SECONDS if shows_early else math.inf
        first = START_SHARE if self.origin.needs_start else 0.0
        for record in train(self.state, self.setting.table, self.supervision.knowledge, self.config, schedule):
            self._note_time()
            with self._off_the_clock():
                if time.monotonic() > early:
                    early = math.inf
                    with bfloat16(self.setting.device, self.config):
                        self._save()
                    saved = time.monotonic()
                self._report(record, first + (1 - first) * record.progress)
                if time.monotonic() - saved > CHECKPOINT_SECONDS:
                    self._save_checkpoint()
                    saved = time.monotonic()
            self._check_stop()
        if self.setting.config.parent is None and not self.config.clustering_start:
            self.supervision.begin_names()  # after random weights, components mean something only now
        self.supervision.assess_last()

    def _report(self, record: Record, progress: float) -> None:
        used = self.live.update(self.state.model, self.supervision.owner, int(record.epoch), self.reporter.seconds)
        self.reporter.record({"phase": "train", **record.to_json(), "components_used": used})
        self.reporter.phase(
            "Training",
            progress,
            epoch=round(record.epoch, 2),
            elbo=record.elbo,
            components_used=used,
            labels_version=self.supervision.labels_version,
            work=round(self.state.work, 1),
        )

    def _check_stop(self) -> None:
        self.reporter.check_stop()

    def _save(self) -> None:
        """Saves a checkpoint and results."""
        began = self.clock()
        self._note_time()
        self._save_checkpoint()
        taken = self.supervision
        q_y, z = predict(self.state.model, self.setting.table, np.arange(self.setting.pool.n_items))
        shown = self.setting.pool.shown
        used = len(np.unique(q_y[shown].argmax(1)))
        results = Results(
            q_y=q_y,
            z=z,
            shown=shown,
            prototypes=self._prototypes(),
            owner=taken.given,
            labels_version=taken.labels_version,
            config=self.setting.config,
            step=self.state.step,
            contained=Contained(taken.edits, {}),
            overruled=taken.overruled,
        )
        save_results(self.setting.run, self._judged(results))
        self.saving = self.clock() - began
        self.reporter.phase("Saving", self.reporter.progress, components_used=used, labels_version=taken.labels_version)

    def _save_checkpoint(self) -> None:
        taken = self.supervision
        save_checkpoint(self.setting.run, self.state, taken.given, taken.edits, taken.overruled, taken.made)

    def _judged(self, results: Results) -> Results:
        """The results with the classes that they cannot predict, and their comparison with those of the parent run."""
        labels, pool, named = self.setting.label_state(), self.setting.pool, self.supervision.named
        results = replace(results, unlearned=unlearned(results, labels, pool.rows, named))
        if self.setting.config.parent is None:
            return results
        before = load_results(self.setting.project.run(self.setting.config.parent))
        return replace(results, compared=compare(before, results, labels, pool.rows, named))

    def _note_time(self) -> None:
        self.state.seconds = self.reporter.seconds
        self.state.work = self._worked()

    def _worked(self) -> float:
        """The seconds that the run has spent of its time budget."""
        return self.clock() - self.work_began

    @contextmanager
    def _off_the_clock(self) -> Generator[None]:
        """Leaves work that is done every few seconds out of the time budget: a slow run does more of it."""
        began = self.clock()
        yield
        self.work_began += self.clock() - began

    @torch.no_grad()
    def _prototypes(self) -> NDArray[np.generic]:
        return self.setting.table.items(self.state.model.prototypes().cpu().numpy())


def main(arguments: Sequence[str]) -> int:
    """Trains the run whose folder is the first argument; returns 0 unless it failed."""
    run = RunPaths(Path(arguments[0]))
    make_room()
    reporter = Reporter(run)
    return run_job(reporter, lambda: Worker(Setting.of(run), reporter).work())


def get_ready() -> None:
    """Makes the libraries import what they would import at first use: this saves a run 3 to 4 seconds."""
    for name in ("openTSNE", "pynndescent", "pyarrow.parquet", "sklearn.mixture"):
        import_module(name)
    torch.optim.Adam([torch.zeros(1)])


def make_room() -> None:
    """Leaves one core to the pages, and gives them priority."""
    torch.set_num_threads(max(1, (os.cpu_count() or 2) - 1))
    torch.set_flush_denormal(True)
    jobs.give_way(10)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
