"""Checks of the exercises of tutorial 3."""

import math
from typing import Any

import torch
from torch import Tensor

from calibrl_ref import Gate
from course.checks import number
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
        assert math.isclose(float(derivative[0]), slope, abs_tol=1e-3), "far below 0 the derivative should be slope"
        assert math.isclose(float(derivative[4]), 1.0, abs_tol=1e-3), "far above 0 the derivative should be 1"
        assert abs(float(derivative[3] - derivative[1])) < 1e-3, "it has a kink at 0"
    return "the derivatives of a LeakyReLU far out, no kink between, and 0 at 0"


@exercise("3.2")
def push_on_expert(answer: Any) -> str:  # noqa: ANN401  # a reader's number, of any kind
    """-(1.5 - 0.5 - 0.5 - 0.4 * 0.5)."""
    found = number(answer)
    for typical, hint in (
        (0.3, "the expert goes the other way: minus the responses' sum"),
        (0.6, "the right response is less likely than the expert's, so it counts in full"),
        (
            -0.6,
            "a wrong response counts in full where it is likelier than the expert's, and by 0.4 elsewhere",
        ),
        (0.0, "without a gate the pushes cancel; which responses does the gate attenuate to 0.4?"),
        (-2.7, "right and wrong responses push the expert in opposite directions"),
        (-0.075, "the push is a sum over the group, not a mean"),
    ):
        assert not math.isclose(found, typical), hint
    assert math.isclose(found, -0.3), (
        "for each response: is it attenuated (0.4 or 1), and does it push the expert up (wrong) or down (right)?"
    )
    return "a right response that the policy under-represents outweighs the wrong ones, and the expert falls"


@exercise("3.3")
def slope_of_a_third_of_the_push(answer: Any) -> str:  # noqa: ANN401  # a reader's number, of any kind
    """1 - alpha = 1/3."""
    found = number(answer)
    assert not math.isclose(found, 1 / 3, abs_tol=1e-6), (
        "at that slope more than a third is left: by which factor does the slope shrink the push?"
    )
    assert not math.isclose(found, 0.25), "how many are right changes the sum of advantages, not the factor"
    assert math.isclose(found, 2 / 3, abs_tol=1e-3), (
        "right ones count by alpha, wrong ones in full, and advantages add up to 0: write the sum with alpha in it"
    )
    return "1 - alpha is one third, whatever the group"
