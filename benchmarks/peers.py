"""Accuracy against minutes: preset `fast` beside k-means, UMAP + Gaussian mixture, and clustpy's VaDE and DEC.

UMAP + Gaussian mixture has a second point, on the edges that our models see instead of the pixels.

    python -m benchmarks.peers --data-root DIR --out DIR [--tasks mnist-10 fashion-30] [--plot FILE.png]

All on the same 60,000 training images without labels, scored on the 10,000 test images, one thread each (ours too, on a
machine of two cores). Of ours there are two points: the first clusters that a person sees, and the end. The deep peers
run for a tenth of their authors' passes, about as long as ours, and for a third (`--long`). Runs are files under --out,
as in `benchmarks.fast_preset`.
"""

import argparse
import shutil
from pathlib import Path

import pandas as pd

from benchmarks.fast_preset import NAMES, TASKS, one_run, peer_run
from dgm_engine import machine
from dgm_engine.config import Preset
from dgm_engine.reproduction.peers import DEEP_EPOCHS
from dgm_engine.reproduction.tables import PEER_TITLES, PeerName
from dgm_engine.services.palette import CLUSTER_COLOURS

SHALLOW_PEERS = (PeerName.K_MEANS, PeerName.UMAP_GMM)
DEEP_PEERS = (PeerName.VADE, PeerName.DEC)
OURS = "DGM Studio"
LONG = (33, 50)
SIZE = {"width": 1000, "height": 520}


def points(given: argparse.Namespace, name: str) -> list[dict[str, object]]:
    """Method, minutes and accuracy in percent of everything that was run on a task."""
    measure = TASKS[name].measure
    ours = one_run(given, name, 0, "preset fast")
    found: list[dict[str, object]] = [
        {"method": method, "min": seconds / 60, "accuracy": 100 * accuracy, "version": ours.version}
        for method, seconds, accuracy in (
            (f"{OURS}, first clusters", ours.first_seconds, ours.first_accuracy),
            (OURS, ours.seconds, ours.accuracy),
        )
    ]
    stages = [DEEP_EPOCHS[Preset.FAST], *([LONG] if given.long else [])]
    peers = {PEER_TITLES[peer]: peer_run(given, name, peer) for peer in SHALLOW_PEERS}
    peers[f"{PEER_TITLES[PeerName.UMAP_GMM]} on edges"] = peer_run(given, name, PeerName.UMAP_GMM, edges=True)
    for peer in DEEP_PEERS:
        for epochs in stages:
            peers[f"{PEER_TITLES[peer]}, {epochs[0]} + {epochs[1]} passes"] = peer_run(given, name, peer, epochs)
    for title, run in peers.items():
        minutes, accuracy = run["seconds"] / 60, 100 * run[measure]
        found.append({"method": title, "min": minutes, "accuracy": accuracy, "version": run["version"]})
    return [{"task": f"{name}, {NAMES[measure]}", **point} for point in found]


def plot(table: pd.DataFrame, path: Path) -> None:
    """A panel for each task, as a picture that headless Chromium takes."""
    from playwright.sync_api import sync_playwright
    from plotly.subplots import make_subplots

    tasks = list(table["task"].unique())
    figure = make_subplots(cols=len(tasks), subplot_titles=tasks, x_title="minutes", y_title="accuracy, %")
    colours = dict(zip(table["method"].unique(), CLUSTER_COLOURS, strict=False))
    for column, (_, points) in enumerate(table.groupby("task", sort=False), start=1):
        ours = points[points["method"].str.startswith(OURS)]
        dotted = {"mode": "lines", "line": {"color": colours[OURS], "dash": "dot"}, "showlegend": False}
        figure.add_scatter(x=ours["min"], y=ours["accuracy"], **dotted, col=column, row=1)
        for method, point in points.groupby("method", sort=False):
            marker = {"color": colours[method], "size": 13, "symbol": "star" if method.startswith(OURS) else "circle"}
            place = {"x": point["min"], "y": point["accuracy"], "col": column, "row": 1}
            figure.add_scatter(**place, mode="markers", name=method, marker=marker, showlegend=column == 1)
    legend = {"orientation": "h", "y": -0.25}
    figure.update_layout(template="plotly_white", font_size=12, margin_t=40, margin_b=130, legend=legend, **SIZE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport=SIZE)
        page.set_content(figure.to_html(include_plotlyjs=True))
        page.locator(".main-svg").first.wait_for()
        page.screenshot(path=path)
        browser.close()


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-root", type=Path)
    parser.add_argument("--out", type=Path, default=Path("fast-preset"))
    parser.add_argument("--tasks", nargs="+", choices=list(TASKS), default=["mnist-10", "fashion-30"])
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--plot", type=Path)
    given = parser.parse_args()
    table = pd.DataFrame([point for name in given.tasks for point in points(given, name)])
    print(f"{machine.describe()['device']}\n")
    print(table.to_string(index=False, float_format="{:.1f}".format))
    if given.plot:
        plot(table, given.plot)


if __name__ == "__main__":
    main()
