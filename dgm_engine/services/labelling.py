"""What a person says about images and clusters.

Every call is one batch: one step for `undo`. Items of the test split are kept for `evaluate` and cannot be labelled.
"""

import getpass
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from dgm_engine.errors import InputError, StateError
from dgm_engine.labels import interchange
from dgm_engine.labels.interchange import ImportReport
from dgm_engine.labels.schema import Kind
from dgm_engine.labels.state import LabelState
from dgm_engine.labels.store import Entry
from dgm_engine.services import anchoring, exploring
from dgm_engine.services.exploring import View, component_seen
from dgm_engine.services.latest import latest_run, results_of, run_in_use
from dgm_engine.services.palette import class_colours
from dgm_engine.services.projects import TEST, Project

CSV, JSONL = ".csv", ".jsonl"
HELD_OUT = "is in the test split, which is kept to evaluate the model on; label images of the train split"


def default_annotator() -> str:
    """Who says things where nobody says who: the name of the computer's user, on screens and in a terminal alike."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # by version and system, of an account without a name
        return "anonymous"


def label_items(project: Project, items: Sequence[str], class_name: str, annotator: str) -> None:
    """Says that items are of a class, which may be new.

    Raises:
        NotFoundError: an item does not exist.
        InputError: an item is of the test split, or the class name is not usable.
    """
    project.labels.label(_checked(project, items), class_name, annotator=annotator)


def reject_class(project: Project, items: Sequence[str], class_name: str, annotator: str) -> None:
    """Says that items are *not* of a class. Raises as `label_items`."""
    project.labels.reject(_checked(project, items), class_name, annotator=annotator)


def label_each(project: Project, classes: Mapping[str, str], annotator: str) -> None:
    """Says of each item which class it is of. Raises as `label_items`."""
    _judge_each(project, Kind.LABEL, classes, annotator)


def reject_each(project: Project, classes: Mapping[str, str], annotator: str) -> None:
    """Says of each item which class it is *not* of. Raises as `label_items`."""
    _judge_each(project, Kind.REJECT, classes, annotator)


def mark_none_of_named(project: Project, items: Sequence[str], annotator: str) -> None:
    """Says that items are of none of the classes that have a name. Raises as `label_items`."""
    project.labels.none_of_named(_checked(project, items), annotator=annotator)


def clear_labels(project: Project, items: Sequence[str], annotator: str) -> None:
    """Forgets all that was said about items. Raises as `label_items`."""
    project.labels.clear(_checked(project, items), annotator=annotator)


def skip_items(project: Project, items: Sequence[str], annotator: str) -> None:
    """Marks items so that they are not suggested again. Raises as `label_items`."""
    project.labels.skip(_checked(project, items), annotator=annotator)


def name_component(
    project: Project, component: int, class_name: str | None, annotator: str, seen: View | None = None
) -> None:
    """Gives a cluster to a class, which may have several, or with None takes its name away.

    Args:
        project: whose cluster it is.
        component: its number.
        class_name: the class, which may be new.
        annotator: who says so.
        seen: the view that the person saw; None is the newest.

    Raises:
        StateError: the project has no clusters yet, or others than the person saw, or it was merged or dissolved.
        NotFoundError: there is no such component.
        InputError: the class name is not usable.
    """
    lineage = component_seen(project, component, seen)
    if class_name is not None and exploring.clusters_of(project, latest_run(project))[component].closed:
        raise StateError(f"cluster {component} was merged or dissolved and holds no images; name the one that has them")
    images = anchoring.named(project, exploring.view(project) if seen is None else seen, component)
    project.labels.name_component(lineage, component, class_name, images, annotator=annotator)


def undo(project: Project, annotator: str) -> str | None:
    """Takes the last step back; says what it was, or None where there is nothing to undo.

    Raises:
        ConflictError: it is somebody else's.
    """
    result = project.labels.undo(annotator=annotator, own=True)
    return None if result is None else result.description


def redo(project: Project, annotator: str) -> str | None:
    """Does again what was last undone; says what it was, or None where there is nothing to redo."""
    result = project.labels.redo(annotator=annotator)
    return None if result is None else result.description


def import_labels(project: Project, path: Path, annotator: str) -> ImportReport:
    """Takes labels from a file; rows that cannot be used are left out and reported with a reason.

    The file is JSONL where its name ends so, otherwise CSV: item,class[,annotator] or item,not_class.

    Raises:
        InputError: the file cannot be read or has no such columns.
    """
    rows = interchange.read_jsonl(path) if path.suffix.lower() == JSONL else interchange.read_csv(path)
    items, held_out = project.pool.items, project.pool.split == TEST
    kept = frozenset(items[held_out].tolist())
    rows = [replace(row, problem=f"{row.item} {HELD_OUT}") if row.item in kept else row for row in rows]
    return interchange.import_rows(project.labels, rows, items[~held_out].tolist(), annotator)


def write_labels(project: Project, path: Path, *, history: bool = False) -> int:
    """Writes the current labels, or all events, as CSV or JSONL after the ending of ``path``; returns the rows written.

    Raises:
        InputError: ``path`` ends in neither, or cannot be written.
    """
    if path.suffix.lower() not in (CSV, JSONL):
        raise InputError(f"labels cannot be written to {path.name}; choose a name that ends in {CSV} or {JSONL}")
    write = interchange.write_csv if path.suffix.lower() == CSV else interchange.write_jsonl
    if history:
        events = project.labels.history()
        write(path, events)
        return len(events)
    state = project.labels.state()
    write(path, state)
    return len(state.positive) + len(state.none_of_named) + sum(map(len, state.rejected.values()))


def class_names(project: Project) -> tuple[str, ...]:
    """The classes that people speak of, by labels or cluster names, in order of first appearance."""
    return _state(project).classes


def colours(project: Project) -> dict[str, str]:
    """The colours of these classes, on every screen."""
    state = _state(project)
    return class_colours({name: state.numbers[name] for name in state.classes})


def _state(project: Project) -> LabelState:
    run = run_in_use(project)
    return project.labels.state(None if run is None else results_of(run).config.lineage)


def _judge_each(project: Project, kind: Kind, classes: Mapping[str, str], annotator: str) -> None:
    items = _checked(project, list(classes))
    project.labels.record([Entry(kind, item, classes[item]) for item in items], annotator=annotator)


def _checked(project: Project, items: Sequence[str]) -> list[str]:
    """The items, each once; raises where there are none, one is unknown, or one is kept for `evaluate`."""
    unique = list(dict.fromkeys(items))
    if not unique:
        raise InputError("no images are selected; select at least one")
    held_out = project.pool.split[project.pool.rows(unique)] == TEST
    if held_out.any():
        raise InputError(f"{unique[int(held_out.argmax())]} {HELD_OUT}")
    return unique
