"""The person of `benchmarks.names`, and the projects that they work on.

They name a cluster after the class that most of the exemplars on its card are of, where enough of them agree, and see
nothing else of the truth but for the images that they answer questions about.
"""

import shutil
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dgm_engine.data.pool import Pool
from dgm_engine.data.sources import SourceRequest
from dgm_engine.jobs import JobState, JobStatus
from dgm_engine.paths import RunPaths
from dgm_engine.services import evaluating, exporting, jobs, labelling, projects, suggesting
from dgm_engine.services.projects import Project
from dgm_engine.services.snapshot import Snapshot, take
from dgm_engine.services.viewing import clusters_of
from dgm_engine.training import runs
from dgm_engine.training.fitting import default_epochs
from dgm_engine.training.planning import TrainRequest

WHO = "benchmark"
CARD = 8
"""Exemplars on the card of a cluster."""
AGREE = 5 / 8
"""A person names a cluster where so many of them are of one class."""
STAGES = {"0.1": 0.1, "0.25": 0.25, "0.5": 0.5, "finished": 1.0}
"""Where in its schedule the run of a pile is when its project is put aside, in this order."""


class RunFailed(Exception):  # noqa: N818 - it is the run that went wrong
    """A training run did not end as it should."""


@dataclass(frozen=True)
class Case:
    """A pile and a seed.

    Attributes:
        pile: its name.
        source: what it is made from.
        n_components: K.
        seed: of the training and of all that is drawn.
        work: the folder of its projects.
        data_root: where the data sets lie.
    """

    pile: str
    source: SourceRequest
    n_components: int
    seed: int
    work: Path
    data_root: Path | None

    @property
    def request(self) -> TrainRequest:
        """A first run, to the end of its schedule."""
        return TrainRequest(n_components=self.n_components, seed=self.seed)

    @property
    def rng(self) -> np.random.Generator:
        """For what a person picks at random."""
        return np.random.default_rng(self.seed)

    def prepare(self, wanted: list[str]) -> None:
        """Trains the pile once and puts the project aside at each of the stages that are not there yet."""
        stages = [stage for stage in STAGES if stage in wanted]
        if all((self.work / stage).exists() for stage in stages):
            return
        shutil.rmtree(self.work, ignore_errors=True)
        project = projects.create_project(self.work / "base", self.source).project
        run = jobs.start_training(project, self.request)
        for stage in stages:
            if runs.status(run).state is JobState.STOPPED:
                run = jobs.resume_training(project)
            train_until(project, run, STAGES[stage])
            project.labels.close()  # what is written of it is in the file then
            self.copy("base", stage)

    def copy(self, stage: str, name: str) -> Path:
        """A copy of a project at which nobody is at work; its images, which never change, are the same files."""
        before, target, unready = self.work / stage, self.work / name, self.work / f".{name}"
        for folder in (target, unready):
            shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(before, unready, ignore=shutil.ignore_patterns("images"))
        shutil.copytree(before / "images", unready / "images", copy_function=_link)
        unready.rename(target)
        return target


def _link(source: str, target: str) -> None:
    Path(target).hardlink_to(source)


def train_until(project: Project, run: RunPaths, share: float) -> JobStatus:
    """Follows a run, which is asked to stop where it has done that share of its passes; below 1."""
    passes = share * default_epochs(len(project.pool.shown))

    def look(_share: float, _doing: str) -> None:
        if share < 1 and runs.status(run).details.get("epoch", 0) >= passes:
            jobs.stop_training(project)

    return ended(run, jobs.follow(run, look))


def ended(run: RunPaths, status: JobStatus) -> JobStatus:
    """The last status of a run that did what it was asked to."""
    if status.state not in (JobState.FINISHED, JobState.STOPPED):
        raise RunFailed(f"{run.root}: {status.state} {status.error}")
    return status


def retrain(project: Project) -> bool:
    """One press of the button, waited for; whether the results are in use."""
    run = jobs.retrain(project)
    ended(run, jobs.follow(run))
    is_kept = getattr(runs, "is_kept", None)  # earlier versions keep them all
    return is_kept is None or is_kept(run)


def truth_of(pool: Pool) -> NDArray[np.str_]:
    """(N,) the class of each image."""
    return np.array(pool.classes)[pool.truth]


def accuracy(project: Project) -> float:
    """Percent of the scored images whose class is predicted."""
    return 100 * (evaluating.evaluate(take(project)).accuracy_named or 0.0)


def best_naming(project: Project) -> float:
    """The same, had each cluster the name that is best for it."""
    return 100 * (evaluating.evaluate(take(project)).accuracy_cluster_and_label or 0.0)


def name_clusters(seen: Snapshot) -> dict[int, str]:
    """Names the clusters whose cards are clear; component to name."""
    truth, named = truth_of(seen.project.pool), dict[int, str]()
    for cluster in clusters_of(seen):
        card = truth[cluster.exemplars[:CARD]].tolist()
        name, n = Counter(card).most_common(1)[0] if card else ("", 0)
        if card and n >= AGREE * len(card):
            labelling.name_component(seen.project, cluster.component, name, WHO, seen)
            named[cluster.component] = name
    return named


def answer(project: Project, n: int) -> list[int]:
    """Labels what the product asks about next; the pool rows."""
    truth, asked = truth_of(project.pool), suggesting.suggestions(take(project), n=n)
    labelling.label_each(project, {one.item: str(truth[one.row]) for one in asked}, WHO)
    return [one.row for one in asked]


def label_rows(project: Project, rows: NDArray[np.int64]) -> None:
    """Labels images with their class."""
    truth = truth_of(project.pool)
    labelling.label_each(project, {str(project.pool.items[row]): str(truth[row]) for row in rows}, WHO)


def predictions(project: Project) -> NDArray[np.str_]:
    """(N,) the class that the results in use say of each image, test images too; "" for none of the named ones."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "predictions.csv"
        exporting.write_predictions(take(project), path)
        return classes_in(path)


def classes_in(path: Path) -> NDArray[np.str_]:
    """The classes of a CSV of predictions."""
    return pd.read_csv(path, dtype=str, keep_default_na=False)["class"].to_numpy().astype(str)
