"""The loop in one process: a run that is broken off and taken up is the run that was not."""

import time
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import torch

from dgm_engine import machine
from dgm_engine.config import BOUND_ALONE, LikelihoodName, ModelName, TrainingConfig
from dgm_engine.errors import InputError
from dgm_engine.paths import ProjectPaths
from dgm_engine.training import loop
from dgm_engine.training.batches import Table, fit_inputs
from dgm_engine.training.checkpoint import read_checkpoint, restore_state, save_checkpoint
from dgm_engine.training.fitting import predict
from dgm_engine.training.knowledge import Knowledge
from dgm_engine.training.loop import (
    FINAL_RATE,
    PINNING_EXPONENT,
    PINNING_WEIGHT,
    Schedule,
    TrainingState,
    TrainingStep,
    train,
)
from dgm_engine.training.runs import RunConfig
from dgm_engine.training.terms import TERMS, Choice, Term
from tests.small import CASES, fresh_run, generator, small_model, small_table

N, K, BATCH, EPOCHS = 320, 3, 8, 2
TRAINING = TrainingConfig(batch_size=BATCH, labelled_batch_size=4, learning_rate=1e-2, warm_up_steps=0, seed=3)


@pytest.fixture
def table() -> Table:
    return small_table(N)


def fresh(table: Table, name: ModelName = ModelName.GM_DGM) -> tuple[RunConfig, TrainingState]:
    config, state = fresh_run(table, name, K, TRAINING)
    state.neighbours = np.arange(N, dtype=np.int32)[:, None]
    return config, state


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
        assert found[True].terms[part] == pytest.approx(found[False].terms[part], rel=0.02, abs=0.02)


def test_pixels_that_hardly_vary_are_told_from_images_that_are_all_the_same():
    dark = Table((0.2 * np.random.default_rng(0).random((50, 9))).astype(np.float32), np.arange(50))
    with pytest.raises(InputError, match=r"no pixel varies by more than 0\.0\d+, and min_pixel_std is 0\.1"):
        fit_inputs(dark, LikelihoodName.BERNOULLI, 0.1, np.random.default_rng(0))
    same = Table(np.ones((50, 9), np.float32), np.arange(50))
    for likelihood in LikelihoodName:
        with pytest.raises(InputError, match="all items are the same"):
            fit_inputs(same, likelihood, 0.0, np.random.default_rng(0))


def test_pinned_images_are_pinned_as_far_as_what_is_known_of_them_leaves_that():
    allowed = torch.tensor([[True, False, False], [False, True, True]])
    known = Knowledge(np.array([7, 3]), allowed, torch.full((K,), 1 / K).log(), N)
    both = known.pinning(np.array([3, 7, 9]), np.eye(K, dtype=bool)[[2, 1, 1]])
    assert both.rows.tolist() == [7, 3, 3, 9]  # of 7 a person said that it is no 1
    assert both.allowed.int().tolist() == [[1, 0, 0], [0, 1, 1], [0, 0, 1], [0, 1, 0]]
    assert both.position[[3, 7, 9, 8]].tolist() == [2, 0, 3, -1]
    assert (both.n_labelled, both.n_pinned) == (2, 2)


def test_pinned_images_take_nothing_from_the_labels(table):
    """Few labels of one component, many images pinned in another: both are learned, records speak of labels alone."""
    uniform = torch.full((K,), 1 / K).log()
    labelled = Knowledge(np.arange(4), (torch.arange(K) == 0).expand(4, K), uniform, N)
    pinned = np.arange(K) == np.full((200, 1), 1)
    both = labelled.pinning(np.arange(100, 300), pinned)
    for knowledge, n_labelled in ((both, 4), (Knowledge.nothing(K, N).pinning(np.arange(100, 300), pinned), 0)):
        _, state = fresh(table)
        training = TRAINING.replaced(neighbour_weight=0.0, consistency_weight=0.0, mutual_information_weight=0.0)
        records = list(train(state, table, lambda k=knowledge: k, training, Schedule(10, None, time.monotonic())))
        assert (records[-1].terms["label_agreement"] is None) == (n_labelled == 0)
        found = predict(state.model, table, np.arange(N))[0].argmax(1)
        assert (found[100:300] == 1).mean() > 0.9
        if n_labelled:
            assert (found[:4] == 0).all()
            assert records[-1].terms["label_agreement"] == 1


