"""The result of one run of a row, as a file.

Nothing else records what was done: a run is done if its file exists, and the report is made from the files alone. So
two processes may work on one table, and results from another machine can be copied in.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from dgm_engine.config import Preset
from dgm_engine.errors import CorruptError
from dgm_engine.json_files import read_json, write_json
from dgm_engine.reproduction.tables import TableName

MEASURES = ("overall", "semi_sup", "un_sup", "named", "hungarian", "all", "old", "new")
"""The names of the accuracies; each accuracy is a share of 1, or None if it does not apply.

overall, semi_sup, un_sup: as in the paper. Every component takes the majority class of the test images in it; the
    accuracies are the shares of right images among all test images, those of labelled classes, and the others.
named, hungarian, all, old, new: as in `services.evaluating.Evaluation`.
"""


@dataclass(frozen=True)
class Variant:
    """How a table is run; runs of different variants never share a line of the report.

    Attributes:
        preset: the training settings; deep peers take their epochs from it; None for the other peers.
        labels: the number of labels for each labelled class; None in the tables without labels.
        epochs: passes over the pool in place of those of the preset; None keeps the preset's.
        limit: the size of a sample of the training images; None takes all.
        bound_alone: whether the terms of the preset that the objective of the paper does not have are left out.
    """

    preset: Preset | None
    labels: int | None = None
    epochs: int | None = None
    limit: int | None = None
    bound_alone: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "preset", self.preset and Preset(self.preset))

    @property
    def key(self) -> str:
        """The name of the variant in paths."""
        parts = {"labels": self.labels, "epochs": self.epochs, "items": self.limit}
        said = [f"{value}{name}" for name, value in parts.items() if value is not None]
        return "-".join([self.preset or "any", *said, *(["bound"] if self.bound_alone else [])])


@dataclass(frozen=True)
class RunResult:
    """One finished run.

    Attributes:
        table: the table of the paper.
        row: the key of the row.
        seed: the seed of every random draw, the choice of labels included.
        variant: how the row was run.
        measures: the accuracies, by their names in `MEASURES`.
        components_used: the number of components that are the most probable one of at least one training image.
        seconds: wall-clock time; if the run was interrupted and resumed, work lost after a checkpoint does not count.
        epochs: passes done, as text; for a deep peer those of each stage; "" for a method without passes.
        device: the device that it ran on.
        version: the version of this program.
        date: when the result was made, ISO 8601, UTC.
        confusion: truth (R names), predicted (C names) and counts (R, C) over the test images.
    """

    table: TableName
    row: str
    seed: int
    variant: Variant
    measures: dict[str, float | None]
    components_used: int
    seconds: float
    epochs: str
    device: str
    version: str
    date: str
    confusion: dict[str, Any]

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """The result that `ResultFiles.write` wrote.

        Raises:
            KeyError, TypeError, ValueError: `value` is not a result.
        """
        changed: dict[str, Any] = {
            "table": TableName(value["table"]),
            "variant": Variant(**value["variant"]),
            "measures": {name: value["measures"][name] for name in MEASURES},
        }
        return cls(**{**value, **changed})


@dataclass(frozen=True)
class ResultFiles:
    """The files of one table in an output folder: results, the projects that runs work in, locks and reports.

    Attributes:
        out: the output folder.
        table: the table of the paper.
    """

    out: Path
    table: TableName

    @property
    def root(self) -> Path:
        """The folder of all results of the table."""
        return self.out / "runs" / self.table

    def path(self, variant: Variant, row: str, seed: int) -> Path:
        """The file with the result of one run."""
        return self.root / variant.key / f"{row}-seed{seed}.json"

    def work(self, variant: Variant, row: str, seed: int) -> Path:
        """The folder of the project that a run works in until its result is written."""
        return self.out / "work" / self.table / variant.key / self.path(variant, row, seed).stem

    def work_lock(self, variant: Variant, row: str, seed: int) -> Path:
        """The file that a process locks while it works on a run."""
        return self.work(variant, row, seed).with_suffix(".lock")

    @property
    def markdown(self) -> Path:
        """The report on all runs as Markdown."""
        return self.out / f"{self.table}.md"

    @property
    def csv(self) -> Path:
        """The report on all runs as CSV."""
        return self.out / f"{self.table}.csv"

    @property
    def report_lock(self) -> Path:
        """The file that a process locks while it writes the report."""
        return self.out / f".{self.table}.lock"

    def write(self, result: RunResult) -> None:
        """Writes the file of one run."""
        write_json(self.path(result.variant, result.row, result.seed), asdict(result))

    def read(self) -> list[RunResult]:
        """The results of all runs of the table.

        Raises:
            CorruptError: a file is not the result of a run.
        """
        return [_read(path) for path in sorted(self.root.glob("*/*.json"))]


def _read(path: Path) -> RunResult:
    value = read_json(path)
    try:
        return RunResult.from_json(value)
    except (KeyError, TypeError, ValueError) as error:
        raise CorruptError(f"{path} is not the result of a run ({error!r}); delete it and run it again") from error
