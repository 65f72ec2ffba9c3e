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
        signs = [float(value) for value in found]
        assert 0.0 not in signs, "a wrong answer has the sign -1, not 0"
        assert signs != [-1.0, 1.0, 1.0, 1.0], f"in {precision}, a wrong answer of the right format counts as right"
        assert signs[3] == 1.0, "a right answer of the right format is worth 1.1, and is right too"
        assert signs == [-1.0, -1.0, 1.0, 1.0], "rewards 0 and 0.1 are wrong answers, 1 and 1.1 right ones"
    computed = torch.tensor([1.1 - 1.0, 0.1 + 0.9], dtype=torch.float64)
    assert answer(computed).tolist() == [-1.0, 1.0], (
        f"a format's reward computed as 1.1 - 1.0 is {1.1 - 1.0!r}: a threshold at 0.1 itself counts it as right"
    )
    return "the verdict decides, the format does not"


@exercise("2.2")
def gaps_of_batch(answer: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]) -> str:
    """Sums under each response's own mask; the padding holds numbers first, and NaN and infinity then."""
    own = torch.tensor([[-1.0, -2.0, -9.0], [-0.5, -0.5, -0.5]])
    expert = torch.tensor([[-1.0, -4.0, 7.0], [-1.0, -1.0, 0.5]])
    own_mask = torch.tensor([[True, True, False], [True, True, True]])
    expert_mask = torch.tensor([[True, False, False], [True, True, False]])
    found = answer(own, own_mask, expert, expert_mask)
    assert isinstance(found, Tensor), "return a tensor, one gap for each row"
    assert found.shape == (2,), "return one gap for each row"
    for typical, hint in (
        ((2.0, -0.5), "the gap is the policy's minus the expert's, not the other way round"),
        ((-0.5, 0.5), "sum over the tokens: a mean has another gap where the lengths differ"),
        ((2.0, 0.0), "each response has a mask of its own: here one mask serves both"),
        ((0.0, 1.0), "each response has a mask of its own: here one mask serves both"),
        ((-14.0, 0.0), "the junk under the masks is counted"),
    ):
        assert not torch.allclose(found, torch.tensor(typical)), hint
    assert torch.allclose(found, torch.tensor([-2.0, 0.5])), "the sum of a row's own tokens, less that of the expert's"
    own[0, 2], expert[0, 1] = float("nan"), float("inf")
    found = answer(own, own_mask, expert, expert_mask)
    assert bool(torch.isfinite(found).all()), "junk from the padding reaches the gap: 0 times infinity is not 0"
    assert torch.allclose(found, torch.tensor([-2.0, 0.5])), "junk from the padding changes the gap"
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
