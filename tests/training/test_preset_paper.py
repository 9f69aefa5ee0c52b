"""Preset `paper`: what Appendix B and the authors' code say, and nothing else; seen at work in the real loop."""

import itertools
import time

import numpy as np
import pytest
import torch

from dgm_engine.config import LikelihoodName, ModelConfig, Preset, TrainingConfig
from dgm_engine.errors import InputError
from dgm_engine.models.registry import build_model
from dgm_engine.training.batches import Table, fit_inputs
from dgm_engine.training.checkpoint import new_state
from dgm_engine.training.knowledge import Knowledge
from dgm_engine.training.loop import Record, Schedule, TrainingState, TrainingStep, train
from dgm_engine.training.ownership import give_components

N, K = 20, 3
PAPER = TrainingConfig.for_preset(Preset.PAPER)


def state_and_table(config: TrainingConfig, scale: float = 1.0) -> tuple[TrainingState, Table]:
    x = np.random.default_rng(0).random((N, 4)).astype(np.float32)
    table = Table(x, np.arange(N))
    inputs = fit_inputs(table, LikelihoodName.GAUSSIAN, 0.0, np.random.default_rng(0))
    inputs.scale /= scale
    torch.manual_seed(0)
    model = build_model(ModelConfig(4, K, LikelihoodName.GAUSSIAN, n_latent=2, n_hidden=8), inputs, config.output_scale)
    return new_state(model, config, N), table


def run(state: TrainingState, table: Table, config: TrainingConfig, epochs: int, n_labelled: int = 0) -> list[Record]:
    """Trains until `epochs` passes are done, with labels of component 0."""
    allowed = (torch.arange(K) == 0).expand(n_labelled, K)
    knowledge = Knowledge(np.arange(n_labelled), allowed, torch.full((K,), 1 / K).log(), N)
    schedule = Schedule(epochs, None, time.monotonic())
    return list(train(state, table, lambda: knowledge, config, schedule))


def test_settings_are_those_of_appendix_b():
    assert (PAPER.batch_size, PAPER.labelled_batch_size, PAPER.n_samples) == (100, 100, 2)
    assert (PAPER.learning_rate, PAPER.max_epochs, PAPER.output_scale) == (3e-4, 2000, 1e-3)
    assert (PAPER.min_pixel_std, PAPER.binarise, PAPER.weight_decay) == (0.1, True, 1.0)
    assert PAPER.preset is Preset.PAPER


def test_every_term_that_the_paper_does_not_have_is_off():
    weights = {name: value for name, value in PAPER.to_json().items() if name.endswith("_weight")}
    assert weights.pop("classification_weight") is None  # Kingma's: the paper has that one
    assert len(weights) == 3
    assert set(weights.values()) == {0.0}
    assert not PAPER.clustering_start
    assert PAPER.extractor is None
    assert not PAPER.several_components
    assert PAPER.exact_components == 0  # expectations over y are exact sums
    assert PAPER.held_out_fraction == 0
    assert not PAPER.bfloat16


def test_the_loop_then_computes_none_of_them():
    config = PAPER.replaced(binarise=False)
    state, table = state_and_table(config)
    state.neighbours = np.zeros((len(table.x), 1), np.int32)
    (record,) = run(state, table, config, 1, n_labelled=5)
    assert [record.terms[name] for name in ("consistency", "neighbours", "mutual_information")] == [None, None, None]
    assert record.terms["classification"] is not None


def test_classification_weight_is_that_of_kingma():
    """alpha = 0.1 N / N_labelled, N the items and N_labelled those with a label."""
    state, table = state_and_table(PAPER)
    allowed = (torch.arange(K) == 0).expand(4, K)
    knowledge = Knowledge(np.arange(4), allowed, torch.full((K,), 1 / K).log(), N)
    assert TrainingStep(state, table, knowledge, PAPER).alpha == pytest.approx(0.1 * N / 4)


def first_gradients(config: TrainingConfig) -> list[torch.Tensor]:
    """What the optimiser is given at the first step, of items so large that gradients are too."""
    state, table = state_and_table(config, scale=30)
    seen: list[torch.Tensor] = []
    state.optimiser.register_step_pre_hook(
        lambda optimiser, *_: seen.extend(p.grad.clone() for group in optimiser.param_groups for p in group["params"])
    )
    run(state, table, config, 1)
    return seen


