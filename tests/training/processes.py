"""Runs for the tests of the worker: in a process of their own, or in this one where the process is not the subject."""

import time

from dgm_engine import jobs
from dgm_engine.jobs import JobState
from dgm_engine.labels.schema import Anchored
from dgm_engine.training import planning, runs
from dgm_engine.training.reporter import Reporter
from dgm_engine.training.results import load_results
from dgm_engine.training.setting import Setting
from dgm_engine.training.worker import Worker


def start(project, request):
    run = planning.create_run(project.paths, project.pool, request)
    runs.launch(run)
    return run


def train_here(project, request):
    """Trains a run to its end in this process, which has its imports behind it: five seconds less than `start`."""
    run = planning.create_run(project.paths, project.pool, request)
    Worker(Setting.of(run)).work()
    assert runs.status(run).state is JobState.FINISHED
    return run


def stop_at(run, step):
    """Trains a run in this process, and asks it to stop once it has taken so many steps."""

    class Asking(Reporter):
        def check_stop(self):
            if worker.state.step >= step:
                runs.request_stop(run)
            super().check_stop()

    worker = Worker(Setting.of(run), Asking(run))
    worker.work()


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
