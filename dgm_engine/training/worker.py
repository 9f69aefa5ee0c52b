"""The process that trains one run: ``python -m dgm_engine.training.worker RUN``.

It says how it stands in ``status.json``, writes its curves, a live map, checkpoints and results beside it, takes up
labels that are given while it works, stops when asked, and continues a run that has checkpoints.
"""

import math
import os
import sys
import time
import traceback
from dataclasses import asdict, dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dgm_engine import jobs, machine
from dgm_engine.config import TrainingConfig
from dgm_engine.data.pool import Pool, load_pool
from dgm_engine.discovery.edits import Contained, difference
from dgm_engine.discovery.layout_worker import layout_path
from dgm_engine.discovery.projections import Method, project, refine
from dgm_engine.errors import CorruptError, DgmError
from dgm_engine.jobs import JobState, JobStatus
from dgm_engine.labels.schema import Edit
from dgm_engine.labels.state import LabelState
from dgm_engine.labels.store import LabelStore
from dgm_engine.models.base import DeepGenerativeModel
from dgm_engine.paths import ProjectPaths, RunPaths
from dgm_engine.progress import watched
from dgm_engine.training.batches import Table
from dgm_engine.training.checkpoint import (
    Cause,
    Checkpoint,
    model_of,
    new_state,
    read_checkpoint,
    restore_state,
    save_checkpoint,
)
from dgm_engine.training.edges import stored_edges
from dgm_engine.training.fitting import Learned, default_epochs, fresh_state, learn, predict
from dgm_engine.training.judging import compare, unlearned
from dgm_engine.training.loop import Knowledge, Record, Schedule, TrainingState, bfloat16, train
from dgm_engine.training.naming import NONE_OVERRULED, Overruled, claims, spoken_of
from dgm_engine.training.ownership import Owner, begun_anew, carried_over, class_probabilities, kept_apart, unowned
from dgm_engine.training.results import (
    LiveMap,
    Results,
    append_metrics,
    keep_metrics,
    load_array,
    load_held,
    load_live_map,
    load_results,
    results_step,
    save_array,
    save_held,
    save_live_map,
    save_results,
)
from dgm_engine.training.runs import RunConfig, has_results, is_damaged, latest_results, read_config
from dgm_engine.training.settling import Scene, make_components, settle, taken_by_names
from dgm_engine.training.start import clustering_start, nearest_rows
from dgm_engine.training.takeover import take_over

LIVE_SAMPLE = 1_000
"""Items on the live map."""
LIVE_SHARE = 0.2
"""The live map takes at most this share of the time."""
CHECKPOINT_SECONDS = 20.0
LEARN_STEPS = 200
"""Who owns what is looked at again after so many steps, and when somebody said something. Steps and not seconds, so
that a run gives the same model on a loaded machine."""
EARLY_SECONDS = 0.5
"""A run that goes on from an earlier one shows what it makes of new labels after so much training."""
EARLY_LIMIT = 100_000
"""Unless it holds more images than this: then results take longer to save than such a run is to last."""
EDGES_SHARE, START_SHARE = 0.05, 0.3
"""The progress that a fresh run shows once it knows the edges of the images, and once it has its first clusters."""
STATUS_SECONDS = 0.5
CURVES_SHARE = 0.02
"""Writing the curves, which grow long, takes at most this share of the time."""


class StopRequested(Exception):  # noqa: N818 - not an error
    """The person asked the run to stop."""


