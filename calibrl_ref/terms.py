"""The terms that objectives are made of: small frozen dataclasses, callable on rollouts, giving an element-wise loss.

A term says which rows it counts and its unit: a token term gives ``[rows, time]`` and is reduced by the objective's
aggregation, a trajectory term gives ``[rows]`` and is reduced by the mean over counted rows. It also says what a
trainer must know to cut a batch: its scope, and whether it moves an expert's row. To add one: a class with the members
of ``Term``, best on ``TokenTerm`` or ``OnPolicyTerm``, with ``RowWise`` before it if it looks at each row alone.
"""

from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor

from calibrl_ref._checks import bad_value, bounded, check_range, look_up
from calibrl_ref.aggregation import Aggregation
from calibrl_ref.baselines import GAPS, Scope, Unit, baseline_rule
from calibrl_ref.calibration import Gate, correctness_sign, exploration_loss
from calibrl_ref.gates import GATES, RandomGate
from calibrl_ref.rollouts import Rollouts
from calibrl_ref.surrogates import (
    RATIOS,
    SHAPES,
    check_clip,
    clipped_surrogate,
    k3_kl,
    off_policy_surrogate,
    truncated_mismatch_weight,
)


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

    @property
    def aggregation(self) -> Aggregation | None:
        """How its token losses become one number; None: as the objective's do."""

    @property
    def scope(self) -> Scope:
        """With which rows a row is compared: "row" for itself alone, "group" for its group's, "batch" for any."""

    @property
    def moves_expert(self) -> bool:
        """Whether a gradient flows into an expert's row."""

    def rows(self, rollouts: Rollouts) -> Bool[Tensor, " rows"]:
        """Return which rows the term counts."""

    def tokens(self, rollouts: Rollouts) -> Bool[Tensor, "rows time"] | None:
        """Return which tokens of these rows it counts; None: all response tokens."""

    def __call__(self, rollouts: Rollouts) -> Float[Tensor, "rows *time"]:
        """Return the weighted element-wise loss, ``[rows, time]`` or ``[rows]``."""


class TokenTerm:
    """What most terms have in common: a token term that counts all tokens of all rows and reads nothing beyond them.

    Its scope is the widest, so that a term that does not say what it compares is never cut wrongly.
    """

    aggregation: Aggregation | None = None

    @property
    def unit(self) -> Unit:
        """Token."""
        return "token"

    @property
    def needs(self) -> frozenset[str]:
        """Nothing."""
        return frozenset()

    @property
    def scope(self) -> Scope:
        """The batch."""
        return "batch"

    @property
    def moves_expert(self) -> bool:
        """Where it reads the expert."""
        return "expert" in self.needs

    def rows(self, rollouts: Rollouts) -> Bool[Tensor, " rows"]:
        """Return all rows."""
        return torch.ones_like(rollouts.is_expert)

    def tokens(self, rollouts: Rollouts) -> Bool[Tensor, "rows time"] | None:
        """All."""
        return None


class OnPolicyTerm(TokenTerm):
    """A token term over what the policy itself sampled in its own responses."""

    def rows(self, rollouts: Rollouts) -> Bool[Tensor, " rows"]:
        """Return the on-policy rows."""
        return ~rollouts.is_expert

    def tokens(self, rollouts: Rollouts) -> Bool[Tensor, "rows time"] | None:
        """Return all but the off-policy tokens that a row may begin with."""
        return None if rollouts.off_policy is None else rollouts.mask & ~rollouts.off_policy


class RowWise:
    """What a term inherits first if it looks at each row alone."""

    @property
    def scope(self) -> Scope:
        """The row."""
        return "row"


