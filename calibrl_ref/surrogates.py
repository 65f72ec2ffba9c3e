"""Policy-gradient losses per token: importance ratio, clipped surrogate, off-policy shaping, KL penalty."""

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from calibrl_ref._checks import (
    check_bool,
    check_float,
    check_range,
    check_row_values,
    check_same_shape,
    look_up,
    precise,
)

_MAX_LOG_RATIO = 20.0  # nats: exp stays finite in float32; far outside any clip range


def importance_ratio(
    token_log_prob: Float[Tensor, "*shape"], old_token_log_prob: Float[Tensor, "*shape"]
) -> Float[Tensor, "*shape"]:
    """Ratio of the current to the old policy's probability: ``exp(log pi - log pi_old)``.

    The log-ratio is limited to [-20, 20], where the gradient is then 0, so that extreme log-probabilities stay finite.

    Args:
        token_log_prob: log-probabilities under the current policy, in nats.
        old_token_log_prob: the same under the policy that sampled, in nats; no gradient flows into it.

    Returns:
        The ratio, without unit, the same shape.

    Raises:
        ValueError: the shapes differ.

    Reference:
        r_t in Eq. 10 of CalibRL (arXiv:2602.20197).

    Example:
        >>> importance_ratio(torch.tensor([-1.0]), torch.tensor([-1.0]))
        tensor([1.])
    """
    check_float("token_log_prob", token_log_prob)
    check_same_shape(token_log_prob=token_log_prob, old_token_log_prob=old_token_log_prob)
    old = old_token_log_prob.detach()  # stop-gradient: the sampling policy is fixed
    return (precise(token_log_prob) - precise(old)).clamp(-_MAX_LOG_RATIO, _MAX_LOG_RATIO).exp()


def sequence_importance_ratio(
    token_log_prob: Float[Tensor, "rows time"],
    old_token_log_prob: Float[Tensor, "rows time"],
    mask: Bool[Tensor, "rows time"],
) -> Float[Tensor, "rows time"]:
    """One ratio per response, the geometric mean of its tokens' ratios, repeated at every token.

    ``exp(mean_t (log pi - log pi_old))`` over the mask.

    Args:
        token_log_prob: log-probabilities under the current policy, in nats.
        old_token_log_prob: the same under the policy that sampled, in nats.
        mask: True at response tokens.

    Returns:
        The ratio, without unit, constant along time.

    Raises:
        ValueError: the shapes differ.
        TypeError: ``mask`` is not boolean.

    Reference:
        GSPO (arXiv:2507.18071), Eq. 7.

    Example:
        >>> log_prob, mask = torch.tensor([[-1.0, -3.0]]), torch.tensor([[True, True]])
        >>> sequence_importance_ratio(log_prob, torch.full((1, 2), -2.0), mask)
        tensor([[1., 1.]])
    """
    check_bool("mask", mask)
    check_same_shape(token_log_prob=token_log_prob, old_token_log_prob=old_token_log_prob, mask=mask)
    old = old_token_log_prob.detach()  # stop-gradient: the sampling policy is fixed
    log_ratio = (precise(token_log_prob) - precise(old)).where(mask, 0.0).sum(1) / mask.sum(1).clamp(min=1)
    return log_ratio.clamp(-_MAX_LOG_RATIO, _MAX_LOG_RATIO).exp().unsqueeze(1).expand_as(token_log_prob)


RATIOS: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "token": lambda token_log_prob, old, mask: importance_ratio(token_log_prob, old),
    "sequence": sequence_importance_ratio,
}


def truncated_mismatch_weight(
    old_token_log_prob: Float[Tensor, "*shape"], sampler_token_log_prob: Float[Tensor, "*shape"], *, cap: float = 2.0
) -> Float[Tensor, "*shape"]:
    """Truncated importance weight for a sampling engine that disagrees with the trainer about the same weights.

    ``min(exp(log pi_old - log pi_sampler), cap)``: the sampler's tokens count as the trainer's old policy would have
    sampled them. The log-ratio is limited to [-20, 20].

    Args:
        old_token_log_prob: log-probabilities that the trainer computes with the weights that sampled, in nats.
        sampler_token_log_prob: those that the sampling engine gave, in nats.
        cap: the largest weight, at least 1.

    Returns:
        The weight, in (0, cap], without gradient, the same shape.

    Raises:
        ValueError: the shapes differ, ``cap`` is below 1.

    Reference:
        F. Yao et al., Your Efficient RL Framework Secretly Brings You Off-Policy RL Training (2025), with their cap of
        2; verl's rollout_is at token level, threshold 2; TRL's vllm_importance_sampling_mode "token_truncate".

    Example:
        >>> truncated_mismatch_weight(torch.tensor([0.5, 0.9]).log(), torch.tensor([1.0, 0.3]).log())
        tensor([0.5000, 2.0000])
    """
    check_range("cap", cap, 1.0)
    return importance_ratio(old_token_log_prob, sampler_token_log_prob).detach().clamp(max=cap)


