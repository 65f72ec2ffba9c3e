"""ACE: a wrong response is penalised the more, the surer the policy has become of it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from calibrl_ref._checks import check_float, check_range, check_same_shape, look_up
from calibrl_ref.log_probs import trajectory_log_prob
from calibrl_ref.rollouts import Rollouts
from calibrl_ref.surrogates import clipped_surrogate, importance_ratio
from calibrl_ref.terms import ClippedSurrogate, OnPolicyTerm, RowWise, require


def summed_shift(
    policy: Float[Tensor, "rows time"], reference: Float[Tensor, "rows time"], mask: Bool[Tensor, "rows time"]
) -> Float[Tensor, " rows"]:
    """How much surer than the reference the policy is of the whole response, in nats."""
    return trajectory_log_prob(policy, mask) - trajectory_log_prob(reference, mask)


def mean_shift(
    policy: Float[Tensor, "rows time"], reference: Float[Tensor, "rows time"], mask: Bool[Tensor, "rows time"]
) -> Float[Tensor, " rows"]:
    """The same per token, in nats; 0 for a row without a token."""
    return summed_shift(policy, reference, mask) / mask.sum(1).clamp(min=1)


SHIFTS: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {"sum": summed_shift, "mean": mean_shift}
"""Name -> how much surer than a reference the policy is of a response: of the whole, or per token."""
CONFIDENCE_GATES: dict[str, Callable[[Tensor], Tensor]] = {
    "softplus": torch.nn.functional.softplus,
    "relu": torch.nn.functional.relu,
}
"""Name -> what is made of a confidence shift."""


def confidence_advantage(
    advantage: Float[Tensor, " rows"], shift: Float[Tensor, " rows"], *, alpha: float = 1.0, gate: str = "softplus"
) -> Float[Tensor, " rows"]:
    """ACE's advantage: ``A * (1 + alpha * softplus(c))`` where A < 0, else A.

    Args:
        advantage: the group advantage of each row.
        shift: c, how much surer than the reference the policy is of the row, in nats; taken as data.
        alpha: strength.
        gate: one of ``CONFIDENCE_GATES``. With softplus a wrong row is penalised more at c = 0 already, by
            alpha * ln 2.

    Returns:
        The advantage of each row, without gradient.

    Raises:
        ValueError: the shapes differ, a negative ``alpha``, an unknown gate.
        TypeError: a wrong dtype.

    Reference:
        arXiv:2602.21420, from its text; no code was found. That c is the whole response's, that it is not
        differentiated, and alpha are our reading.

    Example:
        >>> confidence_advantage(torch.tensor([-1.0, 1.0]), torch.tensor([0.0, 2.0]))
        tensor([-1.6931,  1.0000])
    """
    check_range("alpha", alpha, 0.0)
    check_float("advantage", advantage)
    check_float("shift", shift)
    check_same_shape(advantage=advantage, shift=shift)
    # stop-gradient: the shift weighs a response, it is not to be lowered for its own sake
    factor = 1.0 + alpha * look_up(CONFIDENCE_GATES, "confidence_gate", gate)(shift.detach())
    advantage = advantage.detach()  # stop-gradient: the advantage is data
    return torch.where(advantage < 0, advantage * factor, advantage)


@dataclass(frozen=True, kw_only=True)
class ConfidencePenalisedSurrogate(RowWise, OnPolicyTerm):
    """The clipped surrogate with ACE's advantage.

    Attributes:
        on_policy: the surrogate, for its clips.
        alpha: strength; see ``confidence_advantage``.
        shift: one of ``SHIFTS``. A sum over a long response can make the factor as large as the response is long.
        gate: one of ``CONFIDENCE_GATES``.
    """

    name: ClassVar[str] = "surrogate"
    on_policy: ClippedSurrogate
    alpha: float = 1.0
    shift: str = "sum"
    gate: str = "softplus"

    def __post_init__(self) -> None:
        check_range("alpha", self.alpha, 0.0)
        look_up(SHIFTS, "shift", self.shift)
        look_up(CONFIDENCE_GATES, "confidence_gate", self.gate)

    @property
    def needs(self) -> frozenset[str]:
        """The reference policy's log-probabilities."""
        return frozenset({"reference_token_log_prob"})

    def __call__(self, rollouts: Rollouts) -> Float[Tensor, "rows time"]:
        """Return the loss per token."""
        reference = require(rollouts.reference_token_log_prob, "reference_token_log_prob")
        shift = SHIFTS[self.shift](rollouts.token_log_prob.detach(), reference, rollouts.mask)
        advantage = confidence_advantage(rollouts.advantage, shift, alpha=self.alpha, gate=self.gate)
        ratio = importance_ratio(rollouts.token_log_prob, rollouts.old_token_log_prob)
        plain = self.on_policy
        clip = {"clip_low": plain.clip_low, "clip_high": plain.clip_high, "dual_clip": plain.dual_clip}
        return clipped_surrogate(ratio, advantage.unsqueeze(1), **clip)
