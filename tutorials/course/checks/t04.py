"""Checks of the exercises of tutorial 4."""

import math
from collections.abc import Callable

import torch

from calibrl_ref import group_advantage
from course.exercises import exercise


@exercise("4.1")
def group_size_needed(answer: Callable[[float, float], int]) -> str:
    """The smallest size with p^n + (1 - p)^n <= wasted."""
    for chance, wasted in ((0.5, 0.1), (0.05, 0.5), (0.9, 0.25), (0.5, 0.5)):
        size = answer(chance, wasted)
        assert isinstance(size, int), "return a whole number"
        assert size >= 2, "a group has at least two responses"
        share = chance**size + (1 - chance) ** size
        assert share <= wasted, f"groups of {size} are homogeneous in {share:.0%} of cases at a chance of {chance}"
        smaller = size - 1
        share = chance**smaller + (1 - chance) ** smaller
        assert smaller < 2 or share > wasted, f"{smaller} would do at a chance of {chance}"
    return "all right and all wrong both count as homogeneous, and your sizes are the smallest"


@exercise("4.2")
def mean_own_advantage(answer: Callable[[int], float]) -> str:
    """-1 / (n + 1), taken from the library."""
    for size in (1, 3, 8):
        reward = torch.tensor([0.0] * size + [1.0], dtype=torch.float64)
        is_expert = torch.arange(size + 1) == size
        group = torch.zeros(size + 1, dtype=torch.long)
        found = group_advantage(reward, group, is_expert, scale_by_std=False, count_expert=True)
        given = answer(size)
        assert isinstance(given, float), "return a number"
        assert math.isclose(given, float(found[:size].mean())), (
            f"not for {size} wrong answers: what is the group's mean?"
        )
    return "the expert's share of the mean, and below zero: the policy is pushed off all that it drew"
