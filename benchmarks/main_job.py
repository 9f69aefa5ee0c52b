"""The main job from the command line, with ground truth in the person's place: clusters, names, 20 labels, a retrain.

    python benchmarks/main_job.py digits [--seeds 0 1 2]
    python benchmarks/main_job.py fashion-mnist --data-root DIR [--components 10 --minutes 5]

Prints each figure beside a baseline from the same run: k-means with as many clusters for the clustering, label
spreading over the same labels (exemplars of the named clusters and the 20) for the named classes.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.semi_supervised import LabelSpreading

from dgm_engine.discovery import metrics
from dgm_engine.services.projects import Project, open_project

CLEAR = 11 / 12
"""A person names a cluster when all its exemplars but one, of twelve, are the same."""
SPREADING_LIMIT = 10_000


def dgm(*arguments: object) -> dict:
    """One command of the program; its JSON."""
    command = [sys.executable, "-m", "dgm_engine.cli", *map(str, arguments), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    return json.loads(done.stdout)


def name_clear_clusters(root: Path, truth: dict[str, str]) -> dict[str, str]:
    """Names the clusters whose exemplars are clear; the exemplars of these, with their class."""
    named: dict[str, str] = {}
    for cluster in dgm("clusters", root)["clusters"]:
        seen = [truth[item] for item in cluster["exemplars"]]
        if not seen:
            continue
        common = max(set(seen), key=seen.count)
        if seen.count(common) >= CLEAR * len(seen):
            dgm("name", root, cluster["component"], common)
            named |= dict.fromkeys(cluster["exemplars"], common)
    return named


def label_suggestions(root: Path, truth: dict[str, str], n: int) -> dict[str, str]:
    """Labels what is suggested."""
    labels = {entry["item"]: truth[entry["item"]] for entry in dgm("suggest", root, "--n", n)["items"]}
    rows = "".join(f"{item},{name}\n" for item, name in labels.items())
    with tempfile.NamedTemporaryFile("w", suffix=".csv") as file:
        file.write("item,class\n" + rows)
        file.flush()
        dgm("label", root, "--csv", file.name)
    return labels


def values(project: Project) -> tuple[np.ndarray, np.ndarray]:
    """At most 50 principal components of the pool (N, 50), fitted on the shown rows, and the scored rows."""
    x = project.pool.x.reshape(project.pool.n_items, -1).astype(np.float32) / 255
    size = min(50, x.shape[1])
    reduced = PCA(size, random_state=0).fit(x[project.pool.shown]).transform(x)
    return reduced, project.pool.scored


def kmeans(project: Project, n_clusters: int) -> tuple[float, float]:
    """Many-to-one and one-to-one accuracy of k-means on the scored items."""
    x, scored = values(project)
    component = KMeans(n_clusters, n_init=5, random_state=0).fit(x[project.pool.shown]).predict(x[scored])
    truth = project.pool.truth[scored]
    return (
        metrics.accuracy_cluster_and_label(component, truth),
        metrics.accuracy_hungarian(component, truth),
    )


def spreading(project: Project, labels: dict[str, str]) -> float:
    """Accuracy of label spreading from the labels over a sample of the pool, on the scored items."""
    x, scored = values(project)
    rows = project.pool.rows(list(labels))
    others = np.setdiff1d(project.pool.shown, rows)
    others = np.random.default_rng(0).permutation(others)[:SPREADING_LIMIT]
    classes = sorted(set(labels.values()))
    known = [classes.index(name) for name in labels.values()]
    model = LabelSpreading(kernel="knn", n_neighbors=10).fit(
        x[np.concatenate([rows, others])], np.array(known + [-1] * len(others))
    )
    names = np.array(project.pool.classes)[project.pool.truth[scored]]
    return float((np.array(classes)[model.predict(x[scored])] == names).mean())


def one_run(arguments: argparse.Namespace, seed: int) -> dict[str, float]:
    """The whole job with one seed; its figures."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "project"
        source = ["--source", arguments.source, *(["--data-root", arguments.data_root] if arguments.data_root else [])]
        dgm("new", root, *source)
        project = open_project(root)
        pool = project.pool
        truth = {str(i): pool.classes[t] for i, t in zip(pool.items, pool.truth, strict=True)}
        trained = dgm(
            "train", root, "--components", arguments.components, "--minutes", arguments.minutes, "--seed", seed
        )
        first = dgm("evaluate", root)
        many_to_one, one_to_one = kmeans(project, arguments.components)
        known = name_clear_clusters(root, truth)
        named = dgm("evaluate", root)
        labels = label_suggestions(root, truth, 20)
        began = time.monotonic()
        dgm("train", root, "--minutes", arguments.warm_seconds / 60)
        warm = time.monotonic() - began
        last = dgm("evaluate", root)
        return {
            "train s": trained["seconds"],
            "cluster-and-label": first["accuracy_cluster_and_label"],
            "k-means, same": many_to_one,
            "hungarian": first["accuracy_hungarian"],
            "k-means, hungarian": one_to_one,
            "named, names only": named["accuracy_named"] or 0.0,
            "named, 20 labels + retrain": last["accuracy_named"],
            "label spreading, same labels": spreading(project, known | labels),
            "retrain s, process included": warm,
        }


def main() -> None:
    """Runs every seed and prints a line for each, then the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", choices=["digits", "mnist", "fashion-mnist"])
    parser.add_argument("--data-root")
    parser.add_argument("--components", type=int, default=20)
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--warm-seconds", type=float, default=20.0)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    arguments = parser.parse_args()
    results = [one_run(arguments, seed) for seed in arguments.seeds]
    print("seed".ljust(30), *(f"{seed:>8}" for seed in arguments.seeds), "  median")
    for name in results[0]:
        row = [result[name] for result in results]
        print(name.ljust(30), *(f"{value:8.3f}" for value in row), f"{np.median(row):8.3f}")


if __name__ == "__main__":
    main()