@dataclass(frozen=True, kw_only=True)
class ClippedSurrogate(RowWise, OnPolicyTerm):
    """PPO's clipped surrogate over the policy's own responses; see ``clipped_surrogate``.

    Attributes:
        clip_low: how far below 1 the ratio may fall; None does not clip.
        clip_high: how far above 1 the ratio may rise; None does not clip.
        dual_clip: cap on the loss of negative advantages, in units of |A|; None sets none.
        ratio_level: "token" (PPO, GRPO) or "sequence" (GSPO).
        mismatch_cap: corrects for a sampling engine whose log-probabilities differ from the trainer's: each token's
            loss is weighted by ``truncated_mismatch_weight`` with this cap. None: no correction.
    """

    name: ClassVar[str] = "surrogate"
    clip_low: float | None = 0.2
    clip_high: float | None = 0.2
    dual_clip: float | None = None
    ratio_level: str = "token"
    mismatch_cap: float | None = None

    def __post_init__(self) -> None:
        check_clip(self.clip_low, self.clip_high, self.dual_clip)
        look_up(RATIOS, "ratio_level", self.ratio_level)
        if self.mismatch_cap is not None:
            check_range("mismatch_cap", self.mismatch_cap, 1.0)

    @property
    def needs(self) -> frozenset[str]:
        """The sampling engine's log-probabilities, if they are corrected for."""
        return frozenset() if self.mismatch_cap is None else frozenset({"sampler_token_log_prob"})

    def __call__(self, rollouts: Rollouts) -> Float[Tensor, "rows time"]:
        """Return the loss per token."""
        ratio = RATIOS[self.ratio_level](rollouts.token_log_prob, rollouts.old_token_log_prob, rollouts.mask)
        clip = {"clip_low": self.clip_low, "clip_high": self.clip_high, "dual_clip": self.dual_clip}
        loss = clipped_surrogate(ratio, rollouts.advantage.unsqueeze(1), **clip)
        if self.mismatch_cap is None:
            return loss
        sampler = require(rollouts.sampler_token_log_prob, "sampler_token_log_prob")
        return loss * truncated_mismatch_weight(rollouts.old_token_log_prob, sampler, cap=self.mismatch_cap)


@dataclass(frozen=True, kw_only=True)
class HybridSurrogate(RowWise, TokenTerm):
    """One surrogate over all rows: ``on_policy`` on the policy's tokens, shaped policy gradient on the off-policy ones.

    Both kinds of token share one divisor, as in LUFFY and RL-PLUS. A batch without experts is the on-policy term alone.

    Attributes:
        on_policy: the term of the tokens that the policy sampled, in an expert's row too (``Rollouts.off_policy``).
        shape: one of ``SHAPES``, for the off-policy tokens.
        gamma: the shape's constant; None takes its own default.
    """

    name: ClassVar[str] = "surrogate"
    on_policy: ClippedSurrogate
    shape: str = "luffy"
    gamma: float | None = None

    def __post_init__(self) -> None:
        look_up(SHAPES, "shape", self.shape)
        if self.gamma is not None:
            check_range("gamma", self.gamma, 0.0)

    @property
    def needs(self) -> frozenset[str]:
        """The expert."""
        return frozenset({"expert"})

    def __call__(self, rollouts: Rollouts) -> Float[Tensor, "rows time"]:
        """Return the loss per token."""
        off_policy = off_policy_surrogate(
            rollouts.token_log_prob,
            rollouts.old_token_log_prob,
            rollouts.advantage.unsqueeze(1),
            shape=self.shape,
            gamma=self.gamma,
        )
        return torch.where(rollouts.off_policy_tokens(), off_policy, self.on_policy(rollouts))


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
        baseline_rule(self.baseline)

    @property
    def needs(self) -> frozenset[str]:
        """What the baseline needs."""
        return baseline_rule(self.baseline).needs

    @property
    def scope(self) -> Scope:
        """That of the baseline."""
        return baseline_rule(self.baseline).scope

    @property
    def moves_expert(self) -> bool:
        """Where the baseline does, unless it is detached."""
        return baseline_rule(self.baseline).moves_expert and not self.detach_baseline

    @property
    def unit(self) -> Unit:
        """That of the gap."""
        return GAPS[self.gap].unit

    def __call__(self, rollouts: Rollouts) -> Float[Tensor, "rows *time"]:
        """Return the loss, per row or per token as the gap is; exactly 0 for a row without a baseline."""
        policy, reference, present = self._compared(rollouts)
        advantage = rollouts.advantage if self.weighted else torch.ones_like(rollouts.advantage)
        weight = bounded("exploration_weight", self.weight, 0.0)
        weighted = weight * advantage.where(present, 0.0)  # |weight * A| is weight * |A|
        correct, slope = rollouts.correct, self.slope
        if self.unit == "token":  # a gap per token: each row's values hold for all its tokens
            correct, weighted, slope = correct.unsqueeze(1), weighted.unsqueeze(1), _row_column(slope)
        return exploration_loss(policy, reference, correct, weighted, slope=slope, gate=self._gate(rollouts))

    def open_gates(self, rollouts: Rollouts) -> Bool[Tensor, "rows *time"]:
        """Return where the signed gap is above 0, the side of slope 1; False where nothing is compared or counted."""
        policy, reference, present = self._compared(rollouts)
        counted = present & self.rows(rollouts)
        sign = correctness_sign(rollouts.correct)
        if self.unit == "token":
            return (-sign.unsqueeze(1) * (policy - reference) > 0) & counted.unsqueeze(1) & rollouts.mask
        return (-sign * (policy - reference) > 0) & counted

    def _compared(self, rollouts: Rollouts) -> tuple[Tensor, Tensor, Tensor]:
        """Return the policy's and the baseline's log-probabilities, and which rows have a baseline."""
        baseline = baseline_rule(self.baseline)(rollouts)
        policy, reference = GAPS[self.gap].log_probs(rollouts, baseline)
        if self.detach_baseline:
            reference = reference.detach()  # stop-gradient: the expert is a fixed reference point
        return policy, reference, baseline.present

    def _gate(self, rollouts: Rollouts) -> Gate:
        gate = GATES[self.gate]
        return gate.drawn(rollouts, by_token=self.unit == "token") if isinstance(gate, RandomGate) else gate


