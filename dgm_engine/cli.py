"""The command line, ``dgm``. What it prints with ``--json`` is fixed (DESIGN section 5): scripts depend on it."""

import json
import os
import re
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from tqdm import tqdm

from dgm_engine.config import LikelihoodName, ModelName, Preset
from dgm_engine.data.pool import Quarantined
from dgm_engine.data.sources import ClassFolders, SourceRequest
from dgm_engine.discovery.suggestions import Strategy
from dgm_engine.errors import DgmError, InputError, JobError, in_words
from dgm_engine.jobs import JobState, JobStatus, tail
from dgm_engine.paths import RunPaths
from dgm_engine.progress import Progress
from dgm_engine.reproduction.results import Variant
from dgm_engine.reproduction.tables import TableName
from dgm_engine.services import evaluating, exploring, exporting, jobs, labelling, outcomes, projects, reproducing
from dgm_engine.services.figure_files import FigureRequest, write_figures
from dgm_engine.services.projects import Project
from dgm_engine.training.runs import TrainRequest, comparison, is_kept, unlearned

app = typer.Typer(
    help="Turn a pile of mostly unlabelled images into named classes and a trained classifier.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
)

ProjectFolder = Annotated[Path, typer.Argument(metavar="PROJECT", help="The project's folder.")]
DataRoot = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Where MNIST and Fashion-MNIST lie; without it $DGM_DATA_ROOT, or else they are downloaded.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout and nothing else.")]


