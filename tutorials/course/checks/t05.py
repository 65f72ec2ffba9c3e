"""Checks of the exercises of tutorial 5."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from calibrl_ref import Exploration
from course.exercises import exercise
from toy.methods import parse_method
from toy.statistics import mean_interval

Comparison = Callable[[NDArray[np.float64], NDArray[np.float64]], tuple[float, float, float]]


@exercise("5.1")
def paired_difference(answer: Comparison) -> str:
    """The interval of differences within seeds."""
    second = np.random.default_rng(0).random(12)
    first = second + 0.1 + 0.01 * np.arange(12)  # a small gain in every seed, seeds differ much
    found = answer(first, second)
    assert len(found) == 3, "return mean, lower and upper bound"
    mean, low, high = (float(value) for value in mean_interval(first - second))
    assert np.isclose(found[0], mean), "the mean is that of first minus second"
    assert found[1] > 0, "every seed gains, yet your interval includes zero: subtract within each seed first"
    assert np.allclose(found, (mean, low, high)), "take the interval of the differences"
    return f"a gain of {mean:.2f} [{low:.2f}, {high:.2f}], although the seeds themselves differ by much more"


@exercise("5.2")
def control(answer: str) -> str:
    """calibrl with token-aligned gaps and a detached expert."""
    assert answer.partition(":")[0] == "calibrl", "it is a variant of the recipe calibrl"
    objective, _ = parse_method(answer).schedule.stages[0]
    (term,) = (term for term in objective.terms if isinstance(term, Exploration))
    assert term.gap == "token_aligned", f"its gap is {term.gap!r}"
    assert term.detach_baseline, "the gradient still flows into the expert"
    assert (term.slope, term.weight, term.gate) == (0.5, 0.1, "leaky_relu"), "change nothing else"
    return "token by token, with the expert as a constant"
