"""What takes the place of PPO's clip: CISPO's truncated weight and SAPO's sigmoid."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from calibrl_ref._checks import bad_value, check_float, check_range, check_row_values, check_same_shape
from calibrl_ref.rollouts import Rollouts
from calibrl_ref.surrogates import importance_ratio
from calibrl_ref.terms import OnPolicyTerm, RowWise


def truncated_reinforce(
    log_prob: Float[Tensor, "*shape"],
    ratio: Float[Tensor, "*shape"],
    advantage: Float[Tensor, "*#shape"],
    *,
    ratio_low: float | None = None,
    ratio_high: float | None = 5.0,
) -> Float[Tensor, "*shape"]:
    """CISPO's loss: ``-sg(clip(r, ratio_low, ratio_high)) * A * log pi``, so that no token loses its gradient.

    Args:
        log_prob: log-probabilities under the current policy, in nats.
        ratio: importance ratios.
        advantage: of each element, without unit.
        ratio_low: least weight; None: no bound.
        ratio_high: greatest weight, the bound itself (TRL's convention) and no offset from 1 (verl's); None: no bound.

    Returns:
        The loss of each element.

    Raises:
        ValueError: the shapes differ, a negative bound, or bounds in the wrong order.
        TypeError: a wrong dtype.

    Reference:
        MiniMax-M1 (arXiv:2506.13585); trl/trainer/grpo_trainer.py, loss_type "cispo"; verl, core_algos.py,
        compute_policy_loss_cispo.

    Example:
        >>> truncated_reinforce(torch.tensor(-2.0), torch.tensor(7.0), torch.tensor(1.0))
        tensor(10.)
    """
    check_bounds(ratio_low, ratio_high)
    check_float("log_prob", log_prob)
    check_same_shape(log_prob=log_prob, ratio=ratio)
    check_row_values("ratio", ratio, advantage=advantage)
    weight = ratio.detach()  # stop-gradient: the weight corrects for the sampling policy, it is not to be optimised
    if ratio_low is not None or ratio_high is not None:
        weight = weight.clamp(ratio_low, ratio_high)
    return -weight * advantage.detach() * log_prob  # stop-gradient: the advantage is data


def check_bounds(ratio_low: float | None, ratio_high: float | None) -> None:
    """Raise ``ValueError`` unless the bounds of a ratio are at least 0 and in order."""
    for name, bound in (("ratio_low", ratio_low), ("ratio_high", ratio_high)):
        if bound is not None:
            check_range(name, bound, 0.0)
    if ratio_low is not None and ratio_high is not None and ratio_low > ratio_high:
        raise bad_value("ratio_low", ratio_low, f"at most ratio_high={ratio_high}", "put the bounds in order")


def sigmoid_surrogate(
    ratio: Float[Tensor, "*shape"],
    advantage: Float[Tensor, "*#shape"],
    *,
    tau_positive: float = 1.0,
    tau_negative: float = 1.05,
) -> Float[Tensor, "*shape"]:
    """SAPO's loss: ``-(4 / tau) * sigmoid(tau * (r - 1)) * A``, whose gradient fades away from ratio 1 and is -A at it.

    Args:
        ratio: importance ratios.
        advantage: of each element, without unit.
        tau_positive: how fast it fades where A > 0.
        tau_negative: how fast it fades where A <= 0 (at A = 0 the loss is 0).

    Returns:
        The loss of each element.

    Raises:
        ValueError: the shapes differ, a temperature that is not positive.
        TypeError: a wrong dtype.

    Reference:
        SAPO (arXiv:2511.20347); verl, core_algos.py, compute_policy_loss_sapo; TRL, loss_type "sapo".

    Example:
        >>> sigmoid_surrogate(torch.tensor(1.0), torch.tensor(-1.0))
        tensor(1.9048)
    """
    check_temperatures(tau_positive, tau_negative)
    check_row_values("ratio", ratio, advantage=advantage)
    advantage = advantage.detach()  # stop-gradient: the advantage is data, not a function of the policy
    # the default number type would round 1.05 to float32, and a float64 loss with it
    tau = torch.where(advantage > 0, ratio.new_tensor(tau_positive), ratio.new_tensor(tau_negative))
    return -4.0 / tau * torch.sigmoid(tau * (ratio - 1.0)) * advantage


def check_temperatures(tau_positive: float, tau_negative: float) -> None:
    """Raise ``ValueError`` unless both of SAPO's temperatures are positive."""
    for name, tau in (("tau_positive", tau_positive), ("tau_negative", tau_negative)):
        check_range(name, tau, 0.0)
        if tau == 0.0:
            raise bad_value(name, tau, "more than 0", "SAPO's own are 1.0 and 1.05")


@dataclass(frozen=True, kw_only=True)
class TruncatedReinforce(RowWise, OnPolicyTerm):
    """CISPO's term; see ``truncated_reinforce``.

    Attributes:
        ratio_low: least weight of a token; None: no bound.
        ratio_high: greatest weight of a token; None: no bound.
    """

    name: ClassVar[str] = "surrogate"
    ratio_low: float | None = None
    ratio_high: float | None = 5.0

    def __post_init__(self) -> None:
        check_bounds(self.ratio_low, self.ratio_high)

    def __call__(self, rollouts: Rollouts) -> Float[Tensor, "rows time"]:
        """Return the loss per token."""
        ratio = importance_ratio(rollouts.token_log_prob, rollouts.old_token_log_prob)
        bounds = {"ratio_low": self.ratio_low, "ratio_high": self.ratio_high}
        return truncated_reinforce(rollouts.token_log_prob, ratio, rollouts.advantage.unsqueeze(1), **bounds)


@dataclass(frozen=True, kw_only=True)
class SigmoidSurrogate(RowWise, OnPolicyTerm):
    """SAPO's term; see ``sigmoid_surrogate``.

    Attributes:
        tau_positive: how fast the gradient fades where A > 0.
        tau_negative: how fast it fades where A <= 0.
    """

    name: ClassVar[str] = "surrogate"
    tau_positive: float = 1.0
    tau_negative: float = 1.05

    def __post_init__(self) -> None:
        check_temperatures(self.tau_positive, self.tau_negative)

    def __call__(self, rollouts: Rollouts) -> Float[Tensor, "rows time"]:
        """Return the loss per token."""
        ratio = importance_ratio(rollouts.token_log_prob, rollouts.old_token_log_prob)
        tau = {"tau_positive": self.tau_positive, "tau_negative": self.tau_negative}
        return sigmoid_surrogate(ratio, rollouts.advantage.unsqueeze(1), **tau)
