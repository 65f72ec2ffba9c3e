"""Checks of the exercises of tutorial 5."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from calibrl_ref import RECIPES, Rollouts
from course.checks import number
from course.exercises import exercise


def _one_group(token_log_prob: Tensor) -> Rollouts:
    """Three responses of unequal length, the last one attenuated, and the expert's, in the third row."""
    return Rollouts(
        token_log_prob=token_log_prob,
        old_token_log_prob=token_log_prob.detach() - 0.05,
        mask=torch.arange(5) < torch.tensor([5, 2, 4, 3]).unsqueeze(1),
        group=torch.zeros(4, dtype=torch.long),
        is_expert=torch.tensor([False, False, True, False]),
        correct=torch.tensor([True, False, True, True]),
        advantage=torch.tensor([1.2, -0.9, 1.2, 0.6], dtype=torch.float64),
    )


def _judge_value(found: float, terms: dict[str, float], weight: float) -> None:
    """Compare a loss with the recipe's, and with those that lack or add something."""
    surrogate, exploration = terms["surrogate"], terms["exploration"]
    for typical, hint in (
        (surrogate, "this is the surrogate alone: where is the exploration term?"),
        (exploration, "this is the exploration term alone: where is the surrogate?"),
        (surrogate - exploration, "the exploration term is a loss: add it"),
        (surrogate + weight * exploration, "the exploration term is weighted twice"),
        (surrogate + exploration / weight, "the exploration term is not weighted"),
        (surrogate + 0.75 * exploration, "the exploration term is a mean over the three responses; the expert is none"),
    ):
        right = math.isclose(typical, surrogate + exploration)
        assert right or not math.isclose(found, typical), hint
    assert math.isclose(found, surrogate + exploration), (
        "the loss is not the recipe's: which rows does each term count, and are tokens summed over each row's own mask?"
    )


@exercise("5.1")
def paper_objective(answer: Callable[[Rollouts, float, float], Tensor]) -> str:
    """Value and gradient of the recipe."""
    token_log_prob = -torch.rand(4, 5, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    for slope, weight in ((0.5, 0.1), (0.2, 1.0)):
        leaf = token_log_prob.clone().requires_grad_()
        found = answer(_one_group(leaf), slope, weight)
        assert isinstance(found, Tensor), "return the total loss, a tensor"
        losses = RECIPES["calibrl"](slope=slope, exploration_weight=weight)(_one_group(leaf))
        _judge_value(float(found.detach()), {name: float(term.detach()) for name, term in losses.terms.items()}, weight)
        gradient, wanted = (torch.autograd.grad(loss, [leaf])[0] for loss in (found, losses.total))
        assert bool(gradient[2].any()), "the value is right, but nothing flows into the expert's row: is it detached?"
        assert torch.allclose(gradient[2], wanted[2]), "the value is right, the gradient into the expert's row is not"
        assert torch.allclose(gradient, wanted), "the value is right, the gradient is not"
    return "value and gradient are the recipe's, the expert's row included"


@exercise("5.2")
def share_solved(answer: Callable[[float, float, float], float]) -> str:
    """The share of a mixture of two accuracies."""
    for share in (0.25, 0.0, 1.0):
        found = number(answer(0.6 * (1 - share) + 0.95 * share, 0.6, 0.95))
        assert not math.isclose(found, 1 - share), "that is the share that did not solve it"
        assert math.isclose(found, share), (
            f"not where {share:.0%} of the seeds solved it: how far is the mean from `bottom`, on the way to `top`?"
        )
    assert number(answer(0.59, 0.6, 0.95)) >= 0.0, "a mean just below `bottom` must not give a negative share"
    assert number(answer(0.96, 0.6, 0.95)) <= 1.0, "a mean just above `top` must not give more than all seeds"
    return "the mean lies between the two, in proportion to the share"
