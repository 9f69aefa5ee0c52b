"""Runs that a process of their own trains, for the tests of the worker."""

import time

from dgm_engine import jobs
from dgm_engine.labels.schema import Anchored
from dgm_engine.training import runs
from dgm_engine.training.results import load_results


def start(project, request):
    run = runs.create_run(project.paths, project.pool, request)
    runs.launch(run)
    return run


def wait(run, until=lambda status: not status.alive, seconds=90):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        status = runs.status(run)
        if until(status) or not status.alive:
            return status
        time.sleep(0.05)
    raise AssertionError(f"waited {seconds} s: {runs.status(run)}, {jobs.tail(run.log)}")


def training(status):
    return status.details.get("epoch", 0) > 0


PLAIN = {"bfloat16": False}
"""Whether matrix products are taken in bfloat16 is tried out by each process anew, and is no part of these tests."""


def name_images(project, component, class_name, rows):
    """Names a component of the first lineage by these images."""
    images = [Anchored(item, 0.9) for item in project.pool.items[rows].tolist()]
    return project.labels.name_component(1, component, class_name, images, annotator="tester")


def members(project, run, component, n=40):
    """Pool rows of the first images that results have in a component."""
    shown = project.pool.shown
    return shown[load_results(run).q_y[shown].argmax(1) == component][:n]
