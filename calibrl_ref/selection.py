"""Which rows take part in an update, and what a response's length does to its reward: DAPO's and CPPO's devices."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from calibrl_ref._checks import (
    bad_value,
    check_bool,
    check_count,
    check_float,
    check_integer,
    check_range,
    check_same_shape,
    look_up,
)
from calibrl_ref._segments import segment_ids, segment_sum, smallest_in_segment


@runtime_checkable
class Selection(Protocol):
    """A rule that drops rows before the update."""

    def __call__(
        self,
        reward: Float[Tensor, " rows"],
        advantage: Float[Tensor, " rows"],
        group: Int[Tensor, " rows"],
        is_expert: Bool[Tensor, " rows"],
        correct: Bool[Tensor, " rows"] | None = None,
    ) -> Bool[Tensor, " rows"]:
        """Return which rows take part; an expert's row goes with its group."""


def verdict(reward: Float[Tensor, " rows"], correct: Bool[Tensor, " rows"] | None) -> Bool[Tensor, " rows"]:
    """Return ``correct``, or read it off a reward that is nothing but the verdict: 1 for right, 0 for wrong.

    Args:
        reward: the score of each row; read only where ``correct`` is None.
        correct: the verifier's verdict, or None.

    Raises:
        ValueError: the shapes differ; no verdict, and a reward that is neither 0 nor 1.
        TypeError: a wrong dtype.

    Example:
        >>> verdict(torch.tensor([1.0, 0.0]), None)
        tensor([ True, False])
    """
    check_float("reward", reward)
    if correct is None:
        _check_verdicts(reward)
        return reward == 1.0
    check_bool("correct", correct)
    check_same_shape(reward=reward, correct=correct)
    return correct


def _check_verdicts(reward: Tensor) -> None:
    other = (reward != 0.0) & (reward != 1.0)
    if bool(other.any()):
        value = float(reward[other][0])
        raise bad_value("correct", None, f"the verdicts, as reward={value} is none", "pass correct: True where right")


def informative_groups(
    reward: Float[Tensor, " rows"],
    advantage: Float[Tensor, " rows"],
    group: Int[Tensor, " rows"],
    is_expert: Bool[Tensor, " rows"],
    correct: Bool[Tensor, " rows"] | None = None,
) -> Bool[Tensor, " rows"]:
    """Keep the groups that are neither all right nor all wrong (DAPO's dynamic sampling, without the resampling).

    Correctness counts, not the reward: an overlong penalty or a format bonus does not make a group informative.

    Args:
        reward: the score; read only where ``correct`` is None, and then 1 for right, 0 for wrong.
        advantage: not used; every selection takes it.
        group: the prompt's id of each row.
        is_expert: True at an expert's row, whose verdict does not count.
        correct: the verifier's verdict.

    Returns:
        True at every row, the expert's included, of a group with a right and a wrong on-policy response.

    Raises:
        ValueError: the shapes differ; no verdict, and a reward that is neither 0 nor 1.
        TypeError: a wrong dtype.

    Reference:
        DAPO (arXiv:2503.14476), Eq. 11; filter_groups.metric=acc of its authors' script
        (run_dapo_qwen2.5_32b.sh, recipe/dapo/dapo_ray_trainer.py).

    Example:
        >>> reward, on_policy = torch.tensor([1.0, 0.0, 1.0, 1.0]), torch.zeros(4, dtype=torch.bool)
        >>> informative_groups(reward, torch.zeros(4), torch.tensor([0, 0, 1, 1]), on_policy)
        tensor([ True,  True, False, False])
    """
    right = verdict(reward, correct)
    check_integer("group", group)
    check_bool("is_expert", is_expert)
    check_same_shape(reward=reward, group=group, is_expert=is_expert)
    dense, groups = segment_ids(group)
    any_right, any_wrong = (
        segment_sum((outcome & ~is_expert).double(), dense, groups) > 0 for outcome in (right, ~right)
    )
    return (any_right & any_wrong)[dense]


PRUNE_SCOPES: dict[str, Callable[[Tensor], Tensor]] = {"group": lambda group: group, "batch": torch.zeros_like}
"""Name -> what is ranked together, given the rows' groups."""


