"""What to look at while training: who is pushed where, and what that does to entropy. Nothing here has a gradient."""

from dataclasses import dataclass

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
    precise,
)
from calibrl_ref._segments import segment_ids, segment_sum
from calibrl_ref.calibration import correctness_sign
from calibrl_ref.surrogates import check_clip


@dataclass(frozen=True, kw_only=True)
class Quadrant:
    """One of the four cells of verdict x sign of the gap.

    Attributes:
        correct: the verifier's verdict.
        overconfident: whether the policy finds its response likelier than the expert's (gap > 0).
        count: responses in the cell.
        mean_gap: their mean gap in nats; 0.0 for an empty cell.
        slope: the LeakyReLU's derivative in the cell: 1 where correction is needed, alpha elsewhere.
    """

    correct: bool
    overconfident: bool
    count: int
    mean_gap: float
    slope: float


def quadrant_table(
    gap: Float[Tensor, " rows"], correct: Bool[Tensor, " rows"], *, slope: float = 0.5
) -> tuple[Quadrant, ...]:
    """Sort a batch's responses into the four quadrants of the paper's figure.

    Args:
        gap: log-probability gap to the expert, in nats. A gap of exactly 0 is not overconfident.
        correct: the verifier's verdict.
        slope: the gate's alpha in [0, 1].

    Returns:
        Correct and under-confident, correct and over-confident, wrong and over-confident, wrong and under-confident.

    Raises:
        ValueError: shapes differ, or ``slope`` is outside [0, 1].
        TypeError: a wrong dtype.

    Example:
        >>> table = quadrant_table(torch.tensor([-1.0, 2.0, 4.0]), torch.tensor([True, False, False]), slope=0.5)
        >>> [(cell.count, cell.mean_gap, cell.slope) for cell in table]
        [(1, -1.0, 1.0), (0, 0.0, 0.5), (2, 3.0, 1.0), (0, 0.0, 0.5)]
    """
    check_float("gap", gap)
    check_bool("correct", correct)
    check_same_shape(gap=gap, correct=correct)
    check_range("slope", slope, 0.0, 1.0)
    return tuple(
        _quadrant(gap.detach(), correct, is_correct, overconfident, 1.0 if is_correct != overconfident else slope)
        for is_correct, overconfident in ((True, False), (True, True), (False, True), (False, False))
    )


def _quadrant(gap: Tensor, correct: Tensor, is_correct: bool, overconfident: bool, slope: float) -> Quadrant:
    cell = gap[(correct == is_correct) & ((gap > 0) == overconfident)]
    mean_gap = float(cell.mean()) if len(cell) else 0.0
    return Quadrant(correct=is_correct, overconfident=overconfident, count=len(cell), mean_gap=mean_gap, slope=slope)


def exploration_coefficients(
    gap: Float[Tensor, " rows"],
    correct: Bool[Tensor, " rows"],
    advantage: Float[Tensor, " rows"],
    group: Int[Tensor, " rows"],
    *,
    slope: float = 0.5,
) -> tuple[Float[Tensor, " rows"], Float[Tensor, " rows"]]:
    """What a descent step on the exploration loss does to log pi of each response, and of each group's expert.

    ``response_i: s_i |A_i| g_i`` and ``expert: -sum_i s_i |A_i| g_i`` over the group, with ``g_i`` 1 where
    ``-s_i gap_i > 0`` and ``slope`` elsewhere. Positive raises the log-probability. With ``s = sign(A)`` and advantages
    of mean zero, the expert's is 0 at slope 1 and ``(1 - slope) * sum of the positive A`` where all gaps are positive.
    Multiply by lambda and divide by the number of counted rows for the gradient of the aggregated term.

    Args:
        gap: trajectory-level gap in nats, on-policy rows only.
        correct: the verifier's verdict.
        advantage: group advantage, without unit.
        group: the prompt's id of each row.
        slope: the gate's alpha in [0, 1].

    Returns:
        The coefficient of each response, and, repeated for each row, that of its group's expert.

    Raises:
        ValueError: shapes differ, or ``slope`` is outside [0, 1].
        TypeError: a wrong dtype.

    Example:
        >>> own, expert = exploration_coefficients(
        ...     torch.tensor([1.0, 1.0]), torch.tensor([True, False]), torch.tensor([1.0, -1.0]), torch.tensor([0, 0])
        ... )
        >>> own.tolist(), expert.tolist()
        ([0.5, -1.0], [0.5, 0.5])
    """
    check_float("gap", gap)
    check_float("advantage", advantage)
    check_integer("group", group)
    check_same_shape(gap=gap, correct=correct, advantage=advantage, group=group)
    check_range("slope", slope, 0.0, 1.0)
    sign = correctness_sign(correct)
    derivative = torch.where(-sign * gap.detach() > 0, torch.ones_like(gap), slope)
    own = sign * advantage.detach().abs() * derivative
    dense, groups = segment_ids(group)
    return own, -segment_sum(own, dense, groups)[dense]


def predicted_entropy_change(
    logits: Float[Tensor, "*batch actions"], logit_change: Float[Tensor, "*batch actions"]
) -> Float[Tensor, "*batch"]:
    """First-order change of a softmax policy's entropy: ``-Cov_{a ~ pi}(log pi(a), change of logit(a))``.

    Args:
        logits: the policy's logits.
        logit_change: the step taken on them.

    Returns:
        The predicted change in nats; the error is of second order in the step.

    Raises:
        ValueError: the shapes differ, or a hyper-parameter is out of its range.
        TypeError: a wrong dtype.

    Reference:
        Lemma 1 of The Entropy Mechanism of RL for Reasoning Language Models (arXiv:2505.22617).

    Example:
        >>> change = predicted_entropy_change(torch.tensor([1.0, 0.0]), torch.tensor([0.1, 0.0]))
        >>> bool(change < 0)  # strengthening the likelier action lowers the entropy
        True
    """
    check_float("logits", logits)
    check_float("logit_change", logit_change)
    check_same_shape(logits=logits, logit_change=logit_change)
    log_prob = torch.log_softmax(logits.detach(), dim=-1)
    prob, change = log_prob.exp(), logit_change.detach()
    centred = change - (prob * change).sum(-1, keepdim=True)
    return -(prob * log_prob * centred).sum(-1)


