"""Checks of the exercises of tutorial 7."""

from collections.abc import Callable

import torch
from torch import Tensor

from calibrl_ref import RECIPES, Rollouts, exploration_coefficients
from course.exercises import exercise


@exercise("7.1")
def pull(answer: Callable[[Tensor, float], float]) -> str:
    """The net push on the expert, against the library's coefficients."""
    for advantage in (torch.tensor([1.0, 1.0, -0.5, -0.5, -1.0]), torch.tensor([0.2, -0.2])):
        for slope in (0.0, 0.3, 1.0):
            gap, group = torch.ones_like(advantage), torch.zeros(len(advantage), dtype=torch.long)
            _, expert = exploration_coefficients(gap, advantage > 0, advantage, group, slope=slope)
            given = answer(advantage, slope)
            assert given is not ..., "replace the three dots by your code"
            assert abs(given - float(expert[0])) < 1e-5, (
                f"advantages {advantage.tolist()}, slope {slope}: expected {float(expert[0]):.2f}, not {given}; "
                "which responses are attenuated?"
            )
    return "(1 - slope) times the sum of the positive advantages: zero at slope 1, and always towards the expert"


@exercise("7.2")
def factors(answer: Callable[[bool, float, float], float]) -> str:
    """The factor of a token, against the released form's gradient."""
    for correct in (True, False):
        for advantage in (0.4, -0.4):
            for gap in (0.5, -0.5):
                given, expected = answer(correct, advantage, gap), _released_factor(correct, advantage, gap)
                assert given is not ..., "replace the three dots by your code"
                assert abs(given - expected) < 1e-5, (
                    f"correct={correct}, advantage {advantage}, gap {gap}: the loss's own gradient gives "
                    f"{expected:.2f}, not {given}"
                )
    return "in all eight cases your factor is that of the loss's own gradient"


@exercise("7.3")
def rate(answer: float) -> str:
    """One plus lambda."""
    assert abs(answer - 1.1) < 1e-9, "put g = 1 into the factor of section 3"
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