def _row_column(value: float | Tensor) -> float | Tensor:
    """Turn a value per row into a column beside ``[rows, time]``; a number stays one."""
    return value.unsqueeze(1) if isinstance(value, Tensor) and value.dim() == 1 else value


@dataclass(frozen=True, kw_only=True)
class EntropyBonus(RowWise, OnPolicyTerm):
    """Reward the policy's entropy: ``-weight * H_t`` per token.

    Attributes:
        weight: the bonus per nat, at least 0; a tensor [rows] gives each row its own.
        on_experts: whether the tokens of the experts' rows count too.
        aggregation: its own; None: the objective's.
    """

    name: ClassVar[str] = "entropy_bonus"
    weight: float | Tensor = 0.01
    on_experts: bool = False
    aggregation: Aggregation | None = None

    def __post_init__(self) -> None:
        check_range("entropy_weight", self.weight, 0.0)

    @property
    def needs(self) -> frozenset[str]:
        """The entropy of each token."""
        return frozenset({"token_entropy"})

    @property
    def moves_expert(self) -> bool:
        """Where the experts' rows count."""
        return self.on_experts

    def rows(self, rollouts: Rollouts) -> Bool[Tensor, " rows"]:
        """Return the on-policy rows, or all."""
        return torch.ones_like(rollouts.is_expert) if self.on_experts else super().rows(rollouts)

    def tokens(self, rollouts: Rollouts) -> Bool[Tensor, "rows time"] | None:
        """Return what the policy sampled, or all."""
        return None if self.on_experts else super().tokens(rollouts)

    def __call__(self, rollouts: Rollouts) -> Float[Tensor, "rows time"]:
        """Return the loss per token."""
        weight = _row_column(bounded("entropy_weight", self.weight, 0.0))
        return -weight * require(rollouts.token_entropy, "token_entropy")


@dataclass(frozen=True, kw_only=True)
class KLPenalty(RowWise, OnPolicyTerm):
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
class Imitation(RowWise, TokenTerm):
    """Supervised fine-tuning on the experts' text: ``weight`` times ``-log pi(token)``.

    Attributes:
        weight: of the term, at least 0.
        aggregation: its own; None: the objective's.
    """

    name: ClassVar[str] = "imitation"
    weight: float = 1.0
    aggregation: Aggregation | None = None

    def __post_init__(self) -> None:
        check_range("imitation_weight", self.weight, 0.0)

    @property
    def needs(self) -> frozenset[str]:
        """The expert."""
        return frozenset({"expert"})

    def rows(self, rollouts: Rollouts) -> Bool[Tensor, " rows"]:
        """Return the experts' rows; without any the term is exactly 0."""
        return rollouts.is_expert

    def tokens(self, rollouts: Rollouts) -> Bool[Tensor, "rows time"] | None:
        """Return the experts' tokens, without those that the policy sampled after them."""
        return None if rollouts.off_policy is None else rollouts.off_policy_tokens()

    def __call__(self, rollouts: Rollouts) -> Float[Tensor, "rows time"]:
        """Return the loss per token."""
        return -self.weight * rollouts.token_log_prob


def per_token(values: Shaped[Tensor, " rows"], rollouts: Rollouts) -> Shaped[Tensor, "rows time"]:
    """Repeat one value per row along time."""
    return values.unsqueeze(1).expand_as(rollouts.mask)


def require(values: Tensor | None, name: str) -> Tensor:
    """Return an optional field of ``Rollouts``, or raise ``ValueError`` if the batch lacks it."""
    if values is None:
        raise bad_value(name, None, "a tensor [rows, time]", f"pass {name} to Rollouts: a term of this recipe reads it")
    return values
