"""Commands that train, list the runs and choose among them."""

from dataclasses import replace
from typing import Annotated, Any

import typer

from dgm_engine.cli.options import Json, ProjectFolder
from dgm_engine.cli.output import bar, percent, show, text
from dgm_engine.config import LikelihoodName, ModelName, Preset
from dgm_engine.errors import InputError, JobError
from dgm_engine.jobs import JobState, JobStatus, tail
from dgm_engine.paths import RunPaths
from dgm_engine.services import jobs, labelling, outcomes, projects
from dgm_engine.services.projects import Project
from dgm_engine.training.planning import TrainRequest
from dgm_engine.training.run_results import comparison, is_kept, unlearned

Model = Annotated[
    ModelName | None, typer.Option(help="Which model to train; without it the one before, or gm-dgm at first.")
]
Components = Annotated[
    int | None,
    typer.Option(metavar="K", min=2, help="How many clusters; without it as many as before, or 20 at first."),
]
Auxiliary = Annotated[
    LikelihoodName | None,
    typer.Option(help="The family of the auxiliary latent of agm-dgm and adgm: gaussian at first."),
]
Settings = Annotated[
    Preset | None,
    typer.Option(
        help="fast: minutes on two cores. paper: the paper's settings, many hours. Without it all settings of the "
        "run before, or fast at first."
    ),
]


def train(
    project: ProjectFolder,
    model: Model = None,
    components: Components = None,
    auxiliary: Auxiliary = None,
    preset: Settings = None,
    minutes: Annotated[
        float | None, typer.Option(metavar="M", min=0.01, help="Stop after so many minutes of the processor's time.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(metavar="E", min=1, help="Stop after so many passes.")] = None,
    seed: Annotated[int | None, typer.Option(metavar="S", min=0, help="Of all random draws; 0 at first.")] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Start from scratch instead of continuing from the run in use.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Cluster the images, or learn on from new labels. Ctrl-C stops it and keeps what was learned."""
    if minutes is not None and epochs is not None:
        raise InputError("--minutes and --epochs were both given; give one of them")
    opened = projects.open_project(project)
    before = _earlier_settings(opened, preset, fresh=fresh)
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
    value = _ended(run, _follow(opened, run))
    line = ", ".join(f"{key.replace('_', ' ')} {text(item)}" for key, item in value.items())
    show(as_json, {**value, **_outcome(run)}, [line, *_outcome_in_words(opened, run)])


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
    show(as_json, {"runs": rows}, [*lines, *map(_run_line, rows)])


def use(
    project: ProjectFolder,
    run: Annotated[int, typer.Argument(metavar="RUN", help="The run's number, as runs lists it.")],
    as_json: Json = False,
) -> None:
    """Go back to a run, which training then goes on from. Labels stay as they are."""
    jobs.use_run(projects.open_project(project), run, labelling.default_annotator())
    show(as_json, {"run": run}, [f"run {run} is in use"])


def _earlier_settings(project: Project, preset: Preset | None, *, fresh: bool) -> TrainRequest:
    """The settings that a training keeps if the person gives none: those of the run before, or of a new preset."""
    before = TrainRequest() if fresh else jobs.as_before(project)
    return before if preset in (None, before.preset) else TrainRequest(preset=preset)


def _ended(run: RunPaths, status: JobStatus) -> dict[str, Any]:
    """How far a run came.

    Raises:
        JobError: it failed.
    """
    if status.state in (JobState.FAILED, JobState.INTERRUPTED):
        reason = status.error or tail(run.log) or "its process is gone"
        raise JobError(f"run {run.number} {status.state}: {reason}; see {run.log} and train again")
    return {
        "run": run.number,
        "state": status.state.value,
        "epochs": status.details.get("epoch"),
        "seconds": round(status.seconds, 1),
        "elbo": status.details.get("elbo"),
        "components_used": status.details.get("components_used"),
    }


def _follow(project: Project, run: RunPaths) -> JobStatus:
    """Waits for a run; the first Ctrl-C asks it to stop and waits on, a second one leaves it alone."""
    with bar() as progress:
        try:
            return jobs.follow(run, progress)
        except KeyboardInterrupt:
            typer.echo("Stopping; what was learned is kept. Press Ctrl-C again to leave without waiting.", err=True)
            jobs.stop_training(project)
            return jobs.follow(run, progress)


def _run_line(row: dict[str, Any]) -> str:
    """One line of the list of runs."""
    parent = "scratch" if row["parent"] is None else row["parent"]
    epochs = "-" if row["epochs"] is None else f"{row['epochs']:.4g}"
    remark = "in use" if row["in_use"] else "damaged" if row["damaged"] else "" if row["kept"] else "not kept"
    predicted = percent(row["accuracy_held_out"])
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
            (f"of {after.held_out.n} labels held out", before.held_out.share, after.held_out.share),
            ("with a class", before.coverage, after.coverage),
        ]
        told = [f"{of} {percent(then)} -> {percent(now)}" for of, then, now in shares if now is not None]
        lines.append(
            f"run {run.number} is not shown: {', '.join(told)}; run {down.in_use} stays; `dgm use {root} {run.number}` "
            "shows it all the same"
        )
    lines += [
        f"{name} cannot be predicted: no image came out as one; label more of it, or name its cluster, and train again"
        for name in unlearned(run)
    ]
    return lines
