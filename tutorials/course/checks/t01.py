"""Checks of the exercises of tutorial 1."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from calibrl_ref import predicted_entropy_change, token_entropy
from course.checks import number
from course.exercises import exercise

LOGITS = torch.tensor([3.0, 1.5, 0.0, -1.5], dtype=torch.float64)


@exercise("1.1")
def raise_entropy(answer: Callable[[Tensor], Tensor]) -> str:
    """A change of at most 0.1 that raises the entropy by 0.02 nats."""
    change = answer(LOGITS)
    assert isinstance(change, Tensor), "return a tensor of four numbers"
    assert change.shape == LOGITS.shape, "return a tensor of four numbers"
    assert float(change.norm()) <= 0.1 + 1e-9, f"its length is {float(change.norm()):.3f}, more than 0.1"
    gained = float(token_entropy(LOGITS + change) - token_entropy(LOGITS))
    assert gained > -1e-3, f"the entropy falls by {-gained:.4f} nats: you raise the likely ones and lower the unlikely"
    moved = float((change - change.mean()).norm())
    assert moved > 1e-6, "the same number for every logit changes no probability, and so no entropy"
    assert gained >= 0.02, (
        f"the entropy rises by {gained:.4f} nats only, with a length of {float(change.norm()):.3f}; which direction is "
        "the steepest, and is the length used up?"
    )
    return f"the entropy rises by {gained:.4f} nats; you moved probability from the likely to the unlikely"


@exercise("1.2")
def chance_to_meet(answer: Callable[[float, int], float]) -> str:
    """1 - (1 - p)^n."""
    for probability, draws in ((0.1, 8), (0.2, 1), (0.001, 128)):
        found = number(answer(probability, draws))
        missed = (1.0 - probability) ** draws
        assert not math.isclose(found, missed), "that is the chance to miss it each time"
        expected, all_drawn = draws * probability, probability**draws
        assert draws == 1 or not math.isclose(found, expected), (
            "that is how often it is drawn on average, which can be above 1; two draws of it count twice there"
        )
        assert draws == 1 or not math.isclose(found, all_drawn), "that is the chance that every draw is this answer"
        assert math.isclose(found, 1.0 - missed), (
            f"not for probability {probability} and {draws} draws: what is the chance that all of them miss it?"
        )
    return "one minus the chance to miss it every time"


@exercise("1.3")
def chances_that_raise_entropy(answer: Callable[[], Tensor]) -> str:
    """Rewards under which the exact policy gradient raises entropy."""
    chances = answer()
    assert isinstance(chances, Tensor), "return a tensor of four numbers"
    assert chances.shape == LOGITS.shape, "return a tensor of four numbers"
    assert bool(((chances >= 0) & (chances <= 1)).all()), "chances lie between 0 and 1"
    probability = LOGITS.softmax(-1)
    step = probability * (chances.double() - probability @ chances.double())
    change = float(predicted_entropy_change(LOGITS, step))
    assert float(step.norm()) > 1e-9, "all answers are equally good, so nothing moves: one has to be worse than another"
    assert change > 1e-6, f"the entropy changes by {change:+.4f} per unit of learning rate: which answer must lose?"
    return f"the entropy changes by {change:+.4f} nats per unit of learning rate: here learning means searching more"
