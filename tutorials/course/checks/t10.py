"""Checks of the exercises of tutorial 10."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from calibrl_ref import Baseline, Gate, Rollouts
from course.exercises import exercise


@exercise("10.1")
def early(answer: Gate) -> str:
    """A LeakyReLU with its kink at 1, and 0 at 0."""
    x = torch.tensor([-2.0, 0.0, 0.5, 3.0], dtype=torch.float64)
    for slope in (0.0, 0.3, 1.0):
        leaf = x.clone().requires_grad_()
        values = answer(leaf, slope=slope)
        assert values is not ..., "replace the three dots by your code"
        assert abs(float(values[1].detach())) < 1e-9, "the gate has to be 0 at 0"
        (derivative,) = torch.autograd.grad(values.sum(), leaf)
        expected = torch.tensor([slope, slope, slope, 1.0], dtype=torch.float64)
        assert torch.allclose(derivative, expected), (
            f"slope {slope}: the derivatives at {x.tolist()} have to be {expected.tolist()}, not {derivative.tolist()}"
        )
        sides = answer(torch.tensor([1.0 - 1e-9, 1.0 + 1e-9], dtype=torch.float64), slope=slope)
        assert abs(float(sides[1] - sides[0])) < 1e-6, f"slope {slope}: it jumps at its kink"
    return "the two slopes, a kink at 1 without a jump, and 0 at 0"


@exercise("10.2")
def old_self(answer: Callable[[Rollouts], Baseline]) -> str:
    """The same response under the old policy."""
    rollouts = _two_responses()
    baseline = answer(rollouts)
    assert baseline is not ..., "replace the three dots by your code"
    assert bool(baseline.present.all()), "every row has a former self, so present is True everywhere"
    assert torch.equal(baseline.mask, rollouts.mask), "its tokens are those of the response: the same mask"
    assert torch.equal(baseline.token_log_prob, rollouts.old_token_log_prob), "take old_token_log_prob"
    assert not baseline.token_log_prob.requires_grad, "a reference point of the past gets no gradient"
    return "the old log-probabilities of the row's own tokens, a constant"


@exercise("10.3")
def judged(answer: Callable[[NDArray[np.float64], NDArray[np.float64]], str]) -> str:
    """Three cases: each seed gains, each seed loses, and neither."""
    theirs = np.array([0.6, 0.6, 0.9, 0.9, 0.95, 0.6])
    mixed = np.array([0.1, -0.1, 0.1, -0.1, 0.1, -0.1])
    for change, expected in ((0.02, "better"), (-0.02, "worse"), (mixed, "undecided")):
        given = answer(theirs + change, theirs)
        assert given is not ..., "replace the three dots by your code"
        assert given == expected, f"seeds that change by {change} are {expected}, not {given!r}"
    return "paired, and undecided where the interval holds zero"


def _two_responses() -> Rollouts:
    old = torch.tensor([[-1.0, -2.0], [-0.5, 0.0]])
    return Rollouts(
        token_log_prob=(old - 0.1).requires_grad_(),
        old_token_log_prob=old,
        mask=torch.tensor([[True, True], [True, False]]),
        group=torch.tensor([0, 0]),
        is_expert=torch.tensor([False, False]),
        correct=torch.tensor([True, False]),
        advantage=torch.tensor([0.5, -0.5]),
    )
