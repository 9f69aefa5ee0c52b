"""A model that gets one more component is the model that it was, with one of its components twice."""

import time
from dataclasses import fields

import numpy as np
import pytest
import torch

from dgm_engine.config import ModelName, TrainingConfig
from dgm_engine.objective import Sampling, bound, fixed_bound
from dgm_engine.paths import ProjectPaths
from dgm_engine.training.checkpoint import read_checkpoint, restore_state, save_checkpoint
from dgm_engine.training.growing import grow
from dgm_engine.training.knowledge import Knowledge
from dgm_engine.training.loop import Schedule, TrainingState, new_optimiser, train
from tests.small import CASES, Case, fresh_run, generator, small_model, small_table

N, D, K, Z, A = 12, 5, 4, 3, 2
SOURCE = 2
CONFIG = TrainingConfig(learning_rate=1e-2, weight_decay=0.3)


@pytest.fixture(params=CASES, ids=str)
def case(request) -> Case:
    return request.param


@pytest.fixture
def x(case):
    return case.items(N, D)


@pytest.fixture
def state(case, x) -> TrainingState:
    """In float64, some steps into its training."""
    model = small_model(case.config(D, K, Z, A))
    state = TrainingState(model, new_optimiser(model, CONFIG, N), generator(), np.random.default_rng(0))
    descend(state, x, 3)
    return state


def descend(state: TrainingState, x, steps: int) -> None:
    """Some steps on the bound of all items and components."""
    n_components = state.model.config.n_components
    log_prior = torch.full((n_components,), 1 / n_components, dtype=torch.float64).log()
    for _ in range(steps):
        encoded = state.model.encode(x, 2, state.generator)
        value = bound(state.model, encoded, encoded.log_q_y, log_prior, Sampling(state.generator, 2)).value.mean()
        state.optimiser.zero_grad(set_to_none=True)
        (-value).backward()
        state.optimiser.step()


def parameters(optimiser: torch.optim.Optimizer) -> list[torch.nn.Parameter]:
    return [parameter for group in optimiser.param_groups for parameter in group["params"]]


def grown(state: TrainingState, source: int = SOURCE) -> int:
    """`grow` of a model in float64: new networks have torch's default type."""
    torch.set_default_dtype(torch.float64)
    try:
        return grow(state, source, CONFIG, N)
    finally:
        torch.set_default_dtype(torch.float32)


def same(ours, theirs) -> None:
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


def same_parts(ours, theirs) -> None:
    """Of two `Bound`s or `Terms`; kl_a is None for models without a."""
    for part in fields(ours):
        expected = getattr(theirs, part.name)
        if expected is not None:
            same(getattr(ours, part.name), expected)


def test_with_the_new_component_closed_it_is_the_model_of_before(state, x):
    before, log_prior = state.model, torch.tensor([0.1, 0.2, 0.3, 0.4], dtype=torch.float64).log()
    assert grown(state) == K
    model = state.model
    assert model is not before
    assert model.config == before.config.replaced(n_components=K + 1)
    assert model.open.tolist() == [True] * (K + 1)
    model.open[K] = False
    every = torch.arange(K)[:, None].expand(K, N)
    with torch.no_grad():
        classified = model.classify(x)
        assert (classified[:, K] == 0).all()
        same(classified[:, :K], before.classify(x))
        longer = torch.cat([log_prior, torch.zeros(1, dtype=torch.float64)])
        same_parts(fixed_bound(model, x, longer), fixed_bound(before, x, log_prior))
        same_parts(*(one.terms_fixed(one.encode_fixed(x), every) for one in (model, before)))
        same(model.prototypes()[:K], before.prototypes())


def test_the_new_component_is_its_source_once_more_and_both_share_what_that_had(state, x):
    before = state.model
    made = grown(state)
    model = state.model
    with torch.no_grad():
        encoded = model.encode_fixed(x)
        terms = model.terms_fixed(encoded, torch.tensor([[SOURCE], [made]]).expand(2, N))
        for term in (terms.log_px, terms.kl_z, terms.kl_a):
            if term is not None:
                same(term[0], term[1])
        probability, old = (one.q_y(x, encoded.a).log_p.exp() for one in (model, before))  # (..., K + 1), (..., K)
        same(probability[..., made], probability[..., SOURCE])
        same(probability[..., :K], old / (1 + old[..., SOURCE : SOURCE + 1]))
        q_y = model.classify(x)
        same(q_y.sum(1), torch.ones(N, dtype=torch.float64))
        same(q_y[:, made], q_y[:, SOURCE])


