"""The 80/20 rule: only the tokens of highest entropy, where a response is decided, are trained on."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from calibrl_ref._checks import (
    bad_value,
    check_bool,
    check_float,
    check_integer,
    check_range,
    check_same_shape,
    check_shape,
)
from calibrl_ref._segments import segment_ids, segment_sum
from calibrl_ref.rollouts import Rollouts
from calibrl_ref.terms import ClippedSurrogate, OnPolicyTerm, require


def top_entropy_tokens(
    entropy: Float[Tensor, "rows time"],
    counted: Bool[Tensor, "rows time"],
    *,
    fraction: float = 0.2,
    replica: Int[Tensor, " rows"] | None = None,
) -> Bool[Tensor, "rows time"]:
    """Mark the tokens whose entropy is at or above the batch's (1 - fraction)-quantile.

    Args:
        entropy: of each token, in nats; taken as data.
        counted: the tokens that make up the batch.
        fraction: share of them that is kept, in (0, 1]; ties at the quantile are kept too, so it may be more.
        replica: id of the independent batch of each row; None: all rows are one.

    Returns:
        True at the tokens that are kept; none outside ``counted``.

    Raises:
        ValueError: the shapes differ, ``fraction`` outside (0, 1].
        TypeError: a wrong dtype.

    Reference:
        arXiv:2506.01939; trl/trainer/grpo_trainer.py, get_high_entropy_mask (linear interpolation).

    Example:
        >>> top_entropy_tokens(torch.tensor([[0.1, 2.0], [0.3, 9.0]]), torch.tensor([[True, True], [True, False]]))
        tensor([[False,  True],
                [False, False]])
    """
    check_fraction(fraction)
    check_float("entropy", entropy)
    check_bool("counted", counted)
    check_same_shape(entropy=entropy, counted=counted)
    if replica is not None:
        check_integer("replica", replica)
        check_shape("replica", replica, counted.shape[:1], "[rows]")
    ids = torch.zeros_like(counted[:, 0], dtype=torch.long) if replica is None else segment_ids(replica)[0]
    segment = ids.repeat_interleave(counted.shape[1])
    values = entropy.detach().reshape(-1)  # stop-gradient: it selects tokens, it is no loss
    threshold = _quantile(values.where(counted.reshape(-1), torch.inf), segment, counted.reshape(-1), 1.0 - fraction)
    return counted & (entropy.detach() >= threshold.view_as(entropy))


def check_fraction(fraction: float) -> None:
    """Raise ``ValueError`` unless a share of tokens is in (0, 1]."""
    check_range("fraction", fraction, 0.0, 1.0)
    if fraction == 0.0:
        raise bad_value("fraction", fraction, "more than 0", "keep a share of the tokens, 0.2 as the authors")


def _quantile(values: Tensor, segment: Tensor, counted: Tensor, level: float) -> Tensor:
    """The quantile of the counted values of each element's segment, linearly interpolated."""
    count = len(values)
    by_value = torch.argsort(values, stable=True)
    order = by_value[torch.argsort(segment[by_value], stable=True)]
    ordered = values[order]
    start = torch.searchsorted(segment[order], segment)
    number = segment_sum(counted.to(values.dtype), segment, count)[segment]
    position = level * (number - 1).clamp(min=0)
    below = (start + position.floor().long()).clamp(max=count - 1)
    above = (start + position.ceil().long()).clamp(max=count - 1)
    return torch.lerp(ordered[below], ordered[above], position - position.floor())


@dataclass(frozen=True, kw_only=True)
class TopEntropySurrogate(OnPolicyTerm):
    """A clipped surrogate over the tokens of highest entropy; the others' loss is 0, and the divisor counts them all.

    Attributes:
        on_policy: the surrogate.
        fraction: share of the policy's tokens that is trained on; see ``top_entropy_tokens``.
    """

    name: ClassVar[str] = "surrogate"
    on_policy: ClippedSurrogate
    fraction: float = 0.2

    def __post_init__(self) -> None:
        check_fraction(self.fraction)

    @property
    def needs(self) -> frozenset[str]:
        """The entropy of each token."""
        return self.on_policy.needs | {"token_entropy"}

    def __call__(self, rollouts: Rollouts) -> Float[Tensor, "rows time"]:
        """Return the loss per token."""
        entropy = require(rollouts.token_entropy, "token_entropy")
        counted = rollouts.mask & ~rollouts.is_expert.unsqueeze(1)
        kept = top_entropy_tokens(entropy, counted, fraction=self.fraction, replica=rollouts.replica)
        return self.on_policy(rollouts).where(kept, 0.0)
