"""Which runs have results that can be read, which are in use, and what is said of them.

No torch here: pages and the command line import this module.
"""

from functools import lru_cache
from pathlib import Path

from dgm_engine.config import ModelConfig
from dgm_engine.errors import CorruptError
from dgm_engine.jobs import JobState, JobStatus
from dgm_engine.json_files import read_json
from dgm_engine.labels.schema import Use
from dgm_engine.npy import load_array
from dgm_engine.paths import ProjectPaths, RunPaths
from dgm_engine.training.comparing import Comparison
from dgm_engine.training.runs import read_config, status

RESULT_ARRAYS = ("q_y", "z", "shown", "prototypes")
"""The fields of `results.Results` that are files."""
NEARLY_DONE_SHARE = 0.9
"""A schedule that was stopped beyond this share is not gone on with."""


def latest_results(paths: ProjectPaths, use: Use | None = None) -> RunPaths | None:
    """The run whose results are in use, or None where none has any that can be read.

    It is the newest one whose results were kept (see `comparing`) and, where a person chose one, the chosen one until a
    later one is kept.
    """
    found = [paths.run(number) for number in reversed(paths.run_numbers())]
    newest = next(filter(is_kept, found), None) or next(filter(is_readable, found), None)
    if use is None or newest is None or newest.number > use.newest:
        return newest
    return next((run for run in found if run.number == use.run and is_readable(run)), newest)


def is_kept(run: RunPaths) -> bool:
    """Whether a run's results took the place of those before; not so damaged ones, or where there are none."""
    if not is_readable(run):
        return False
    compared = comparison(run)
    return compared is None or compared.kept


def is_damaged(run: RunPaths) -> bool:
    """Whether the results of a run cannot be read: what they are of, or an array that is lost or was cut short.

    Every rerun of a page asks many times; the files are opened again only when one of them has changed.
    """
    files = (run.config, run.results, *run.all_arrays())
    return _is_damaged(run, tuple((file.name, _last_change(file)) for file in files))


@lru_cache(maxsize=256)
def _is_damaged(run: RunPaths, _files: tuple[tuple[str, tuple[int, int] | None], ...]) -> bool:
    try:
        comparison(run)
        model_now(run)
        if has_results(run):
            step = read_json(run.results)["step"]
            for name in RESULT_ARRAYS:
                load_array(run.array(name, step))
    except CorruptError:
        return True
    return False


def _last_change(file: Path) -> tuple[int, int] | None:
    """When a file was changed, in nanoseconds, and its size in bytes; None where there is none."""
    try:
        now = file.stat()
    except FileNotFoundError:
        return None
    return now.st_mtime_ns, now.st_size


def is_readable(run: RunPaths) -> bool:
    """Whether a run has results that can be read."""
    return has_results(run) and not is_damaged(run)


def comparison(run: RunPaths) -> Comparison | None:
    """The results of a run beside those that it went on from; None where it has none or began from nothing."""
    found = read_json(run.results).get("compared") if has_results(run) else None
    return None if found is None else Comparison.from_json(found)


def unlearned(run: RunPaths) -> tuple[str, ...]:
    """The classes that people speak of and a run's results predict of no image."""
    return tuple(read_json(run.results).get("unlearned", ())) if has_results(run) else ()


def model_now(run: RunPaths) -> ModelConfig:
    """The model of a run as its results have it: with the components that were added to what the run was asked for."""
    asked = read_config(run).model
    if not has_results(run):
        return asked
    return asked.replaced(n_components=len(read_json(run.results)["owner"]))


def has_results(run: RunPaths) -> bool:
    """Whether a run has written its arrays; the owners are written last."""
    return run.results.exists()


def unfinished(run: RunPaths) -> bool:
    """Whether a run that has results was ended before its schedule was, and no later run has come to that end for it.

    Just before the end counts as the end: the learning rate is almost zero there, and to go on at it would teach the
    model no new label. Nor is a schedule gone on with twice. If the run that came to its end is not in use, its results
    were worse, or a person went back from them, and the same steps would lead there again.
    """
    now = status(run)
    ended = now.alive or now.state is JobState.FINISHED or _share_done(now) >= NEARLY_DONE_SHARE
    return not ended and not _finished_by_another(run)


def _share_done(now: JobStatus) -> float:
    """The share of its schedule that a run has behind it, by passes or by time, whichever is further.

    Not that of its progress bar, a part of which a first run spends on its start; that stands in for runs of earlier
    versions.
    """
    told = (("epoch", "of_epochs"), ("work", "of_seconds"))
    done = [now.details[part] / now.details[of] for part, of in told if part in now.details and now.details.get(of)]
    return max(done, default=now.progress)


def _finished_by_another(run: RunPaths) -> bool:
    """Whether a later run took up the schedule of this one, or of one that had taken it up, and came to its end."""
    paths = ProjectPaths(run.root.parent.parent)
    same_schedule = {run.number}
    for number in paths.run_numbers():
        later = paths.run(number)
        if number <= run.number or not is_readable(later):
            continue
        config = read_config(later)
        if config.goes_on and config.parent in same_schedule:
            if status(later).state is JobState.FINISHED:
                return True
            same_schedule.add(number)
    return False