class Reporter:
    """Tells the outside how the run stands, not more often than anybody looks."""

    def __init__(self, run: RunPaths, began: float) -> None:
        self._run = run
        self._began = began
        self._status = jobs.this_process()
        self._records: list[dict[str, object]] = []
        self._last = 0.0
        self._curves_again = 0.0

    @property
    def progress(self) -> float:
        """The share done, as last told."""
        return self._status.progress

    @property
    def seconds(self) -> float:
        """Wall-clock time since second zero of the run."""
        return time.monotonic() - self._began

    def phase(self, phase: str, progress: float, **details: Any) -> None:  # noqa: ANN401 - figures of any kind
        """What is being done now."""
        changed = phase != self._status.phase
        self._now(phase=phase, progress=round(progress, 4), details={**self._status.details, **details})
        if changed or time.monotonic() - self._last > STATUS_SECONDS:
            self.flush()

    def record(self, values: dict[str, object]) -> None:
        """One record of the curves; written with one of the next statuses."""
        self._records.append({**values, "seconds": round(self.seconds, 2)})

    def flush(self) -> None:
        """Writes the status and, where it is time, the records that wait."""
        began = time.monotonic()
        if self._records and (began >= self._curves_again or not self._status.alive):
            append_metrics(self._run, self._records)
            self._records = []
            self._curves_again = time.monotonic() + (time.monotonic() - began) / CURVES_SHARE
        jobs.write_status(self._run.status, self._status)
        self._last = time.monotonic()

    def end(self, state: JobState, phase: str) -> None:
        """The last word, written once: whoever reads it may start another process on the run at once."""
        progress = 1.0 if state is JobState.FINISHED else self._status.progress
        self._now(state=state, phase=phase, progress=progress)
        self.flush()

    def _now(self, **changes: Any) -> None:  # noqa: ANN401 - fields of the status
        self._status = replace(self._status, seconds=round(self.seconds, 2), **changes)


@dataclass(frozen=True)
class Setting:
    """What a run works on.

    Attributes:
        run: its folder.
        project: the project's folder.
        config: what it was asked to do.
        pool: the images.
        table: their values, and the rows to train on.
        labels: the label store.
        device: where the model lives.
    """

    run: RunPaths
    project: ProjectPaths
    config: RunConfig
    pool: Pool
    table: Table
    labels: LabelStore
    device: torch.device

    @classmethod
    def of(cls, run: RunPaths) -> "Setting":
        """Opens everything that a run needs."""
        project_paths = ProjectPaths(run.root.parent.parent)
        pool = load_pool(project_paths.images)
        return cls(
            run,
            project_paths,
            read_config(run),
            pool,
            Table(pool.x, pool.shown),
            LabelStore(project_paths.labels),
            torch.device("cuda" if torch.cuda.is_available() else "cpu"),
        )

    @property
    def neighbours(self) -> Path:
        """The file of neighbours; the fresh run of the lineage found them."""
        return self.project.run(self.config.lineage).neighbours

    def label_state(self) -> LabelState:
        """What people have said by now."""
        return self.labels.state(self.config.lineage)