def expected_calibration_error(
    confidence: Float[Tensor, " rows"], correct: Bool[Tensor, " rows"], *, bins: int = 10
) -> Float[Tensor, ""]:
    """ECE: mean over equal-width bins of |accuracy - confidence|, weighted by the bins' shares.

    Args:
        confidence: the policy's probability of its own response, in [0, 1] (as exp of the mean token log-probability).
        correct: the verifier's verdict.
        bins: number of bins over [0, 1]; a confidence of 1 belongs to the last.

    Returns:
        The error in [0, 1], a scalar.

    Raises:
        ValueError: shapes differ, no rows, a confidence outside [0, 1], ``bins`` below 1.
        TypeError: a wrong dtype.

    Reference:
        Guo et al., On Calibration of Modern Neural Networks (arXiv:1706.04599), Eq. 3.

    Example:
        >>> float(expected_calibration_error(torch.tensor([0.75, 0.75]), torch.tensor([True, False])))
        0.25
    """
    check_float("confidence", confidence)
    check_bool("correct", correct)
    check_same_shape(confidence=confidence, correct=correct)
    check_count("bins", bins)
    if len(confidence) == 0:
        raise bad_value("confidence.shape", (0,), "at least one row", "pass the responses of a batch")
    check_range("confidence", confidence, 0.0, 1.0)
    confidence = precise(confidence.detach())
    index = (confidence * bins).long().clamp(max=bins - 1)
    return segment_sum(correct.to(confidence.dtype) - confidence, index, bins).abs().sum() / len(confidence)


def clip_fraction(
    ratio: Float[Tensor, "rows time"],
    advantage: Float[Tensor, "rows time"],
    mask: Bool[Tensor, "rows time"],
    *,
    clip_low: float = 0.2,
    clip_high: float = 0.2,
) -> Float[Tensor, ""]:
    """Share of the masked tokens whose surrogate PPO's clip has taken over (their gradient is 0).

    Args:
        ratio: importance ratio, without unit.
        advantage: advantage, without unit.
        mask: True where a token counts.
        clip_low: how far below 1 the ratio may fall.
        clip_high: how far above 1 the ratio may rise.

    Returns:
        The share in [0, 1]; 0 for an empty mask.

    Raises:
        ValueError: the shapes differ, or a hyper-parameter is out of its range.
        TypeError: a wrong dtype.

    Example:
        >>> ones = torch.ones(1, 2)
        >>> float(clip_fraction(torch.tensor([[1.5, 1.0]]), ones, ones.bool()))
        0.5
    """
    check_bool("mask", mask)
    check_same_shape(ratio=ratio, advantage=advantage, mask=mask)
    check_clip(clip_low, clip_high, None)
    clipped = -advantage * ratio.clamp(1.0 - clip_low, 1.0 + clip_high) > -advantage * ratio
    return _share(clipped, mask)


def dual_clip_fraction(
    ratio: Float[Tensor, "rows time"],
    advantage: Float[Tensor, "rows time"],
    mask: Bool[Tensor, "rows time"],
    *,
    dual_clip: float = 3.0,
) -> Float[Tensor, ""]:
    """Share of the masked tokens of negative advantage whose loss the dual clip caps (their gradient is 0).

    Args:
        ratio: importance ratio, without unit.
        advantage: advantage, without unit.
        mask: True where a token counts.
        dual_clip: the cap in units of |A|.

    Returns:
        The share in [0, 1]; 0 for an empty mask.

    Raises:
        ValueError: the shapes differ, or a hyper-parameter is out of its range.
        TypeError: a wrong dtype.

    Example:
        >>> ones = torch.ones(1, 2)
        >>> float(dual_clip_fraction(torch.tensor([[4.0, 1.0]]), -ones, ones.bool()))
        0.5
    """
    check_bool("mask", mask)
    check_same_shape(ratio=ratio, advantage=advantage, mask=mask)
    check_clip(None, None, dual_clip)
    return _share((advantage < 0) & (ratio > dual_clip), mask)


def approx_kl(
    token_log_prob: Float[Tensor, "rows time"],
    old_token_log_prob: Float[Tensor, "rows time"],
    mask: Bool[Tensor, "rows time"],
) -> Float[Tensor, ""]:
    """Mean of ``log pi_old - log pi`` over the mask: the k1 estimate of KL(old || current), in nats per token.

    Raises:
        ValueError: the shapes differ, or a hyper-parameter is out of its range.
        TypeError: a wrong dtype.

    Example:
        >>> float(approx_kl(torch.full((1, 2), -1.5), torch.full((1, 2), -1.0), torch.ones(1, 2).bool()))
        0.5
    """
    check_bool("mask", mask)
    check_same_shape(token_log_prob=token_log_prob, old_token_log_prob=old_token_log_prob, mask=mask)
    return _share((precise(old_token_log_prob) - precise(token_log_prob)).detach(), mask)


def _share(values: Tensor, mask: Tensor) -> Tensor:
    precision = values.dtype if values.is_floating_point() else torch.float64
    return values.to(precision).where(mask, 0.0).sum() / mask.sum().clamp(min=1)
