"""The terms of CHORD, HPT and SRFT: reinforcement on the policy's rows beside weighted imitation of the experts'."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from calibrl_ref._checks import check_range, look_up
from calibrl_ref.rollouts import Rollouts
from calibrl_ref.surrogates import off_policy_surrogate
from calibrl_ref.terms import ClippedSurrogate, Imitation, RowWise, TokenTerm, require


def row_entropy(rollouts: Rollouts) -> Float[Tensor, "rows 1"]:
    """Mean entropy of each row's tokens in nats, without gradient; 0 for a row without a token.

    Raises:
        ValueError: the rollouts carry no ``token_entropy``.
    """
    # stop-gradient: the entropy weighs a row, it is not to be moved by that
    entropy = require(rollouts.token_entropy, "token_entropy").detach()
    return entropy.sum(1, keepdim=True) / rollouts.mask.sum(1, keepdim=True).clamp(min=1)


def even_weight(rollouts: Rollouts) -> Tensor:
    """Every expert token alike: plain supervised fine-tuning."""
    return torch.ones_like(rollouts.token_log_prob)


def phi_weight(rollouts: Rollouts) -> Tensor:
    """CHORD's ``phi = p (1 - p)``: least for tokens that the policy is sure of, or would never write."""
    probability = rollouts.token_log_prob.detach().exp()  # stop-gradient: phi weighs a token, it is no loss
    return probability * (1.0 - probability)


def low_entropy_weight(rollouts: Rollouts) -> Tensor:
    """SRFT's ``exp(-H)`` of the row (the paper's form): imitate less where the policy is undecided."""
    return (-row_entropy(rollouts)).exp().expand_as(rollouts.mask)


def high_entropy_weight(rollouts: Rollouts) -> Tensor:
    """SRFT's ``exp(+H)`` of the row: what the authors' repository computes, the other direction than the paper's."""
    return row_entropy(rollouts).exp().expand_as(rollouts.mask)


IMITATION_WEIGHTS: dict[str, Callable[[Rollouts], Tensor]] = {
    "none": even_weight,
    "phi": phi_weight,
    "low_entropy": low_entropy_weight,
    "high_entropy": high_entropy_weight,
}
"""Name -> the weight of every token of an expert's row, as a function of the rollouts."""
_NEED_ENTROPY = ("low_entropy", "high_entropy")


@dataclass(frozen=True, kw_only=True)
class WeightedImitation(Imitation):
    """Imitation with a weight per token: ``-weight * w_t * log pi``; the divisor counts every token alike.

    Attributes:
        weighting: one of ``IMITATION_WEIGHTS``.
    """

    weighting: str = "none"

    def __post_init__(self) -> None:
        super().__post_init__()
        look_up(IMITATION_WEIGHTS, "weighting", self.weighting)

    @property
    def needs(self) -> frozenset[str]:
        """The expert; the entropy of each token where it weighs."""
        return super().needs | ({"token_entropy"} if self.weighting in _NEED_ENTROPY else set())

    def __call__(self, rollouts: Rollouts) -> Float[Tensor, "rows time"]:
        """Return the loss per token."""
        return IMITATION_WEIGHTS[self.weighting](rollouts) * super().__call__(rollouts)


@dataclass(frozen=True, kw_only=True)
class WeightedSurrogate(ClippedSurrogate):
    """The clipped surrogate times a constant.

    Attributes:
        weight: at least 0.
    """

    weight: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("weight", self.weight, 0.0)

    def __call__(self, rollouts: Rollouts) -> Float[Tensor, "rows time"]:
        """Return the loss per token."""
        return self.weight * super().__call__(rollouts)


@dataclass(frozen=True, kw_only=True)
class EntropyWeightedReinforce(RowWise, TokenTerm):
    """SRFT's reinforcement, over all rows, without ratio or clip.

    A right response of the policy: ``-positive_scale * exp(H) * log pi``, H its own mean entropy, as data; a wrong one:
    ``+log pi``; the expert: LUFFY's shaped surrogate with its advantage.

    Attributes:
        positive_scale: weight of right responses.

    Reference:
        arXiv:2506.19767; as HPT's authors implemented it (Unify-Post-Training, mix_core_alg.py,
        compute_token_on_off_policy_srft_loss, srft_type "paper").
    """

    name: ClassVar[str] = "surrogate"
    positive_scale: float = 0.1

    def __post_init__(self) -> None:
        check_range("positive_scale", self.positive_scale, 0.0)

    @property
    def needs(self) -> frozenset[str]:
        """The expert, and the entropy of each token."""
        return frozenset({"expert", "token_entropy"})

    def __call__(self, rollouts: Rollouts) -> Float[Tensor, "rows time"]:
        """Return the loss per token."""
        log_prob, right = rollouts.token_log_prob, rollouts.correct.unsqueeze(1)
        weight = torch.where(right, -self.positive_scale * row_entropy(rollouts).exp(), 1.0)
        off_policy = off_policy_surrogate(
            log_prob, rollouts.old_token_log_prob, rollouts.advantage.unsqueeze(1), shape="luffy"
        )
        return torch.where(rollouts.is_expert.unsqueeze(1), off_policy, weight * log_prob)
