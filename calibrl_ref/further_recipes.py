"""Further methods of 2025-26: other surrogates, other uses of an expert, other weights of a response.

The hyper-parameters that recipes share are documented in ``calibrl_ref.composition``.
"""

from dataclasses import dataclass, replace
from typing import Annotated

from calibrl_ref.advantages import AdvantageEstimator, GroupAdvantage, VerdictAdvantage
from calibrl_ref.aggregation import Aggregation
from calibrl_ref.baseline_recipes import DAPO, GRPO, RatioLevel
from calibrl_ref.baselines import GAPS
from calibrl_ref.composition import AggregationName, Clipped, DualClipped, GroupRelative, Recipe, bonus_over_all, recipe
from calibrl_ref.confidence import CONFIDENCE_GATES, SHIFTS, ConfidencePenalisedSurrogate
from calibrl_ref.hybrid_terms import IMITATION_WEIGHTS, EntropyWeightedReinforce, WeightedImitation, WeightedSurrogate
from calibrl_ref.objective import Objective
from calibrl_ref.recipe_reader import OneOf
from calibrl_ref.selection import SwitchBySuccess
from calibrl_ref.soft_clipping import SigmoidSurrogate, TruncatedReinforce
from calibrl_ref.terms import ClippedSurrogate, EntropyBonus, Exploration, Imitation
from calibrl_ref.top_entropy import TopEntropySurrogate

WeightingName = Annotated[str, OneOf(IMITATION_WEIGHTS)]
ShiftName = Annotated[str, OneOf(SHIFTS)]
ConfidenceGateName = Annotated[str, OneOf(CONFIDENCE_GATES)]
AnchorGapName = Annotated[str, OneOf(GAPS)]


_TOKEN_MEAN = Aggregation(mode="token_mean")  # imitation's own, whatever the reinforcement is divided by


@dataclass(frozen=True, kw_only=True)
class CISPO(GroupRelative):
    """CISPO: a truncated importance weight, held fixed, in place of the clip: no token loses its gradient.

    The bounds are the weight's own, as in TRL (``epsilon_high`` 5, with advantages scaled over the batch there); verl's
    script has 1.2, its default 0.8 and 1.2.

    Attributes:
        ratio_low: least weight of a token; None: no bound.
        ratio_high: greatest weight of a token; None: no bound.

    Reference:
        MiniMax-M1 (arXiv:2506.13585); TRL 1.16, trl/trainer/grpo_trainer.py, loss_type "cispo", after ScaleRL; verl
        0.9.1, core_algos.py, compute_policy_loss_cispo, examples/cispo_trainer.
    """

    ratio_low: float | None = None
    ratio_high: float | None = 5.0

    def objective(self) -> Objective:
        """Return the truncated surrogate alone."""
        return self.compose(TruncatedReinforce(ratio_low=self.ratio_low, ratio_high=self.ratio_high))


cispo = recipe("cispo", CISPO)


@dataclass(frozen=True, kw_only=True)
class GSPO(GRPO):
    """GSPO: one importance ratio per response, the geometric mean of its tokens', with a narrow clip.

    Its authors reduce by the mean over responses; verl 0.9.1 takes the configured aggregation, a token mean by default.

    Reference:
        arXiv:2507.18071; verl, core_algos.py, compute_policy_loss_gspo; TRL, importance_sampling_level="sequence".
    """

    clip_low: float | None = 3e-4
    clip_high: float | None = 4e-4
    ratio_level: RatioLevel = "sequence"


gspo = recipe("gspo", GSPO)


@dataclass(frozen=True, kw_only=True)
class SAPO(GroupRelative):
    """SAPO: a sigmoid of the ratio in place of the clip, so that the gradient fades instead of ending.

    Attributes:
        tau_positive: how fast it fades where A > 0.
        tau_negative: how fast it fades where A <= 0.

    Reference:
        arXiv:2511.20347; verl, core_algos.py, compute_policy_loss_sapo; TRL, sapo_temperature_pos and _neg.
    """

    tau_positive: float = 1.0
    tau_negative: float = 1.05
    aggregation: AggregationName = "sequence_mean_token_mean"

    def objective(self) -> Objective:
        """Return the sigmoid surrogate alone."""
        return self.compose(SigmoidSurrogate(tau_positive=self.tau_positive, tau_negative=self.tau_negative))


sapo = recipe("sapo", SAPO)


