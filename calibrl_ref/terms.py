"""The terms that objectives are made of: small frozen dataclasses, callable on rollouts, giving an element-wise loss.

A term says which rows it counts and its unit: a token term gives ``[rows, time]`` and is reduced by the objective's
aggregation, a trajectory term gives ``[rows]`` and is reduced by the mean over counted rows. To add one: a class with
the members of ``Term``.
"""

from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor

from calibrl_ref._checks import bad_value, check_range, look_up
from calibrl_ref.baselines import BASELINES, GAPS, NEEDS_OF_BASELINE, Unit
from calibrl_ref.calibration import Gate, exploration_loss
from calibrl_ref.gates import GATES, RandomGate
from calibrl_ref.rollouts import Rollouts
from calibrl_ref.surrogates import RATIOS, SHAPES, check_clip, clipped_surrogate, k3_kl, off_policy_surrogate


@runtime_checkable
class Term(Protocol):
    """What an objective asks of a term.

    Attributes:
        name: the key of its share in ``Losses.terms``; two terms of one name are added.
    """

    name: ClassVar[str]

    @property
    def needs(self) -> frozenset[str]:
        """What it reads beyond the policy's rows: of "expert", "token_entropy", "reference_token_log_prob"."""

    @property
    def unit(self) -> Unit:
        """The shape of its loss: "token" for ``[rows, time]``, "trajectory" for ``[rows]``."""

    def rows(self, rollouts: Rollouts) -> Bool[Tensor, " rows"]:
        """Return which rows the term counts."""

    def __call__(self, rollouts: Rollouts) -> Float[Tensor, "rows *time"]:
        """Return the weighted element-wise loss, ``[rows, time]`` or ``[rows]``."""


class OnPolicyTerm:
    """A token term over the policy's own responses that reads nothing beyond them."""

    @property
    def unit(self) -> Unit:
        """Token."""
        return "token"

    @property
    def needs(self) -> frozenset[str]:
        """Nothing."""
        return frozenset()

    def rows(self, rollouts: Rollouts) -> Bool[Tensor, " rows"]:
        """Return the on-policy rows."""
        return ~rollouts.is_expert


@dataclass(frozen=True, kw_only=True)
class ClippedSurrogate(OnPolicyTerm):
    """PPO's clipped surrogate over the policy's own responses; see ``clipped_surrogate``.

    Attributes:
        clip_low: how far below 1 the ratio may fall; None does not clip.
        clip_high: how far above 1 the ratio may rise; None does not clip.
        dual_clip: cap on the loss of negative advantages, in units of |A|; None sets none.
        ratio_level: "token" (PPO, GRPO) or "sequence" (GSPO).
    """

    name: ClassVar[str] = "surrogate"
    clip_low: float | None = 0.2
    clip_high: float | None = 0.2
    dual_clip: float | None = None
    ratio_level: str = "token"

    def __post_init__(self) -> None:
        check_clip(self.clip_low, self.clip_high, self.dual_clip)
        look_up(RATIOS, "ratio_level", self.ratio_level)

    def __call__(self, rollouts: Rollouts) -> Float[Tensor, "rows time"]:
        """Return the loss per token."""
        ratio = RATIOS[self.ratio_level](rollouts.token_log_prob, rollouts.old_token_log_prob, rollouts.mask)
        clip = {"clip_low": self.clip_low, "clip_high": self.clip_high, "dual_clip": self.dual_clip}
        return clipped_surrogate(ratio, per_token(rollouts.advantage, rollouts), **clip)


@dataclass(frozen=True, kw_only=True)
class HybridSurrogate:
    """One surrogate over all rows: ``on_policy`` on the policy's responses, shaped policy gradient on the experts'.

    Both kinds of row share one divisor, as in LUFFY and RL-PLUS. A batch without experts is the on-policy term alone.

    Attributes:
        on_policy: the term of the policy's own responses.
        shape: one of ``SHAPES``, for the experts' rows.
    """

    name: ClassVar[str] = "surrogate"
    on_policy: ClippedSurrogate
    shape: str = "luffy"

    def __post_init__(self) -> None:
        look_up(SHAPES, "shape", self.shape)

    @property
    def needs(self) -> frozenset[str]:
        """The expert."""
        return frozenset({"expert"})

    @property
    def unit(self) -> Unit:
        """Token."""
        return "token"

    def rows(self, rollouts: Rollouts) -> Bool[Tensor, " rows"]:
        """Return all rows."""
        return torch.ones_like(rollouts.is_expert)

    def __call__(self, rollouts: Rollouts) -> Float[Tensor, "rows time"]:
        """Return the loss per token."""
        advantage = per_token(rollouts.advantage, rollouts)
        off_policy = off_policy_surrogate(
            rollouts.token_log_prob, rollouts.old_token_log_prob, advantage, shape=self.shape
        )
        return torch.where(rollouts.is_expert.unsqueeze(1), off_policy, self.on_policy(rollouts))


