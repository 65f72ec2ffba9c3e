"""Checks of the exercises of tutorial 6."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from calibrl_ref import group_advantage, luffy_shaping
from course.checks import number
from course.exercises import exercise
from toy.studies.statistics import mean_interval


@exercise("6.1")
def luffy(answer: Callable[[float, float], float]) -> str:
    """The derivative of LUFFY's weight, against autograd."""
    for probability in (0.001, 0.1, 0.9):
        for gamma in (0.1, 0.5):
            log_prob = torch.tensor(probability, dtype=torch.float64).log().requires_grad_()
            (push,) = torch.autograd.grad(luffy_shaping(log_prob, log_prob.detach(), gamma=gamma), log_prob)
            given = number(answer(probability, gamma))
            for typical, hint in (
                (float(push) / probability, "that is the derivative with respect to p; the question is about log p"),
                (probability / (probability + gamma), "that is the weight itself; its derivative is asked for"),
                (-float(push), "a likelier token has a larger weight: the push is positive"),
                (probability / (probability + gamma) ** 2, "the numerator lacks gamma: use the quotient rule again"),
            ):
                assert abs(given - typical) > 1e-9 or abs(typical - float(push)) < 1e-9, hint
            assert abs(given - float(push)) < 1e-6, (
                f"p = {probability}, gamma = {gamma}: autograd gives something else; apply the quotient rule to "
                "p / (p + gamma), then the chain rule for p = exp(log p)"
            )
    return "it equals autograd's derivative of luffy_shaping, and is largest where p = gamma"


@exercise("6.2")
def experts_advantage(answer: Callable[[int, int], float]) -> str:
    """The expert's advantage, against the library's."""
    for right, rollouts in ((2, 8), (0, 8), (8, 8), (1, 3)):
        reward = (torch.arange(rollouts + 1) < right).double()
        reward[-1] = 1.0
        group = torch.zeros(rollouts + 1, dtype=torch.long)
        expected = float(group_advantage(reward, group, scale_by_std=False)[-1])  # all rows count
        given = number(answer(right, rollouts))
        for typical, hint in (
            (1.0 - right / rollouts, "the mean counts the expert too"),
            (1.0 - right / (rollouts + 1), "the expert's own reward of 1 is part of the sum"),
            (1.0 - expected, "that is the group's mean; the advantage is the expert's reward less the mean"),
            (-expected, "the expert lies above the mean, not below it"),
        ):
            assert abs(given - typical) > 1e-9 or abs(typical - expected) < 1e-9, hint
        assert abs(given - expected) < 1e-9, (
            f"not for {right} of {rollouts} right: add up all rewards of the group, the expert's 1 among them; "
            f"divide by how many there are"
        )
    return "it is group_advantage(..., scale_by_std=False, count_expert=True) at the expert's row"


@exercise("6.3")
def paired(answer: Callable[[NDArray[np.float64], NDArray[np.float64]], tuple[float, float, float]]) -> str:
    """The interval of the paired difference."""
    theirs = np.array([0.6, 0.6, 0.9, 0.9, 0.95])
    ours = theirs + np.array([0.02, 0.03, 0.02, 0.03, 0.02])
    given = answer(ours, theirs)
    assert given is not ..., "replace the three dots by your code"
    mean, low, high = given
    assert mean > 0, "every seed gains, yet your mean is a loss: ours less theirs"
    assert low <= mean <= high, "return mean, lower and upper bound, in this order"
    assert abs(mean - 0.024) < 1e-9, f"every seed gains 0.02 or 0.03; your mean difference is {mean:.3f}"
    assert low > 0, "every seed gains at least 0.02, yet your interval holds zero: subtract seed by seed first"
    expected = [float(value) for value in mean_interval(ours - theirs)]
    assert np.allclose([mean, low, high], expected), (
        "the bounds are not those of the mean difference over seeds: mean_interval of the differences gives them"
    )
    return "every seed gains, and the interval says so although the seeds differ much from each other"
