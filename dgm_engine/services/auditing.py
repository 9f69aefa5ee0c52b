"""How often the model is right on images that nobody chose: an audit.

Labels that people happen to give say little about accuracy, because they choose what they label and the model then
learns it. An audit draws images by chance, notes what the model says of them, and lets a person say what they are.
What was said of an image in the audit is its answer for as long as the label store holds it, so undo works, and the
answers train the model. What is said elsewhere, of many images at once above all, is none: it favours what is easy.
"""

from collections.abc import Collection, Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from dgm_engine.discovery.metrics import Proportion, proportion
from dgm_engine.errors import CorruptError, InputError, StateError
from dgm_engine.json_files import read_json, write_json
from dgm_engine.labels.state import LabelState
from dgm_engine.paths import lock_of
from dgm_engine.services.projects import Project
from dgm_engine.services.snapshot import Snapshot
from dgm_engine.services.viewing import ItemState, positions, view

AUDIT_VERSION = 1


@dataclass(frozen=True)
class AuditItem:
    """An image of an audit.

    Attributes:
        item: its id.
        row: its pool row.
        predicted: what the model said of it when the audit began; "" = none of the named classes.
        right: whether that was right; None while nobody has answered.
    """

    item: str
    row: int
    predicted: str
    right: bool | None


@dataclass(frozen=True)
class Audit:
    """An audit and its answers so far.

    Attributes:
        number: 1, 2, ...
        started: ISO 8601, UTC.
        run: whose predictions are judged.
        labels_version: of the labels when it began.
        population: how many images it was drawn from.
        items: in the order drawn, which is random: whoever stops early has answered a fair sample too.
    """

    number: int
    started: str
    run: int
    labels_version: int
    population: int
    items: tuple[AuditItem, ...]

    @property
    def unanswered(self) -> tuple[AuditItem, ...]:
        """Those still to be judged, in order."""
        return tuple(item for item in self.items if item.right is None)

    @property
    def accuracy(self) -> Proportion:
        """Of all predictions, with its interval."""
        answers = [item.right for item in self.items if item.right is not None]
        return proportion(sum(answers), len(answers))


@dataclass(frozen=True)
class _Drawn:
    """What an audit's file holds beside its version.

    `classes` are those that people spoke of when it began, `answers` the label events by which items were answered.
    """

    started: str
    run: int
    labels_version: int
    population: int
    classes: list[str]
    items: list[str]
    predicted: list[str]
    answers: dict[str, int] = field(default_factory=dict[str, int])


def start(seen: Snapshot, n: int = 40, seed: int | None = None) -> Audit:
    """Draws ``n`` images, or all if there are fewer, and notes what the results say of them.

    They are drawn uniformly from the shown images that nobody has judged or skipped. So accuracy is that of this run on
    *these*: not on the judged ones, which it has learned and which were often chosen because they are hard, nor on
    images of another kind. Earlier audits stay. Show the images without the predictions: who sees an answer tends to
    agree.

    Raises:
        InputError: ``n`` is below 1.
        StateError: no cluster has a name, or every image is judged.
    """
    if n < 1:
        raise InputError(f"an audit of {n} images was asked for; ask for at least 1")
    if not any(seen.owner):
        raise StateError("no cluster has a name yet, so that the model says nothing to check; name some first")
    project, shown = seen.project, view(seen)
    unjudged = shown.state == ItemState.UNLABELLED
    unjudged[positions(project, shown.rows, seen.labels.skipped)] = False
    candidates = np.flatnonzero(unjudged)
    if not candidates.size:
        raise StateError("every image has been judged, so none is left to audit the model on; add images to check it")
    chosen = np.random.default_rng(seed).choice(candidates, min(n, len(candidates)), replace=False)
    drawn = _Drawn(
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        run=seen.run.number,
        labels_version=seen.labels.version,
        population=len(candidates),
        classes=list(seen.labels.classes),
        items=shown.items[chosen].tolist(),
        predicted=shown.predicted[chosen].tolist(),
    )
    project.paths.audits.mkdir(exist_ok=True)
    with _changing(project):  # two tabs would take the same number
        path = _path(project, 1 + max(project.paths.audit_numbers(), default=0))
        _write(path, drawn)
    return _read(path, project, seen.labels)


def answer(project: Project, number: int, items: Collection[str]) -> None:
    """Notes that what people say now of items is what they answered in an audit; items that are not in it are left out.

    Raises:
        CorruptError: the audit's file is damaged.
    """
    said = project.labels.state().said
    with _changing(project):
        drawn = _load(path := _path(project, number))
        new = {item: said[item] for item in items if item in said and item in drawn.items}
        _write(path, replace(drawn, answers={**drawn.answers, **new}))


def current(seen: Snapshot) -> Audit | None:
    """The newest audit, or None if there is none yet.

    Raises:
        CorruptError: its file is damaged.
    """
    return next((_read(path, seen.project, seen.labels) for path in reversed(_files(seen.project))), None)


def audits(project: Project) -> tuple[Audit, ...]:
    """All audits, oldest first.

    Raises:
        CorruptError: the file of one is damaged.
    """
    return tuple(_read(path, project, project.labels.state()) for path in _files(project))


def _changing(project: Project) -> FileLock:
    return FileLock(lock_of(project.paths.audits))


def _path(project: Project, number: int) -> Path:
    return project.paths.audit(number)


def _files(project: Project) -> list[Path]:
    return [project.paths.audit(number) for number in project.paths.audit_numbers()]


def _write(path: Path, drawn: _Drawn) -> None:
    write_json(path, {"version": AUDIT_VERSION, **asdict(drawn)})


def _load(path: Path) -> _Drawn:
    with _readable(path):
        value: dict[str, Any] = dict(read_json(path))
        if value.pop("version") != AUDIT_VERSION:
            raise ValueError(f"not version {AUDIT_VERSION}")
        return _Drawn(**value)


@contextmanager
def _readable(path: Path) -> Generator[None]:
    """Whatever is wrong with an audit's file, in the person's words."""
    try:
        yield
    except (CorruptError, KeyError, TypeError, ValueError) as error:
        raise CorruptError(
            f"{path} is not an audit that this program can read; restore the file from a copy, update the program, or "
            "delete the file to do without this audit"
        ) from error


def _read(path: Path, project: Project, state: LabelState) -> Audit:
    drawn = _load(path)
    with _readable(path):
        rows = project.pool.rows(drawn.items).tolist()
        items = tuple(
            AuditItem(item, row, predicted, _is_right(item, predicted, drawn, state))
            for item, row, predicted in zip(drawn.items, rows, drawn.predicted, strict=True)
        )
    return Audit(int(path.stem), drawn.started, drawn.run, drawn.labels_version, drawn.population, items)


def _is_right(item: str, predicted: str, drawn: _Drawn, state: LabelState) -> bool | None:
    """What was answered of a prediction and still holds; None if that is nothing, or does not decide it.

    A class that came up after the audit began was none of the named ones at the time.
    """
    if item not in drawn.answers or drawn.answers[item] != state.said.get(item):
        return None
    if item in state.positive:
        name = state.positive[item]
        return predicted == (name if name in drawn.classes else "")
    if item in state.none_of_named:
        return predicted == ""
    return False if predicted in state.rejected.get(item, ()) else None