@dataclass(frozen=True, kw_only=True)
class Exploration(OnPolicyTerm):
    """CalibRL's exploration term: ``weight * exploration_loss(...)``; see there.

    Attributes:
        weight: lambda, at least 0; a tensor [rows] gives each row its own.
        slope: the gate's attenuation alpha in [0, 1]; a tensor [rows] gives each row its own.
        gap: one of ``GAPS``: the level at which log-probabilities are compared.
        gate: one of ``GATES``.
        baseline: one of ``BASELINES``: what the policy's response is compared with.
        detach_baseline: no gradient into the baseline.
        weighted: weight by |A|, or every row by 1.
    """

    name: ClassVar[str] = "exploration"
    weight: float | Tensor = 0.1
    slope: float | Tensor = 0.5
    gap: str = "trajectory"
    gate: str = "leaky_relu"
    baseline: str = "expert"
    detach_baseline: bool = False
    weighted: bool = True

    def __post_init__(self) -> None:
        check_range("exploration_weight", self.weight, 0.0)
        check_range("slope", self.slope, 0.0, 1.0)
        look_up(GAPS, "gap", self.gap)
        look_up(GATES, "gate", self.gate)
        look_up(BASELINES, "baseline", self.baseline)

    @property
    def needs(self) -> frozenset[str]:
        """The expert, or the reference policy."""
        return frozenset({NEEDS_OF_BASELINE.get(self.baseline, "expert")})

    @property
    def unit(self) -> Unit:
        """That of the gap."""
        return GAPS[self.gap].unit

    def __call__(self, rollouts: Rollouts) -> Float[Tensor, "rows *time"]:
        """Return the loss, per row or per token as the gap is; exactly 0 for a row without a baseline."""
        baseline = BASELINES[self.baseline](rollouts)
        policy, reference = GAPS[self.gap].log_probs(rollouts, baseline)
        if self.detach_baseline:
            reference = reference.detach()  # stop-gradient: the expert is a fixed reference point
        advantage = rollouts.advantage if self.weighted else torch.ones_like(rollouts.advantage)
        weighted = self.weight * advantage.where(baseline.present, 0.0)  # |weight * A| is weight * |A|
        correct, slope = rollouts.correct, self.slope
        if self.unit == "token":  # a gap per token: each row's values hold for all its tokens
            correct, weighted, slope = correct.unsqueeze(1), weighted.unsqueeze(1), _row_column(slope)
        return exploration_loss(policy, reference, correct, weighted, slope=slope, gate=self._gate(rollouts))

    def _gate(self, rollouts: Rollouts) -> Gate:
        gate = GATES[self.gate]
        return gate.drawn(rollouts, by_token=self.unit == "token") if isinstance(gate, RandomGate) else gate


def _row_column(value: float | Tensor) -> float | Tensor:
    """Turn a value per row into a column beside ``[rows, time]``; a number stays one."""
    return value.unsqueeze(1) if isinstance(value, Tensor) and value.dim() == 1 else value


@dataclass(frozen=True, kw_only=True)
class EntropyBonus(OnPolicyTerm):
    """Reward the policy's entropy: ``-weight * H_t`` per token.

    Attributes:
        weight: the bonus per nat, at least 0.
    """

    name: ClassVar[str] = "entropy_bonus"
    weight: float = 0.01

    def __post_init__(self) -> None:
        check_range("entropy_weight", self.weight, 0.0)

    @property
    def needs(self) -> frozenset[str]:
        """The entropy of each token."""
        return frozenset({"token_entropy"})

    def __call__(self, rollouts: Rollouts) -> Float[Tensor, "rows time"]:
        """Return the loss per token."""
        return -self.weight * require(rollouts.token_entropy, "token_entropy")


@dataclass(frozen=True, kw_only=True)
class KLPenalty(OnPolicyTerm):
    """Stay near a reference policy: ``weight * k3_kl`` per token; see ``k3_kl``.

    Attributes:
        weight: the penalty per nat, at least 0.
    """

    name: ClassVar[str] = "kl"
    weight: float = 0.001

    def __post_init__(self) -> None:
        check_range("kl_weight", self.weight, 0.0)

    @property
    def needs(self) -> frozenset[str]:
        """The reference policy's log-probabilities."""
        return frozenset({"reference_token_log_prob"})

    def __call__(self, rollouts: Rollouts) -> Float[Tensor, "rows time"]:
        """Return the loss per token."""
        reference = require(rollouts.reference_token_log_prob, "reference_token_log_prob")
        return self.weight * k3_kl(rollouts.token_log_prob, reference)


@dataclass(frozen=True, kw_only=True)
class Imitation:
    """Supervised fine-tuning on the experts' rows: ``-log pi(token)``."""

    name: ClassVar[str] = "imitation"

    @property
    def needs(self) -> frozenset[str]:
        """The expert."""
        return frozenset({"expert"})

    @property
    def unit(self) -> Unit:
        """Token."""
        return "token"

    def rows(self, rollouts: Rollouts) -> Bool[Tensor, " rows"]:
        """Return the experts' rows; without any the term is exactly 0."""
        return rollouts.is_expert

    def __call__(self, rollouts: Rollouts) -> Float[Tensor, "rows time"]:
        """Return the loss per token."""
        return -rollouts.token_log_prob


def per_token(values: Shaped[Tensor, " rows"], rollouts: Rollouts) -> Shaped[Tensor, "rows time"]:
    """Repeat one value per row along time."""
    return values.unsqueeze(1).expand_as(rollouts.mask)


def require(values: Tensor | None, name: str) -> Tensor:
    """Return an optional field of ``Rollouts``, or raise ``ValueError`` if the batch lacks it."""
    if values is None:
        raise bad_value(name, None, "a tensor [rows, time]", f"pass {name} to Rollouts: a term of this recipe reads it")
    return values
