"""Checks of the exercises of tutorial 0."""

from collections.abc import Callable

import torch
from torch import Tensor

from calibrl_ref import clipped_surrogate
from course.exercises import exercise


@exercise("0.1")
def advantage_of(answer: Callable[[Tensor], Tensor]) -> str:
    """Less the mean, over the unbiased standard deviation; 0 where all are alike."""
    reward = torch.tensor([1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0], dtype=torch.float64)
    found = answer(reward)
    assert isinstance(found, Tensor), "return a tensor, one number for each answer"
    assert found.shape == reward.shape, "return one number for each answer"
    assert found[0] > found[1], "a right answer must get more than a wrong one"
    assert abs(float(found.sum())) < 1e-6, "they do not add up to 0: measure each answer against its group"
    assert not torch.allclose(found, reward - reward.mean()), "a hard question must count as an easy one: divide"
    assert not torch.allclose(found, (reward - reward.mean()) / reward.var()), "divide by the deviation, not its square"
    biased = reward.std(correction=0)
    assert not torch.allclose(found, (reward - reward.mean()) / biased), "divide the squares by n - 1, not n"
    assert torch.allclose(found, (reward - reward.mean()) / reward.std(), atol=1e-4), "right in sign, not in size"
    same = answer(torch.ones(8, dtype=torch.float64))
    assert bool(torch.isfinite(same).all()), "a group that is all right must not give 0 / 0"
    assert not same.any(), "in a group that is all right no answer is better than another"
    return "mean 0, deviation 1, and 0 for a group that has nothing to tell"


@exercise("0.2")
def no_gradient(answer: Callable[[float, float], bool]) -> str:
    """Against the gradient of the library's surrogate, in all regions."""
    for advantage in (0.5, -0.5):
        for ratio in (0.7, 0.9, 1.1, 1.3):
            found = answer(ratio, advantage)
            assert isinstance(found, bool), "return True or False"
            if found != _flat(ratio, advantage):
                raise AssertionError(_hint(ratio, advantage))
    return "flat on one side only: an answer that has drifted the wrong way is still brought back"


def _flat(ratio: float, advantage: float) -> bool:
    leaf = torch.tensor([ratio], requires_grad=True)
    (gradient,) = torch.autograd.grad(clipped_surrogate(leaf, torch.tensor([advantage])).sum(), [leaf])
    return not gradient.any()


def _hint(ratio: float, advantage: float) -> str:
    case = f"ratio {ratio}, advantage {advantage:+}: "
    if 0.8 < ratio < 1.2:
        return case + "inside the range nothing is clipped"
    if (ratio > 1.0) == (advantage > 0):
        return case + "it has moved by more than a fifth in the direction of its advantage already"
    return case + "it has moved against its advantage; should it not be brought back?"
