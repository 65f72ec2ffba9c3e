"""The example's gate is a gate like any other, and trains."""

import runpy
from pathlib import Path

import pytest
import torch

from calibrl_ref import GATES, RECIPES


@pytest.fixture
def example():
    """The example, its gate registered for one test."""
    registered = dict(GATES)
    yield runpy.run_path(str(Path(__file__).parents[2] / "examples" / "own_gate.py"))
    GATES.clear()
    GATES.update(registered)


def test_the_gate_keeps_the_sign_and_attenuates(example):
    x = torch.tensor([-2.0, 0.0, 0.5, 10.0])
    gated = example["saturating_gate"](x, slope=0.3)
    torch.testing.assert_close(gated, torch.tensor([-0.6, 0.0, 0.405465, 2.397895]))


def test_a_recipe_takes_it_by_name(example):
    assert RECIPES["calibrl"](gate="saturating").terms[1].gate == "saturating"


def test_the_example_trains_three_methods(example):
    accuracy = example["main"](steps=40, seeds=2)
    assert set(accuracy) == {"grpo", "calibrl", "calibrl:gate=saturating"}
    assert all(0.5 < value < 0.7 for value in accuracy.values())
    assert accuracy["calibrl"] != accuracy["calibrl:gate=saturating"]
