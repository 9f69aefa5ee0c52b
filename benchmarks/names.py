"""Whether a name holds while the model moves: the goals of issue 16.

    python -m benchmarks.names --out DIR --data-root DIR [--photos DIR] [--piles ...] [--scenarios ...] [--seeds 0 1 2]
    python -m benchmarks.names --out DIR --quick

Every run is trained by the real worker; in the person's place is ground truth, of which they see the exemplars on the
cards and the images that they answer questions about (`_names_person`). Each pile is trained once to the end of its
schedule, and its project copied on the way; what is then done with the copies stands in `_names_scenarios`:

- first: named as soon as there are clusters, while the run goes on. *kept* is the share of the images of the clusters
  that were named which at the end are predicted as that name, or as what they are.
- retrains: twenty times five labels, as the product asks for them, and a retrain. *change* is the largest fall of the
  named accuracy in any one, *gain* the end less the start.
- stopped-0.1, -0.25, -0.5: stopped at that share of its passes, named, retrained; the change of named accuracy.
- late-30, late-3: no cluster is named "9"; then so many labels of it and a retrain; the recall of it.
- long-tail: ten classes of 1,000 down to 20 images; 11 labels of each of the two rarest; the recall on test images of
  the one that is recognised less.
- wrong-name: one of the right names replaced by a wrong one, then 20 answers in the product's own order and a retrain;
  how much of the lost points came back. Beside it what the same number of answers give where no name is wrong.

Finished pieces are files under --out/runs: the same command goes on where it was stopped, and several commands, or one
with --jobs, can share an --out. Take a new one for another version of the program.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import pandas as pd
from filelock import FileLock

from benchmarks import _names_scenarios as scenarios
from benchmarks._names_person import STAGES, Case, RunFailed
from benchmarks._names_scenarios import Figures
from dgm_engine import machine
from dgm_engine.data.builtin import DATA_ROOT_VARIABLE
from dgm_engine.data.sources import SourceRequest
from dgm_engine.errors import DgmError
from dgm_engine.json_files import read_json, write_json
from dgm_engine.services import projects
from dgm_engine.services.table_runs import ended_with_us


@dataclass(frozen=True)
class Pile:
    """Images, and how many clusters are asked for.

    Attributes:
        source: a built-in set or the name of a zip.
        n_components: K.
        size: of an image, in pixels a side; None as it is.
    """

    source: str
    n_components: int = 20
    size: int | None = None


PILES = {
    "digits": Pile("digits"),
    "mnist": Pile("mnist"),
    "fashion-mnist": Pile("fashion-mnist"),
    "sign-32": Pile("sign.zip", size=32),
    "sign-64": Pile("sign.zip", size=64),
    "grocery-32": Pile("grocery.zip", 40, 32),
    "grocery-64": Pile("grocery.zip", 40, 64),
}


@dataclass(frozen=True)
class Scenario:
    """Something that happens to a project.

    Attributes:
        run: does it, in the folder of the project, and measures.
        goals: of each figure that has one, what the median of the seeds and the worst of them should reach.
        stage: how far the pile is to be trained before; "" where the scenario makes its own project.
        piles: those that it is for.
    """

    run: Callable[[Case, Path], Figures]
    goals: dict[str, tuple[float, float]]
    stage: str = ""
    piles: tuple[str, ...] = tuple(PILES)


SCENARIOS = {
    "first": Scenario(scenarios.first, {"kept": (97, 94)}),
    "retrains": Scenario(scenarios.retrains, {"change": (-1, -1), "gain": (0, 0)}, "finished"),
    **{f"stopped-{at}": Scenario(scenarios.stopped, {"change": (0, 0)}, at) for at in ("0.1", "0.25", "0.5")},
    **{
        f"late-{n}": Scenario(
            scenarios.late(n),
            {"recall": (goal, goal), "recall, unlabelled": (goal, goal)},
            "finished",
            ("digits",),
        )
        for n, goal in ((30, 90), (3, 60))
    },
    "long-tail": Scenario(scenarios.long_tail, {"recall": (60, 60)}, piles=("mnist",)),
    "wrong-name": Scenario(scenarios.wrong_name, {"won back": (100 * 5 / 6.7,) * 2}, "finished", ("mnist",)),
}
ROUNDING = 1e-9
NOT_KEPT = "not kept"
"""Retrains whose results the program did not show, so that they changed nothing: of all seeds together."""
BESIDES = "Medians besides"


def chosen_scenarios(given: argparse.Namespace, pile: str) -> list[str]:
    """Those that are asked for and are for the pile."""
    return [name for name in given.scenarios if pile in SCENARIOS[name].piles]


def result_file(given: argparse.Namespace, pile: str, seed: int, scenario: str) -> Path:
    """Where the figures of a piece are kept."""
    return given.out / "runs" / f"{pile}-{seed}-{scenario}.json"


def case_of(given: argparse.Namespace, name: str, seed: int) -> Case:
    """A pile and a seed, with all that is needed to make a project of it."""
    pile, work = PILES[name], given.out / "work" / f"{name}-{seed}"
    if not pile.source.endswith(".zip"):
        source = SourceRequest(pile.source, data_root=given.data_root)
    elif given.photos is None:
        raise SystemExit(f"{name} is made of {pile.source}; give --photos, or --data-root with a folder photos")
    else:
        source = SourceRequest(str(given.photos / pile.source), size=None if pile.size is None else (pile.size,) * 2)
    return Case(name, source, pile.n_components, seed, work, given.data_root)


def run_case(given: argparse.Namespace, pile: str, seed: int) -> None:
    """All that is to be done with a pile and a seed and is not done yet; what fails is told and left out."""
    case = case_of(given, pile, seed)
    case.work.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(case.work.with_name(f".{case.work.name}.lock")):
        missing = [s for s in chosen_scenarios(given, pile) if not result_file(given, pile, seed, s).exists()]
        failures: list[str] = []
        with told(case, "training", failures), ended_with_us(case.work / "base"):
            case.prepare([stage for name in missing if (stage := SCENARIOS[name].stage)])
        for name in missing:
            if not (failures[:1] == ["training"] and SCENARIOS[name].stage):
                with told(case, name, failures):
                    run_scenario(given, case, name)
        for left in ("base", *STAGES) if failures else ("",):  # what failed stays to be looked at
            shutil.rmtree(case.work / left, ignore_errors=True)


@contextmanager
def told(case: Case, what: str, failures: list[str]) -> Generator[None]:
    """Tells of what goes wrong, and goes on without it."""
    try:
        yield
    except (DgmError, RunFailed) as error:
        failures.append(what)
        print(f"{case.pile}, seed {case.seed}, {what} failed: {error}", file=sys.stderr, flush=True)


def run_scenario(given: argparse.Namespace, case: Case, name: str) -> None:
    """One piece, from its stage to its file."""
    scenario, began, root = SCENARIOS[name], time.monotonic(), case.work / name
    if scenario.stage:
        case.copy(scenario.stage, name)
    else:
        shutil.rmtree(root, ignore_errors=True)
    with ended_with_us(root):
        figures = scenario.run(case, root)
    about = {"version": machine.version(), "seconds": time.monotonic() - began}
    write_json(result_file(given, case.pile, case.seed, name), {**about, "figures": figures})
    projects.delete_project(root)
    print(f"{case.pile}, seed {case.seed}, {name}: {in_words(figures)}", file=sys.stderr, flush=True)


def in_words(figures: Figures) -> str:
    """Figures on one line."""
    return ", ".join(f"{what} {'-' if value is None else f'{value:.1f}'}" for what, value in figures.items())


def side_by_side(given: argparse.Namespace) -> None:
    """Each pile and seed in a process of its own, so many at once."""

    def one(piece: tuple[int, str]) -> None:
        seed, pile = piece
        wanted = ["--scenarios", *given.scenarios, "--piles", pile, "--seeds", str(seed), "--out", str(given.out)]
        places = {"--data-root": given.data_root, "--photos": given.photos}
        where = [part for option, path in places.items() if path is not None for part in (option, str(path))]
        command = [sys.executable, "-m", "benchmarks.names", *wanted, *where]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    with ThreadPoolExecutor(given.jobs) as workers:
        list(workers.map(one, [(seed, pile) for seed in given.seeds for pile in given.piles]))


def table(given: argparse.Namespace) -> pd.DataFrame:
    """A line for each figure that has a goal, scenario by scenario; beside it the medians of the others."""
    lines: list[dict[str, Any]] = []
    for name in given.scenarios:
        for pile in (pile for pile in given.piles if name in chosen_scenarios(given, pile)):
            files = [path for seed in given.seeds if (path := result_file(given, pile, seed, name)).exists()]
            if files:
                lines += lines_of(name, pile, [read_json(path) for path in files])
    return pd.DataFrame(lines)


def lines_of(name: str, pile: str, found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A line for each figure of a scenario that has a goal; `found` are the results of its seeds."""
    values = {
        what: [one["figures"][what] for one in found if one["figures"][what] is not None]
        for what in found[0]["figures"]
    }
    goals, lines = SCENARIOS[name].goals, list[dict[str, Any]]()
    for what, (goal, least) in goals.items():
        seen = values[what]
        met = bool(seen) and median(seen) >= goal - ROUNDING and min(seen) >= least - ROUNDING
        lines.append(
            {
                "scenario": name,
                "pile": pile,
                "figure": what,
                "goal": f"{goal:.0f}" if goal == least else f"{goal:.0f}, worst {least:.0f}",
                "median": median(seen) if seen else None,
                "worst": min(seen) if seen else None,
                "met": "yes" if met else "no",
                NOT_KEPT: f"{sum(refused):.0f}" if (refused := values.get(NOT_KEPT)) else "-",
                "seeds": len(seen),
                "version": ", ".join(sorted({one["version"] for one in found})),
                BESIDES: "",
            }
        )
    others = {what: median(seen) if seen else None for what, seen in values.items() if what not in (*goals, NOT_KEPT)}
    lines[0][BESIDES] = in_words(others)
    return lines