@app.command()
def new(
    project: ProjectFolder,
    source: Annotated[
        str,
        typer.Option(
            metavar="SRC",
            help="What to take in: digits, mnist, fashion-mnist, a folder of images, a zip of images, "
            "or a .npz/.npy file of images or feature vectors.",
        ),
    ],
    data_root: DataRoot = None,
    class_folders: Annotated[
        ClassFolders,
        typer.Option(
            help="What the folders in a source say: the truth, used only by evaluate; labels to train on; or nothing."
        ),
    ] = ClassFolders.TRUTH,
    limit: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Take in an even sample of at most N items.")
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(metavar="HxW", help="Height and width of all images in pixels; chosen from the data without it."),
    ] = None,
    channels: Annotated[
        int | None,
        typer.Option(metavar="1|3", help="Grey (1) or colour (3); chosen from the data without it."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Make a project from a pile of images."""
    request = SourceRequest(
        source, data_root=data_root, class_folders=class_folders, limit=limit, size=_size(size), channels=channels
    )
    with _bar() as progress:
        report = projects.create_project(project, request, progress)
    value = {
        "items": report.items,
        "classes": list(report.classes),
        "quarantined": _bad(report.quarantined),
        "labels": report.labels,
    }
    lines = [f"{project}: {report.items} items, {len(report.classes)} classes of ground truth, {report.labels} labels"]
    _show(as_json, value, [*lines, *_left_out(report.quarantined)])


@app.command()
def info(project: ProjectFolder, as_json: Json = False) -> None:
    """Say what a project holds and how far it is."""
    opened = projects.open_project(project)
    pool, state, last = opened.pool, opened.labels.state(), jobs.active_status(opened)
    value = {
        "name": opened.name,
        "source": opened.manifest.source,
        "created": opened.manifest.created,
        "items": pool.n_items,
        "held_out": int((pool.split == projects.TEST).sum()),
        "shape": list(pool.shape),
        "truth_classes": list(pool.classes),
        "classes": list(labelling.class_names(opened)),
        "labelled": len(state.positive),
        "rejected": len(state.rejected),
        "quarantined": len(projects.quarantined(opened)),
        "runs": [{"run": run.number, "state": run.status.state.value} for run in jobs.runs(opened)],
        "state": "new" if last is None else last[1].state.value,
    }
    _show(as_json, value, [f"{key}: {_text(item)}" for key, item in value.items()])


@app.command()
def train(
    project: ProjectFolder,
    model: Annotated[
        ModelName | None, typer.Option(help="Which model to train; without it the one before, or gm-dgm at first.")
    ] = None,
    components: Annotated[
        int | None,
        typer.Option(metavar="K", min=2, help="How many clusters; without it as many as before, or 20 at first."),
    ] = None,
    auxiliary: Annotated[
        LikelihoodName | None,
        typer.Option(help="The family of the auxiliary latent of agm-dgm and adgm: gaussian at first."),
    ] = None,
    preset: Annotated[
        Preset | None,
        typer.Option(
            help="fast: minutes on two cores. paper: the paper's settings, many hours. Without it all settings of the "
            "run before, or fast at first."
        ),
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(metavar="M", min=0.01, help="Stop after so many minutes of the processor's time.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(metavar="E", min=1, help="Stop after so many passes.")] = None,
    seed: Annotated[int | None, typer.Option(metavar="S", min=0, help="Of all random draws; 0 at first.")] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Start anew instead of continuing from the run in use.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Cluster the images, or learn on from new labels. Ctrl-C stops it and keeps what was learned."""
    if minutes is not None and epochs is not None:
        raise InputError("--minutes and --epochs were both given; give one of them")
    opened = projects.open_project(project)
    before = TrainRequest() if fresh else jobs.as_before(opened)
    if preset not in (None, before.preset):
        before = TrainRequest(preset=preset)
    request = replace(
        before,
        model=model,
        auxiliary=auxiliary,
        n_components=components,
        minutes=minutes,
        epochs=epochs,
        seed=before.seed if seed is None else seed,
        fresh=fresh,
    )
    run = jobs.start_training(opened, request)
    status = _follow(opened, run)
    if status.state in (JobState.FAILED, JobState.INTERRUPTED):
        reason = status.error or tail(run.log) or "its process is gone"
        raise JobError(f"run {run.number} {status.state}: {reason}; see {run.log} and train again")
    value = {
        "run": run.number,
        "state": status.state.value,
        "epochs": status.details.get("epoch"),
        "seconds": round(status.seconds, 1),
        "elbo": status.details.get("elbo"),
        "components_used": status.details.get("components_used"),
    }
    line = ", ".join(f"{key.replace('_', ' ')} {_text(item)}" for key, item in value.items())
    _show(as_json, {**value, **_outcome(run)}, [line, *_outcome_in_words(opened, run)])


@app.command()
def runs(project: ProjectFolder, as_json: Json = False) -> None:
    """List the runs, newest first, and say whose clusters are in use."""
    rows: list[dict[str, Any]] = [
        {
            "run": run.number,
            "parent": run.parent,
            "state": run.status.state.value,
            "epochs": run.status.details.get("epoch"),
            "accuracy_held_out": run.accuracy_held_out,
            "in_use": run.in_use,
            "kept": run.kept,
            "damaged": run.damaged,
        }
        for run in jobs.runs(projects.open_project(project))
    ]
    lines = [f"{'run':>4}  {'from':>7}  {'state':<11}  {'passes':>7}  as people said"]
    _show(as_json, {"runs": rows}, [*lines, *map(_run_line, rows)])


@app.command()
def use(
    project: ProjectFolder,
    run: Annotated[int, typer.Argument(metavar="RUN", help="The run's number, as runs lists it.")],
    as_json: Json = False,
) -> None:
    """Go back to a run, which training then goes on from. Labels stay as they are."""
    jobs.use_run(projects.open_project(project), run, labelling.default_annotator())
    _show(as_json, {"run": run}, [f"run {run} is in use"])


@app.command()
def clusters(project: ProjectFolder, as_json: Json = False) -> None:
    """List the clusters: size, class, confidence and typical items."""
    opened = projects.open_project(project)
    view = exploring.view(opened)
    rows: list[dict[str, Any]] = [
        {
            "component": cluster.component,
            "size": cluster.size,
            "class": cluster.class_name,
            "confidence": round(cluster.confidence, 4),
            "exemplars": opened.pool.items[cluster.exemplars].tolist(),
            "two_like": cluster.two_like,
            "ignored": cluster.ignored,
            "closed": cluster.closed,
        }
        for cluster in view.clusters
    ]
    lines = [f"{'component':>9}  {'size':>7}  {'confidence':>10}  {'class':<20}  exemplars of run {view.run}"]
    lines += [
        f"{row['component']:>9}  {row['size']:>7}  {row['confidence']:>10.2f}  {row['class'] or '-':<20}  "
        + " ".join(row["exemplars"][:3])
        for row in rows
    ]
    _show(as_json, {"run": view.run, "clusters": rows}, lines)


@app.command()
def name(
    project: ProjectFolder,
    component: Annotated[int, typer.Argument(metavar="COMPONENT", help="The cluster's number, as clusters lists it.")],
    class_name: Annotated[
        str, typer.Argument(metavar="CLASS", help='The class that owns it from now on; "" takes its name away.')
    ],
    run: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="The run whose clusters you looked at; without it the one in use."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Give a cluster to a class; a class may have several clusters.

    The name is of the images that the cluster holds, and stays with them. A run that ends after you looked may have put
    others there: --run names those that you saw.
    """
    opened, owner = projects.open_project(project), class_name.strip() or None
    seen = None if run is None else exploring.view(opened, run)
    labelling.name_component(opened, component, owner, labelling.default_annotator(), seen)
    done = f"cluster {component} has no name any more" if owner is None else f"cluster {component} is {owner}"
    _show(as_json, {"component": component, "class": owner}, [done])


@app.command()
def label(
    project: ProjectFolder,
    csv: Annotated[
        Path,
        typer.Option(metavar="FILE", help="A CSV with columns item,class[,annotator] or item,not_class; or a .jsonl."),
    ],
    as_json: Json = False,
) -> None:
    """Take in labels of single items from a file."""
    report = labelling.import_labels(projects.open_project(project), csv, labelling.default_annotator())
    rejected = [{"row": row.row, "reason": row.reason} for row in report.rejected]
    taken = f"{report.accepted} label{'s' * (report.accepted != 1)} taken"
    lines = [taken, *(f"{csv} row {r['row']} left out: {r['reason']}" for r in rejected)]
    _show(as_json, {"accepted": report.accepted, "rejected": rejected}, lines)
    if not report.accepted:
        why = (
            f"row {rejected[0]['row']}: {rejected[0]['reason']}" if rejected else "it has no rows below its first line"
        )
        raise InputError(f"no row of {csv} could be taken in; {why}")


@app.command()
def labels(
    project: ProjectFolder,
    out: Annotated[Path, typer.Option(metavar="FILE", help="The file to write, ending in .csv or .jsonl.")],
    history: Annotated[
        bool,
        typer.Option("--history", help="Write all that was ever said, when and by whom."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Write the labels to a file."""
    rows = labelling.write_labels(projects.open_project(project), out, history=history)
    _show(as_json, {"path": str(out), "rows": rows}, [f"{out}: {rows} rows"])


@app.command()
def suggest(
    project: ProjectFolder,
    strategy: Annotated[Strategy, typer.Option(help="How items are chosen.")] = Strategy.MIXED,
    n: Annotated[int, typer.Option("--n", metavar="N", min=1, help="How many items.")] = 20,
    as_json: Json = False,
) -> None:
    """List the items most worth labelling next."""
    found = exploring.suggestions(projects.open_project(project), strategy, n)
    rows = [{"item": s.item, "reason": s.reason, "predicted": s.predicted, "component": s.component} for s in found]
    _show(as_json, {"items": rows}, [f"{s.item}  {s.reason}" for s in found])


@app.command()
def evaluate(project: ProjectFolder, as_json: Json = False) -> None:
    """Score the model. Ground truth decides where the source has it, and else labels that the model has not seen.

    accuracy named: images whose predicted class is the true one. accuracy cluster and label: the same, had each cluster
    the class most frequent in it. accuracy hungarian: the same with one cluster for each class. all, old, new: classes
    and clusters without a name matched with the true classes as well as possible; of all images, of those of classes
    that you named or labelled, and of the others.
    """
    scores = evaluating.evaluate(projects.open_project(project))
    figures = ("accuracy_cluster_and_label", "accuracy_named", "accuracy_hungarian", "all", "old", "new")
    value: dict[str, Any] = {
        "run": scores.run,
        "split": scores.split,
        "n": scores.n,
        **{key: getattr(scores, key) for key in figures},
        "components_used": scores.components_used,
        "held_out_agreement": [asdict(agreement) for agreement in scores.held_out_agreement],
    }
    lines = [f"{key.replace('_', ' ')}: {_text(value[key])}" for key in value if key != "held_out_agreement"]
    lines += [
        f"run {a.run} agrees with {a.agreement:.1%} of {a.n} labels given after it"
        for a in scores.held_out_agreement
        if a.agreement is not None
    ]
    _show(as_json, value, lines)


@app.command()
def figures(
    project: ProjectFolder,
    out: Annotated[
        Path, typer.Argument(metavar="OUT", help="The folder to write; earlier figures in it are replaced.")
    ],
    run: Annotated[int | None, typer.Option(metavar="N", min=1, help="Which run; without it the one in use.")] = None,
    compare: Annotated[
        str | None,
        typer.Option(
            metavar="RUN|PROJECT",
            help="What to put beside it in figure 4: another run's number, or another project's folder.",
        ),
    ] = None,
    items: Annotated[
        int, typer.Option(metavar="N", min=1, help="Images on the map of figure 3 at most; 10,000 take a minute.")
    ] = FigureRequest.items,
    as_json: Json = False,
) -> None:
    """Write the paper's figures of a run. Charts are HTML with their numbers as CSV, pictures are PNG."""
    with _bar() as progress:
        report = write_figures(projects.open_project(project), out, FigureRequest(run, compare, items), progress)
    value = {
        "path": str(report.path),
        "files": list(report.files),
        "run": report.run,
        "active_units": report.active_units,
        "left_out": [{"figure": figure, "reason": reason} for figure, reason in report.left_out],
    }
    lines = [f"{report.path}: {', '.join(report.files)}"]
    _show(as_json, value, [*lines, *(f"left out {figure}: {reason}" for figure, reason in report.left_out)])


@app.command()
def export(
    project: ProjectFolder,
    out: Annotated[
        Path,
        typer.Argument(metavar="OUT", help="The folder to write: new, or an earlier export."),
    ],
    as_json: Json = False,
) -> None:
    """Write the classifier as a folder that runs anywhere. onnxruntime and Pillow are enough to use it."""
    with _bar() as progress:
        report = exporting.export_classifier(projects.open_project(project), out, progress)
    value = {"path": str(report.path), "files": list(report.files), "classes": list(report.classes)}
    _show(as_json, value, [f"{report.path}: {', '.join(value['files'])}; classes {', '.join(value['classes'])}"])


@app.command()
def predict(
    export: Annotated[Path, typer.Argument(metavar="EXPORT", help="A folder that dgm export wrote.")],
    images: Annotated[
        Path, typer.Argument(metavar="IMAGES", help="An image, a folder or zip of images, or a .npz/.npy file.")
    ],
    out: Annotated[Path, typer.Option(metavar="FILE", help="The CSV to write: item,class,confidence,is_new.")],
    as_json: Json = False,
) -> None:
    """Classify images with an exported classifier."""
    with _bar() as progress:
        report = exporting.predict(export, images, out, progress)
    value = {"rows": report.rows, "path": str(report.path), "quarantined": _bad(report.quarantined)}
    _show(as_json, value, [f"{report.path}: {report.rows} rows", *_left_out(report.quarantined)])


@app.command()
def reproduce(
    table: Annotated[TableName, typer.Argument(help="Which table of the paper.")],
    preset: Annotated[
        Preset, typer.Option(help="fast: minutes for each run. paper: the paper's settings, many hours for each.")
    ] = Preset.FAST,
    runs: Annotated[int, typer.Option(metavar="R", min=1, help="Runs of each row, seeds 0 to R - 1.")] = 4,
    rows: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ROW",
            help="Only this row, as in gm-dgm-200-30 (model, Z, K) or k-means-10; or all that begin so, as in gm-dgm; "
            "or models, or peers. May be given again.",
        ),
    ] = None,
    labels: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="Labels of each labelled class in table1: 120 (2%) without it; the paper says 1200.",
        ),
    ] = None,
    epochs: Annotated[int | None, typer.Option(metavar="E", min=1, help="Passes instead of the preset's own.")] = None,
    limit: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Train on an even sample of N images, to try it out.")
    ] = None,
    bound_alone: Annotated[
        bool, typer.Option("--bound-alone", help="Without the terms that the paper's objective does not have.")
    ] = False,
    data_root: DataRoot = None,
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="The folder of results; runs that are done there are not run again.")
    ] = Path("reproduce"),
    keep: Annotated[bool, typer.Option("--keep", help="Keep the projects of finished runs under DIR/work.")] = False,
    as_json: Json = False,
) -> None:
    """Run the rows of a table of the paper, and the peers. Stop it at will: the same command goes on from there."""
    how = reproducing.variant(table, Variant(preset, labels, epochs, limit, bound_alone))
    request = reproducing.Request(table, how, tuple(rows or ()), runs, out, data_root, keep)
    with _bar() as progress:
        outcome = reproducing.reproduce(request, progress)
    if outcome.failures:
        others = f"; {len(outcome.failures) - 1} more failed too" if len(outcome.failures) > 1 else ""
        raise JobError(f"{outcome.failures[0]}{others}; the runs that are done stand in {outcome.markdown}")
    value = {
        "table": table.value,
        "markdown": str(outcome.markdown),
        "csv": str(outcome.csv),
        "finished": outcome.finished,
        "skipped": outcome.skipped,
        "rows": [asdict(line) for line in outcome.lines],
    }
    _show(as_json, value, [outcome.markdown.read_text(encoding="utf-8"), *outcome.skipped])


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs a command line and exits: 0 after success, 2 with one line on stderr where something cannot be done."""
    try:
        given = sys.argv[1:] if arguments is None else list(arguments)
        code = app(given or ["--help"], prog_name="dgm", standalone_mode=False)
    except BrokenPipeError:  # whoever read our output has had enough: "dgm ... | head"
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except (DgmError, OSError) as error:
        _fail(in_words(error))
    except typer.TyperException as error:
        _fail(_usage(error))
    except (KeyboardInterrupt, typer.Abort):
        sys.exit(130)
    sys.exit(code or 0)


def _fail(message: str) -> NoReturn:
    typer.echo(f"dgm: {' '.join(message.split())}", err=True)
    sys.exit(2)


def _usage(error: typer.TyperException) -> str:
    """What was wrong with the command line, and where to read what it takes."""
    context = getattr(error, "ctx", None)
    return error.format_message().rstrip(".") + f"; see {context.command_path if context else 'dgm'} --help"


def _show(as_json: bool, value: dict[str, Any], lines: Sequence[str]) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False, allow_nan=False) if as_json else "\n".join(lines))


def _run_line(row: dict[str, Any]) -> str:
    """One line of the list of runs."""
    parent = "scratch" if row["parent"] is None else row["parent"]
    epochs = "-" if row["epochs"] is None else f"{row['epochs']:.4g}"
    remark = "in use" if row["in_use"] else "damaged" if row["damaged"] else "" if row["kept"] else "not kept"
    predicted = _percent(row["accuracy_held_out"])
    return f"{row['run']:>4}  {parent:>7}  {row['state']:<11}  {epochs:>7}  {predicted:>14}  {remark}".rstrip()


def _outcome(run: RunPaths) -> dict[str, Any]:
    """What came of a run that has ended."""
    compared = comparison(run)
    return {
        "named_before": None if compared is None else compared.before.agreement,
        "named_after": None if compared is None else compared.after.agreement,
        "held_out_before": None if compared is None else compared.before.held_out.share,
        "held_out_after": None if compared is None else compared.after.held_out.share,
        "kept": is_kept(run),
        "unlearned": list(unlearned(run)),
    }


def _outcome_in_words(project: Project, run: RunPaths) -> list[str]:
    """What a person has to know of it: that it is not shown, and which classes it cannot predict."""
    lines: list[str] = []
    compared, down = comparison(run), outcomes.turned_down(project)
    if compared is not None and down is not None and down.run == run.number:
        before, after, root = compared.before, compared.after, project.paths.root
        shares = [
            ("named", before.named.share, after.named.share),
            (f"of {after.held_out.n} labels kept aside", before.held_out.share, after.held_out.share),
            ("with a class", before.coverage, after.coverage),
        ]
        told = [f"{of} {_percent(then)} -> {_percent(now)}" for of, then, now in shares if now is not None]
        lines.append(
            f"run {run.number} is not shown: {', '.join(told)}; run {down.in_use} stays; `dgm use {root} {run.number}` "
            "shows it all the same"
        )
    lines += [
        f"{name} cannot be predicted: no image came out as one; label more of it, or name its cluster, and train again"
        for name in unlearned(run)
    ]
    return lines


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.0%}"


def _bad(quarantined: Sequence[Quarantined]) -> list[dict[str, str]]:
    return [{"path": entry.path, "reason": entry.reason} for entry in quarantined]


def _left_out(quarantined: Sequence[Quarantined]) -> list[str]:
    return [f"left out {entry.path}: {entry.reason}" for entry in quarantined]


def _text(value: object) -> str:
    """A value as a person reads it."""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return ", ".join(map(_text, value)) or "none"  # pyright: ignore[reportUnknownArgumentType]
    if isinstance(value, dict):
        return " ".join(map(str, value.values()))  # pyright: ignore[reportUnknownArgumentType]
    return "unknown" if value is None else str(value)


@contextmanager
def _bar() -> Generator[Progress]:
    """A progress bar on a terminal, silence elsewhere."""
    form = "{desc} {percentage:3.0f}%|{bar}| {elapsed}"
    said = ""
    with tqdm(total=1.0, miniters=0, file=sys.stderr, disable=None, leave=False, bar_format=form) as bar:

        def progress(share: float, what: str) -> None:
            nonlocal said
            bar.update(share - bar.n)
            bar.set_description_str(what, refresh=what != said)
            said = what

        yield progress


def _follow(project: Project, run: RunPaths) -> JobStatus:
    """Waits for a run; the first Ctrl-C asks it to stop and waits on, a second one leaves it alone."""
    with _bar() as progress:
        try:
            return jobs.follow(run, progress)
        except KeyboardInterrupt:
            typer.echo("Stopping; what was learned is kept. Press Ctrl-C again to leave without waiting.", err=True)
            jobs.stop_training(project)
            return jobs.follow(run, progress)


def _size(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    found = re.fullmatch(r"(\d+)(?:x(\d+))?", text)
    if found is None:
        raise InputError(f"--size is {text!r}; give height and width in pixels, as in 28x32, or one number for both")
    return int(found[1]), int(found[2] or found[1])


if __name__ == "__main__":
    main()
