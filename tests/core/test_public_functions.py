"""What holds for every public function: documented defaults, gradients, precision, device."""

import inspect

import pytest
import torch
from conftest import close, make_rollouts
from public_functions import CALLS, FUNCTIONS

from calibrl_ref import RECIPES, Quadrant

every_call = pytest.mark.parametrize("call", CALLS, ids=lambda call: call.name)
COUNTS = {"aggregation_divisor", "clip_fraction", "dual_clip_fraction", "token_covariance"}  # float64 inside
DIFFERENTIABLE = [call for call in CALLS if not call.constant]


def outputs(result):
    """Tensors of a result: one, several, or the numbers of a table."""
    if isinstance(result, tuple) and isinstance(result[0], Quadrant):
        return [torch.tensor([[q.count, q.mean_gap, q.slope] for q in result])]
    return list(result) if isinstance(result, tuple) else [result]


def test_no_public_function_is_missing():
    assert [call.name for call in CALLS] == FUNCTIONS


@every_call
def test_defaults_are_those_of_the_sources(call):
    parameters = inspect.signature(call.function).parameters
    assert set(call.defaults) == {name for name, p in parameters.items() if p.default is not p.empty}
    for plain, written_out in zip(outputs(call()), outputs(call(**call.defaults)), strict=True):
        assert torch.equal(plain, written_out)


@pytest.mark.parametrize("call", DIFFERENTIABLE, ids=lambda call: call.name)
def test_gradcheck(call):
    """Each input on its own; a stopped one gets no gradient at all (see the next test)."""
    for name, value in call.tensors().items():
        if value.is_floating_point() and name not in call.stopped:
            leaf = value.clone().requires_grad_()
            assert torch.autograd.gradcheck(lambda x, name=name: call(**{name: x}), (leaf,)), name


@every_call
def test_what_is_constant_or_stopped_gets_no_gradient(call):
    floating = [name for name, value in call.tensors().items() if value.is_floating_point()]
    for name in floating if call.constant else call.stopped:
        if call.name == "rl_plus_shaping" and name == "token_log_prob":
            continue  # only its bonus is stopped: by hand in test_surrogates.py
        result = outputs(call(**{name: call.inputs[name].clone().requires_grad_()}))
        assert not any(tensor.requires_grad for tensor in result), name


@every_call
def test_float32_stays_float32(call):
    if call.name in COUNTS:
        assert call().dtype == torch.float64
        return
    narrow = {name: value.float() for name, value in call.tensors().items() if value.is_floating_point()}
    for tensor in outputs(call(**narrow)):
        assert not tensor.is_floating_point() or tensor.dtype == torch.float32


@every_call
def test_tensors_are_made_on_the_inputs_device(call):
    """Under another default device, a tensor made without ``device=`` would meet the inputs' and fail."""
    with torch.device("meta"):
        result = call()
        made = outputs(result)
    assert call.name == "quadrant_table" or all(tensor.device.type == "cpu" for tensor in made)


@pytest.mark.parametrize("name", sorted(RECIPES))
@pytest.mark.parametrize("replicas", [False, True])
def test_objectives_keep_device_and_precision(name, replicas):
    replica = {"replica": torch.tensor([0] * 10 + [1] * 5)} if replicas else {}
    rollouts = make_rollouts(0, dtype=torch.float32, **replica)
    objective = RECIPES[name]()
    with torch.device("meta"):
        losses = objective(rollouts)
        rows = (rollouts.group, rollouts.is_expert)
        advantage = objective.advantage(rollouts.advantage, *rows)
        keep = objective.keep(rollouts.advantage, advantage, *rows, rollouts.correct)
        divisors = objective.divisors(rollouts)
    results = [losses.total, advantage, keep, *losses.terms.values()]
    assert {(tensor.device.type, tensor.dtype) for tensor in results} == {("cpu", torch.float32), ("cpu", torch.bool)}
    assert {(tensor.device.type, tensor.dtype) for tensor in divisors} == {("cpu", torch.float64)}
    close(losses.total, objective(make_rollouts(0, dtype=torch.float32, **replica)).total)
