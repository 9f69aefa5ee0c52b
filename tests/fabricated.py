"""Runs whose results were made up, for tests that need results and no training."""

import numpy as np
import torch

from dgm_engine import jobs
from dgm_engine.config import HOG, LikelihoodName, ModelConfig, ModelName, TrainingConfig
from dgm_engine.discovery.projections import default_method
from dgm_engine.json_files import read_json, write_json
from dgm_engine.models.base import DeepGenerativeModel
from dgm_engine.models.registry import build_model
from dgm_engine.nn import InputMap
from dgm_engine.npy import save_array
from dgm_engine.paths import RunPaths
from dgm_engine.services.latest import results_stamp
from dgm_engine.services.projects import Project
from dgm_engine.training.checkpoint import new_state, save_checkpoint
from dgm_engine.training.comparing import Comparison, Score, Standing
from dgm_engine.training.results import Results, save_results
from dgm_engine.training.runs import RunConfig, read_config

N_COMPONENTS = 12


def made_up_components(project: Project) -> np.ndarray:
    """(N,) each digit in the component of its number, 9 in 9 and 10 in turns, 11 empty; every 20th row is wrong."""
    rows, truth = np.arange(project.pool.n_items), project.pool.truth
    component = np.where((truth == 9) & (rows % 2 == 1), 10, truth)
    return np.where(rows % 20 == 0, (truth + 1) % 10, component)


def fabricate_run(project: Project, number: int, lineage: int = 1, owner: tuple[str | None, ...] = ()) -> RunPaths:
    """A finished run in which every item is 0.9 sure of its made-up component and 0.1 of the other 11."""
    run, component = project.paths.run(number), made_up_components(project)
    q_y = np.full((project.pool.n_items, N_COMPONENTS), 0.1 / (N_COMPONENTS - 1), dtype=np.float16)
    q_y[np.arange(len(q_y)), component] = 0.9
    generator = np.random.default_rng(0)
    z = (np.eye(N_COMPONENTS)[component] * 5 + generator.normal(size=q_y.shape)).astype(np.float16)
    model = ModelConfig(64, N_COMPONENTS, LikelihoodName.BERNOULLI, image_shape=project.pool.shape, extractor=HOG)
    config = RunConfig(model, TrainingConfig(), None if number == lineage else number - 1, lineage)
    write_json(run.config, config.to_json())
    prototypes = generator.integers(0, 255, (N_COMPONENTS, *project.pool.shape), dtype=np.uint8)
    owner = owner or (None,) * N_COMPONENTS
    save_results(run, Results(q_y, z, project.pool.shown, prototypes, owner, project.labels.version(), config, 0))
    jobs.write_status(run.status, jobs.JobStatus(jobs.JobState.FINISHED, "Done", 1.0, details={"epoch": 3}))
    return run


def fabricate_comparison(
    run: RunPaths,
    before: float,
    after: float,
    unlearned: tuple[str, ...] = (),
    held_out: tuple[int, int] | None = None,
) -> None:
    """Says of a run's results how large a part of what people named they predict, and of those of the run before.

    Of 35 held-out labels they predict `held_out`, before and after; None is where none are.
    """
    scores = (Score(), Score()) if held_out is None else tuple(Score(right, 35, 35) for right in held_out)
    named = (Score(50 * share, 50, 50) for share in (before, after))
    sides = [Standing(name, labels, 0.9) for name, labels in zip(named, scores, strict=True)]
    lost = 0 if held_out is None else max(held_out[0] - held_out[1], 0)
    compared = Comparison(run.number - 1, *sides, lost=lost).to_json()
    write_json(run.results, {**read_json(run.results), "compared": compared, "unlearned": unlearned})


def fabricate_layout(project: Project, run: RunPaths, seed: int = 0) -> np.ndarray:
    """Lays the shown items of a run out at random, as its layout job would leave them; returns the places.

    They are (M, 2) whole numbers that reach from 0 to 65535 both ways: what the map shows of them is not rounded.
    """
    xy = np.random.default_rng(seed).integers(0, 65_536, (len(project.pool.shown), 2))
    xy[:2] = [[0, 0], [65_535, 65_535]]
    method = default_method(len(xy))
    layout = run.layout(method)
    save_array(layout.positions, xy.astype(np.float32))
    layout.basis.write_text(str(results_stamp(run)))
    jobs.write_status(layout.status, jobs.JobStatus(jobs.JobState.FINISHED, "Done", 1.0))
    return xy


def fabricate_model(run: RunPaths, name: ModelName = ModelName.GM_DGM) -> DeepGenerativeModel:
    """Gives a run a checkpoint of random weights, large enough to tell items and components apart."""
    config = read_config(run)
    shape = config.model.replaced(name=name, n_latent=6, n_auxiliary=4, n_hidden=16)
    write_json(run.config, {**config.to_json(), "model": shape.to_json()})
    torch.manual_seed(0)
    n = shape.n_features
    inputs = InputMap(torch.arange(n), torch.zeros(n), torch.ones(n), torch.zeros(n))
    model = build_model(shape, inputs, output_scale=0.5)
    save_checkpoint(run, new_state(model, config.training, 1), (None,) * shape.n_components)
    return model