def test_gradients_are_clipped_elementwise():
    config = PAPER.replaced(binarise=False)
    free, clipped = first_gradients(config.replaced(gradient_clip=None)), first_gradients(config)
    largest = max(float(g.abs().max()) for g in free)
    assert largest > 10
    assert any(0 < float(g.abs().min()) < 1 < float(g.abs().max()) for g in free)
    for a, b in zip(free, clipped, strict=True):
        torch.testing.assert_close(a.clamp(-1, 1), b)


@pytest.mark.parametrize("preset", list(Preset))
def test_a_run_of_an_earlier_version_has_what_its_preset_says_and_held_out_no_labels(preset):
    config = TrainingConfig.for_preset(preset, seed=3, checked_fraction=0.0)
    later = {"warm_up_steps", "retrain_rate", "full_weight_from", "checked_fraction"}
    written = {name: value for name, value in config.to_json().items() if name not in later}
    assert TrainingConfig.from_json(written) == config
    assert TrainingConfig.from_json(TrainingConfig().to_json()) == TrainingConfig()
    with pytest.raises(InputError, match="there is no preset 'slow'"):
        TrainingConfig.from_json({"preset": "slow"})


def test_learning_rate_falls_by_a_quarter_every_200_epochs():
    config = PAPER.replaced(binarise=False)
    rates = {}
    for begin in (0, 198, 398, 598):
        state, table = state_and_table(config)
        state.epoch, state.step = begin, begin  # one batch is an epoch here
        state.optimiser.register_step_pre_hook(
            lambda optimiser, *_, state=state: rates.update({state.epoch: {g["lr"] for g in optimiser.param_groups}})
        )
        run(state, table, config, begin + 4)
    assert sorted(rates) == [begin + i for begin in (0, 198, 398, 598) for i in range(4)]
    for epoch, used in rates.items():
        assert list(used) == [pytest.approx(3e-4 * 0.75 ** (epoch // 200))], epoch


def test_the_fast_preset_falls_along_a_cosine_instead():
    config = TrainingConfig.for_preset(Preset.FAST, consistency_weight=0.0, warm_up_steps=0)
    state, table = state_and_table(config)
    rates = []
    state.optimiser.register_step_pre_hook(lambda optimiser, *_: rates.append(optimiser.param_groups[0]["lr"]))
    run(state, table, config, 40)
    assert rates[0] == config.learning_rate
    assert all(later < earlier for earlier, later in itertools.pairwise(rates))
    assert rates[-1] < 0.05 * config.learning_rate


def test_weights_have_a_gaussian_prior_and_biases_have_none():
    """Its gradient, precision / N times the weight, is all that moves a network whose own gradient is zero."""
    state, _ = state_and_table(PAPER)
    decays = {id(p): group["weight_decay"] for group in state.optimiser.param_groups for p in group["params"]}
    parameters = dict(state.model.named_parameters())
    assert set(decays) == {id(p) for p in parameters.values()}
    for name, parameter in parameters.items():
        assert decays[id(parameter)] == (0 if name.endswith("bias") else PAPER.weight_decay / N), name
    with torch.no_grad():
        for parameter in parameters.values():
            parameter.fill_(0.5)
    for parameter in parameters.values():
        parameter.grad = torch.zeros_like(parameter)
    state.optimiser.step()
    moved = {name for name, parameter in parameters.items() if not torch.all(parameter == 0.5)}
    assert moved == {name for name in parameters if not name.endswith("bias")}
    assert all((parameters[name] < 0.5).all() for name in moved)


def test_a_class_owns_exactly_one_component():
    """However many hold its examples; only `several` gives it more."""
    evidence = {"a": np.array([5.0, 4.0, 4.0, 0.0]), "b": np.array([0.0, 3.0, 0.0, 6.0]), "c": np.array([6.0, 0, 5, 0])}
    owner = give_components((None,) * 4, evidence, several=False)
    assert sorted(name for name in owner if name) == ["a", "b", "c"]
    assert owner == ("c", "a", None, "b")
    assert give_components(owner, evidence, several=False) == owner  # and it stays so
    several = give_components((None,) * 4, {"a": evidence["a"]}, several=True)
    assert several.count("a") == 3