def test_adam_goes_on_where_it_was_and_the_new_rows_where_their_source_was(state):
    for group in state.optimiser.param_groups:
        group["lr"] = 3e-4  # as the schedule has it by now
    before, names = state.optimiser, [name for name, _ in state.model.named_parameters()]
    grown(state)
    after = state.optimiser
    model_parameters = dict(state.model.named_parameters())
    assert {*map(id, parameters(after))} == {*map(id, model_parameters.values())}
    assert [group["lr"] for group in after.param_groups] == [3e-4, 3e-4]
    assert after.param_groups[0]["weight_decay"] == before.param_groups[0]["weight_decay"] > 0
    longer = set()
    for old, new in zip(parameters(before), parameters(after), strict=True):
        assert after.state[new]["step"] == before.state[old]["step"] == 3
        kept = [(after.state[new][moment], before.state[old][moment]) for moment in ("exp_avg", "exp_avg_sq")]
        for ours, theirs in ((new.detach(), old.detach()), *kept):
            if ours.shape == theirs.shape:
                assert torch.equal(ours, theirs)
            else:
                longer.add(next(name for name in names if model_parameters[name] is new))
                assert ours.shape == (K + 1, *theirs.shape[1:])
                assert torch.equal(ours[:K], theirs)
                assert torch.equal(ours[K], theirs[SOURCE])
    assert {"_q_y.output.weight", "_q_y.output.bias", "_q_z.body.category"} <= longer


def test_it_learns_on_and_every_parameter_has_its_gradient(state, x):
    grown(state)
    before = {name: parameter.detach().clone() for name, parameter in state.model.named_parameters()}
    draws = torch.get_rng_state()
    descend(state, x, 1)
    assert torch.equal(torch.get_rng_state(), draws)
    for name, parameter in state.model.named_parameters():
        assert parameter.grad is not None, name
        rows = parameter.grad if len(parameter) == K + 1 else parameter.grad[None]
        assert all(row.abs().max() > 0 for row in rows), name  # each component, where there is a row of each
        assert not torch.equal(parameter.detach(), before[name]), name


def test_two_components_can_be_added_and_closed_ones_stay_closed(state, x):
    state.model.open[1] = False
    draws = torch.get_rng_state()
    assert (grown(state, 1), grown(state, 0)) == (K, K + 1)
    assert torch.equal(torch.get_rng_state(), draws)  # nobody else's draws
    assert state.model.open.tolist() == [True, False, True, True, True, True]
    descend(state, x, 2)
    with torch.no_grad():
        q_y = state.model.classify(x)
    assert (q_y[:, 1] == 0).all()
    assert (q_y[:, [0, 2, 3, 4, 5]] > 0).all()


@pytest.mark.parametrize("name", ModelName)
def test_in_the_midst_of_the_loop_and_from_a_checkpoint_of_it(name, tmp_path):
    """The loop's next step is one of the larger model, and a checkpoint has it."""
    table = small_table(320)
    training = TrainingConfig(batch_size=8, labelled_batch_size=4, neighbour_weight=0.0, seed=3)
    config, state = fresh_run(table, name, K, training)
    asked = []

    def knowledge() -> Knowledge:
        asked.append(state.step)
        if len(asked) == 2:
            grow(state, 1, training, 320)
        k = state.model.config.n_components
        return Knowledge(np.arange(10), (torch.arange(k) == k - 1).expand(10, k), torch.full((k,), 1 / k).log(), 320)

    records = list(train(state, table, knowledge, training, Schedule(2, None, time.monotonic())))
    assert (state.step, records[-1].step, state.model.config.n_components) == (80, 80, K + 1)
    assert {int(of["step"]) for of in state.optimiser.state.values()} == {80}
    save_checkpoint(run := ProjectPaths(tmp_path).run(1), state, (None,) * (K + 1))
    checkpoint = read_checkpoint(run)
    assert checkpoint is not None
    restored = restore_state(checkpoint, config, 320, torch.device("cpu"))
    assert restored.model.config.n_components == K + 1
    raw = table.values(np.arange(20))
    with torch.no_grad():
        assert torch.equal(restored.model.classify(raw), state.model.classify(raw))
    for ours, theirs in zip(parameters(restored.optimiser), parameters(state.optimiser), strict=True):
        assert torch.equal(restored.optimiser.state[ours]["exp_avg"], state.optimiser.state[theirs]["exp_avg"])
