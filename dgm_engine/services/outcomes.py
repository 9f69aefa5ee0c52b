"""What came of training: whether the newest results are shown, what is left to do, what could not be learned."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from dgm_engine.errors import CorruptError
from dgm_engine.json_files import read_json, write_json
from dgm_engine.paths import RunPaths
from dgm_engine.services.latest import choice, results_of, run_in_use
from dgm_engine.services.projects import Project
from dgm_engine.services.snapshot import Snapshot
from dgm_engine.services.viewing import view
from dgm_engine.stamped import kept_by_stamp
from dgm_engine.training import run_results, runs
from dgm_engine.training.comparing import Comparison, unpredicted
from dgm_engine.training.naming import still_overruled


@dataclass(frozen=True)
class TurnedDown:
    """The newest results, which were worse than those before, so that these stay until a person decides.

    Attributes:
        run: the run that left them.
        in_use: the run whose results are shown.
        comparison: the two side by side.
    """

    run: int
    in_use: int
    comparison: Comparison


@dataclass(frozen=True)
class Left:
    """What a run that was stopped, or ended otherwise before its time, did not get to.

    Attributes:
        run: its number.
        epochs: passes that are left, or None if time ends the run, or that is not known.
        of_epochs: passes of the whole schedule; None as `epochs`.
        seconds: about how long the rest takes; None if nothing can be said of that yet.
    """

    run: int
    epochs: float | None
    of_epochs: float | None
    seconds: float | None


class Moved(NamedTuple):
    """A name that is no longer where a person gave it, as it belongs to the images and these are elsewhere.

    Attributes:
        component: the cluster that it was given to.
        class_name: the name.
        now: the clusters that have it; none where its images are no cluster's own any more.
        answered: the class that the cluster has by answers about its images instead; "" if they left it without one,
            None if it was no answer that moved the name.
    """

    component: int
    class_name: str
    now: tuple[int, ...]
    answered: str | None = None


def turned_down(project: Project) -> TurnedDown | None:
    """The newest results, where they are not shown because they were worse and nobody has decided about that yet.

    None while a run is at work: what it leaves may change everything.
    """
    chosen = choice(project)
    newest = next(run_results.readable_runs(project.paths), None)
    in_use = run_results.latest_results(project.paths, chosen)
    if newest is None or in_use is None or runs.active_run(project.paths) is not None:
        return None
    compared = run_results.comparison(newest)
    decided = chosen is not None and chosen.newest >= newest.number
    if compared is None or compared.kept or decided:
        return None
    return TurnedDown(newest.number, in_use.number, compared)


def something_new(project: Project) -> bool:
    """Whether people have said something that the results in use did not learn from."""
    run = run_in_use(project)
    learned = 0 if run is None else project.labels.known_at(results_of(run).labels_version)
    return project.labels.state().known != learned


def left_to_do(project: Project) -> Left | None:
    """What the run in use did not get to; None if it is not `unfinished`, or there is none."""
    run = run_in_use(project)
    if run is None or not run_results.unfinished(run):
        return None
    status = runs.status(run)
    done, of_epochs = status.details.get("epoch") or 0.0, status.details.get("of_epochs")
    if of_epochs is not None:
        pace = _pace(run)
        pace = status.seconds / done if pace is None and done else pace
        epochs = max(of_epochs - done, 0.0)
        return Left(run.number, epochs, of_epochs, None if pace is None else pace * epochs)
    budget = status.details.get("of_seconds")
    if budget is not None:
        spent = status.details.get("work", status.seconds)  # by this run and the runs that it continued
        return Left(run.number, None, None, max(budget - spent, 0.0))
    share = status.progress
    return Left(run.number, None, None, status.seconds * (1 - share) / share if share else None)


def moved_names(seen: Snapshot) -> tuple[Moved, ...]:
    """The names of clusters that are no longer where they were given, by cluster."""
    labels, owner = seen.labels, seen.owner
    hold = {anchor.class_name for anchor in labels.anchors.values()}  # a name that was given up since is not missed
    given = [(k, name) for k, name in sorted(labels.names.items()) if k in labels.anchored and name in hold]
    answered = {k: said.class_name for k, said in still_overruled(seen.results.overruled, labels).items()}
    return tuple(
        Moved(k, name, tuple(other for other, owns in enumerate(owner) if owns == name), answered.get(k))
        for k, name in given
        if k >= len(owner) or owner[k] != name
    )


def moves_known(seen: Snapshot, person: str) -> frozenset[Moved]:
    """The moved names that somebody said they know of."""
    known = _known_moves(_moves_seen(seen)).get(person, ())
    return frozenset(Moved(component, name, tuple(now), answered) for component, name, now, answered in known)


def know_moves(seen: Snapshot, person: str, moved: Iterable[Moved]) -> None:
    """Notes that somebody knows of these."""
    path = _moves_seen(seen)
    known = moves_known(seen, person).union(moved)
    write_json(path, {**_known_moves(path), person: sorted(known, key=repr)})


def unlearned(seen: Snapshot) -> tuple[str, ...]:
    """The classes that training knew from labels and names, and that the results predict for no image."""
    without = [name for name in seen.results.unlearned if name in seen.labels.classes]
    return unpredicted(without, view(seen).predicted) if without else ()


def _moves_seen(seen: Snapshot) -> Path:
    """The numbers of clusters mean something within a lineage."""
    return seen.project.paths.run(seen.lineage).moves_seen


def _known_moves(path: Path) -> dict[str, Any]:
    try:
        return read_json(path)
    except CorruptError:  # there is none yet, or it is damaged, and then people are told once more
        return {}


def _curves_stamp(run: RunPaths) -> int:
    return run.metrics.stat().st_mtime_ns if run.metrics.exists() else 0


@kept_by_stamp(_curves_stamp, maxsize=4)  # a run's curves may be long
def _pace(run: RunPaths, _stamp: int) -> float | None:
    """Seconds for one pass by the curves, without what came before the first; None if they are too short."""
    told = [(record["epoch"], record["seconds"]) for record in runs.metrics(run) if record.get("epoch")]
    if not told or told[-1][0] <= told[0][0]:
        return None
    (first, began), (last, ended) = told[0], told[-1]
    return (ended - began) / (last - first)
