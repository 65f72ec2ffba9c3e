"""The loop learns, and cutting a batch into micro-batches changes nothing."""

import runpy
from pathlib import Path

import pytest
import torch

LOOP = runpy.run_path(str(Path(__file__).parents[2] / "examples" / "own_loop.py"))


@pytest.fixture
def generator_restored():
    """The loop seeds torch's global generator; the tests after it shall not notice."""
    state = torch.get_rng_state()
    yield
    torch.set_rng_state(state)


def gradient(parts):
    torch.manual_seed(1)
    policy = LOOP["Policy"]().double()
    prompt = torch.randint(10, (6, 2)).repeat_interleave(LOOP["SAMPLES"] + 1, dim=0)
    response = LOOP["sample"](policy, prompt)
    response[:2] = LOOP["solve"](prompt)[:2]  # a right one and wrong ones: the group's advantages are not zero
    LOOP["add_gradient"](policy, prompt, response, parts=parts)
    return torch.cat([each.grad.flatten() for each in policy.parameters()])


@pytest.mark.parametrize("parts", [2, 3, 6])
def test_micro_batches_have_the_batchs_gradient(parts, generator_restored):
    whole = gradient(parts=1)
    assert whole.abs().max() > 1e-3
    torch.testing.assert_close(gradient(parts=parts), whole, rtol=1e-9, atol=1e-12)


def test_the_loop_learns(generator_restored):
    untrained, trained = LOOP["main"](steps=0), LOOP["main"](steps=160)
    assert untrained < 0.1
    assert trained > 0.6
