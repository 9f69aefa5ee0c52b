"""What `benchmarks.names` does to a project, and what it then measures; figures are percent and points.

A scenario takes the folder of a project: a copy of the pile's, as far trained as the scenario says, or none yet.
"""

import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks._names_person import (
    CARD,
    WHO,
    Case,
    RunFailed,
    accuracy,
    answer,
    best_naming,
    classes_in,
    ended,
    label_rows,
    name_clusters,
    predictions,
    retrain,
    train_until,
    truth_of,
)
from dgm_engine.data.pool import Pool
from dgm_engine.data.sources import SourceRequest
from dgm_engine.services import exporting, jobs, labelling, projects, viewing
from dgm_engine.services.projects import Project
from dgm_engine.services.snapshot import Snapshot, take
from dgm_engine.training import run_results

RETRAINS, BATCH = 20, 5
LATE = "9"
TAIL = (1000, 20)
TAIL_LABELS = 11

Figures = dict[str, float | None]


def first(case: Case, root: Path) -> Figures:
    """Names given as soon as there are clusters, while the run goes on."""
    project = projects.create_project(root, case.source).project
    run, seen = jobs.start_training(project, case.request), list[tuple[Snapshot, dict[int, str], float]]()

    def look(_share: float, _doing: str) -> None:
        if not seen and run_results.has_results(run):
            now = take(project)
            seen.append((now, name_clusters(now), accuracy(project)))

    ended(run, jobs.follow(run, look))
    before, named, then = seen[0]
    view = viewing.view(before)
    predicted = np.full(project.pool.n_items, "", dtype=object)
    predicted[viewing.view(take(project)).rows] = viewing.view(take(project)).predicted
    truth, held, sizes = truth_of(project.pool), list[NDArray[np.bool_]](), 0
    for component, name in named.items():
        rows = view.rows[view.component == component]
        held.append((predicted[rows] == name) | (predicted[rows] == truth[rows]))
        sizes += len(rows)
    return {
        "kept": 100 * float(np.concatenate(held).mean()) if sizes else None,
        "worst cluster": 100 * min(float(one.mean()) for one in held) if sizes else None,
        "clusters named": len(named),
        "images in them": 100 * sizes / len(view.rows),
        "when named": then,
        "at the end": accuracy(project),
        "best naming": best_naming(project),
    }


def retrains(case: Case, root: Path) -> Figures:
    """Five labels and a retrain, again and again."""
    project = projects.open_project(root)
    name_clusters(take(project))
    found, kept = [accuracy(project)], 0
    for _ in range(RETRAINS):
        answer(project, BATCH)
        kept += retrain(project)
        found.append(accuracy(project))
    return {
        "change": float(np.diff(found).min()),
        "gain": found[-1] - found[0],
        "start": found[0],
        "lowest": min(found),
        "end": found[-1],
        "best naming": best_naming(project),
        "not kept": RETRAINS - kept,
    }


def stopped(case: Case, root: Path) -> Figures:
    """A run that was stopped, named and retrained."""
    project = projects.open_project(root)
    last = jobs.active_status(project)
    named = name_clusters(take(project))
    before, best = accuracy(project), best_naming(project)
    kept = retrain(project)
    return {
        "change": accuracy(project) - before,
        "before": before,
        "after": accuracy(project),
        "best naming before": best,
        "best naming after": best_naming(project),
        "clusters named": len(named),
        "stopped at pass": last[1].details.get("epoch") if last else None,
        "not kept": 1 - kept,
    }


def late(n: int) -> Callable[[Case, Path], Figures]:
    """A class that no cluster was named after, and then n labels of it."""

    def scenario(case: Case, root: Path) -> Figures:
        project = projects.open_project(root)
        seen, pool = viewing.view(take(project)), project.pool
        truth = truth_of(pool)
        for cluster in seen.clusters:
            if cluster.size:
                rows = seen.rows[seen.component == cluster.component]
                name = _other_than(LATE, pool, truth, [cluster.exemplars[:CARD], rows])
                labelling.name_component(project, cluster.component, name, WHO, seen)
        before = accuracy(project)
        of_class = pool.shown[truth[pool.shown] == LATE]
        labelled = case.rng.choice(of_class, n, replace=False)
        label_rows(project, labelled)
        kept = retrain(project)
        right = predictions(project) == LATE
        return {
            "recall": 100 * float(right[(truth == LATE) & (pool.split == "test")].mean()),
            "recall, unlabelled": 100 * float(right[np.setdiff1d(of_class, labelled)].mean()),
            "taken for it by mistake": 100 * float(right[(truth != LATE) & (pool.split == "test")].mean()),
            "named before": before,
            "named after": accuracy(project),
            "not kept": 1 - kept,
        }

    return scenario


