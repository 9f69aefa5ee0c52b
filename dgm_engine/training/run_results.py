"""Finds the runs whose results can be read or are in use, and what is known of them.

Pages and the command line import this module, so it does not import torch.
"""

from collections.abc import Iterator
from pathlib import Path

from dgm_engine.config import ModelConfig
from dgm_engine.errors import CorruptError
from dgm_engine.jobs import JobState, JobStatus
from dgm_engine.json_files import read_json
from dgm_engine.labels.schema import Use
from dgm_engine.npy import load_array
from dgm_engine.paths import ProjectPaths, RunPaths
from dgm_engine.stamped import kept_by_stamp
from dgm_engine.training.comparing import Comparison
from dgm_engine.training.runs import read_config, status

RESULT_ARRAYS = ("q_y", "z", "shown", "prototypes")
"""The fields of `results.Results` that are files."""
NEARLY_DONE_SHARE = 0.9
"""A schedule that was stopped after more than this share of it is not continued."""


def latest_results(paths: ProjectPaths, use: Use | None = None) -> RunPaths | None:
    """The run whose results are in use, or None if no run has results that can be read.

    It is the newest run whose results were kept (see `comparing`). If a person chose a run, it is that one until the
    results of a later run are kept.
    """
    newest = next(filter(is_kept, _newest_first(paths)), None) or next(readable_runs(paths), None)
    if use is None or newest is None or newest.number > use.newest:
        return newest
    chosen = paths.run(use.run)
    return chosen if is_readable(chosen) else newest


def readable_runs(paths: ProjectPaths) -> Iterator[RunPaths]:
    """The runs with results that can be read, newest first."""
    return filter(is_readable, _newest_first(paths))


def _newest_first(paths: ProjectPaths) -> Iterator[RunPaths]:
    return map(paths.run, reversed(paths.run_numbers()))


def is_kept(run: RunPaths) -> bool:
    """Whether a run has undamaged results and they replaced the earlier ones."""
    if not is_readable(run):
        return False
    compared = comparison(run)
    return compared is None or compared.kept


def _last_changes(run: RunPaths) -> tuple[tuple[str, tuple[int, int] | None], ...]:
    """Each file of a run's results, with its `_last_change`."""
    files = (run.config, run.results, *run.all_arrays())
    return tuple((file.name, _last_change(file)) for file in files)


def _last_change(file: Path) -> tuple[int, int] | None:
    """When a file was changed, in nanoseconds, and its size in bytes; None if it does not exist."""
    try:
        now = file.stat()
    except FileNotFoundError:
        return None
    return now.st_mtime_ns, now.st_size


@kept_by_stamp(_last_changes, maxsize=256)
def is_damaged(run: RunPaths, _files: tuple[tuple[str, tuple[int, int] | None], ...]) -> bool:
    """Whether the results of a run cannot be read: their description is damaged, or an array is lost or cut short.

    Each rerun of a page calls this many times; the files are opened again only after one of them has changed.
    """
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


def is_readable(run: RunPaths) -> bool:
    """Whether a run has results that can be read."""
    return has_results(run) and not is_damaged(run)


def comparison(run: RunPaths) -> Comparison | None:
    """The comparison of a run's results with those of its parent run; None if it has no results or no parent."""
    found = read_json(run.results).get("compared") if has_results(run) else None
    return None if found is None else Comparison.from_json(found)


def unlearned(run: RunPaths) -> tuple[str, ...]:
    """The classes of labels and names that a run's results predict for no image."""
    return tuple(read_json(run.results).get("unlearned", ())) if has_results(run) else ()


def model_now(run: RunPaths) -> ModelConfig:
    """The shape of a run's model in its results, with the components that training added."""
    asked = read_config(run).model
    if not has_results(run):
        return asked
    return asked.replaced(n_components=len(read_json(run.results)["owner"]))


def has_results(run: RunPaths) -> bool:
    """Whether a run has written its arrays; the owners are written last."""
    return run.results.exists()


def unfinished(run: RunPaths) -> bool:
    """Whether a run with results ended before its schedule did, and no later run has completed the schedule.

    A run that stopped just before the end counts as finished: the learning rate there is almost zero, so more steps
    would not teach the model new labels. A schedule is completed only once. If the run that completed it is not in use,
    its results were worse, or a person went back from them, and the same steps would lead there again.
    """
    now = status(run)
    ended = now.alive or now.state is JobState.FINISHED or _share_done(now) >= NEARLY_DONE_SHARE
    return not ended and not _finished_by_another(run)


def _share_done(now: JobStatus) -> float:
    """The share of a run's schedule that is done: the larger of its shares of passes and of time.

    The progress bar shows another share, since a first run spends a part of it on its start; it is used only for runs
    of earlier versions.
    """
    told = (("epoch", "of_epochs"), ("work", "of_seconds"))
    done = [now.details[part] / now.details[of] for part, of in told if part in now.details and now.details.get(of)]
    return max(done, default=now.progress)


def _finished_by_another(run: RunPaths) -> bool:
    """Whether a later run completed the schedule of this one, directly or through runs between them."""
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
