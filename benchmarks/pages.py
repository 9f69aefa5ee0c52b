"""The time that each page takes on the server, beside another version of the program.

    python -m benchmarks.pages --data-root DIR [--beside CHECKOUT] [--sizes 10000] [--repeats 9] [--home DIR]

Each page's script runs in Streamlit's own test runner, without a browser, on a trained project of MNIST with a map. The
pages are opened in the order of the table: *first* is the first run of the page in a new process, *again* the median of
the five that follow. Both versions take turns, with a new process for each turn; figures are medians over the turns.
*times* is this version's time divided by the other's.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import pandas as pd

ROOT = Path(__file__).parent.parent
PAGES = ("projects", "discover", "label", "train", "evaluate", "export")
PATIENCE = 300
"""Seconds after which something is wrong."""
RUNS = 5
"""Of a page, after its first."""


def read_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-root", type=Path, required=True)
    parser.add_argument("--beside", type=Path, help="the folder of another version of the program")
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000])
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--home", type=Path, help="where the projects are kept; one folder for each version")
    parser.add_argument("--project", type=Path, help=argparse.SUPPRESS)  # what a process of one turn looks at
    return parser.parse_args()


def in_checkout(checkout: Path, *arguments: str) -> str:
    """What a Python of its own prints, that imports the program of a checkout."""
    command = [sys.executable, "-P", *arguments]  # -P keeps this folder from the path: its `pages` is not the app's
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd=checkout, env=environment).stdout


def made(checkout: Path, home: Path, size: int, data_root: Path) -> Path:
    """The folder of a project of so many images that a checkout's own program made."""
    code = (
        "import sys; from pathlib import Path; from benchmarks.piles import opened; "
        "print(opened(Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])).paths.root)"
    )
    return Path(in_checkout(checkout, "-c", code, str(home), str(size), str(data_root)).splitlines()[-1])


def turn(project: Path) -> dict[str, list[float]]:
    """Seconds of the first and of the later runs of each page, by the program on the path."""
    from streamlit.testing.v1 import AppTest  # the process that takes turns needs none of it

    from dgm_engine.services import jobs

    jobs.be_ready = lambda _project: None  # processes that import torch meanwhile would be measured with the pages
    app = AppTest.from_file(str(Path.cwd() / "app.py"), default_timeout=PATIENCE)
    app.query_params["project"] = str(project)
    seconds: dict[str, list[float]] = {}
    for page in PAGES:
        app.switch_page(f"pages/{page}.py")
        seconds[page] = [_run(app) for _ in range(1 + RUNS)]
    return seconds


def _run(app) -> float:
    began = time.perf_counter()
    app.run()
    took = time.perf_counter() - began
    if app.exception:
        raise SystemExit(f"a page failed: {app.exception[0].value}")
    return took


def compared(checkouts: dict[str, Path], given: argparse.Namespace, home: Path) -> pd.DataFrame:
    """A line for each size and page; a column for each version, and their ratio."""
    lines = []
    for size in given.sizes:
        projects = {name: made(at, home / name, size, given.data_root) for name, at in checkouts.items()}
        turns: dict[str, list[dict[str, list[float]]]] = {name: [] for name in checkouts}
        for _ in range(given.repeats):
            for name, at in checkouts.items():
                wanted = ["--data-root", str(given.data_root), "--project", str(projects[name])]
                turns[name].append(json.loads(in_checkout(at, str(Path(__file__)), *wanted).splitlines()[-1]))
        for page in PAGES:
            for what, of in (("first", lambda runs: runs[0]), ("again", lambda runs: median(runs[1:]))):
                found = {name: median(of(one[page]) for one in turns[name]) for name in checkouts}
                times = {"times": found["this"] / found["beside"]} if "beside" in found else {}
                lines.append({"images": size, "page": page, "run": what, **found, **times})
    return pd.DataFrame(lines)


def main() -> None:
    """Measures and prints the table, or takes one turn."""
    given = read_arguments()
    if given.project is not None:
        print(json.dumps(turn(given.project)))
        return
    checkouts = {"this": ROOT} | ({} if given.beside is None else {"beside": given.beside.resolve()})
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        found = compared(checkouts, given, (given.home or Path(folder)).resolve())
    print("seconds on the server\n")
    print(found.to_string(index=False, float_format="{:.3f}".format))


if __name__ == "__main__":
    main()
