"""What one run of one row came to, as a file.

The files are all the memory there is: a run whose file exists is done, and the report is made from the files alone. So
two processes may work on one table, and the files of runs done elsewhere can be copied in.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from dgm_engine.config import Preset
from dgm_engine.errors import CorruptError
from dgm_engine.json_files import read_json, write_json
from dgm_engine.reproduction.tables import TableName

MEASURES = ("overall", "semi_sup", "un_sup", "named", "hungarian", "all", "old", "new")
"""The accuracies; each a share of 1, or None if it does not apply.

overall, semi_sup, un_sup: the paper's. Every component takes the majority class of the test images in it; then the
    share of right ones of all test images, of those of labelled classes, and of those of the others.
named, hungarian, all, old, new: as in `services.evaluating.Evaluation`.
"""


@dataclass(frozen=True)
class Variant:
    """How a table is run; figures of different variants never share a line.

    Attributes:
        preset: the training settings; deep peers take their epochs from it, for other peers there is none.
        labels: labels for each labelled class; None in the tables without labels.
        epochs: passes over the pool instead of the preset's own; None likewise.
        limit: the size of a sample of the training images; None takes all.
        bound_alone: without the terms of the preset that the paper's objective does not have.
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
        """Its name in paths."""
        parts = {"labels": self.labels, "epochs": self.epochs, "items": self.limit}
        said = [f"{value}{name}" for name, value in parts.items() if value is not None]
        return "-".join([self.preset or "any", *said, *(["bound"] if self.bound_alone else [])])


@dataclass(frozen=True)
class RunResult:
    """One finished run.

    Attributes:
        table: of the paper.
        row: key of the table's row.
        seed: of every draw, that of the labels included.
        variant: how it was run.
        measures: the accuracies, by the names of `MEASURES`.
        components_used: components that are the most probable one of at least one training image.
        seconds: wall-clock time; of a run that was taken up again, up to its checkpoints.
        epochs: passes done, as text; of a peer those of its stages; "" if there are none.
        device: what it ran on.
        version: of this program.
        date: ISO 8601, UTC.
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
        """What `write_result` wrote."""
        changed: dict[str, Any] = {
            "table": TableName(value["table"]),
            "variant": Variant(**value["variant"]),
            "measures": {name: value["measures"][name] for name in MEASURES},
        }
        return cls(**{**value, **changed})


@dataclass(frozen=True)
class ResultFiles:
    """The results of one table under an output folder, and all files that lie beside them."""

    out: Path
    table: TableName

    @property
    def root(self) -> Path:
        """The folder of all results of the table."""
        return self.out / "runs" / self.table

    def path(self, variant: Variant, row: str, seed: int) -> Path:
        """The file of one run."""
        return self.root / variant.key / f"{row}-seed{seed}.json"

    def work(self, variant: Variant, row: str, seed: int) -> Path:
        """The project that a run works in until its file is there."""
        return self.out / "work" / self.table / variant.key / self.path(variant, row, seed).stem

    def work_lock(self, variant: Variant, row: str, seed: int) -> Path:
        """The file to lock while one works on a run."""
        return self.work(variant, row, seed).with_suffix(".lock")

    @property
    def markdown(self) -> Path:
        """The report on all runs, for people."""
        return self.out / f"{self.table}.md"

    @property
    def csv(self) -> Path:
        """The report on all runs, for programs."""
        return self.out / f"{self.table}.csv"

    @property
    def report_lock(self) -> Path:
        """The file to lock while the report is written."""
        return self.out / f".{self.table}.lock"

    def write(self, result: RunResult) -> None:
        """Writes one run's file."""
        write_json(self.path(result.variant, result.row, result.seed), asdict(result))

    def read(self) -> list[RunResult]:
        """All runs of the table.

        Raises:
            CorruptError: a file is no result.
        """
        return [_read(path) for path in sorted(self.root.glob("*/*.json"))]


def _read(path: Path) -> RunResult:
    value = read_json(path)
    try:
        return RunResult.from_json(value)
    except (KeyError, TypeError, ValueError) as error:
        raise CorruptError(f"{path} is not the result of a run ({error!r}); delete it and run it again") from error
