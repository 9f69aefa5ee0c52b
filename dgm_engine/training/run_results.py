"""Which runs have results, which results are in use, and what is said of them; without reading their arrays.

No torch here: pages and the command line import this module.
"""

from dgm_engine.config import ModelConfig
from dgm_engine.errors import CorruptError
from dgm_engine.json_files import read_json
from dgm_engine.labels.schema import Use
from dgm_engine.paths import ProjectPaths, RunPaths
from dgm_engine.training.comparing import Comparison
from dgm_engine.training.runs import read_config


def latest_results(paths: ProjectPaths, use: Use | None = None) -> RunPaths | None:
    """The run whose results are in use, or None where none has any.

    It is the newest one whose results were kept (see `comparing`) and, where a person chose one, the chosen one until a
    later one is kept.
    """
    with_results = [run for number in reversed(paths.run_numbers()) if has_results(run := paths.run(number))]
    kept = (run for run in with_results if is_kept(run))
    newest = next(kept, next(iter(with_results), None))
    if use is None or newest is None or newest.number > use.newest:
        return newest
    return next((run for run in with_results if run.number == use.run), newest)


def is_kept(run: RunPaths) -> bool:
    """Whether a run's results took the place of those before; not so damaged ones, or where there are none."""
    try:
        compared = comparison(run)
    except CorruptError:
        return False
    return has_results(run) and (compared is None or compared.kept)


def is_damaged(run: RunPaths) -> bool:
    """Whether the results of a run cannot be read."""
    try:
        comparison(run)
        model_now(run)
    except CorruptError:
        return True
    return False


def is_readable(run: RunPaths) -> bool:
    """Whether a run has results that can be read."""
    return has_results(run) and not is_damaged(run)


def comparison(run: RunPaths) -> Comparison | None:
    """The results of a run beside those that it went on from; None where it has none or began from nothing."""
    found = read_json(run.results).get("compared") if has_results(run) else None
    return None if found is None else Comparison.from_json(found)


def unlearned(run: RunPaths) -> tuple[str, ...]:
    """The classes that people speak of and a run's results cannot predict."""
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
