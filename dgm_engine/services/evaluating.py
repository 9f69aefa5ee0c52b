"""Scores the model against ground truth if the source has it, and otherwise against later labels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dgm_engine.discovery import metrics
from dgm_engine.discovery.metrics import AllOldNew, ClassFigures, Confusion
from dgm_engine.labels.state import LabelState
from dgm_engine.paths import RunPaths
from dgm_engine.services.latest import results_of, results_stamp, stamped_results
from dgm_engine.services.projects import TEST_SPLIT, Project
from dgm_engine.services.snapshot import Snapshot
from dgm_engine.stamped import kept_by_stamp
from dgm_engine.training import run_results
from dgm_engine.training.ownership import Owner, class_probabilities, group_names, unseen_items
from dgm_engine.training.results import Results


@dataclass(frozen=True)
class Agreement:
    """How a run's predictions agree with labels that it never saw: given after it was trained, or held out from it.

    Attributes:
        run: its number.
        n: such labels of classes that own a cluster of the run.
        agreement: share of them that the run predicts; None if n is 0.
        n_unknown: further such labels, of classes that own none.
    """

    run: int
    n: int
    agreement: float | None
    n_unknown: int


@dataclass(frozen=True)
class Evaluation:
    """Accuracies of a run's results. All are shares of 1; None if truth is unknown, or as said.

    Attributes:
        run: number of the run.
        split: "test", or "all" if the source has no split.
        n: items scored.
        accuracy_cluster_and_label: each component takes the majority class of its scored items (as in the paper).
        accuracy_named: of the class predicted from names and labels, "none of them" being wrong; None if nothing
            has the name of a ground-truth class.
        accuracy_hungarian: best one-to-one match of components and classes.
        all: best one-to-one match of classes and unnamed components with ground truth.
        old: of that, on the classes that people labelled or named; None if there are none.
        new: of that, on the other classes; None if there are none.
        components_used: components that are the most probable one of at least one shown item.
        confusion: ground-truth classes against predicted ones and, for items of none of them, "cluster 7", the most
            probable component that nobody owns; None if truth is unknown.
        best_naming: the same, square: what has no name, or one that is no ground-truth class, counts as the class that
            is most frequent in it.
        per_class: of the named predictions, by ground-truth class; empty if `accuracy_named` is None.
        old_classes: the ground-truth classes that people labelled or named.
        held_out_agreement: oldest run first; see `held_out_agreement`.
    """

    run: int
    split: str
    n: int
    accuracy_cluster_and_label: float | None
    accuracy_named: float | None
    accuracy_hungarian: float | None
    all: float | None
    old: float | None
    new: float | None
    components_used: int
    confusion: Confusion | None
    best_naming: Confusion | None
    per_class: tuple[ClassFigures, ...]
    old_classes: tuple[str, ...]
    held_out_agreement: tuple[Agreement, ...]


def _all_results(seen: Snapshot) -> tuple[tuple[int, int], ...]:
    """The numbers of the project's runs with readable results, oldest first, and the stamps of these."""
    return tuple((run.number, results_stamp(run)) for run in _oldest_first(seen.project))


@kept_by_stamp(_all_results, maxsize=8)
def evaluate(seen: Snapshot, _stamps: tuple[tuple[int, int], ...]) -> Evaluation:
    """Scores a run on the items that `Pool.scored` names; cached until there are other results of any run.

    A class that people named and a ground-truth class are the same where their names are, ignoring upper and lower
    case unless ground truth itself tells classes apart by it.
    """
    project, state, edited = seen.project, seen.labels, seen.q_y
    scored = project.pool.scored
    q_y = np.asarray(edited[scored], dtype=np.float32)
    scores = _Scores.of(project, q_y, project.pool.truth[scored], seen.owner, state) if len(scored) else _Scores()
    return Evaluation(
        run=seen.run.number,
        split=TEST_SPLIT if (project.pool.split == TEST_SPLIT).any() else "all",
        n=len(scored),
        accuracy_cluster_and_label=scores.cluster_and_label,
        accuracy_named=scores.named,
        accuracy_hungarian=scores.hungarian,
        all=scores.by_novelty.all,
        old=scores.by_novelty.old,
        new=scores.by_novelty.new,
        components_used=len(np.unique(edited[np.asarray(seen.results.shown)].argmax(axis=1))),
        confusion=scores.confusion,
        best_naming=scores.best_naming,
        per_class=scores.per_class,
        old_classes=scores.old_classes,
        held_out_agreement=held_out_agreement(seen),
    )


