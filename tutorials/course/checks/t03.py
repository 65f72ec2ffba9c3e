"""Checks of the exercises of tutorial 3."""

import math
from typing import Any

import torch
from torch import Tensor

from calibrl_ref import Gate
from course.exercises import exercise


@exercise("3.1")
def smooth_gate(answer: Gate) -> str:
    """Zero at zero, smooth, slopes of a LeakyReLU far out."""
    for slope in (0.2, 0.7):
        x = torch.tensor([-40.0, -1e-4, 0.0, 1e-4, 40.0], dtype=torch.float64, requires_grad=True)
        value = answer(x, slope=slope)
        assert isinstance(value, Tensor), "return a tensor"
        assert abs(float(value[2].detach())) < 1e-9, f"at 0 its value is {float(value[2].detach()):.4f}, not 0"
        (derivative,) = torch.autograd.grad(value.sum(), [x])
        assert math.isclose(float(derivative[0]), slope, abs_tol=1e-6), "far below 0 the derivative should be slope"
        assert math.isclose(float(derivative[4]), 1.0, abs_tol=1e-6), "far above 0 the derivative should be 1"
        assert abs(float(derivative[3] - derivative[1])) < 1e-3, "it has a kink at 0"
    return "the derivatives of a LeakyReLU far out, no kink between, and 0 at 0"


@exercise("3.2")
def push_on_expert(answer: Any) -> str:  # noqa: ANN401  # a reader's number, of any kind
    """-(1.5 - 0.5 - 0.5 - 0.4 * 0.5)."""
    found = float(answer)
    assert not math.isclose(found, 0.3, abs_tol=1e-9), "the expert goes the other way: minus the responses' sum"
    assert not math.isclose(found, 0.6, abs_tol=1e-9), "the right response is less likely than the expert's: in full"
    assert math.isclose(found, -0.3, abs_tol=1e-9), "which responses count in full, and which by 0.4?"
    return "a right response that the policy under-represents outweighs the wrong ones, and the expert falls"


@exercise("3.3")
def slope_of_half_the_push(answer: Any) -> str:  # noqa: ANN401  # a reader's number, of any kind
    """1 - alpha = 1/2."""
    assert math.isclose(float(answer), 0.5, abs_tol=1e-9), "the push is (1 - alpha) times something without alpha"
    return "1 - alpha is one half, whatever the group"
