"""Checks of the exercises of tutorial 5."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from calibrl_ref import RECIPES, Rollouts
from course.exercises import exercise


def _one_group(token_log_prob: Tensor) -> Rollouts:
    """Three responses of unequal length and the expert's, in the third row."""
    return Rollouts(
        token_log_prob=token_log_prob,
        old_token_log_prob=token_log_prob.detach() - 0.05,
        mask=torch.arange(5) < torch.tensor([5, 2, 4, 3]).unsqueeze(1),
        group=torch.zeros(4, dtype=torch.long),
        is_expert=torch.tensor([False, False, True, False]),
        correct=torch.tensor([True, False, True, False]),
        advantage=torch.tensor([1.2, -0.6, 1.2, -0.6], dtype=torch.float64),
    )


@exercise("5.1")
def paper_objective(answer: Callable[[Rollouts, float, float], Tensor]) -> str:
    """Value and gradient of the recipe."""
    token_log_prob = -torch.rand(4, 5, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    for slope, weight in ((0.5, 0.1), (0.2, 1.0)):
        leaf = token_log_prob.clone().requires_grad_()
        found = answer(_one_group(leaf), slope, weight)
        assert isinstance(found, Tensor), "return the total loss, a tensor"
        expected = RECIPES["calibrl"](slope=slope, exploration_weight=weight)(_one_group(leaf)).total
        assert math.isclose(float(found.detach()), float(expected.detach()), rel_tol=1e-6), (
            f"the loss is {float(found.detach()):.4f}, the recipe's {float(expected.detach()):.4f}: which rows count?"
        )
        gradient, wanted = (torch.autograd.grad(loss, [leaf], retain_graph=True)[0] for loss in (found, expected))
        assert torch.allclose(gradient[2], wanted[2]), "the value is right, the gradient into the expert's row is not"
        assert torch.allclose(gradient, wanted), "the value is right, the gradient is not"
    return "value and gradient are the recipe's, the expert's row included"


@exercise("5.2")
def share_solved(answer: Callable[[float, float, float], float]) -> str:
    """The share of a mixture of two accuracies."""
    for share in (0.0, 0.25, 1.0):
        found = answer(0.6 * (1 - share) + 0.95 * share, 0.6, 0.95)
        assert isinstance(found, float), "return a number"
        assert math.isclose(found, share, abs_tol=1e-9), f"{share:.0%} of the seeds solved it, you say {found:.0%}"
    assert 0.0 <= answer(0.59, 0.6, 0.95) <= 1.0, "a mean just below `bottom` must not give a negative share"
    return "the mean lies between the two, in proportion to the share"