def held_out_agreement(seen: Snapshot) -> tuple[Agreement, ...]:
    """For each run of the project with readable results, oldest first, its agreement with labels that it never saw.

    They are the labels given between this run and the next such run, and the earlier ones that were held out from it.
    Names that clusters were given in that time count as known to the run; labels of single images do not.
    """
    project = seen.project
    trained = _oldest_first(project)
    stamped = {run.number: stamped_results(run) for run in trained}
    results = {n: one for n, (_, one) in stamped.items()}
    later = [results[run.number].labels_version for run in trained[1:]] + [seen.labels.version]
    until = dict(zip(results, later, strict=True))
    known, found = _seen(project, results), dict[int, Agreement]()
    for lineage in {one.config.lineage for one in results.values()}:
        mine = sorted((n for n, one in results.items() if one.config.lineage == lineage), key=until.__getitem__)
        states = project.labels.states_at([until[n] for n in mine], lineage)
        for n, state in zip(mine, states, strict=True):
            found[n] = _agreement(Snapshot(project, project.paths.run(n), *stamped[n], state), known[n])
    return tuple(found[n] for n in results)


def _oldest_first(project: Project) -> list[RunPaths]:
    """The runs with readable results."""
    return list(run_results.readable_runs(project.paths))[::-1]


_NO_ITEMS = AllOldNew(None, None, None)


@dataclass(frozen=True)
class _Scores:
    """The scores by ground truth; by default, of no items."""

    cluster_and_label: float | None = None
    named: float | None = None
    hungarian: float | None = None
    by_novelty: AllOldNew = _NO_ITEMS
    confusion: Confusion | None = None
    best_naming: Confusion | None = None
    per_class: tuple[ClassFigures, ...] = ()
    old_classes: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, project: Project, q_y: NDArray[np.float32], truth: NDArray[np.int32], owner: Owner, state: LabelState
    ) -> "_Scores":
        """Of n items, at least one, with q_y (n, K) and truth (n,) into the pool's classes."""
        classes = project.pool.classes
        owner = tuple(None if name is None else _as_in_truth(name, classes) for name in owner)
        known = {_as_in_truth(name, classes) for name in state.classes} | set(owner)
        old = [name in known for name in classes]
        component = q_y.argmax(axis=1)
        group = group_names(owner)[component]
        truth_name = np.array(classes)[truth]
        predicted = class_probabilities(q_y, owner).predicted()
        unowned = np.where([name is None for name in owner], q_y, -1).argmax(axis=1)
        taken_for = np.where(predicted == "", group_names(owner)[unowned], predicted)
        anything_named = any(name in classes for name in owner)
        return cls(
            cluster_and_label=metrics.accuracy_cluster_and_label(component, truth),
            named=metrics.accuracy_named(predicted, truth_name) if anything_named else None,
            hungarian=metrics.accuracy_hungarian(component, truth),
            by_novelty=metrics.all_old_new(group, truth, old),
            confusion=metrics.confusion_matrix(truth_name, taken_for),
            best_naming=metrics.confusion_matrix(
                truth_name,
                np.where(np.isin(taken_for, classes), taken_for, metrics.majority(taken_for, truth_name)),
            ),
            per_class=tuple(metrics.per_class(truth_name, predicted)) if anything_named else (),
            old_classes=tuple(name for name, is_old in zip(classes, old, strict=True) if is_old),
        )


def _as_in_truth(name: str, classes: Sequence[str]) -> str:
    """The ground-truth class that a name means, or the name itself."""
    alike = [c for c in classes if c.casefold() == name.casefold()]
    return alike[0] if len(alike) == 1 else name


def _seen(project: Project, results: Mapping[int, Results]) -> dict[int, set[tuple[str, str]]]:
    """By run, the labels (item, class) that the run or one of its ancestors was trained on."""
    known = dict(results)
    for one in results.values():
        while (parent := one.config.parent) is not None and parent not in known:
            if not run_results.is_readable(before := project.paths.run(parent)):
                break  # what it learned is lost with it
            known[parent] = one = results_of(before)
    order = sorted(known, key=lambda n: known[n].labels_version)
    states = project.labels.states_at([known[n].labels_version for n in order])
    learned = {n: _learned(known[n], state) for n, state in zip(order, states, strict=True)}
    seen: dict[int, set[tuple[str, str]]] = {}
    for n in sorted(known):  # a run is younger than its parent
        parent = known[n].config.parent
        seen[n] = learned[n] if parent is None else learned[n] | seen.get(parent, set())
    return seen


def _learned(results: Results, known: LabelState) -> set[tuple[str, str]]:
    """The labels (item, class) that a run was trained on, of those that it knew."""
    held_out = unseen_items(known, results.config.training)
    return {(item, name) for item, name in known.positive.items() if item not in held_out}


def _agreement(then: Snapshot, seen: set[tuple[str, str]]) -> Agreement:
    """How a run predicts the labels at a time that neither it nor one of its ancestors was trained on."""
    given = {item: name for item, name in then.labels.positive.items() if (item, name) not in seen}
    asked = {item: name for item, name in given.items() if name in then.owner}
    if not asked:
        return Agreement(then.run.number, 0, None, len(given))
    predicted = class_probabilities(then.q_y[then.project.pool.rows(list(asked))], then.owner).predicted()
    right = [bool(guess == name) for guess, name in zip(predicted, asked.values(), strict=True)]
    return Agreement(then.run.number, len(asked), sum(right) / len(right), len(given) - len(asked))
