"""Entropy control by covariance: Clip-Cov and KL-Cov, which act on the few tokens that drive entropy down.

The entropy of a softmax policy falls, to first order, by the covariance of log-probability and update; both methods
find the tokens with a large ``(A - mean A) * (log pi - mean log pi)`` within the batch. They look at a whole
batch: cut into micro-batches they choose within each.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from calibrl_ref._checks import check_range
from calibrl_ref._segments import segment_sum, smallest_in_segment
from calibrl_ref.rollouts import Rollouts
from calibrl_ref.surrogates import check_clip, clipped_surrogate, importance_ratio
from calibrl_ref.terms import OnPolicyTerm, per_token


def token_covariance(rollouts: Rollouts) -> Float[Tensor, "rows time"]:
    """Each on-policy token's contribution to the covariance of advantage and log-probability.

    ``(A - mean A) * (log pi - mean log pi)``, means over the on-policy tokens of the replica.

    Args:
        rollouts: the batch.

    Returns:
        The contribution in nats, without gradient; 0 at masked and expert tokens.

    Reference:
        Cui et al., The Entropy Mechanism of RL for Reasoning Language Models (arXiv:2505.22617), Eq. 10.
    """
    counted, segment, replicas = _on_policy_tokens(rollouts)
    log_prob = rollouts.token_log_prob.detach()  # stop-gradient: it selects tokens, it is no loss
    weight = counted.to(log_prob.dtype)
    number = segment_sum(weight.flatten(), segment, replicas).clamp(min=1)

    def centre(values: Tensor) -> Tensor:
        """Subtract the mean over the replica's on-policy tokens."""
        mean = segment_sum((values * weight).flatten(), segment, replicas) / number
        return values - mean[segment].view_as(values)

    return centre(per_token(rollouts.advantage, rollouts)) * centre(log_prob) * weight


@dataclass(frozen=True, kw_only=True)
class ClipCovSurrogate(OnPolicyTerm):
    """Clip-Cov: the clipped surrogate, with a few tokens of high covariance taken out of the gradient.

    Of the tokens whose covariance lies between the bounds and that PPO has not clipped, ``fraction`` of the batch's
    tokens (at least one) is drawn uniformly; see ``Rollouts.uniform_per_token`` for where the chance comes from.

    Attributes:
        fraction: share of the batch's tokens to take out.
        lower: the covariance above which a token may be chosen.
        upper: the covariance below which a token may be chosen.
        clip_low: how far below 1 the ratio may fall.
        clip_high: how far above 1 the ratio may rise.

    Reference:
        arXiv:2505.22617, Clip-Cov; its authors' compute_policy_loss_clip_cov and the numbers of their scripts.
    """

    name: ClassVar[str] = "surrogate"
    fraction: float = 0.0002
    lower: float = 1.0
    upper: float = 5.0
    clip_low: float | None = 1.0
    clip_high: float | None = 1.0

    def __post_init__(self) -> None:
        check_range("fraction", self.fraction, 0.0, 1.0)
        check_range("lower", self.lower, -torch.inf)
        check_range("upper", self.upper, self.lower)
        check_clip(self.clip_low, self.clip_high, None)

    def __call__(self, rollouts: Rollouts) -> Float[Tensor, "rows time"]:
        """Return the loss per token; exactly 0 at the chosen tokens."""
        ratio = importance_ratio(rollouts.token_log_prob, rollouts.old_token_log_prob)
        advantage = per_token(rollouts.advantage, rollouts)
        loss = clipped_surrogate(ratio, advantage, clip_low=self.clip_low, clip_high=self.clip_high)
        covariance = token_covariance(rollouts)
        unclipped = loss.detach() <= (-ratio * advantage).detach()
        band = (covariance > self.lower) & (covariance < self.upper) & unclipped
        chosen = _choose(rollouts, rollouts.uniform_per_token(), band, self.fraction)
        return loss.masked_fill(chosen, 0.0)


@dataclass(frozen=True, kw_only=True)
class KLCovSurrogate(OnPolicyTerm):
    """KL-Cov: the unclipped surrogate, with a penalty on leaving the old policy at the tokens of highest covariance.

    ``-r A + weight * |log pi - log pi_old|`` at the chosen tokens, ``-r A`` elsewhere.

    Attributes:
        fraction: share of the batch's tokens to penalise (at least one token).
        weight: the penalty per nat.

    Reference:
        arXiv:2505.22617, KL-Cov; its authors' compute_policy_loss_kl_cov and the numbers of their script for 7B.
    """

    name: ClassVar[str] = "surrogate"
    fraction: float = 0.002
    weight: float = 1.0

    def __post_init__(self) -> None:
        check_range("fraction", self.fraction, 0.0, 1.0)
        check_range("kl_weight", self.weight, 0.0)

    def __call__(self, rollouts: Rollouts) -> Float[Tensor, "rows time"]:
        """Return the loss per token."""
        ratio = importance_ratio(rollouts.token_log_prob, rollouts.old_token_log_prob)
        loss = -ratio * per_token(rollouts.advantage, rollouts)
        counted = _on_policy_tokens(rollouts)[0]
        chosen = _choose(rollouts, -token_covariance(rollouts), counted, self.fraction)
        penalty = self.weight * (rollouts.token_log_prob - rollouts.old_token_log_prob).abs()
        return loss + penalty.where(chosen, 0.0)


def _on_policy_tokens(rollouts: Rollouts) -> tuple[Bool[Tensor, "rows time"], Tensor, int]:
    """Return which tokens count, and the replica of every token (flattened) with a bound of their number."""
    counted = rollouts.mask & ~rollouts.is_expert.unsqueeze(1)
    return counted, per_token(rollouts.replica_segment, rollouts).flatten(), len(rollouts.group)


def _choose(rollouts: Rollouts, key: Tensor, eligible: Tensor, fraction: float) -> Bool[Tensor, "rows time"]:
    """Mark the eligible tokens with the smallest key, ``fraction`` of each replica's tokens and at least one."""
    counted, segment, replicas = _on_policy_tokens(rollouts)
    quota = (fraction * segment_sum(counted.flatten().double(), segment, replicas)).floor().clamp(min=1).long()
    order = key.where(eligible, torch.inf).flatten()
    return smallest_in_segment(order, segment, quota[segment]).view_as(eligible) & eligible