def test_images_are_pinned_twice_in_a_row_each_as_firmly_as_it_was_said():
    known = Knowledge(np.array([7]), torch.tensor([[True, False, False]]), torch.full((K,), 1 / K).log(), N)
    two = np.array([[True, True, False], [False, True, True]])
    once = known.pinning(np.array([3, 4]), two, np.array([0.5, 0.25]))
    twice = once.pinning(np.array([4, 7, 3, 9]), np.eye(K, dtype=bool)[[1, 2, 0, 2]])  # of 7 nothing is left
    assert twice.rows.tolist() == [7, 3, 4, 4, 3, 9]
    assert twice.allowed[twice.position[[3, 4, 7, 9]]].int().tolist() == [[1, 0, 0], [0, 1, 0], [1, 0, 0], [0, 0, 1]]
    assert twice.firmness is not None
    assert twice.firmness.tolist() == [0.5, 0.25, 1, 1, 1]
    assert (twice.n_labelled, twice.n_pinned) == (1, 5)
    last = known.pinning(np.array([3]), two[:1]).pinning(np.array([7, 5]), ~two, np.array([0.75, 0.125]))
    assert last.rows.tolist() == [7, 3, 5]  # of 7 nothing is left, nor of how firmly it would be pinned
    assert last.firmness is not None
    assert last.firmness.tolist() == [1, 0.125]


def pulls(probability: list[float], firmness: list[float], weight: float | None = 30.0) -> np.ndarray:
    """(H, K) the gradient of J by the logits of images pinned in the first component, which has these probabilities."""
    model = small_model(CASES[0].config(5, K, 2, 2))
    n = len(probability) + 1  # and one of which nothing is known
    first = torch.tensor([*probability, 0.5], dtype=torch.float64)
    logits = torch.stack([first, 0.25 * (1 - first), 0.75 * (1 - first)], 1).log().requires_grad_()
    pinned = Knowledge.nothing(K, n).pinning(np.arange(n - 1), np.eye(K, dtype=bool)[[0] * (n - 1)], np.array(firmness))
    config = TRAINING.replaced(classification_weight=weight)
    state = TrainingState(model, None, generator(), np.random.default_rng(0))  # no step is taken
    step = TrainingStep(state, Table(np.zeros((n, 5), np.float32), np.arange(n)), pinned, config)
    encoded = replace(model.encode(CASES[0].items(n, 5), 1, generator()), log_q_y=logits.log_softmax(-1))
    allowed = torch.ones(n, K, dtype=torch.bool)
    allowed[:-1, 1:] = False
    objective, *_ = step.objective(encoded, allowed, 0, torch.tensor(firmness, dtype=torch.float64))
    objective.backward()
    assert logits.grad is not None
    return logits.grad[:-1].numpy()


def q_loss(logits: np.ndarray) -> float:
    """What an image pinned in the first component costs, as Zhang and Sabuncu have it."""
    p = np.exp(logits[0]) / np.exp(logits).sum()
    return (1 - p**PINNING_EXPONENT) / PINNING_EXPONENT


def test_pinned_images_pull_as_the_bounded_loss_says_each_as_firmly_as_it_is_pinned():
    probability, firmness = [1e-3, 0.2, 0.6, 0.97], [0.1, 0.4, 0.3, 0.9]
    found = pulls(probability, firmness)
    for image, (p, firm) in enumerate(zip(probability, firmness, strict=True)):
        logits, change = np.log([p, 0.25 * (1 - p), 0.75 * (1 - p)]), 1e-6 * np.eye(K)
        slope = [(q_loss(logits + step) - q_loss(logits - step)) / 2e-6 for step in change]
        weight = PINNING_WEIGHT * 30 * firm / sum(firmness)
        np.testing.assert_allclose(found[image], -weight * np.array(slope), rtol=1e-6, atol=1e-8)


def test_what_all_else_speaks_against_is_let_go_and_what_is_so_anyway_is_pinned_like_a_label():
    by_label = np.array([1, -0.25, -0.75])  # the gradient of log p is (1 - p) times this
    for p, least, most in ((1e-12, 0.0, 1e-3), (0.999, 0.999, 1.0)):
        share = pulls([p], [0.7])[0] / (PINNING_WEIGHT * 30 * (1 - p) * by_label)
        assert ((least <= share) & (share <= most)).all()
    strength = [np.abs(pulls([p], [1.0])).max() for p in (1e-12, 1e-8, 1e-4, 1e-2)]
    assert strength == sorted(strength)  # that of a label falls as the probability grows
    assert strength[0] < PINNING_WEIGHT * 30 * 1e-3


def test_how_much_pinned_images_pull_grows_with_the_pool_and_falls_with_how_many_they_are():
    """Without a weight in the configuration, after Kingma: 0.1 N / H for each, which are averaged."""
    one, two = pulls([0.5], [1.0], None), pulls([0.5, 0.5], [1.0, 1.0], None)
    by_label = PINNING_WEIGHT * 0.5**PINNING_EXPONENT * np.array([0.5, -0.125, -0.375])
    np.testing.assert_allclose(one[0], 0.1 * 2 * by_label)
    np.testing.assert_allclose(two[0], 0.1 * 3 / 2 / 2 * by_label)


