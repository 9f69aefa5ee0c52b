"""The figures of a run as files: charts as HTML pages of their own, the arrays behind them as CSV, pictures as PNG."""

import csv
import html
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dgm_engine.errors import InputError
from dgm_engine.labels.csv_labels import csv_cell
from dgm_engine.progress import Progress, silent
from dgm_engine.services import charts, divergence_charts, evaluating, figures, imagining, run_pairs
from dgm_engine.services.evaluating import Evaluation
from dgm_engine.services.figure_words import FIGURE_TEXTS, Figure, active_words, shared_words
from dgm_engine.services.figures import Activity, Divergence, LatentMap
from dgm_engine.services.snapshot import Snapshot
from dgm_engine.whole import write_atomic

if TYPE_CHECKING:
    import plotly.graph_objects as go

SAMPLES_FILE = "prototypes_and_samples.png"
PROTOTYPES_FILE = "prototypes.png"
WALK_FILE = "walk.png"

_PAGE_WIDTH_PIXELS = 1200
"""Pixels of a chart that is saved from its page; PNGs have three times as many."""

_PAGE_TEMPLATE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>
body {{ font: 15px system-ui, sans-serif; color: #1b262c; max-width: {width}px; margin: 1.2rem auto; padding: 0 1rem }}
h1 {{ font-size: 1.35rem; margin: 0 }} p {{ margin: .4rem 0 }} small {{ color: #5b6b73 }}
button {{ font: inherit; padding: .25rem .8rem; margin: .4rem .4rem .8rem 0; border: 1px solid #d8e0e3;
  border-radius: 6px; background: #f2f5f6; cursor: pointer }}
</style></head><body>
<h1>{title}</h1><p>{words}</p><p><small>{paper}. {note}</small></p>
<button onclick="save('png', 3)">Save as PNG</button><button onclick="save('svg', 1)">Save as SVG</button>
{chart}
<script>
function save(format, scale) {{
  const plot = document.getElementById("figure");
  Plotly.downloadImage(plot, {{format, scale, filename: {file}, width: {width}, height: plot._fullLayout.height}});
}}
</script></body></html>
"""


@dataclass(frozen=True)
class FigureRequest:
    """Which figures to write.

    Attributes:
        compare: what to put beside the run in Fig. 4, as `run_pairs.compared` takes it; None draws the run alone.
        items: images in Fig. 3 at most.
    """

    compare: str | None = None
    items: int = 10_000


@dataclass(frozen=True)
class FigureReport:
    """What was written, and what could not be drawn and why.

    Attributes:
        path: the folder.
        files: names of the files in it, in the order of the paper.
        run: number of the run.
        active_units: units of z with a mean KL above `figures.MIN_ACTIVE_KL` (Eq. 36).
        left_out: (figure, reason).
    """

    path: Path
    files: tuple[str, ...]
    run: int
    active_units: int
    left_out: tuple[tuple[str, str], ...]


def write_figures(seen: Snapshot, out: Path, request: FigureRequest, progress: Progress | None = None) -> FigureReport:
    """Writes all figures of a run to the folder `out`; files of these names that are there already are replaced.

    Raises:
        StateError: the run has no checkpoint.
        NotFoundError: there is no such run or project to compare it with.
        InputError: the folder cannot be written, or the runs cannot be compared.
    """
    run, report = seen.run.number, progress or silent
    report(0.0, "Scoring")
    scores = _scores(seen, request.compare)  # first: a wrong name should not cost the wait for the rest
    folder = _Folder(out)
    report(0.1, "Reading what the model notes of each image")
    activity, divergence = figures.activity(seen), figures.divergence(seen)
    report(0.3, "Laying out the map")
    latent_map = figures.latent_map(seen, request.items)
    note = f"{seen.project.name}, run {run} ({activity.titled.model})."
    left_out: list[tuple[str, str]] = []

    folder.chart(Figure.LATENT_MAP, charts.latent_map(latent_map), f"{note} {drawn_words(latent_map)}")
    folder.table(Figure.LATENT_MAP, _map_rows(latent_map))
    if scores:
        titles = tuple(title for title, _ in scores)
        folder.chart(Figure.CONFUSION, charts.confusions(tuple(one for _, one in scores), titles), note)
        folder.table(Figure.CONFUSION, _confusion_rows(scores))
    else:
        left_out.append((Figure.CONFUSION, "the true classes are not known"))
    active = active_words(activity.n_active, len(activity.order))
    folder.chart(Figure.ACTIVITY, charts.activity(activity), f"{note} {active}")
    folder.table(Figure.ACTIVITY, _activity_rows(activity))
    if divergence.shared:
        left_out.append((Figure.DIVERGENCE, shared_words(activity.titled.model)))
    else:
        clicked = "Click on a square to see it unit by unit."
        chart = divergence_charts.divergence_with_pair(divergence)
        folder.chart(Figure.DIVERGENCE, chart, f"{note} {clicked}", divergence_charts.PAIR_SCRIPT)
        folder.table(Figure.DIVERGENCE, _divergence_rows(divergence))
    report(0.9, "Drawing what the model imagines")
    _pictures(seen, folder, left_out)
    folder.tidy()
    report(1.0, "Figures written")
    return FigureReport(out, tuple(folder.files), run, activity.n_active, tuple(left_out))


def drawn_words(found: LatentMap) -> str:
    """How many items a map shows, of how many."""
    n = len(found.items)
    return f"All {n:,} images." if n == found.n_all else f"A random {n:,} of {found.n_all:,} images."


def page_file(figure: Figure) -> str:
    """The name of the page that a chart is drawn on."""
    return f"{figure}.html"


def table_file(figure: Figure) -> str:
    """The name of the table of a chart's numbers."""
    return f"{figure}.csv"


class _Folder:
    """The folder that the files go to."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.files: list[str] = []

    def write(self, name: str, data: bytes) -> None:
        try:
            write_atomic(self._path / name, data)
        except OSError as error:
            raise InputError(f"{self._path} cannot be written ({error.strerror}); choose another folder") from error
        self.files.append(name)

    def tidy(self) -> None:
        """Removes what an earlier call wrote and this one did not: it shows another run."""
        charts_and_tables = {name for figure in Figure for name in (page_file(figure), table_file(figure))}
        for name in {*charts_and_tables, PROTOTYPES_FILE, SAMPLES_FILE, WALK_FILE} - set(self.files):
            (self._path / name).unlink(missing_ok=True)

    def chart(self, figure: Figure, chart: "go.Figure", note: str, script: str | None = None) -> None:
        about = FIGURE_TEXTS[figure]
        drawn = chart.to_html(
            full_html=False,
            include_plotlyjs=True,
            div_id="figure",
            post_script=script,
            config=charts.download_config(figure, "png"),
        )
        texts = {name: html.escape(getattr(about, name)) for name in ("title", "words", "paper")}
        page = _PAGE_TEMPLATE.format(
            **texts, note=html.escape(note), chart=drawn, file=json.dumps(figure), width=_PAGE_WIDTH_PIXELS
        )
        self.write(page_file(figure), page.encode())

    def table(self, figure: Figure, rows: Iterable[Sequence[object]]) -> None:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([csv_cell(cell) for cell in row] for row in rows)
        self.write(table_file(figure), text.getvalue().encode())


def _scores(seen: Snapshot, compare: str | None) -> tuple[tuple[str, Evaluation], ...]:
    """(title, scores) of the runs in Fig. 4; none if truth is unknown."""
    if compare is not None:
        return run_pairs.compared(seen, compare)
    alone = evaluating.evaluate(seen)
    return () if alone.best_naming is None else ((run_pairs.run_title(seen.project, seen.run.number), alone),)


def _pictures(seen: Snapshot, folder: _Folder, left_out: list[tuple[str, str]]) -> None:
    strips = imagining.strips(seen)
    folder.write(PROTOTYPES_FILE, imagining.strip_sheet(seen.project, strips, samples=False))
    folder.write(SAMPLES_FILE, imagining.strip_sheet(seen.project, strips))
    typical = tuple(imagining.exemplars(seen).values())
    if len(typical) < 2:
        left_out.append((WALK_FILE, "a walk leads from one cluster to another, and only one holds images"))
        return
    ends = (typical[0], typical[1])
    folder.write(WALK_FILE, imagining.walk_sheet(seen.project, ends, imagining.walk(seen, ends)))


def _map_rows(found: LatentMap) -> Iterable[Sequence[object]]:
    yield "item", "x", "y", "component", found.titled.by.replace(" ", "_")
    for item, (x, y), k, g in zip(found.items, found.xy.tolist(), found.component, found.group, strict=True):
        yield str(item), round(x, 4), round(y, 4), int(k), found.titled.groups[g]


def _confusion_rows(scores: tuple[tuple[str, Evaluation], ...]) -> Iterable[Sequence[object]]:
    yield "run", "true_class", "taken_for", "images"
    for title, one in scores:
        if one.best_naming is not None:
            for row, name in enumerate(one.best_naming.truth):
                for column, other in enumerate(one.best_naming.predicted):
                    yield title, name, other, int(one.best_naming.counts[row, column])


def _activity_rows(found: Activity) -> Iterable[Sequence[object]]:
    """Means by component and class, units in the order of the figure; the first row is of all items."""
    order = found.order.tolist()
    yield "component", found.titled.by.replace(" ", "_"), "images", *(f"unit_{unit}" for unit in order)
    yield "all", "all", int(found.count.sum()), *_numbers(found.overall[order])
    for k, group_counts in enumerate(found.count.tolist()):
        for g, n in enumerate(group_counts):
            if n:
                yield k, found.titled.groups[g], n, *_numbers(found.kl[k, g, order])


def _divergence_rows(found: Divergence) -> Iterable[Sequence[object]]:
    order = found.order.tolist()
    yield "of", "from", "all_units", *(f"unit_{unit}" for unit in order)
    for first, row in enumerate(found.kl):
        for second, units in enumerate(row):
            if first != second:
                yield first, second, *_numbers([units.sum(), *units[order]])


def _numbers(values: Iterable[float]) -> list[float]:
    return [float(f"{value:.6g}") for value in values]
