"""Checks of the exercises of tutorial 9."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from calibrl_ref import RECIPES, Rollouts
from course.checks import number
from course.exercises import exercise
from full_scale.evaluation.intervals import mcnemar_p

_TOLERANCE = 1e-5


@exercise("9.1")
def idle_groups(answer: Callable[[Tensor], float]) -> str:
    """The share of groups without an advantage."""
    cases = (
        (torch.tensor([[1.1, 1.1, 1.1], [0.1, 0.1, 0.1], [1.1, 0.1, 0.1], [0.0, 0.0, 0.1]]), 0.5),
        (torch.tensor([[0.0, 1.0], [1.0, 0.0]]), 0.0),
        (torch.full((3, 4), 0.1), 1.0),
    )
    for reward, wanted in cases:
        found = number(answer(reward.clone()))
        hint = f"for the rewards {reward.tolist()} your share is {found:.2f}; how many rows hold one value only?"
        assert abs(found - wanted) < _TOLERANCE, hint
    return "all right, all wrong, or all wrong in the same way: none of these groups prefers any of its responses"


@exercise("9.2")
def first_loss(answer: Callable[[Tensor, Tensor], Tensor]) -> str:
    """The surrogate's value before the first update, where the tokens of a response are summed."""
    generator = torch.Generator().manual_seed(0)
    for _ in range(5):
        length = torch.randint(1, 9, (8,), generator=generator)
        advantage = torch.randn(8, generator=generator)
        advantage -= advantage.mean()
        found = number(answer(advantage.clone(), length.clone()))
        wanted = _surrogate_of_ratio_one(advantage, length)
        assert abs(found - wanted) < _TOLERANCE, (
            f"for advantages {[round(value, 2) for value in advantage.tolist()]} and lengths {length.tolist()} "
            f"the library's loss is {wanted:+.3f}, yours {found:+.3f}; a token's surrogate is ratio x A, with ratio 1"
        )
    return "minus the mean of A x length: zero only where length and advantage have nothing to do with each other"


def _surrogate_of_ratio_one(advantage: Tensor, length: Tensor) -> float:
    rows, longest = len(length), int(length.max())
    zeros = torch.zeros(rows, longest)
    rollouts = Rollouts(
        token_log_prob=zeros,
        old_token_log_prob=zeros,
        mask=torch.arange(longest) < length[:, None],
        group=torch.zeros(rows, dtype=torch.long),
        is_expert=torch.zeros(rows, dtype=torch.bool),
        correct=advantage > 0,
        advantage=advantage,
    )
    return float(RECIPES["grpo"](aggregation="sequence_mean_token_sum")(rollouts).total)


@exercise("9.3")
def paired_p(answer: Callable[[Sequence[bool], Sequence[bool]], float]) -> str:
    """McNemar's exact p-value from two lists of verdicts on the same problems."""
    draws = np.random.default_rng(0)
    for count in (8, 40, 200):
        before, after = draws.random(count) < 0.5, draws.random(count) < 0.65
        found = number(answer(before.tolist(), after.tolist()))
        wanted = mcnemar_p(int((before & ~after).sum()), int((~before & after).sum()))
        hint = f"on {count} problems your p is {found:.4f}, the paired test's {wanted:.4f}; only changed verdicts count"
        assert abs(found - wanted) < _TOLERANCE, hint
    return "problems that both answer alike say nothing about which of the two is better"
