"""What a person says about images and clusters.

Every call is one batch: one step for `undo`. Items of the test split are kept for `evaluate` and cannot be labelled.
"""

import getpass
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from dgm_engine.errors import InputError, StateError
from dgm_engine.labels.formats import format_to_read, format_to_write
from dgm_engine.labels.interchange import ImportReport, import_rows
from dgm_engine.labels.schema import Kind
from dgm_engine.labels.store import Entry
from dgm_engine.services import anchoring
from dgm_engine.services.palette import class_colours
from dgm_engine.services.projects import TEST_SPLIT, Project
from dgm_engine.services.snapshot import Snapshot, take
from dgm_engine.services.viewing import clusters_of, component_seen

IN_TEST_SPLIT = "is in the test split, which is kept to evaluate the model on; label images of the train split"


def default_annotator() -> str:
    """The annotator if nobody gives one: the name of the computer's user, on screens and in a terminal alike."""
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
    project: Project, component: int, class_name: str | None, annotator: str, seen: Snapshot | None = None
) -> None:
    """Gives a cluster to a class, which may have several, or with None takes its name away.

    Args:
        project: whose cluster it is.
        component: its number.
        class_name: the class, which may be new.
        annotator: who says so.
        seen: the snapshot that the person saw; None is the newest.

    Raises:
        StateError: the project has no clusters yet, or others than the person saw, or it was merged or dissolved.
        NotFoundError: there is no such component.
        InputError: the class name is not usable.
    """
    now = take(project)
    component_seen(now, component, seen)
    if class_name is not None and clusters_of(now)[component].closed:
        raise StateError(f"cluster {component} was merged or dissolved and holds no images; name the one that has them")
    images = anchoring.named(now, seen or now, component)
    project.labels.name_component(now.lineage, component, class_name, images, annotator=annotator)


def undo(project: Project, annotator: str) -> str | None:
    """Takes the last step back; says what it was, or None if there is nothing to undo.

    Raises:
        ConflictError: it is somebody else's.
    """
    result = project.labels.undo(annotator=annotator, own=True)
    return None if result is None else result.description


def redo(project: Project, annotator: str) -> str | None:
    """Does again what was last undone; says what it was, or None if there is nothing to redo."""
    result = project.labels.redo(annotator=annotator)
    return None if result is None else result.description


def import_labels(project: Project, path: Path, annotator: str) -> ImportReport:
    """Takes labels from a file; rows that cannot be used are left out and reported with a reason.

    The ending of the file decides its format, see `format_to_read`.

    Raises:
        InputError: the file cannot be read or has no such columns.
    """
    rows = format_to_read(path).read(path)
    items, in_test = project.pool.items, project.pool.split == TEST_SPLIT
    kept = frozenset(items[in_test].tolist())
    rows = [replace(row, problem=f"{row.item} {IN_TEST_SPLIT}") if row.item in kept else row for row in rows]
    return import_rows(project.labels, rows, items[~in_test].tolist(), annotator)


def write_labels(project: Project, path: Path, *, history: bool = False) -> int:
    """Writes the current labels, or all events, in the format of the ending of ``path``; returns the rows written.

    Raises:
        InputError: ``path`` ends as no format does, or cannot be written.
    """
    write = format_to_write(path).write
    if history:
        events = project.labels.history()
        write(path, events)
        return len(events)
    state = project.labels.state()
    write(path, state)
    return len(state.positive) + len(state.none_of_named) + sum(map(len, state.rejected.values()))


def class_names(project: Project) -> tuple[str, ...]:
    """The classes of labels and cluster names, in order of first appearance."""
    return project.labels.state().classes


def colours(project: Project) -> dict[str, str]:
    """The colours of these classes, on every screen."""
    state = project.labels.state()
    return class_colours({name: state.numbers[name] for name in state.classes})


def _judge_each(project: Project, kind: Kind, classes: Mapping[str, str], annotator: str) -> None:
    items = _checked(project, list(classes))
    project.labels.record([Entry(kind, item, classes[item]) for item in items], annotator=annotator)


def _checked(project: Project, items: Sequence[str]) -> list[str]:
    """The items, each once; raises if there are none, one is unknown, or one is kept for `evaluate`."""
    unique = list(dict.fromkeys(items))
    if not unique:
        raise InputError("no images are selected; select at least one")
    in_test = project.pool.split[project.pool.rows(unique)] == TEST_SPLIT
    if in_test.any():
        raise InputError(f"{unique[int(in_test.argmax())]} {IN_TEST_SPLIT}")
    return unique
