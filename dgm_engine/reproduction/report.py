"""The report on a table: the accuracies of the paper, of our models and of the peers, as Markdown and CSV."""

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from statistics import mean, stdev
from typing import Any

from dgm_engine.reproduction.results import MEASURES, RunResult, Variant
from dgm_engine.reproduction.tables import Figure, ModelRow, Published, Row, Table

PAPER_MEASURES = MEASURES[:3]
"""The accuracies that the paper gives, in its order."""
NOT_RUN_NOTE = "not run yet"

_TITLES = {
    "overall": "overall",
    "semi_sup": "semi-sup",
    "un_sup": "un-sup",
    "named": "named",
    "hungarian": "Hungarian",
    "all": "All",
    "old": "Old",
    "new": "New",
}


@dataclass(frozen=True)
class Statistic:
    """The accuracies of several runs, in percent.

    Attributes:
        mean: their mean.
        sd: their standard deviation, with n - 1 in the denominator; None for a single run.
        worst: the lowest.
    """

    mean: float
    sd: float | None
    worst: float

    @classmethod
    def of(cls, shares: Sequence[float]) -> "Statistic":
        """The statistic of one or more accuracies, given as shares of 1."""
        values = [100 * share for share in shares]
        return cls(mean(values), stdev(values) if len(values) > 1 else None, min(values))


@dataclass(frozen=True)
class Line:
    """A line of the report: one row of the table, run in one variant.

    Attributes:
        row: the key of the row; "" for a published row.
        kind: "model", "peer" or "published".
        title: the name of the method.
        n_latent: Z; None if the method has none.
        n_auxiliary: A; None if the method has none.
        n_components: K; None if the method has none.
        variant: how the row was run; None if it was not run here.
        note: why the line has no accuracies; "" if it has some.
        paper: the accuracies in the paper, in percent, by their names in `PAPER_MEASURES`.
        ours: the accuracies of the runs here, by their names in `MEASURES`.
        runs: the number of runs.
        seeds: the seeds of the runs.
        components_used: the mean number of components in use.
        minutes: the mean wall-clock time of a run, in minutes.
        epochs: the passes of each run, as text; if runs differ, all values, separated by "; ".
        device: the device of the runs; if they differ, all of them.
        version: the version of this program; if runs differ, all of them.
    """

    row: str
    kind: str
    title: str
    n_latent: int | None = None
    n_auxiliary: int | None = None
    n_components: int | None = None
    variant: Variant | None = None
    note: str = ""
    paper: dict[str, Figure] = field(default_factory=dict[str, Figure])
    ours: dict[str, Statistic] = field(default_factory=dict[str, Statistic])
    runs: int = 0
    seeds: tuple[int, ...] = ()
    components_used: float | None = None
    minutes: float | None = None
    epochs: str = ""
    device: str = ""
    version: str = ""


def lines(table: Table, results: Sequence[RunResult], notes: dict[str, str]) -> list[Line]:
    """The lines of the report: the rows of our models, of the peers, and the published ones.

    A row that was not run yet has a line without accuracies.

    Args:
        table: the table of the paper.
        results: the results of all runs so far.
        notes: row key to the reason why it has no accuracies, for rows that cannot run; others get `NOT_RUN_NOTE`.
    """
    found: list[Line] = []
    for row in table.rows:
        variants = list(dict.fromkeys(r.variant for r in results if r.row == row.key))
        for variant in variants:
            found.append(_line(row, [r for r in results if (r.row, r.variant) == (row.key, variant)], variant))
        if not variants or row.key in notes:
            found.append(_line(row, [], None, notes.get(row.key, NOT_RUN_NOTE)))
    return [*found, *map(_published, table.published)]


def to_csv(table_lines: Sequence[Line]) -> str:
    """The lines as CSV, with a header and one column for each value."""
    text = io.StringIO()
    records = [_flat(line) for line in table_lines]
    writer = csv.DictWriter(text, list(dict.fromkeys(key for record in records for key in record)), restval="")
    writer.writeheader()
    writer.writerows(records)
    return text.getvalue()


def to_markdown(table: Table, table_lines: Sequence[Line]) -> str:
    """The report as Markdown: the rows that are run here, the published rows, and a legend of the columns."""
    run_here = [line for line in table_lines if line.kind != "published"]
    columns = _columns(labelled=bool(table.labelled))
    parts = [
        f"# {table.name.capitalize()[:-1]} {table.name[-1]} of the paper\n\n{table.caption}. Accuracies on the 10,000 "
        "test images after the last epoch, in percent, mean ± standard deviation over the runs.\n",
        _grid([(title, [cell(line) for line in run_here]) for title, cell in columns]),
    ]
    published = [line for line in table_lines if line.kind == "published"]
    if published:
        cells = [(line.title, str(line.n_components), _figure(line.paper["overall"])) for line in published]
        names = ("From the paper", "K", "accuracy")
        parts.append(_grid([(name, [row[i] for row in cells]) for i, name in enumerate(names)]))
    parts.append(_LABELLED_LEGEND if table.labelled else _LEGEND)
    return "\n".join(parts)


_LEGEND = """\
- *paper*, *ours*: many-to-one, as the paper counts: each component takes the majority class of the test images in it.
  It is too favourable, the more so the larger K is; compare rows of equal K.
- *Hungarian*: the best one-to-one match of components and classes; components beyond the tenth count as wrong.
- *worst*: the lowest overall accuracy of the runs. Nothing is selected on test labels: every run counts, at its end.
- *min/run*: wall-clock minutes of one run. Deep peers run far fewer epochs than their authors': see *epochs*.
"""
_LABELLED_LEGEND = (
    _LEGEND
    + """\
- *semi-sup*, *un-sup*: of the overall accuracy, on the test images of the labelled classes and of the others.
- *named*: the class predicted from the labels alone, "none of the labelled classes" being wrong.
- *All*, *Old*, *New*: best one-to-one match of labelled classes and further components with the true classes; Old on
  the labelled classes, New on the others. The two classifiers know no class but the labelled ones and leave nothing to
  match: each of their classes counts as itself, and New is 0 by construction.
- Clusterers among the peers see no labels; afterwards the labelled images say which class owns which cluster.
"""
)