@dataclass(frozen=True, kw_only=True)
class WReinforce(Recipe):
    """W-REINFORCE: right responses weigh little, wrong ones fully; no group, no mean, no deviation.

    An all-correct group still pushes, and so does an all-wrong one. Its authors' scripts add an entropy bonus of 0.001,
    which is ``entropy_weight`` here and off. The expert takes no part.

    Attributes:
        clip_low: how far below 1 the ratio may fall; None does not clip.
        clip_high: how far above 1 the ratio may rise; None does not clip.
        positive_weight: the advantage of a right response; a wrong one has -1.
        entropy_weight: the bonus per nat.

    Reference:
        arXiv:2506.01347; RLVR-Decomposed, verl/trainer/ppo/core_algos.py, compute_psr_nsr_outcome_advantage.
    """

    clip_low: float | None = 0.2
    clip_high: float | None = 0.2
    positive_weight: float = 0.1
    entropy_weight: float = 0.0

    def objective(self) -> Objective:
        """Return the surrogate, and the bonus if it has a weight."""
        bonus = (EntropyBonus(weight=self.entropy_weight),) if self.entropy_weight else ()
        return self.compose(ClippedSurrogate(clip_low=self.clip_low, clip_high=self.clip_high), *bonus)

    def advantage(self) -> AdvantageEstimator:
        """Return the advantage by verdict alone."""
        return VerdictAdvantage(right=self.positive_weight)


w_reinforce = recipe("w_reinforce", WReinforce)


@dataclass(frozen=True, kw_only=True)
class ACE(DualClipped):
    """ACE: a wrong response is penalised the more, the surer of it the policy has become than its reference.

    Attributes:
        alpha: strength; the text leaves it open.
        shift: the confidence gained, summed over the response or per token.
        confidence_gate: what becomes of it.

    Reference:
        arXiv:2602.21420, from its text: no code was found, and the numbers that this is compared with are our own
        reading of the formula.
    """

    alpha: float = 1.0
    shift: ShiftName = "sum"
    confidence_gate: ConfidenceGateName = "softplus"

    def objective(self) -> Objective:
        """Return the surrogate alone."""
        return self.compose(
            ConfidencePenalisedSurrogate(
                on_policy=self.surrogate(), alpha=self.alpha, shift=self.shift, gate=self.confidence_gate
            )
        )


ace = recipe("ace", ACE)


@dataclass(frozen=True, kw_only=True)
class TopEntropy(DAPO):
    """The 80/20 rule: DAPO on the fifth of the tokens whose entropy is highest.

    Attributes:
        entropy_fraction: share of the policy's tokens that is trained on; the divisor counts all.

    Reference:
        arXiv:2506.01939; TRL 1.16, top_entropy_quantile.
    """

    entropy_fraction: float = 0.2
    dual_clip: float | None = None  # TRL has none

    def objective(self) -> Objective:
        """Return DAPO's objective with the surrogate over few tokens."""
        base, on_policy = super().objective(), self.surrogate(ratio_level=self.ratio_level)
        few = TopEntropySurrogate(on_policy=on_policy, fraction=self.entropy_fraction)
        return replace(base, terms=(few, *base.terms[1:]))


top_entropy = recipe("top_entropy", TopEntropy)


@dataclass(frozen=True, kw_only=True)
class CHORD(DualClipped):
    """CHORD: ``(1 - mu)`` of GRPO and ``mu`` of imitation, whose tokens are weighted by ``p (1 - p)``.

    Defaults are CHORD-phi's: mu constant. CHORD-mu is ``phi=False`` with ``mu`` by ``chord_mu(step)``. Its authors'
    experts come from a separate stream of prompts; here they are those of the groups. A batch without one keeps the
    weight 1 - mu.

    Attributes:
        mu: weight of the imitation, in [0, 1].
        phi: weigh each expert token by p (1 - p).

    Reference:
        arXiv:2508.11408; trinity-rft 0.6.0, chord_policy_loss.py, MIXCHORDPolicyLossFn; examples/mix_chord.
    """

    mu: float = 0.1
    phi: bool = True
    dual_clip: float | None = 3.0

    def objective(self) -> Objective:
        """Return both terms."""
        weighting = "phi" if self.phi else "none"
        reinforce = WeightedSurrogate(
            weight=1.0 - self.mu,
            clip_low=self.clip_low,
            clip_high=self.clip_high,
            dual_clip=self.dual_clip,
            mismatch_cap=self.mismatch_cap,
        )
        return self.compose(reinforce, WeightedImitation(weight=self.mu, weighting=weighting, aggregation=_TOKEN_MEAN))


chord = recipe("chord", CHORD)