class Worker:
    """Works on one run from wherever it stands to its end.

    `given` are the owners that training gave to components (carried over from an earlier lineage, or from labelled
    examples); names that people gave are not among them, so that taking a name back takes effect.
    """

    def __init__(self, setting: Setting) -> None:
        self.config = scheduled(setting.project, setting.run)
        checkpoint = read_checkpoint(setting.run)
        spent = checkpoint.about["seconds"] if checkpoint else 0.0
        self.reporter = Reporter(setting.run, time.monotonic() - spent)
        self.setting = setting
        self.clock = machine.work_clock(setting.device.type)
        self.saving = 0.0  # seconds that the results took last time; the time budget leaves room for them
        self.needs_start = False
        self.edits: tuple[Edit, ...] = ()  # what people did with clusters that the model knows of
        self.overruled: dict[int, Overruled] = {}  # by component, where labels spoke against names
        self.named: frozenset[str] = frozenset()  # images that still have the name of their cluster
        self.made: set[Cause] = set()  # what components were made for in this schedule
        self.settled = -1  # the version of the labels that was last held against the names
        self.state, self.given = self._state(checkpoint)
        # Which random component holds most of a name's images says nothing.
        self.random = (
            setting.config.parent is None and not self.config.clustering_start and not has_results(setting.run)
        )
        self.work_began = self.clock() - self.state.work
        epochs = self.state.epoch + self.state.batch / setting.table.batches_per_epoch(self.config.batch_size)
        self.reporter.phase("Opening the images", self.reporter.progress, epoch=round(epochs, 2), **machine.describe())
        keep_metrics(setting.run, self.state.step)

    def work(self) -> None:
        """Trains to the end of the schedule, or to a request to stop, and leaves results either way.

        A stop before the first clusters leaves none: the run begins anew when it is continued.
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
        """Finds all that training needs; for a fresh model that is its first clusters too."""
        self._find_edges()
        self.live = LiveView(self.setting)
        if self.needs_start:
            self._start()  # before it there is nothing to learn from labels: the components mean nothing
        else:
            self._find_neighbours()
            self.known = self._learn()

    def _find_edges(self) -> None:
        """Gives the table the edges of the images, where the model looks at them."""
        if self.setting.config.model.image_shape is None:
            return

        def report(share: float, what: str) -> None:
            self.reporter.phase(what, EDGES_SHARE * share)
            self._check_stop()

        table = self.setting.table
        edges = stored_edges(self.setting.project.images, table.x, report)
        self.setting = replace(self.setting, table=replace(table, edges=edges))

    def _state(self, checkpoint: Checkpoint | None) -> tuple[TrainingState, Owner]:
        """The training state and the owners: this run's own, its parent's, or new ones."""
        config, table, device = self.setting.config, self.setting.table, self.setting.device
        if checkpoint is None and config.parent is not None:
            before = self.setting.project.run(config.parent)
            # A short run learns what people said of the results that they saw; a schedule goes on where it was.
            parent = read_checkpoint(before, None if config.goes_on else results_step(before))
            if parent is None:
                raise CorruptError(f"run {config.parent} has lost its checkpoints; start again from scratch")
            self.edits, self.overruled = parent.edits, parent.overruled
            if config.goes_on:
                self.made = parent.made
                return replace(restore_state(parent, config, len(table.rows), device), seconds=0.0), parent.owner
            model = model_of(parent, config.model).to(device)
            return new_state(model, self.config, len(table.rows)), parent.owner
        if checkpoint is not None:
            self.edits, self.overruled, self.made = checkpoint.edits, checkpoint.overruled, checkpoint.made
            return restore_state(checkpoint, config, len(table.rows), device), checkpoint.owner
        self.needs_start = self.config.clustering_start
        return fresh_state(config.model, self.config, table, device), (None,) * config.model.n_components

    def _start(self) -> None:
        """Gives a fresh model its clusters, and the screens something to look at."""
        begun = self.reporter.progress
        for record in clustering_start(self.state, self.setting.table, self.config):
            self.reporter.phase(record.phase, begun + (START_SHARE - begun) * record.progress)
            if record.elbo is not None:
                self.reporter.record({"phase": "start", "elbo": record.elbo})
            self._check_stop()
        self._carry_over()
        self.known = self._learn()
        self._save()
        self._find_neighbours()

    def _find_neighbours(self) -> None:
        """The lineage's neighbours, from its file; sought where a run needs them and no earlier one did."""
        if not self.config.neighbour_weight:
            return
        try:
            self.state.neighbours = load_array(self.setting.neighbours)
        except CorruptError:  # there is none yet, or it is damaged
            found = watched(lambda: nearest_rows(self.state, self.setting.table), self._look_while_searching)
            save_array(self.setting.neighbours, found)
            self.state.neighbours = load_array(self.setting.neighbours)

    def _look_while_searching(self) -> None:
        self.reporter.phase("Looking for neighbours", START_SHARE)
        self._check_stop()

    def _carry_over(self) -> None:
        """Gives the new components the names of the clusters of an earlier lineage that they came out of.

        Names that belong to images are theirs in this lineage too (`LabelState.anchors`), until they are taken back. So
        components that those have a say in are not given any.
        """
        project, own = self.setting.project, self.setting.run.number
        before = latest_results(project, self.setting.label_state().use)
        if before is None:  # to start from scratch is the remedy where all are damaged
            damaged = [n for n in project.run_numbers() if n < own and is_damaged(project.run(n))]
            if damaged:
                sys.stderr.write(f"No names are carried over: the results of run {damaged[-1]} are damaged\n")
            return
        if before.number == own:
            return
        earlier = load_results(before)
        labels, pool = self.setting.labels.state(earlier.config.lineage), self.setting.pool
        q_y = earlier.edited(labels.edits)[0]
        owner = earlier.owners(labels, q_y, pool.rows)
        component = predict(self.state.model, self.setting.table, pool.shown)[0].argmax(1)
        carried = carried_over(q_y[pool.shown], owner, component, len(self.given))
        named = predict(self.state.model, self.setting.table, pool.rows(list(labels.anchors)))[0].argmax(1)
        sizes = np.bincount(component, minlength=len(carried))
        claimed = claims(named, list(labels.anchors.values()), NONE_OVERRULED, sizes)
        self.given = tuple(name if said is None else None for name, said in zip(carried, claimed, strict=True))

    def _train(self) -> None:
        """The loop, with reports, checkpoints and an ear for the person."""
        budget, epochs = self.config.max_minutes, self.config.max_epochs
        if budget is None and epochs is None:
            epochs = default_epochs(len(self.setting.table.rows))
        seconds = None if budget is None else max(60 * budget - self.saving, 0.0)
        schedule = Schedule(epochs, seconds, self.work_began, self.clock)
        whole = {"of_epochs": None if epochs is None else round(epochs, 2), "of_seconds": seconds}
        self.reporter.phase("Training", self.reporter.progress, **whole)
        saved = time.monotonic()
        shows_early = self.setting.config.parent is not None and not has_results(self.setting.run)
        early = saved + EARLY_SECONDS if shows_early and self.setting.pool.n_items <= EARLY_LIMIT else math.inf
        first = START_SHARE if self.needs_start else 0.0
        for record in train(self.state, self.setting.table, self._knowledge, self.config, schedule):
            if time.monotonic() > early:
                early = math.inf
                with bfloat16(self.setting.device, self.config):
                    self._save()
                saved = time.monotonic()
            self._report(record, first + (1 - first) * record.progress)
            self._note_time()
            self._check_stop()
            if time.monotonic() - saved > CHECKPOINT_SECONDS:
                save_checkpoint(self.setting.run, self.state, self.given, self.edits, self.overruled, self.made)
                saved = time.monotonic()
        self.random = False
        if self.setting.config.parent is None and not self.config.clustering_start:
            self._carry_over()  # from random weights, components mean something only now
        learned = self.labels_version
        self._learn()  # the owners once more; labels that came in the last moments were not learned, though
        self.labels_version = learned

    def _knowledge(self) -> Knowledge:
        """What is known now; looked at anew when somebody said something, and now and then because owners change."""
        if self.setting.labels.version() != self.labels_version or self.state.step >= self.learn_again:
            self.known = self._learn()
        return self.known

    def _learn(self) -> Knowledge:
        """Gives components to classes, and allowed sets to items."""
        said = self._said()
        labels = said.within(len(self.given))
        self.labels_version = labels.version
        if labels.edits != self.edits:
            self._take_over(labels.edits)
        learned = self._learned(labels)
        if self.config.clustering_start:
            if self._give_back(labels, learned):
                learned = self._learned(labels)
            if self._settle(labels, learned, said.edits):
                learned = self._learned(labels)
        self.given, self.owner, self.named = learned.given, learned.owner, learned.named
        held = load_held(self.setting.run, self.setting.config.lineage, self.edits)
        halves = kept_apart(self.edits, held, self.setting.table.rows, len(self.given))
        self.learn_again = self.state.step + LEARN_STEPS
        return learned.known.holding(*halves)

    def _said(self) -> LabelState:
        """What people have said by now, as far as it means anything to the model."""
        said = self.setting.label_state()
        return replace(said, anchors={}) if self.random else said

    def _learned(self, labels: LabelState) -> Learned:
        table, rows = self.setting.table, self.setting.pool.rows
        strays = not self.config.clustering_start  # as in the paper, where nothing is made
        return learn(
            self.state.model,
            table,
            labels,
            rows,
            self.given,
            self.config,
            self.overruled,
            self.state.neighbours,
            seen=self.setting.config.parent is not None,
            strays=strays,
        )

    def _settle(self, labels: LabelState, learned: Learned, edits: tuple[Edit, ...]) -> bool:
        """Has names give way to labels, and makes components for classes that have none; whether anything changed."""
        given_one = (name for source, name in self.made if source is None)
        waiting = {*spoken_of(labels, learned.named)}.difference(learned.owner, given_one)
        if not waiting and labels.known == self.settled:
            return False
        self.settled = labels.known
        found = settle(scene := self._scene(labels, learned))
        for component, said in found.overruled.items():
            self.overruled[component] = said
        made: set[Cause] = set()
        if new := [one for one in found.new if one.cause not in self.made]:
            whom = new[0].class_name if len(new) == 1 else f"{len(new)} classes"
            self.reporter.phase(f"Making room for {whom}".rstrip(), self.reporter.progress)
            numbers = make_components(scene, new, edits, self.overruled)
            made = {one.cause for one, number in zip(new, numbers, strict=True) if number is not None}
        self.made |= made
        self.given += (None,) * (self.state.model.config.n_components - len(self.given))
        return bool(found.overruled or made)

    def _give_back(self, labels: LabelState, learned: Learned) -> bool:
        """Gives components back to the classes of their labels where names came to lie in them; whether any."""
        pairs = enumerate(zip(learned.claims, learned.given, strict=True))
        if not any(name and given not in (None, name) and labels.names.get(k) != name for k, (name, given) in pairs):
            return False
        taken = taken_by_names(self._scene(labels, learned))
        self.overruled |= taken
        return bool(taken)

    def _scene(self, labels: LabelState, learned: Learned) -> Scene:
        return Scene(self.state, self.setting.table, labels, self.setting.pool.rows, learned, self.config)

    def _take_over(self, edits: tuple[Edit, ...]) -> None:
        """Makes the model what people made of the clusters that they saw."""
        self.reporter.phase("Taking over changes of clusters", self.reporter.progress)
        run, parent = self.setting.run, self.setting.config.parent
        seen = load_results(run if parent is None or has_results(run) else self.setting.project.run(parent))
        q_y, held = seen.edited(edits)
        take_over(self.state, self.setting.table, self.edits, edits, q_y.argmax(1), self.config)
        save_held(run, self.setting.config.lineage, held)
        undone, done = difference(self.edits, edits)
        self.given = unowned(self.given, done)
        other = begun_anew((*undone, *done))
        self.overruled = {k: said for k, said in self.overruled.items() if k not in other}
        self.edits = edits

    def _report(self, record: Record, progress: float) -> None:
        used = self.live.update(self.state.model, self.owner, int(record.epoch), self.reporter.seconds)
        self.reporter.record({"phase": "train", **asdict(record), "components_used": used})
        self.reporter.phase(
            "Training",
            progress,
            epoch=round(record.epoch, 2),
            elbo=record.elbo,
            components_used=used,
            labels_version=self.labels_version,
            work=round(self.clock() - self.work_began, 1),
        )

    def _check_stop(self) -> None:
        if self.setting.run.stop_request.exists():
            raise StopRequested

    def _save(self) -> None:
        """Checkpoint and results."""
        began = time.monotonic()
        self._note_time()
        save_checkpoint(self.setting.run, self.state, self.given, self.edits, self.overruled, self.made)
        q_y, z = predict(self.state.model, self.setting.table, np.arange(self.setting.pool.n_items))
        shown = self.setting.pool.shown
        used = len(np.unique(q_y[shown].argmax(1)))
        results = Results(
            q_y=q_y,
            z=z,
            shown=shown,
            prototypes=self._prototypes(),
            owner=self.given,
            labels_version=self.labels_version,
            config=self.setting.config,
            step=self.state.step,
            contained=Contained(self.edits, {}),
            overruled=self.overruled,
        )
        save_results(self.setting.run, self._judged(results))
        self.saving = time.monotonic() - began
        self.reporter.phase("Saving", self.reporter.progress, components_used=used, labels_version=self.labels_version)

    def _judged(self, results: Results) -> Results:
        """The results with what they cannot predict, and how they stand beside those that the run went on from."""
        labels, pool = self.setting.label_state(), self.setting.pool
        results = replace(results, unlearned=unlearned(results, labels, pool.rows, self.named))
        if self.setting.config.parent is None:
            return results
        before = load_results(self.setting.project.run(self.setting.config.parent))
        return replace(results, compared=compare(before, results, labels, pool.rows, self.named))

    def _note_time(self) -> None:
        self.state.seconds = self.reporter.seconds
        self.state.work = self.clock() - self.work_began

    @torch.no_grad()
    def _prototypes(self) -> NDArray[np.generic]:
        return self.setting.table.items(self.state.model.prototypes().cpu().numpy())