def _line(row: Row, results: Sequence[RunResult], variant: Variant | None, note: str = "") -> Line:
    model = row if isinstance(row, ModelRow) else None
    return Line(
        row=row.key,
        kind="peer" if model is None else "model",
        title=row.title,
        n_latent=model and model.n_latent,
        n_auxiliary=model and model.n_auxiliary,
        n_components=row.n_components,
        variant=variant,
        note=note,
        paper={} if model is None else dict(zip(PAPER_MEASURES, model.paper, strict=False)),
        ours=_statistics(results),
        runs=len(results),
        seeds=tuple(r.seed for r in results),
        components_used=mean(r.components_used for r in results) if results else None,
        minutes=mean(r.seconds for r in results) / 60 if results else None,
        epochs=_each(r.epochs for r in results),
        device=_each(r.device for r in results),
        version=_each(r.version for r in results),
    )


def _published(row: Published) -> Line:
    paper = {"overall": row.accuracy}
    return Line("", "published", row.title, n_components=row.n_components, paper=paper)


def _statistics(results: Sequence[RunResult]) -> dict[str, Statistic]:
    found: dict[str, Statistic] = {}
    for name in MEASURES:
        shares = [share for r in results if (share := r.measures[name]) is not None]
        if shares:
            found[name] = Statistic.of(shares)
    return found


def _each(texts: Any) -> str:  # noqa: ANN401 - any iterable of str
    return "; ".join(dict.fromkeys(text for text in texts if text))


def _flat(line: Line) -> dict[str, object]:
    """One CSV record."""
    record = {key: value for key, value in asdict(line).items() if not isinstance(value, dict) and key != "variant"}
    record["seeds"] = " ".join(map(str, line.seeds))
    variant = line.variant
    record |= _settings(variant)
    for name in PAPER_MEASURES:
        figure = line.paper.get(name)
        record |= {f"paper_{name}": figure and figure.mean, f"paper_{name}_sd": figure and figure.sd}
    for name in MEASURES:
        value = line.ours.get(name)
        record |= {name: _round(value and value.mean), f"{name}_sd": _round(value and value.sd)}
        record |= {f"{name}_worst": _round(value and value.worst)}
    return {**record, "minutes": _round(line.minutes)}


def _settings(variant: Variant | None) -> dict[str, object]:
    """The fields of the variant except its epochs, which have a column of their own; all "" if there is no variant."""
    if variant is None:
        return dict.fromkeys(_settings(Variant(None)), "")
    return {key: value for key, value in asdict(variant).items() if key != "epochs"}


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 2)


_Cell = Callable[[Line], str]


def _columns(*, labelled: bool) -> list[tuple[str, _Cell]]:
    """The titles of the columns, and the functions that give their cells."""
    honest = ("named", "hungarian", "all", "old", "new") if labelled else ("hungarian",)
    columns: list[tuple[str, _Cell]] = [
        ("Model", lambda line: line.title),
        ("Z", lambda line: _text(line.n_latent)),
        ("A", lambda line: _text(line.n_auxiliary)),
        ("K", lambda line: _text(line.n_components)),
    ]
    for name in PAPER_MEASURES if labelled else PAPER_MEASURES[:1]:
        columns += [
            (f"paper: {_TITLES[name]}", lambda line, name=name: _figure(line.paper.get(name))),
            (f"ours: {_TITLES[name]}", lambda line, name=name: _ours(line, name)),
        ]
    columns.append(("worst", lambda line: f"{line.ours['overall'].worst:.1f}" if line.ours else ""))
    columns += [(_TITLES[name], lambda line, name=name: _figure(line.ours.get(name))) for name in honest]
    return [
        *columns,
        ("components used", lambda line: "" if line.components_used is None else f"{line.components_used:.4g}"),
        ("runs", lambda line: _text(line.runs or None)),
        ("setting", lambda line: _preset(line.variant)),
        ("epochs", lambda line: line.epochs),
        ("min/run", lambda line: "" if line.minutes is None else f"{line.minutes:.1f}"),
        ("device", lambda line: line.device),
        ("version", lambda line: line.version),
    ]


def _ours(line: Line, name: str) -> str:
    return line.note if line.note and name == "overall" else _figure(line.ours.get(name))


def _preset(variant: Variant | None) -> str:
    if variant is None:
        return ""
    limit = variant.limit and f"{variant.limit} images"
    labels = variant.labels and f"{variant.labels} labels per class"
    bound = variant.bound_alone and "bound alone"
    return ", ".join(part for part in (variant.preset, limit, labels, bound) if part)


def _figure(value: Figure | Statistic | None) -> str:
    if value is None:
        return ""
    return f"{value.mean:.1f}" + ("" if value.sd is None else f" ± {value.sd:.1f}")


def _text(value: int | None) -> str:
    return "" if value is None else str(value)


def _grid(columns: Sequence[tuple[str, Sequence[str]]]) -> str:
    """A Markdown table of columns (title, cells)."""
    rows = [
        [title for title, _ in columns],
        ["---"] * len(columns),
        *zip(*(cells for _, cells in columns), strict=True),
    ]
    return "".join(f"| {' | '.join(cell.replace('|', '/') for cell in row)} |\n" for row in rows)
