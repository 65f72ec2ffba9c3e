"""A reader's own gate: registered in a few lines, and trained on the toy."""

import pytest
import torch

from calibrl_ref import GATES
from toy.learning.methods import parse_method
from toy.learning.settings import Training
from toy.learning.trainer import train
from toy.world import World


@pytest.fixture
def tanh_gate():
    def gate(x, *, slope):
        return torch.where(x > 0, torch.tanh(x), slope * x)

    GATES["tanh"] = gate
    yield "tanh"
    del GATES["tanh"]


def test_a_new_gate_trains_the_toy(tanh_gate):
    training = Training(steps=40, points=2)
    curves = {
        name: train(parse_method(name), World(executable=1.0), training, range(4))
        for name in ("grpo", "calibrl", f"calibrl:gate={tanh_gate}")
    }
    new = curves.pop(f"calibrl:gate={tanh_gate}")
    for curve in curves.values():
        assert (new["entropy"][0] == curve["entropy"][0]).all()
        assert (abs(new["entropy"][-1] - curve["entropy"][-1]) > 1e-4).all()
