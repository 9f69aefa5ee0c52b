"""Runs the paper's tables: every row as a project of its own, trained by the real worker, scored, reported, cleared.

An interrupted run is continued where it stopped: the files of finished runs are not run again,
a training process that outlived us is waited for, and one that did not is resumed from its last checkpoint.
"""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from dgm_engine.errors import CorruptError, InputError, JobError, StateError
from dgm_engine.progress import Progress, silent
from dgm_engine.reproduction import peers, report
from dgm_engine.reproduction.report import Line
from dgm_engine.reproduction.results import ResultFiles, RunResult, Variant
from dgm_engine.reproduction.scores import score
from dgm_engine.reproduction.tables import CLASSIFIERS, TABLES, ModelRow, PeerRow, Row, Table, TableName
from dgm_engine.services import projects
from dgm_engine.services.table_runs import ended_with_us, label, project_of, run_peer, train
from dgm_engine.whole import write_atomic

DEFAULT_LABELS = 120
"""Labels for each labelled class: 2% of 6,000. The paper's text says 1,200."""
DEFAULT_RUNS = 4
"""As in the paper."""
UNDER_WAY_NOTE = "under way in another process"


@dataclass(frozen=True)
class Request:
    """What to reproduce.

    Attributes:
        table: which table.
        variant: how each row is run.
        rows: which rows, as `Table.chosen` takes them; all if empty.
        runs: seeds 0 to runs - 1 of each.
        out: the folder of results and reports.
        data_root: folder of the data sets.
        keep: leave the projects of finished runs in place.
    """

    table: TableName
    variant: Variant
    rows: tuple[str, ...] = ()
    runs: int = DEFAULT_RUNS
    out: Path = Path("reproduce")
    data_root: Path | None = None
    keep: bool = False


@dataclass(frozen=True)
class Outcome:
    """What came of it.

    Attributes:
        lines: of the report, over all runs there are, those of earlier calls too.
        markdown: the report.
        csv: the same figures.
        finished: runs done by this call.
        failures: what went wrong, each in one line.
        skipped: runs that another process has in hand.
    """

    lines: list[Line]
    markdown: Path
    csv: Path
    finished: int
    failures: list[str]
    skipped: list[str]


def variant(table: TableName, asked: Variant) -> Variant:
    """The variant that is asked for, with the labels of the table that has some.

    Raises:
        InputError: labels for a table without.
    """
    if TABLES[table].labelled:
        return replace(asked, labels=asked.labels or DEFAULT_LABELS)
    if asked.labels is not None:
        raise InputError(f"{table} uses no labels; leave --labels out, or choose {TableName.TABLE_1}")
    return asked


def reproduce(request: Request, progress: Progress | None = None) -> Outcome:
    """Does the requested runs that are not done yet, first seeds first; the report is written again after each run.

    A run that fails does not keep the others from running.

    Raises:
        InputError: a row that the table does not have, or an output folder that cannot be written.
    """
    return _Reproduction(request, progress or silent).run()


@dataclass
class _Reproduction:
    """One call of `reproduce`."""

    request: Request
    progress: Progress
    finished: int = 0
    failures: list[str] = field(default_factory=list[str])
    skipped: list[str] = field(default_factory=list[str])
    notes: dict[str, str] = field(default_factory=dict[str, str])

    def run(self) -> Outcome:
        rows = self.table.chosen(self.request.rows)
        todo = [(row, seed) for seed in range(self.request.runs) for row in rows if not self._is_missing(row)]
        outcome = self._report()
        for done, (row, seed) in enumerate(todo):
            what = f"{self.request.table} {row.key}, run {seed + 1} of {self.request.runs}"
            try:
                self._one(
                    row,
                    seed,
                    lambda share, doing, done=done, what=what: self.progress(
                        (done + share) / len(todo), f"{what}: {doing}"
                    ),
                )
            except (JobError, CorruptError, StateError) as error:
                self.failures.append(f"{what}: {error}")
                self.notes[row.key] = f"failed: {error}"
            outcome = self._report()
        return outcome

    @property
    def table(self) -> Table:
        return TABLES[self.request.table]

    @property
    def files(self) -> ResultFiles:
        return ResultFiles(self.request.out, self.request.table)

    def _is_missing(self, row: Row) -> bool:
        """Notes a peer that is not installed."""
        reason = peers.missing(row.peer) if isinstance(row, PeerRow) else ""
        if reason:
            self.notes[row.key] = reason
        return bool(reason)

    def _one(self, row: Row, seed: int, progress: Progress) -> None:
        """Completes one run, from where it stopped, and writes the file of its result."""
        how = _variant_of(row, self.request.variant)
        path = self.files.path(how, row.key, seed)
        root = self.files.work(how, row.key, seed)
        root.parent.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(self.files.work_lock(how, row.key, seed), timeout=0), ended_with_us(root):
                if not path.exists():
                    self.files.write(self._result(row, how, seed, root, progress))
                    self.finished += 1
                if not self.request.keep and root.exists():
                    projects.delete_project(root)
        except Timeout:
            self.skipped.append(f"{row.key}, seed {seed}: {UNDER_WAY_NOTE}")

    def _result(self, row: Row, how: Variant, seed: int, root: Path, progress: Progress) -> RunResult:
        project = project_of(self.table, self.request.data_root, how, root, progress)
        if self.table.labelled and not project.labels.version():
            label(project, self.table, how, seed)
        if isinstance(row, ModelRow):
            done = train(project, row, how, seed, progress)
        else:
            done = run_peer(project, row, how, seed, progress)
        classifier = isinstance(row, PeerRow) and row.peer in CLASSIFIERS
        scores = score(project.pool, done.q_y, done.owner, self.table.labelled, classifier=classifier)
        return RunResult(
            table=self.table.name,
            row=row.key,
            seed=seed,
            variant=how,
            measures=scores.measures,
            components_used=scores.components_used,
            seconds=done.seconds,
            epochs=done.epochs,
            device=done.device,
            version=done.version,
            date=datetime.now(UTC).isoformat(timespec="seconds"),
            confusion=scores.confusion,
        )

    def _report(self) -> Outcome:
        """Writes the report on all runs there are."""
        out, files = self.request.out, self.files
        try:
            out.mkdir(parents=True, exist_ok=True)
            with FileLock(files.report_lock):
                found = report.lines(self.table, files.read(), self.notes)
                write_atomic(files.markdown, report.to_markdown(self.table, found).encode())
                write_atomic(files.csv, report.to_csv(found).encode())
        except OSError as error:
            raise InputError(f"{out} cannot be written ({error.strerror}); give another folder with --out") from error
        return Outcome(found, files.markdown, files.csv, self.finished, self.failures, self.skipped)


def _variant_of(row: Row, variant: Variant) -> Variant:
    """The variant as far as it concerns the row: peers know no objective of ours, and some no epochs."""
    if isinstance(row, ModelRow):
        return variant
    variant = replace(variant, bound_alone=False)
    return variant if row.peer in peers.DEEP_PEERS else replace(variant, preset=None, epochs=None)