@dataclass(frozen=True, kw_only=True)
class PruneByAdvantage:
    """CPPO: of each group, or of the batch, keep the on-policy rows with the largest |A|.

    ``floor(keep_fraction * G)`` rows, at least one; ties go to the earlier row; experts' rows stay.

    Attributes:
        keep_fraction: share of the rows to keep, in (0, 1].
        scope: "group", as the paper has it, or "batch", as its released code does.

    Reference:
        CPPO (arXiv:2503.22342), section 3.3 (there: the pruning rate P = 1 - keep_fraction). Batch: lzhxmu/CPPO,
        cppo_verl/recipe/cppo/src/cppo_ray_trainer.py (rounds down, as here) and src/open_r1/grpo_trainer_gsm.py (over
        the rows of a device, and drops ``floor((1 - keep_fraction) * rows)``, so rounds up).

    Example:
        >>> prune, on_policy = PruneByAdvantage(keep_fraction=0.5), torch.zeros(4, dtype=torch.bool)
        >>> prune(torch.zeros(4), torch.tensor([0.1, -2.0, 1.0, 0.9]), torch.zeros(4, dtype=torch.long), on_policy)
        tensor([False,  True,  True, False])
    """

    keep_fraction: float = 0.5
    scope: str = "group"

    def __post_init__(self) -> None:
        check_range("keep_fraction", self.keep_fraction, 0.0, 1.0)
        if self.keep_fraction == 0.0:
            raise bad_value("keep_fraction", 0.0, "more than 0", "keep at least one row of each group")
        look_up(PRUNE_SCOPES, "prune_within", self.scope)

    def __call__(
        self,
        reward: Float[Tensor, " rows"],
        advantage: Float[Tensor, " rows"],
        group: Int[Tensor, " rows"],
        is_expert: Bool[Tensor, " rows"],
        correct: Bool[Tensor, " rows"] | None = None,
    ) -> Bool[Tensor, " rows"]:
        """Return which rows take part; reward and verdict are not used."""
        check_same_shape(advantage=advantage, group=group, is_expert=is_expert)
        dense, groups = segment_ids(PRUNE_SCOPES[self.scope](group))
        size = segment_sum((~is_expert).double(), dense, groups)
        quota = (self.keep_fraction * size + 1e-9).floor().clamp(min=1).long()  # 1e-9: 0.7 * 10 is 7, not 6.99
        key = (-advantage.abs()).where(~is_expert, torch.inf)
        return smallest_in_segment(key, dense, quota[dense]) | is_expert


@dataclass(frozen=True, kw_only=True)
class SwitchBySuccess:
    """HPT: a group with few successes learns from its expert alone, any other from its own responses alone.

    With at most ``gate`` right responses the policy's rows leave and the experts stay; else the experts leave. A failed
    group without an expert leaves altogether.

    Attributes:
        gate: greatest number of right responses at which the expert is imitated: 0 for Qwen2.5-Math, 2 for Llama-3.1-8B
            in groups of 8.

    Reference:
        HPT (arXiv:2509.04419); Unify-Post-Training, hpt/verl/verl/mix_src/mix_trainer.py, select_on_off_ada_balance,
        switch_gate (exp_scripts/train.sh).

    Example:
        >>> switch, reward = SwitchBySuccess(gate=0), torch.tensor([0.0, 1.0, 1.0, 1.0])
        >>> expert = torch.tensor([False, True, False, True])
        >>> switch(reward, torch.zeros(4), torch.tensor([0, 0, 1, 1]), expert)
        tensor([False,  True,  True, False])
    """

    gate: int = 0

    def __post_init__(self) -> None:
        if self.gate != 0:
            check_count("gate", self.gate)

    def __call__(
        self,
        reward: Float[Tensor, " rows"],
        advantage: Float[Tensor, " rows"],
        group: Int[Tensor, " rows"],
        is_expert: Bool[Tensor, " rows"],
        correct: Bool[Tensor, " rows"] | None = None,
    ) -> Bool[Tensor, " rows"]:
        """Return which rows take part; the advantage is not used."""
        right = verdict(reward, correct)
        check_same_shape(reward=reward, group=group, is_expert=is_expert)
        dense, groups = segment_ids(group)
        successes = segment_sum((right & ~is_expert).double(), dense, groups)[dense]
        return (successes <= self.gate) == is_expert


@dataclass(frozen=True, kw_only=True)
class OverlongPenalty:
    """DAPO's soft punishment of long responses, added to the reward.

    0 up to ``max_length - buffer`` tokens, then falling linearly to -1 at ``max_length``, and -1 beyond.

    Attributes:
        max_length: the longest response without full punishment, in tokens.
        buffer: the length over which the punishment grows, in tokens.

    Reference:
        DAPO (arXiv:2503.14476), Eq. 13.

    Example:
        >>> OverlongPenalty(max_length=10, buffer=4)(torch.tensor([5, 6, 8, 10, 12]))
        tensor([ 0.0000,  0.0000, -0.5000, -1.0000, -1.0000])
    """

    max_length: int
    buffer: int

    def __post_init__(self) -> None:
        check_count("max_length", self.max_length)
        check_count("overlong_buffer", self.buffer)
        if self.buffer > self.max_length:
            raise bad_value(
                "overlong_buffer", self.buffer, f"at most max_length={self.max_length}", "shorten the buffer"
            )

    def __call__(self, length: Int[Tensor, " rows"]) -> Float[Tensor, " rows"]:
        """Return the (non-positive) addition to each response's reward; ``length`` is in tokens."""
        unpunished = self.max_length - self.buffer
        return ((unpunished - length) / self.buffer).clamp(-1.0, 0.0)
