"""Checks of the exercises of tutorial 7."""

from collections.abc import Callable

import torch
from torch import Tensor

from calibrl_ref import RECIPES, Rollouts, exploration_coefficients
from course.checks import number
from course.exercises import exercise


@exercise("7.1")
def push(answer: Callable[[Tensor, float], float]) -> str:
    """The net push on the expert, against the library's coefficients."""
    for advantage in (torch.tensor([1.0, 1.0, -0.5, -0.5, -1.0]), torch.tensor([0.2, -0.2])):
        for slope in (0.3, 0.0, 1.0):
            gap, group = torch.ones_like(advantage), torch.zeros(len(advantage), dtype=torch.long)
            _, expert = exploration_coefficients(gap, advantage > 0, advantage, group, slope=slope)
            given, wanted = number(answer(advantage, slope)), float(expert[0])
            positive = float(advantage.clamp(min=0.0).sum())
            for typical, hint in (
                (-wanted, "that is the sum of the responses' pushes; the expert's is minus that"),
                (2 * wanted, "only the right responses are attenuated: the wrong ones' pushes do not add to this"),
                (slope * positive, "that is what is left of the right responses' push; what do the wrong ones add?"),
                (positive, "is the right responses' push gone? The gate leaves them a slope"),
                ((1 + slope) * positive, "right and wrong responses push the expert in opposite directions"),
            ):
                assert abs(given - typical) > 1e-5 or abs(typical - wanted) < 1e-5, hint
            assert abs(given - wanted) < 1e-5, (
                f"not for the advantages {advantage.tolist()} at slope {slope}: is a response attenuated at a positive "
                "gap, and does it push the expert up or down?"
            )
    return "(1 - slope) times the sum of the positive advantages: zero at slope 1, and always towards the expert"


@exercise("7.2")
def factors(answer: Callable[[bool, float, float], float]) -> str:
    """The factor of a token, against the released form's gradient."""
    for correct in (True, False):
        for advantage in (0.4, -0.4):
            for gap in (0.5, -0.5):
                given = number(answer(correct, advantage, gap))
                expected = _released_factor(correct, advantage, gap)
                case = f"correct={correct}, advantage {advantage}, gap {gap}"
                assert abs(given - 1.0) > 1e-5, f"{case}: the exploration term always adds or takes something"
                assert abs(given + expected - 2.0) > 1e-5, (
                    f"{case}: the size is right, the direction is not; do verdict and advantage agree here?"
                )
                assert (given > 1.0) == (expected > 1.0), (
                    f"{case}: does the term push with GRPO (above 1) or against it (below 1) here?"
                )
                assert abs(given - expected) < 1e-5, (
                    f"{case}: which sign of the gap does the gate attenuate for this verdict?"
                )
    return "in all eight cases your factor is that of the loss's own gradient"


@exercise("7.3")
def rate(answer: float) -> str:
    """One plus lambda."""
    found = number(answer)
    assert abs(found - 0.1) > 1e-9, "that is what the exploration term adds; GRPO's own push is there as well"
    assert abs(found - 1.05) > 1e-9, "at slope 1 nothing is attenuated"
    assert abs(found - 1.1) < 1e-9, "put g = 1 into the factor of section 3"
    return "1 + lambda: no expert is needed for that"


def _released_factor(correct: bool, advantage: float, gap: float) -> float:
    """Gradient of the released loss at the one token of a response, divided by that of centred GRPO."""
    old = torch.tensor([[-1.0], [-1.0 - gap]], dtype=torch.float64)
    rollouts = Rollouts(
        token_log_prob=old.clone().requires_grad_(),
        old_token_log_prob=old,
        mask=torch.ones(2, 1, dtype=torch.bool),
        group=torch.zeros(2, dtype=torch.long),
        is_expert=torch.tensor([False, True]),
        correct=torch.tensor([correct, True]),
        advantage=torch.tensor([advantage, 0.0], dtype=torch.float64),
    )
    total = RECIPES["calibrl_released"]()(rollouts).total
    (gradient,) = torch.autograd.grad(total, rollouts.token_log_prob)
    return float(-gradient[0, 0]) / advantage
