"""Checks of the exercises of tutorial 2."""

from collections.abc import Callable

import torch
from torch import Tensor

from course.exercises import exercise


@exercise("2.1")
def sign_of_reward(answer: Callable[[Tensor], Tensor]) -> str:
    """The format's 0.1 must not count, in float32 and float64."""
    for precision in (torch.float32, torch.float64):
        found = answer(torch.tensor([0.0, 0.1, 1.0, 1.1], dtype=precision))
        assert isinstance(found, Tensor), "return a tensor"
        assert found.tolist() != [-1.0, 1.0, 1.0, 1.0], f"in {precision}, a wrong answer of the right format counts"
        assert found.tolist() == [-1.0, -1.0, 1.0, 1.0], "rewards 0 and 0.1 are wrong answers, 1 and 1.1 right ones"
    return "the verdict decides, the format does not"


@exercise("2.2")
def gaps_of_batch(answer: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]) -> str:
    """Sums under each response's own mask, with NaN in the padding."""
    own = torch.tensor([[-1.0, -2.0, float("nan")], [-0.5, -0.5, -0.5]])
    expert = torch.tensor([[-1.0, float("inf"), 7.0], [-1.0, -1.0, 0.5]])
    own_mask = torch.tensor([[True, True, False], [True, True, True]])
    expert_mask = torch.tensor([[True, False, False], [True, True, False]])
    found = answer(own, own_mask, expert, expert_mask)
    assert isinstance(found, Tensor), "return a tensor, one gap for each row"
    assert found.shape == (2,), "return one gap for each row"
    assert bool(torch.isfinite(found).all()), "junk from the padding reaches the gap"
    assert torch.allclose(found, torch.tensor([-2.0, 0.5])), "each response has a mask of its own"
    return "each response is summed under its own mask, and nothing of the padding is left"


@exercise("2.3")
def disagreement(answer: Callable[[], dict[str, float]]) -> str:
    """Sum above, mean below."""
    numbers = answer()
    assert ... not in numbers.values(), "replace the three dots by numbers"
    own, expert = (numbers[f"{who}_length"] * numbers[f"{who}_mean"] for who in ("own", "expert"))
    assert max(numbers["own_mean"], numbers["expert_mean"]) <= 0, "log-probabilities are at most 0"
    assert min(numbers["own_length"], numbers["expert_length"]) >= 1, "a response has at least one token"
    assert own > expert, f"the whole response has {own:g} nats, the expert's {expert:g}: it should be likelier"
    assert numbers["own_mean"] < numbers["expert_mean"], "per token the response should be less likely"
    return f"{own:g} nats against {expert:g}, but {numbers['own_mean']:g} against {numbers['expert_mean']:g} per token"
