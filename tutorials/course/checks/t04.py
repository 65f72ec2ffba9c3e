"""Checks of the exercises of tutorial 4."""

import math
from collections.abc import Callable

import torch

from calibrl_ref import group_advantage
from course.checks import number
from course.exercises import exercise


def _size_without(chance: float, wasted: float) -> int:
    """The size for which groups of one kind alone are rare enough."""
    return next(size for size in range(2, 1000) if chance**size <= wasted)


@exercise("4.1")
def group_size_needed(answer: Callable[[float, float], int]) -> str:
    """The smallest size with p^n + (1 - p)^n <= wasted."""
    for chance, wasted in ((0.05, 0.5), (0.9, 0.25), (0.5, 0.1), (0.5, 0.5)):
        size = answer(chance, wasted)
        assert size is not ..., "replace the three dots by your code"
        assert isinstance(size, int), "return a whole number"
        assert size >= 2, "a group has at least two responses"
        share = chance**size + (1 - chance) ** size
        assert share <= wasted or size != _size_without((1 - chance), wasted), (
            f"at a chance of {chance}: a group that is all right is homogeneous too"
        )
        assert share <= wasted or size != _size_without(chance, wasted), (
            f"at a chance of {chance}: a group that is all wrong is homogeneous too"
        )
        assert share <= wasted, f"groups of {size} are homogeneous in {share:.0%} of cases at a chance of {chance}"
        smaller = size - 1
        share = chance**smaller + (1 - chance) ** smaller
        assert smaller < 2 or share > wasted, f"{smaller} would do at a chance of {chance}: at most {wasted} is allowed"
    return "all right and all wrong both count as homogeneous, and your sizes are the smallest"


@exercise("4.2")
def mean_own_advantage(answer: Callable[[int], float]) -> str:
    """-1 / (n + 1), taken from the library."""
    for size in (3, 1, 8):
        reward = torch.tensor([0.0] * size + [1.0], dtype=torch.float64)
        found = group_advantage(reward, torch.zeros(size + 1, dtype=torch.long), scale_by_std=False)  # all rows count
        given = answer(size)
        own, expert = float(found[:size].mean()), float(found[size])
        for typical, hint in (
            (
                0.0,
                "the advantages of the whole group add up to 0, not those of the policy's own rows: the expert has one",
            ),
            (-own, "a wrong answer lies below the mean, not above it"),
            (expert, "that is the expert's advantage; the question is about the wrong answers"),
            (-1.0 / size, f"the expert counts in the mean, so it is a mean of {size + 1} rewards, not of {size}"),
        ):
            assert not math.isclose(number(given), typical) or math.isclose(typical, own), hint
        assert math.isclose(number(given), own), (
            f"not for {size} wrong answers: it is a reward less the group's mean, and the group has {size + 1} rows"
        )
    return "the expert's share of the mean, and below zero: the policy is pushed off all that it drew"