@dataclass(frozen=True, kw_only=True)
class HPT(Clipped):
    """HPT: prompts that the policy fails are imitated, all others are reinforced; see ``SwitchBySuccess``.

    The imitation is a mean over all expert tokens of the batch. In its authors' code it is one per micro-batch, and the
    micro-batches are added up, so that their weight of 1 grows with the number of micro-batches that hold an expert.

    Their second gate (``switch_gate_off`` with ``offline_loss_type=off_sft``: above the first gate and up to the second
    the expert is LUFFY's off-policy row), which no script of theirs turns on, is not offered. An objective gets the
    rows that the switch left, and there an imitated expert and an off-policy one are equal in every field: correct,
    alone in its group, with its own reward as advantage. What tells them apart, the group's successes, left with the
    policy's rows.

    Attributes:
        switch_gate: greatest number of right responses at which a prompt is imitated.
        sft_weight: weight of the imitation (0.3 for the 1.5B model).
        entropy_weight: a bonus per nat over all tokens, the experts' too.

    Reference:
        arXiv:2509.04419; Unify-Post-Training, exp_scripts/train.sh, mix_trainer.py, mix_actor.py, mix_core_alg.py.
    """

    switch_gate: int = 0
    sft_weight: float = 1.0
    entropy_weight: float = 0.001
    clip_low: float | None = None
    clip_high: float | None = None
    aggregation: AggregationName = "constant_length_sum"
    scale_by_std: bool = False

    def objective(self) -> Objective:
        """Return reinforcement, imitation and the bonus, with the switch."""
        imitation = Imitation(weight=self.sft_weight, aggregation=_TOKEN_MEAN)
        reinforce = ClippedSurrogate(clip_low=self.clip_low, clip_high=self.clip_high)
        composed = self.compose(reinforce, imitation, *bonus_over_all(self.entropy_weight))
        return replace(composed, selection=SwitchBySuccess(gate=self.switch_gate))


hpt = recipe("hpt", HPT)


@dataclass(frozen=True, kw_only=True)
class SRFT(GroupRelative):
    """SRFT: imitation and reinforcement in one pass, each weighted by how undecided the policy is of the row.

    ``weighting="low_entropy"`` is the paper's exp(-H); the authors' repository computes exp(+H), "high_entropy". The
    numbers it is compared with are those of HPT's authors' implementation.

    Attributes:
        sft_scale: weight of the imitation.
        positive_scale: weight of the policy's right responses.
        weighting: how the experts' tokens are weighted.
        entropy_weight: a bonus per nat over all tokens, the experts' too.

    Reference:
        arXiv:2506.19767; Unify-Post-Training, exp_scripts/train_srft.sh, mix_actor.py, mix_core_alg.py.
    """

    sft_scale: float = 0.5
    positive_scale: float = 0.1
    weighting: WeightingName = "low_entropy"
    entropy_weight: float = 0.001
    aggregation: AggregationName = "constant_length_sum"
    scale_by_std: bool = False

    def objective(self) -> Objective:
        """Return reinforcement, imitation and the bonus."""
        reinforce = EntropyWeightedReinforce(positive_scale=self.positive_scale)
        imitation = WeightedImitation(weight=self.sft_scale, weighting=self.weighting, aggregation=_TOKEN_MEAN)
        return self.compose(reinforce, imitation, *bonus_over_all(self.entropy_weight))

    def advantage(self) -> GroupAdvantage:
        """Return the group advantage, in which the expert counts."""
        return replace(super().advantage(), count_expert=True)


srft = recipe("srft", SRFT)


@dataclass(frozen=True, kw_only=True)
class PIVOT(DAPO):
    """PIVOT's self-anchored form: DAPO, and CalibRL's term with an own earlier success in the expert's place.

    The anchor is an expert's row of the batch, detached; ``calibrl_ref.replay`` keeps the successes and chooses. The
    gate is a softplus with nothing left of it beyond (slope 0).

    Attributes:
        exploration_weight: weight of the term; the text gives none.
        gap: what is compared with what; the text says "token level" and leaves open which.

    Reference:
        "Anchoring What Matters", Eq. 8 and 9, from its text: no code was found.
    """

    exploration_weight: float = 0.1
    gap: AnchorGapName = "token_aligned"

    def objective(self) -> Objective:
        """Return DAPO's objective with the anchored term."""
        anchored = Exploration(
            weight=self.exploration_weight, slope=0.0, gap=self.gap, gate="softplus", detach_baseline=True
        )
        base = super().objective()
        return replace(base, terms=(*base.terms, anchored))


pivot = recipe("pivot", PIVOT)
