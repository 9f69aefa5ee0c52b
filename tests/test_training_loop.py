"""The loop in one process: a run that is broken off and taken up is the run that was not."""

import time
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import torch

from dgm_engine import machine
from dgm_engine.config import LikelihoodName, ModelConfig, ModelName, TrainingConfig
from dgm_engine.errors import InputError
from dgm_engine.models.registry import build_model
from dgm_engine.paths import ProjectPaths
from dgm_engine.training.batches import Table, fit_inputs
from dgm_engine.training.checkpoint import new_state, read_checkpoint, restore_state, save_checkpoint
from dgm_engine.training.fitting import predict
from dgm_engine.training.loop import Knowledge, Schedule, TrainingState, train
from dgm_engine.training.runs import RunConfig

N, K, BATCH, EPOCHS = 320, 3, 8, 2
TRAINING = TrainingConfig(batch_size=BATCH, labelled_batch_size=4, learning_rate=1e-2, seed=3)


@pytest.fixture
def table() -> Table:
    return Table(np.random.default_rng(0).random((N, 6, 6, 1)).astype(np.float32), np.arange(N))


def fresh(table: Table, name: ModelName = ModelName.GM_DGM) -> tuple[RunConfig, TrainingState]:
    config = ModelConfig(
        36, K, LikelihoodName.BERNOULLI, name, n_latent=2, n_auxiliary=2, n_hidden=8, image_shape=(6, 6, 1)
    )
    torch.manual_seed(0)
    model = build_model(config, fit_inputs(table, config.likelihood, 0.0, np.random.default_rng(0)))
    state = new_state(model, TRAINING, N)
    state.neighbours = np.arange(N, dtype=np.int32)[:, None]
    return RunConfig(config, TRAINING, None, 1), state


def steps(state: TrainingState, table: Table, training: TrainingConfig = TRAINING):
    knowledge = Knowledge(np.arange(10), (torch.arange(K) == 0).expand(10, K), torch.full((K,), 1 / K).log(), N)
    return train(state, table, lambda: knowledge, training, Schedule(EPOCHS, None, time.monotonic()))


@pytest.mark.parametrize("name", ModelName)
def test_broken_off_within_an_epoch_it_goes_on_where_it_was(table, name, tmp_path):
    config, whole = fresh(table, name)
    records = list(steps(whole, table))
    assert (whole.step, whole.epoch, whole.batch) == (EPOCHS * N // BATCH, EPOCHS, 0)

    run = ProjectPaths(tmp_path).run(1)
    _, first = fresh(table, name)
    before = list(islice(steps(first, table), 1))
    assert 0 < first.batch < N // BATCH
    save_checkpoint(run, first, (None,) * K)
    checkpoint = read_checkpoint(run)
    assert checkpoint is not None
    second = restore_state(checkpoint, config, N, torch.device("cpu"))
    second.neighbours = first.neighbours
    after = list(steps(second, table))
    assert second.step == whole.step
    assert [record.epoch for record in before + after] == [record.epoch for record in records]
    for ours, theirs in zip(second.model.parameters(), whole.model.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_a_checkpoint_of_another_kind_of_device_is_gone_on_with(table, tmp_path):
    """Draws of a GPU are kept in another form than those of a processor."""
    config, state = fresh(table)
    list(islice(steps(state, table), 1))
    save_checkpoint(run := ProjectPaths(tmp_path).run(1), state, (None,) * K)
    checkpoint = read_checkpoint(run)
    assert checkpoint is not None
    foreign = replace(checkpoint, tensors={**checkpoint.tensors, "generator": torch.zeros(16, dtype=torch.uint8)})
    restored = restore_state(foreign, config, N, torch.device("cpu"))
    restored.neighbours = state.neighbours
    assert list(steps(restored, table))[-1].step == EPOCHS * N // BATCH


def test_bfloat16_changes_the_bound_by_its_rounding_alone(table, monkeypatch):
    """Matrix products have 8 bits; the sums after them must not."""
    monkeypatch.setattr(machine, "gains_from_bfloat16", lambda device: True)  # whatever this processor is good at
    found = {}
    for half in (False, True):
        training = TRAINING.replaced(bfloat16=half, learning_rate=1e-12, max_epochs=1)
        _, state = fresh(table)
        found[half] = next(iter(steps(state, table, training)))
    assert found[True] != found[False]
    for part in ("elbo", "log_px", "kl_z", "kl_y", "consistency"):
        assert getattr(found[True], part) == pytest.approx(getattr(found[False], part), rel=0.02, abs=0.02)


def test_pixels_that_hardly_vary_are_told_from_images_that_are_all_the_same():
    dark = Table((0.2 * np.random.default_rng(0).random((50, 9))).astype(np.float32), np.arange(50))
    with pytest.raises(InputError, match=r"no pixel varies by more than 0\.0\d+, and min_pixel_std is 0\.1"):
        fit_inputs(dark, LikelihoodName.BERNOULLI, 0.1, np.random.default_rng(0))
    same = Table(np.ones((50, 9), np.float32), np.arange(50))
    for likelihood in LikelihoodName:
        with pytest.raises(InputError, match="all items are the same"):
            fit_inputs(same, likelihood, 0.0, np.random.default_rng(0))


def test_held_images_are_held_as_far_as_what_is_known_of_them_leaves_that():
    allowed = torch.tensor([[True, False, False], [False, True, True]])
    known = Knowledge(np.array([7, 3]), allowed, torch.full((K,), 1 / K).log(), N)
    both = known.holding(np.array([3, 7, 9]), np.eye(K, dtype=bool)[[2, 1, 1]])
    assert both.rows.tolist() == [7, 3, 3, 9]  # of 7 a person said that it is no 1
    assert both.allowed.int().tolist() == [[1, 0, 0], [0, 1, 1], [0, 0, 1], [0, 1, 0]]
    assert both.position[[3, 7, 9, 8]].tolist() == [2, 0, 3, -1]
    assert (both.n_labelled, both.n_held) == (2, 2)


def test_held_images_take_nothing_from_the_labels(table):
    """Few labels of one component, many images held in another: both are learned, and records speak of labels alone."""
    uniform = torch.full((K,), 1 / K).log()
    labelled = Knowledge(np.arange(4), (torch.arange(K) == 0).expand(4, K), uniform, N)
    held = np.arange(K) == np.full((200, 1), 1)
    both = labelled.holding(np.arange(100, 300), held)
    for knowledge, n_labelled in ((both, 4), (Knowledge.nothing(K, N).holding(np.arange(100, 300), held), 0)):
        _, state = fresh(table)
        training = TRAINING.replaced(neighbour_weight=0.0, consistency_weight=0.0, mutual_information_weight=0.0)
        records = list(train(state, table, lambda k=knowledge: k, training, Schedule(10, None, time.monotonic())))
        assert (records[-1].label_agreement is None) == (n_labelled == 0)
        found = predict(state.model, table, np.arange(N))[0].argmax(1)
        assert (found[100:300] == 1).mean() > 0.9
        if n_labelled:
            assert (found[:4] == 0).all()
            assert records[-1].label_agreement == 1