def scheduled(project: ProjectPaths, run: RunPaths) -> TrainingConfig:
    """The settings of a run, with the seed and the learning rate of the schedule that it is at.

    A short run sees a part of the pool: each another one. One that goes on with a schedule has what that began with.
    """
    config, began = read_config(run).training, run
    while (before := read_config(began)).goes_on and before.parent is not None:
        began = project.run(before.parent)
    if before.parent is None:
        return config.replaced(seed=before.training.seed)
    return config.replaced(
        seed=before.training.seed + began.number, learning_rate=config.learning_rate * config.retrain_rate
    )


class LiveView:
    """A sample of the pool whose positions follow the model while it trains."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._rows = setting.table.sample(LIVE_SAMPLE, np.random.default_rng(0))
        self._xy = self._earlier_positions()
        self._next = 0.0
        self._used = 0

    def update(self, model: DeepGenerativeModel, owner: Owner, epoch: int, seconds: float) -> int:
        """Takes a new view where it is time for one; how many components are in use in the newest."""
        if seconds < self._next:
            return self._used
        began = time.monotonic()
        q_y, z = predict(model, self._setting.table, self._rows)
        component = q_y.argmax(1).astype(np.int32)
        self._used = len(np.unique(component))
        before = self._xy if self._xy is not None else project(z, Method.PCA)
        self._xy = refine(z, before, Method.TSNE)
        class_name = class_probabilities(q_y, owner).predicted()
        save_live_map(self._setting.run, LiveMap(self._rows, self._xy, component, class_name, epoch))
        self._next = seconds + max(2.0, (time.monotonic() - began) / LIVE_SHARE)
        return self._used

    def _earlier_positions(self) -> NDArray[np.floating] | None:
        """Where the rows stood on this run's live map, or else stand on the newest map of any run."""
        live, project, pool = load_live_map(self._setting.run), self._setting.project, self._setting.pool
        if live is not None and np.array_equal(live.rows, self._rows):
            return live.xy
        runs = (project.run(number) for number in reversed(project.run_numbers()))
        laid_out = (path for run in runs for method in Method if (path := layout_path(run, method)).exists())
        xy = next((load_array(path) for path in laid_out), None)
        if xy is None or len(xy) != len(pool.shown):
            return None
        return np.asarray(xy[np.searchsorted(pool.shown, self._rows)])


def main(arguments: list[str]) -> None:
    """Works on the run whose folder is the first argument, and reports whatever becomes of it."""
    run = RunPaths(Path(arguments[0]))
    make_room()
    try:
        Worker(Setting.of(run)).work()
    except Exception as error:
        traceback.print_exc()
        message = str(error) if isinstance(error, DgmError) else f"{type(error).__name__}: {error}"
        last = jobs.read_status(run.status) or JobStatus(JobState.STARTING)
        jobs.write_status(run.status, replace(last, state=JobState.FAILED, error=message.splitlines()[0]))
        sys.exit(1)


def get_ready() -> None:
    """Has the libraries import what they put off until it is used: three to four seconds of a run's first ones."""
    for name in ("openTSNE", "pynndescent", "pyarrow.parquet", "sklearn.mixture"):
        import_module(name)
    torch.optim.Adam([torch.zeros(1)])


def make_room() -> None:
    """Leaves the pages a core and the right of way."""
    torch.set_num_threads(max(1, (os.cpu_count() or 2) - 1))
    torch.set_flush_denormal(True)
    jobs.give_way(10)


if __name__ == "__main__":
    main(sys.argv[1:])
