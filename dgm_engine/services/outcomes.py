"""The outcome of training: whether the newest results are in use, what is left to do, what the model did not learn."""

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
    """The newest results, if they were worse than those before, which therefore stay in use until a person decides.

    Attributes:
        run: the number of the run with the newest results.
        in_use: the number of the run in use.
        comparison: how the newest results compare with those before.
    """

    run: int
    in_use: int
    comparison: Comparison


@dataclass(frozen=True)
class Left:
    """The rest of the schedule of a run that was stopped, or that ended early for another reason.

    Attributes:
        run: the number of the run.
        epochs: the passes that are left; None if time limits the run, or if the number is not known.
        of_epochs: the passes of the whole schedule; None if `epochs` is None.
        seconds: an estimate of the time that the rest takes; None if there is no estimate yet.
    """

    run: int
    epochs: float | None
    of_epochs: float | None
    seconds: float | None


class Moved(NamedTuple):
    """A name that the cluster to which a person gave it no longer has.

    A name belongs to the images that the person saw in the cluster, and these may be in other clusters now.

    Attributes:
        component: the cluster that the person gave the name to.
        class_name: the name.
        now: the clusters that have the name now; empty if its images no longer are most of any cluster.
        answered: the class that answers about its images gave the cluster instead; "" if they left it without a class,
            None if answers are not the reason.
    """

    component: int
    class_name: str
    now: tuple[int, ...]
    answered: str | None = None


def turned_down(project: Project) -> TurnedDown | None:
    """The newest results, if they are not in use because they were worse, and no person has decided about them yet.

    None while a run is at work, because its results will be the newest.
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
    """The rest of the schedule of the run in use; None if there is no such run, or it is not `unfinished`."""
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
    """The names that are no longer on the cluster that people gave them to, in the order of these clusters."""
    labels, owner = seen.labels, seen.owner
    hold = {anchor.class_name for anchor in labels.anchors.values()}  # people gave up all other names since
    given = [(k, name) for k, name in sorted(labels.names.items()) if k in labels.anchored and name in hold]
    answered = {k: said.class_name for k, said in still_overruled(seen.results.overruled, labels).items()}
    return tuple(
        Moved(k, name, tuple(other for other, owns in enumerate(owner) if owns == name), answered.get(k))
        for k, name in given
        if k >= len(owner) or owner[k] != name
    )


def moves_known(seen: Snapshot, person: str) -> frozenset[Moved]:
    """The moved names that a person said they know of."""
    known = _known_moves(_moves_seen(seen)).get(person, ())
    return frozenset(Moved(component, name, tuple(now), answered) for component, name, now, answered in known)


def know_moves(seen: Snapshot, person: str, moved: Iterable[Moved]) -> None:
    """Stores that a person knows of these moved names."""
    path = _moves_seen(seen)
    known = moves_known(seen, person).union(moved)
    write_json(path, {**_known_moves(path), person: sorted(known, key=repr)})


def unlearned(seen: Snapshot) -> tuple[str, ...]:
    """The classes that training knew from labels and names, and that the results predict for no image."""
    without = [name for name in seen.results.unlearned if name in seen.labels.classes]
    return unpredicted(without, view(seen).predicted) if without else ()


def _moves_seen(seen: Snapshot) -> Path:
    """The file of the moved names that people know of; one for each lineage, which gives cluster numbers a meaning."""
    return seen.project.paths.run(seen.lineage).moves_seen


def _known_moves(path: Path) -> dict[str, Any]:
    try:
        return read_json(path)
    except CorruptError:  # the file is missing, or damaged, and then people are told once more
        return {}


def _curves_stamp(run: RunPaths) -> int:
    return run.metrics.stat().st_mtime_ns if run.metrics.exists() else 0


@kept_by_stamp(_curves_stamp, maxsize=4)  # a run's curves may be long
def _pace(run: RunPaths, _stamp: int) -> float | None:
    """Seconds for one pass, from the first record of the curves to the last; None if the curves are too short."""
    told = [(record["epoch"], record["seconds"]) for record in runs.metrics(run) if record.get("epoch")]
    if not told or told[-1][0] <= told[0][0]:
        return None
    (first, began), (last, ended) = told[0], told[-1]
    return (ended - began) / (last - first)