def clipped_surrogate(
    ratio: Float[Tensor, "*shape"],
    advantage: Float[Tensor, "*#shape"],
    *,
    clip_low: float | None = 0.2,
    clip_high: float | None = 0.2,
    dual_clip: float | None = None,
) -> Float[Tensor, "*shape"]:
    """PPO's clipped surrogate as a loss to minimise.

    ``loss = max(-r A, -clip(r, 1 - clip_low, 1 + clip_high) A)``; with a dual clip ``c`` and A < 0,
    ``min(loss, -c A)``. Computed as ``-A clip(r)`` with the bounds that act: above where A >= 0, below and ``c`` where
    A < 0. At a clip edge the gradient is that of the inside.

    Args:
        ratio: importance ratio, without unit.
        advantage: advantage, without unit; for a ratio [rows, time] also a column [rows, 1]. No gradient flows into it.
        clip_low: how far below 1 the ratio may fall, in [0, 1]; None does not clip there.
        clip_high: how far above 1 the ratio may rise; None does not clip there.
        dual_clip: cap ``c`` > 1 on the loss of a negative advantage, in units of |A|; None sets no cap.

    Returns:
        The loss, the same shape.

    Raises:
        ValueError: shapes differ, a range is negative, ``dual_clip`` is below 1.

    Reference:
        PPO (arXiv:1707.06347), Eq. 7; dual clip: arXiv:1912.09729, Eq. 5; two clip ranges: DAPO (arXiv:2503.14476).

    Example:
        >>> clipped_surrogate(torch.tensor([1.5, 1.5]), torch.tensor([1.0, -1.0]))
        tensor([-1.2000,  1.5000])
    """
    check_row_values("ratio", ratio, advantage=advantage)
    check_clip(clip_low, clip_high, dual_clip)
    advantage = advantage.detach()  # stop-gradient: the advantage is data, not a function of the policy
    negative = advantage < 0
    below = ratio.new_full(advantage.shape, -torch.inf if clip_low is None else 1.0 - clip_low)
    above = ratio.new_full(advantage.shape, torch.inf if clip_high is None else 1.0 + clip_high)
    cap = torch.inf if dual_clip is None else dual_clip
    return -advantage * ratio.clamp(below.where(negative, -torch.inf), above.where(~negative, cap))


def check_clip(clip_low: float | None, clip_high: float | None, dual_clip: float | None) -> None:
    """Raise ``ValueError`` unless the clip ranges are in their domains (None: not clipped)."""
    if clip_low is not None:
        check_range("clip_low", clip_low, 0.0, 1.0)
    if clip_high is not None:
        check_range("clip_high", clip_high, 0.0)
    if dual_clip is not None:
        check_range("dual_clip", dual_clip, 1.0)


def k3_kl(
    token_log_prob: Float[Tensor, "*shape"], reference_token_log_prob: Float[Tensor, "*shape"]
) -> Float[Tensor, "*shape"]:
    """Low-variance, non-negative estimate of KL(policy || reference) from one sample.

    ``k3 = exp(d) - d - 1`` with ``d = log pi_ref - log pi``, limited to [-20, 20].

    Args:
        token_log_prob: log-probabilities under the current policy, in nats.
        reference_token_log_prob: the same under the reference policy, in nats; no gradient flows into it.

    Returns:
        The estimate in nats, at least 0, the same shape.

    Raises:
        ValueError: the shapes differ.

    Reference:
        J. Schulman, Approximating KL divergence (2020); GRPO (arXiv:2402.03300), Eq. 4.

    Example:
        >>> k3_kl(torch.tensor([-1.0]), torch.tensor([-1.0]))
        tensor([0.])
    """
    check_same_shape(token_log_prob=token_log_prob, reference_token_log_prob=reference_token_log_prob)
    reference = reference_token_log_prob.detach()  # stop-gradient: the reference policy is fixed
    difference = (precise(reference) - precise(token_log_prob)).clamp(-_MAX_LOG_RATIO, _MAX_LOG_RATIO)
    return torch.expm1(difference) - difference