@pytest.mark.parametrize(("n", "share"), [(1, 1 / 8), (4, 1 / 2), (8, 1), (12, 1)])
def test_a_few_labels_count_in_proportion_and_many_as_in_the_paper(n: int, share: float):
    """The gradient of the labelled part of J, which is a mean however few there are, by the logits of its items."""

    def pull(full_weight_from: int) -> np.ndarray:
        model = small_model(CASES[0].config(5, K, 2, 2))
        logits = torch.zeros(n + 1, K, dtype=torch.float64, requires_grad=True)
        allowed = torch.ones(n + 1, K, dtype=torch.bool)
        allowed[:n, 1:] = False
        known = Knowledge(np.arange(n), allowed[:n], torch.full((K,), 1 / K).log(), n + 1)
        state = TrainingState(model, None, generator(), np.random.default_rng(0))  # no step is taken
        config = TRAINING.replaced(full_weight_from=full_weight_from)
        step = TrainingStep(state, Table(np.zeros((n + 1, 5), np.float32), np.arange(n + 1)), known, config)
        encoded = replace(model.encode(CASES[0].items(n + 1, 5), 1, generator()), log_q_y=logits.log_softmax(-1))
        objective, *_ = step.objective(encoded, allowed, n, torch.empty(0))
        objective.backward()
        assert logits.grad is not None
        return logits.grad[:n].numpy()

    whole = pull(1)
    assert np.abs(whole).max() > 0.1
    np.testing.assert_allclose(pull(8), share * whole)


def test_a_schedule_ends_by_its_clock_or_its_passes_whichever_is_first():
    now = 100.0
    schedule = Schedule(10, 40.0, 100.0, lambda: now)
    assert schedule.progress(0) == 0
    assert schedule.progress(2.5) == 0.25
    now = 130.0
    assert schedule.progress(2.5) == 0.75
    assert schedule.progress(9) == 0.9
    now = 150.0
    assert schedule.progress(0) == 1
    assert Schedule(10, None, 0.0, lambda: now).progress(1) == 0.1
    assert Schedule(None, None, 0.0, lambda: now).progress(1) == 0
    assert Schedule(None, 0.0, 0.0, lambda: now).progress(0) == 1


@pytest.mark.parametrize("rises", [0, 5])
def test_a_run_lasts_as_long_as_its_clock_says_and_its_rate_falls_with_it_once_it_has_risen(table, rises):
    config = TRAINING.replaced(warm_up_steps=rises)
    _, state = fresh(table)
    knowledge, rates = Knowledge.nothing(K, N), []

    def clock() -> float:
        rates.append(state.optimiser.param_groups[0]["lr"])
        return 7 + state.step / 4  # a machine that does four steps in a second of work

    records = list(train(state, table, lambda: knowledge, config, Schedule(None, 15.0, 7.0, clock)))
    assert (state.step, records[-1].step, records[-1].progress) == (60, 60, 1)
    assert [record.progress for record in records] == [record.step / 60 for record in records]
    expected = [FINAL_RATE + (1 - FINAL_RATE) * (1 + np.cos(np.pi * step / 60)) / 2 for step in range(60)]
    expected[:rises] = [(step + 1) / rises * share for step, share in enumerate(expected[:rises])]
    np.testing.assert_allclose(rates, TRAINING.learning_rate * np.array(expected))


def test_a_term_of_the_table_is_added_to_the_objective_and_recorded(table, monkeypatch):
    weight = Choice("neighbour_weight", "Last", "How strongly all images are drawn to the last cluster.")
    training = TRAINING.replaced(neighbour_weight=3.0, consistency_weight=0.0, mutual_information_weight=0.0)
    found = {}
    for sign in (1.0, -1.0):
        added = Term("last", lambda step: step.log_q_y[:, -1].mean(), "Last", "Nearer 0 is surer.", weight, sign)
        monkeypatch.setattr(loop, "TERMS", (*(t for t in TERMS if t.name != "neighbours"), added))
        _, state = fresh(table)
        found[sign] = list(steps(state, table, training))[-1].to_json()["last"]
    assert found[1.0] > found[-1.0] + 1


def test_every_part_and_term_is_recorded_and_a_weight_of_zero_leaves_it_out(table):
    _, state = fresh(table, ModelName.AGM_DGM)
    record = next(iter(steps(state, table)))
    assert list(record.terms) == [term.name for term in TERMS]
    assert None not in record.terms.values()
    assert record.to_json() == {
        "epoch": record.epoch,
        "step": record.step,
        "progress": record.progress,
        **record.terms,
    }
    for term in TERMS:
        if term.sign and term.weight:
            assert term.weight.field in BOUND_ALONE
            left_out = next(iter(steps(fresh(table)[1], table, TRAINING.replaced(**{term.weight.field: 0.0}))))
            assert left_out.terms[term.name] is None
            assert left_out.elbo == left_out.terms["elbo"]
