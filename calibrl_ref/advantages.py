"""Advantages of responses within the group of their prompt."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from calibrl_ref._checks import check_bool, check_finite, check_float, check_integer, check_range, check_same_shape
from calibrl_ref._segments import segment_ids, segment_min, segment_sum, spread


def group_advantage(
    reward: Float[Tensor, " rows"],
    group: Int[Tensor, " rows"],
    is_expert: Bool[Tensor, " rows"] | None = None,
    *,
    scale_by_std: bool = True,
    std_epsilon: float = 1e-6,
    count_expert: bool = False,
) -> Float[Tensor, " rows"]:
    """How much better a response is than its group.

    ``A_i = (R_i - mean(R)) / (std(R) + std_epsilon)``, or without the division. Mean and (unbiased, n - 1) standard
    deviation are over the group's on-policy rows, and its expert row where ``count_expert``. A group whose counted
    rewards are all equal, a single-member group among them, gives its counted rows exactly 0 (verl gives a single
    member its raw score, with mean 0 and deviation 1: a convention that is not followed). A group of nothing but an
    uncounted expert gives 0, and so does a standard deviation of 0 with ``std_epsilon`` 0.

    Args:
        reward: the verifier's score of each response, without unit.
        group: the prompt's id of each row, in any order.
        is_expert: True at the expert's row; None where there is none.
        scale_by_std: divide by the standard deviation (GRPO), or only centre (Dr.GRPO, the released CalibRL).
        std_epsilon: added to the standard deviation (1e-6 in verl, 1e-4 in TRL).
        count_expert: whether the expert's reward enters the mean (LUFFY), or not (CalibRL).

    Returns:
        The advantage of every row, the expert's included, without gradient.

    Raises:
        ValueError: shapes differ, a reward is not finite, ``std_epsilon`` is negative.
        TypeError: a wrong dtype.

    Reference:
        GRPO (arXiv:2402.03300), Dr.GRPO (arXiv:2503.20783); released CalibRL, src/core_algos.py,
        compute_mix_grpo_outcome_advantage.

    Example:
        >>> reward, group = torch.tensor([1.0, 0.0, 1.0, 1.0]), torch.tensor([0, 0, 7, 7])
        >>> group_advantage(reward, group, scale_by_std=False)
        tensor([ 0.5000, -0.5000,  0.0000,  0.0000])
    """
    is_expert = torch.zeros_like(group, dtype=torch.bool) if is_expert is None else is_expert
    _check_rewards(reward, group, is_expert)
    check_range("std_epsilon", std_epsilon, 0.0)
    reward = reward.detach()  # stop-gradient: the reward is data, not a function of the policy
    counted = torch.ones_like(is_expert) if count_expert else ~is_expert
    centred, std = _centre_and_std(reward, group, counted)
    if not scale_by_std:
        return centred
    scale = std + std_epsilon
    return torch.where(scale > 0, centred / scale, 0.0)


def _centre_and_std(reward: Tensor, group: Tensor, counted: Tensor) -> tuple[Tensor, Tensor]:
    dense, groups = segment_ids(group)
    weight = counted.to(reward.dtype)
    number = segment_sum(weight, dense, groups)
    lowest = spread(segment_min(reward.where(counted, torch.inf), dense, groups), dense)
    # Shifting by the group's lowest reward first makes a homogeneous group exactly 0, whatever the reward's value.
    shifted = torch.where(torch.isfinite(lowest), reward - lowest, 0.0)
    centred = shifted - spread(segment_sum(shifted * weight, dense, groups) / number.clamp(min=1), dense)
    variance = segment_sum(centred.square() * weight, dense, groups) / (number - 1).clamp(min=1)
    return centred, spread(variance.sqrt(), dense)


def _check_rewards(reward: Tensor, group: Tensor, is_expert: Tensor) -> None:
    check_float("reward", reward)
    check_integer("group", group)
    check_bool("is_expert", is_expert)
    check_same_shape(reward=reward, group=group, is_expert=is_expert)
    check_finite("reward", reward)


@runtime_checkable
class AdvantageEstimator(Protocol):
    """From rewards to advantages: what an objective carries."""

    def __call__(
        self, reward: Float[Tensor, " rows"], group: Int[Tensor, " rows"], is_expert: Bool[Tensor, " rows"]
    ) -> Float[Tensor, " rows"]:
        """Return the advantage of every row, without gradient."""


@dataclass(frozen=True, kw_only=True)
class GroupAdvantage:
    """``group_advantage`` with its hyper-parameters: the estimator that an objective carries.

    Attributes:
        scale_by_std: divide by the group's standard deviation.
        std_epsilon: added to the standard deviation.
        count_expert: whether the expert's reward enters mean and standard deviation.
    """

    scale_by_std: bool = True
    std_epsilon: float = 1e-6
    count_expert: bool = False

    def __post_init__(self) -> None:
        check_range("std_epsilon", self.std_epsilon, 0.0)

    def __call__(
        self, reward: Float[Tensor, " rows"], group: Int[Tensor, " rows"], is_expert: Bool[Tensor, " rows"]
    ) -> Float[Tensor, " rows"]:
        """Return the advantage of every row; see ``group_advantage``."""
        return group_advantage(
            reward,
            group,
            is_expert,
            scale_by_std=self.scale_by_std,
            std_epsilon=self.std_epsilon,
            count_expert=self.count_expert,
        )


@dataclass(frozen=True, kw_only=True)
class VerdictAdvantage:
    """The advantage is the verdict's weight: no group, no mean, no deviation.

    Attributes:
        right: the advantage at reward 1.
        wrong: the advantage at reward 0. A reward between is its own advantage.

    Reference:
        W-REINFORCE (arXiv:2506.01347); RLVR-Decomposed, core_algos.py, compute_psr_nsr_outcome_advantage.

    Example:
        >>> estimate, on_policy = VerdictAdvantage(right=0.1), torch.zeros(2, dtype=torch.bool)
        >>> estimate(torch.tensor([1.0, 0.0]), torch.tensor([0, 0]), on_policy)
        tensor([ 0.1000, -1.0000])
    """

    right: float = 0.1
    wrong: float = -1.0

    def __post_init__(self) -> None:
        check_range("positive_weight", self.right, 0.0)

    def __call__(
        self, reward: Float[Tensor, " rows"], group: Int[Tensor, " rows"], is_expert: Bool[Tensor, " rows"]
    ) -> Float[Tensor, " rows"]:
        """Return the advantage of every row; an expert, who was not sampled, has 0."""
        _check_rewards(reward, group, is_expert)
        # the default number type would round 0.1 to float32, and a float64 advantage with it
        right, wrong = reward.new_tensor(self.right), reward.new_tensor(self.wrong)
        weighted = torch.where(reward == 1.0, right, torch.where(reward == 0.0, wrong, reward.detach()))
        return weighted.where(~is_expert, 0.0)