def luffy_shaping(
    token_log_prob: Float[Tensor, "*shape"], old_token_log_prob: Float[Tensor, "*shape"], *, gamma: float = 0.1
) -> Float[Tensor, "*shape"]:
    """LUFFY's weight of an expert token: ``p / (p + gamma)``, with p the policy's probability of the token.

    The sampling probability of the expert is taken to be 1. Its gradient is largest for rare tokens.

    Args:
        token_log_prob: log-probabilities of the expert's tokens under the current policy, in nats.
        old_token_log_prob: not used; every shape function takes it.
        gamma: the probability at which the weight is one half.

    Returns:
        The weight in (0, 1), the same shape.

    Raises:
        ValueError: the shapes differ, ``gamma`` is negative.

    Reference:
        Policy shaping of LUFFY (arXiv:2504.14945); "luffy" in the released CalibRL's compute_mix_policy_loss.

    Example:
        >>> luffy_shaping(torch.tensor([0.1]).log(), torch.tensor([0.0]))
        tensor([0.5000])
    """
    _check_shaping(token_log_prob, old_token_log_prob, gamma)
    probability = token_log_prob.exp()
    return probability / (probability + gamma)


def rl_plus_shaping(
    token_log_prob: Float[Tensor, "*shape"], old_token_log_prob: Float[Tensor, "*shape"], *, gamma: float = 0.5
) -> Float[Tensor, "*shape"]:
    """RL-PLUS's weight of an expert token: multiple importance sampling times an exploration bonus.

    ``2 p / (p_old + (p_old + 1) / 2) * (1 - stop_gradient(p))^gamma``: the unknown expert policy is estimated by the
    mean of the old policy and 1.

    Args:
        token_log_prob: log-probabilities of the expert's tokens under the current policy, in nats.
        old_token_log_prob: the same under the old policy, in nats.
        gamma: exponent of the bonus for tokens that the policy finds unlikely (0.5 in the released CalibRL).

    Returns:
        The weight, at least 0, the same shape.

    Raises:
        ValueError: the shapes differ, ``gamma`` is negative.

    Reference:
        RL-PLUS (arXiv:2508.00222); "rlplus" in the released CalibRL's compute_mix_policy_loss.

    Example:
        >>> rl_plus_shaping(torch.tensor([0.0]), torch.tensor([0.0]))
        tensor([0.])
    """
    _check_shaping(token_log_prob, old_token_log_prob, gamma)
    probability, old = token_log_prob.exp(), old_token_log_prob.detach().exp()
    bonus = (1.0 - probability.detach()).clamp(min=0.0) ** gamma  # stop-gradient: the bonus scales, it is no target
    return 2.0 * probability / (old + 0.5 * (old + 1.0)) * bonus


def _check_shaping(token_log_prob: Tensor, old_token_log_prob: Tensor, gamma: float) -> None:
    check_same_shape(token_log_prob=token_log_prob, old_token_log_prob=old_token_log_prob)
    check_range("gamma", gamma, 0.0)


SHAPES: dict[str, Callable[..., Tensor]] = {"luffy": luffy_shaping, "rl_plus": rl_plus_shaping}
"""Name -> the weight of an expert's token, as a function of its log-probabilities now and under the old policy."""


def off_policy_surrogate(
    token_log_prob: Float[Tensor, "*shape"],
    old_token_log_prob: Float[Tensor, "*shape"],
    advantage: Float[Tensor, "*#shape"],
    *,
    shape: str = "luffy",
    gamma: float | None = None,
) -> Float[Tensor, "*shape"]:
    """Policy-gradient loss of an expert's tokens: ``-A * f(pi)``, f named by ``shape``.

    Args:
        token_log_prob: log-probabilities of the expert's tokens under the current policy, in nats.
        old_token_log_prob: the same under the old policy, in nats.
        advantage: advantage, without unit; for log-probabilities [rows, time] also a column [rows, 1]. No gradient
            flows into it.
        shape: one of ``SHAPES``.
        gamma: the shape's constant, at least 0; None takes its own default (0.1 for LUFFY, 0.5 for RL-PLUS).

    Returns:
        The loss to minimise, the same shape.

    Raises:
        ValueError: unknown ``shape``, or the tensors' shapes differ.

    Example:
        >>> off_policy_surrogate(torch.tensor([0.1]).log(), torch.tensor([0.0]), torch.tensor([2.0]), shape="luffy")
        tensor([-1.])
    """
    check_row_values("token_log_prob", token_log_prob, advantage=advantage)
    constant = {} if gamma is None else {"gamma": gamma}
    weight = look_up(SHAPES, "shape", shape)(token_log_prob, old_token_log_prob, **constant)
    return -advantage.detach() * weight  # stop-gradient: the advantage is data, not a function of the policy