def _other_than(name: str, pool: Pool, truth: NDArray[np.str_], looks: list[NDArray[np.int64]]) -> str:
    """What the images of a cluster are named for want of that class: by cards, all its images, or else by likeness."""
    for rows in looks:
        others = Counter(truth[rows][truth[rows] != name].tolist())
        if others:
            return others.most_common(1)[0][0]
    mean = pool.x[looks[-1]].mean(axis=0)
    return min(
        (other for other in pool.classes if other != name),
        key=lambda other: float(np.square(pool.x[pool.shown][truth[pool.shown] == other].mean(axis=0) - mean).sum()),
    )


def long_tail(case: Case, root: Path) -> Figures:
    """Classes of very different size; some labels of each of the two rarest."""
    rng, (x, y) = case.rng, _mnist(case.data_root, "train")
    sizes = {int(c): round(n) for c, n in zip(rng.permutation(10), np.geomspace(*TAIL, 10), strict=True)}
    rows = rng.permutation(np.concatenate([rng.choice(np.flatnonzero(y == c), n, False) for c, n in sizes.items()]))
    pile = root.with_name("long-tail.npz")
    pile.parent.mkdir(parents=True, exist_ok=True)
    np.savez(pile, x=x[rows], y=y[rows])
    project = projects.create_project(root, SourceRequest(str(pile))).project
    train_until(project, jobs.start_training(project, case.request), 1)
    name_clusters(take(project))
    rare = [str(c) for c in list(sizes)[-2:]]
    before = _recall_on_test(case, project, rare)
    truth = truth_of(project.pool)
    chosen = [rng.choice(np.flatnonzero(truth == name), TAIL_LABELS, replace=False) for name in rare]
    label_rows(project, np.concatenate(chosen))
    kept = retrain(project)
    after, (_, test) = _recall_on_test(case, project, rare), _mnist(case.data_root, "t10k")
    return {
        "recall": min(after),
        "of both": float(np.average(after, weights=[(test == int(name)).sum() for name in rare])),
        "lower one before": min(before),
        "named, of the pile": accuracy(project),
        "not kept": 1 - kept,
    }


def _recall_on_test(case: Case, project: Project, names: list[str]) -> list[float]:
    """Percent of MNIST's test images of some classes that the exported classifier gets right."""
    x, y = _mnist(case.data_root, "t10k")
    truth = y.astype(str)
    chosen = np.isin(truth, names)
    with tempfile.TemporaryDirectory() as folder:
        images, out = Path(folder) / "test.npz", Path(folder) / "answers.csv"
        np.savez(images, x=x[chosen])
        exporting.export_classifier(take(project), Path(folder) / "classifier")
        exporting.predict(Path(folder) / "classifier", images, out)
        right = classes_in(out) == truth[chosen]
    return [100 * float(right[truth[chosen] == name].mean()) for name in names]


def _mnist(data_root: Path | None, part: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    if data_root is None:
        raise RunFailed("the long tail is made of MNIST's files; give --data-root")
    raw = data_root / "MNIST" / "raw"
    x = np.fromfile(raw / f"{part}-images-idx3-ubyte", np.uint8)[16:].reshape(-1, 28, 28)
    return x, np.fromfile(raw / f"{part}-labels-idx1-ubyte", np.uint8)[8:]


def wrong_name(case: Case, root: Path) -> Figures:
    """One wrong name, and answers in the product's own order; beside it the same answers without the wrong name."""
    before, lost, after, contradicting = _with_answers(case, root, wrong=True)
    other = case.copy("finished", f"{root.name}-baseline")
    right_before, _, right_after, _ = _with_answers(case, other, wrong=False)
    projects.delete_project(other)
    back, drift = after - (before - lost), right_after - right_before
    return {
        "won back": 100 * back / lost if lost > 0 else None,
        "points lost": lost,
        "points back": back,
        "points that 20 answers give anyway": drift,
        "points back without them": back - drift,
        "answers in that cluster": contradicting,
    }


def _with_answers(case: Case, root: Path, *, wrong: bool) -> tuple[float, float, float, int]:
    """Named accuracy before, what a wrong name takes from it, what it is in the end; and answers in that cluster."""
    project = projects.open_project(root)
    seen, rng = viewing.view(take(project)), case.rng
    named = name_clusters(take(project))
    before = accuracy(project)
    large = [c.component for c in seen.clusters if c.component in named and c.size >= len(seen.rows) / len(named) / 2]
    component = int(rng.choice(large))
    name = str(rng.choice(sorted({*named.values()} - {named[component]})))
    if wrong:
        labelling.name_component(project, component, name, WHO, take(project))
    lost = before - accuracy(project)
    asked = [row for _ in range(4) for row in answer(project, BATCH)]
    retrain(project)
    inside = np.isin(asked, seen.rows[seen.component == component]).sum()
    return before, lost, accuracy(project), int(inside)
