"""Two runs side by side: which can be compared, and how well each does."""

from collections.abc import Sequence
from pathlib import Path

from dgm_engine.errors import InputError
from dgm_engine.services import evaluating, projects
from dgm_engine.services.evaluating import Evaluation
from dgm_engine.services.latest import latest_run
from dgm_engine.services.projects import Project
from dgm_engine.services.snapshot import Snapshot, take
from dgm_engine.training.run_results import is_readable
from dgm_engine.training.runs import read_config


def run_title(project: Project, run: int) -> str:
    """What a run is called beside others: "digits, run 2: m2"."""
    return f"{project.name}, run {run}: {read_config(project.paths.run(run)).model.name}"


def comparable(project: Project, run: int) -> dict[str, str]:
    """What a run can be compared with, as `compared` takes it, and its title.

    They are the project's other runs and, of the projects in `projects_home`, those with results and the same classes.
    """
    others = (project.paths.run(n) for n in reversed(project.paths.run_numbers()) if n != run)
    found = {str(other.number): run_title(project, other.number) for other in others if is_readable(other)}
    for card in projects.list_projects():
        if card.state == "clustered" and card.root != project.paths.root:
            other = projects.open_project(card.root)
            if other.manifest.classes == project.manifest.classes:
                found[str(card.root)] = run_title(other, latest_run(other).number)
    return found


def compared(seen: Snapshot, other: str) -> tuple[tuple[str, Evaluation], ...]:
    """Titles and scores of two runs, to put side by side (Fig. 4): one that is looked at and another.

    Args:
        seen: the run that comes first.
        other: the number of another run of its project, or the folder of another project (its newest run), or of one
            of its runs (``PROJECT/runs/0002``).

    Raises:
        InputError: the other project has other classes, or the truth is not known.
        NotFoundError: there is no such run or project.
        StateError: the other project was never trained.
    """
    project = seen.project
    second, number = _other(project, other)
    if second.pool.classes != project.pool.classes:
        raise InputError(
            f"{second.paths.root} has the classes {listed(second.pool.classes)} and {project.paths.root} has "
            f"{listed(project.pool.classes)}; compare projects made from the same source"
        )
    both = (project, evaluating.evaluate(seen)), (second, evaluating.evaluate(take(second, number)))
    if any(scores.best_naming is None for _, scores in both):
        raise InputError(f"the true classes of {project.paths.root} are not known; there is nothing to compare")
    return tuple((run_title(whose, scores.run), scores) for whose, scores in both)


def _other(project: Project, other: str) -> tuple[Project, int | None]:
    """The project and run that a person means by a run's number or a folder."""
    if other.isdecimal():
        return project, int(other)
    folder = Path(other).expanduser()
    if folder.parent.name == "runs" and folder.name.isdecimal():
        return projects.open_project(folder.parent.parent), int(folder.name)
    return projects.open_project(folder), None


def listed(names: Sequence[str], most: int = 4) -> str:
    """The first names, and how many more there are."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "") or "(none)"
