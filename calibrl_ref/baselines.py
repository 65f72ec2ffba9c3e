"""What a response is compared with (baseline), and at which level its gap to the baseline is taken.

A baseline is a function ``rollouts -> Baseline``; a gap level gives the two log-probabilities whose difference is the
gap. To add one: ``BASELINES["name"] = function`` or ``GAPS["name"] = GapLevel(...)``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from calibrl_ref._checks import bad_value, check_bool, check_integer, check_same_shape
from calibrl_ref._segments import dense_ids
from calibrl_ref.log_probs import trajectory_log_prob
from calibrl_ref.rollouts import Rollouts

Compared = tuple[Tensor, Tensor]  # log-probabilities of the policy's response and of its baseline, of one shape
Unit = Literal["token", "trajectory"]


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """The reference point of every row.

    Attributes:
        token_log_prob: the baseline's log-probabilities in nats, 0 outside its mask.
        mask: True at the baseline's own tokens (an expert's response has another length than the policy's).
        present: whether the row has a baseline at all.
    """

    token_log_prob: Float[Tensor, "rows time"]
    mask: Bool[Tensor, "rows time"]
    present: Bool[Tensor, " rows"]


def expert_row(group: Int[Tensor, " rows"], is_expert: Bool[Tensor, " rows"]) -> Int[Tensor, " rows"]:
    """Index of the expert's row in each row's group, or -1 where the group has none.

    Raises:
        ValueError: the shapes differ.
        TypeError: a wrong dtype.

    Example:
        >>> expert_row(torch.tensor([5, 9, 5]), torch.tensor([False, False, True]))
        tensor([ 2, -1,  2])
    """
    check_integer("group", group)
    check_bool("is_expert", is_expert)
    check_same_shape(group=group, is_expert=is_expert)
    dense, groups = dense_ids(group)
    return _expert_of_group(dense, groups, is_expert)[dense]


def expert_baseline(rollouts: Rollouts) -> Baseline:
    """The expert of the row's own group, under the current policy (the paper's form; gradient flows into it)."""
    return _take(rollouts.token_log_prob, rollouts, expert_row(rollouts.group, rollouts.is_expert))


def old_expert_baseline(rollouts: Rollouts) -> Baseline:
    """The expert of the row's own group, under the old policy: a constant (the released code's form)."""
    return _take(rollouts.old_token_log_prob, rollouts, expert_row(rollouts.group, rollouts.is_expert))


def shuffled_expert_baseline(rollouts: Rollouts) -> Baseline:
    """Control: the expert of another prompt, the next group (cyclic, by id) of the same replica that has one.

    With a single expert in the replica there is no other, and no row has a baseline.
    """
    dense, groups = dense_ids(rollouts.group)
    own = _expert_of_group(dense, groups, rollouts.is_expert)
    replica = torch.zeros_like(dense) if rollouts.replica is None else dense_ids(rollouts.replica)[0]
    replica_of_group = torch.zeros_like(own).scatter(0, dense, replica)
    other = torch.full_like(own, -1)
    for index in torch.unique(replica_of_group):
        members = torch.nonzero((replica_of_group == index) & (own >= 0)).flatten()
        if len(members) > 1:
            other[members] = own[members.roll(-1)]
    return _take(rollouts.token_log_prob, rollouts, other[dense])


def reference_baseline(rollouts: Rollouts) -> Baseline:
    """Ablation: the same response under a frozen reference policy; needs no expert.

    Raises:
        ValueError: the rollouts carry no ``reference_token_log_prob``.
    """
    if rollouts.reference_token_log_prob is None:
        raise bad_value("reference_token_log_prob", None, "a tensor [rows, time]", "score with a frozen policy")
    present = torch.ones_like(rollouts.is_expert)
    return Baseline(token_log_prob=rollouts.reference_token_log_prob, mask=rollouts.mask, present=present)


BASELINES: dict[str, Callable[[Rollouts], Baseline]] = {
    "expert": expert_baseline,
    "old_expert": old_expert_baseline,
    "shuffled_expert": shuffled_expert_baseline,
    "reference": reference_baseline,
}


def trajectory_log_probs(rollouts: Rollouts, baseline: Baseline) -> Compared:
    """The paper's level: log-probabilities of the whole responses, ``[rows]``, in nats (Delta in Eq. 9)."""
    return (
        trajectory_log_prob(rollouts.token_log_prob, rollouts.mask),
        trajectory_log_prob(baseline.token_log_prob, baseline.mask),
    )


def trajectory_mean_log_probs(rollouts: Rollouts, baseline: Baseline) -> Compared:
    """Ablation: length-normalised log-probabilities of the whole responses, ``[rows]``, in nats per token."""
    policy, reference = trajectory_log_probs(rollouts, baseline)
    return policy / rollouts.mask.sum(1), reference / baseline.mask.sum(1).clamp(min=1)


def token_aligned_log_probs(rollouts: Rollouts, baseline: Baseline) -> Compared:
    """The released code's level: token t against token t of the expert's unrelated text, ``[rows, time]``, in nats.

    Beyond the expert's last token the baseline is 0. The released code has one junk value there, which is not kept.

    Reference:
        pref_log_prob in src/core_algos.py, compute_mix_policy_loss.
    """
    return rollouts.token_log_prob, baseline.token_log_prob


@dataclass(frozen=True, kw_only=True)
class GapLevel:
    """A level at which the gap is taken.

    Attributes:
        unit: "trajectory" if it compares whole responses, "token" if tokens.
        log_probs: gives the two log-probabilities whose difference is the gap.
    """

    unit: Unit
    log_probs: Callable[[Rollouts, Baseline], Compared]


GAPS: dict[str, GapLevel] = {
    "trajectory": GapLevel(unit="trajectory", log_probs=trajectory_log_probs),
    "trajectory_mean": GapLevel(unit="trajectory", log_probs=trajectory_mean_log_probs),
    "token_aligned": GapLevel(unit="token", log_probs=token_aligned_log_probs),
}


def _expert_of_group(dense: Tensor, groups: int, is_expert: Tensor) -> Tensor:
    experts = torch.nonzero(is_expert).flatten()
    return torch.full((groups,), -1, device=dense.device).index_put((dense[experts],), experts)


def _take(token_log_prob: Tensor, rollouts: Rollouts, row: Tensor) -> Baseline:
    present = row >= 0
    mask = rollouts.mask[row] & present.unsqueeze(1)
    return Baseline(token_log_prob=token_log_prob[row].where(mask, 0.0), mask=mask, present=present)