def printed(found: pd.DataFrame) -> str:
    """The figures with a goal as a table, then the others by scenario and pile."""
    besides = found[found[BESIDES] != ""]
    rest = [f"{row.scenario}, {row.pile}: {row[BESIDES]}" for _, row in besides.iterrows()]
    goals = found.drop(columns=BESIDES).to_string(index=False, float_format="{:.1f}".format)
    return "\n".join([goals, "", f"{BESIDES}:", *rest])


def read_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("names"))
    parser.add_argument("--data-root", type=Path, default=os.environ.get(DATA_ROOT_VARIABLE))
    parser.add_argument("--photos", type=Path, help="the folder of sign.zip and grocery.zip; DATA_ROOT/photos")
    parser.add_argument("--piles", nargs="+", choices=list(PILES), default=list(PILES))
    parser.add_argument("--scenarios", nargs="+", choices=list(SCENARIOS), default=list(SCENARIOS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--jobs", type=int, default=1, help="piles and seeds at work at the same time")
    parser.add_argument("--quick", action="store_true", help="the digits with seed 0 only")
    given = parser.parse_args()
    if given.quick:
        given.piles, given.seeds = ["digits"], [0]
    if given.photos is None and given.data_root is not None:
        given.photos = given.data_root / "photos"
    given.out = given.out.absolute()
    return given


def main() -> None:
    """Does what is missing and prints the table."""
    given = read_arguments()
    given.out.mkdir(parents=True, exist_ok=True)
    if given.jobs > 1:
        side_by_side(given)
    else:
        for seed in given.seeds:
            for pile in given.piles:
                run_case(given, pile, seed)
    found = table(given)
    print(f"{machine.describe()['device']}, seeds {', '.join(map(str, given.seeds))}; figures in percent and points\n")
    print("nothing is done yet" if found.empty else printed(found))


if __name__ == "__main__":
    main()
