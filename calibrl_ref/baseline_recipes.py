"""The baselines: group-relative methods without CalibRL's term, each with its source's hyper-parameters as defaults.

The hyper-parameters that recipes share are documented in ``calibrl_ref.composition``.
"""

from dataclasses import dataclass, replace
from typing import Annotated

from calibrl_ref._checks import bad_value
from calibrl_ref.advantages import GroupAdvantage
from calibrl_ref.composition import (
    AggregationName,
    Clipped,
    DualClipped,
    GroupRelative,
    Pruned,
    PruneScope,
    Recipe,
    bonus_over_all,
    recipe,
)
from calibrl_ref.controllers import EntropyCoefficient, EntropyTarget
from calibrl_ref.covariance import ClipCovSurrogate, KLCovSurrogate
from calibrl_ref.objective import Objective
from calibrl_ref.recipe_reader import OneOf
from calibrl_ref.selection import OverlongPenalty, informative_groups
from calibrl_ref.surrogates import RATIOS, SHAPES
from calibrl_ref.terms import EntropyBonus, HybridSurrogate, Imitation, KLPenalty

RatioLevel = Annotated[str, OneOf(RATIOS)]
ShapeName = Annotated[str, OneOf(SHAPES)]


@dataclass(frozen=True, kw_only=True)
class GRPO(DualClipped):
    """GRPO: clipped surrogate with the group-normalised advantage; a KL penalty only where ``kl_weight`` > 0.

    ``ratio_level="sequence"`` makes it GSPO (arXiv:2507.18071), with GSPO's narrower clip range to be chosen by hand.

    Attributes:
        ratio_level: "token", or "sequence" for one ratio per response.
        kl_weight: weight of the KL penalty to the reference policy, per nat.

    Reference:
        arXiv:2402.03300, Eq. 3 and 4 (there with a KL weight of 0.04; CalibRL's runs omit it).
    """

    ratio_level: RatioLevel = "token"
    kl_weight: float = 0.0
    aggregation: AggregationName = "sequence_mean_token_mean"

    def objective(self) -> Objective:
        """Return the surrogate, and the penalty if it has a weight."""
        penalty = (KLPenalty(weight=self.kl_weight),) if self.kl_weight else ()
        return self.compose(self.surrogate(ratio_level=self.ratio_level), *penalty)


grpo = recipe("grpo", GRPO)


@dataclass(frozen=True, kw_only=True)
class DrGRPO(GRPO):
    """Dr.GRPO: GRPO without the standard deviation and without a response's own length.

    The constant divisor is ``max_length``; without one it is the batch's padded length, and then not the same for every
    batch.

    Reference:
        arXiv:2503.20783, Eq. 4.
    """

    aggregation: AggregationName = "constant_length"
    scale_by_std: bool = False


dr_grpo = recipe("dr_grpo", DrGRPO)


@dataclass(frozen=True, kw_only=True)
class DAPO(GRPO):
    """DAPO: GRPO with a higher upper clip, a token mean, groups of one outcome dropped, and an overlong penalty.

    Sampling anew for dropped groups is the trainer's part.

    Attributes:
        overlong_buffer: the length over which the overlong penalty grows, in tokens, before ``max_length``; None: no
            penalty.
        dynamic_sampling: drop the groups whose responses all have one outcome.

    Reference:
        arXiv:2503.14476, Eq. 8, 11 and 13; the cap of 10 on negative advantages (a dual clip) is its authors' script's:
        verl, recipe/dapo/run_dapo_qwen2.5_32b.sh, clip_ratio_c=10.0, beside clip_ratio_low=0.2, clip_ratio_high=0.28,
        loss_agg_mode=token-mean, filter_groups.metric=acc. There overlong_buffer.len is 4096 of 20480 tokens; here no
        penalty unless ``overlong_buffer`` says so.
    """

    dual_clip: float | None = 10.0
    clip_high: float | None = 0.28
    aggregation: AggregationName = "token_mean"
    overlong_buffer: int | None = None
    dynamic_sampling: bool = True

    def objective(self) -> Objective:
        """Return GRPO's objective with DAPO's selection and penalty."""
        selection = informative_groups if self.dynamic_sampling else None
        return replace(super().objective(), selection=selection, overlong_penalty=self._penalty())

    def _penalty(self) -> OverlongPenalty | None:
        if self.overlong_buffer is None:
            return None
        if self.max_length is None:
            raise bad_value(
                "max_length", None, "a length in tokens, as overlong_buffer is given", "pass max_length too"
            )
        return OverlongPenalty(max_length=self.max_length, buffer=self.overlong_buffer)


dapo = recipe("dapo", DAPO)


@dataclass(frozen=True, kw_only=True)
class CPPO(Pruned, GRPO):
    """CPPO: GRPO on the ``keep_fraction`` of each group with the largest |A|, chosen before the update.

    Pruning within each group is the paper's; the other numbers are its authors' script's. The paper fills the places of
    dropped responses with other questions'; that is the trainer's part.

    Reference:
        arXiv:2503.22342, Eq. 9 and section 3.3 (pruning rate 1 - keep_fraction). lzhxmu/CPPO,
        src/open_r1/grpo_trainer_gsm.py: pruning=0.5, metric=smallest, beta=0.04, 1e-4 added to the deviation, token
        mean over the rows that are left.
    """

    kl_weight: float = 0.04
    aggregation: AggregationName = "token_mean"
    std_epsilon: float = 1e-4

    def objective(self) -> Objective:
        """Return GRPO's objective with the pruning."""
        return self.prune(super().objective())


cppo = recipe("cppo", CPPO)


@dataclass(frozen=True, kw_only=True)
class CPPOReleased(CPPO):
    """CPPO as its released code prunes: one ranking over all responses of the batch, not one for each group.

    A group of equal rewards then loses its rows first, and one of rare outcomes keeps all. How many rows are left is
    rounded down, as in the verl version; the TRL version rounds up, and ranks the rows of a device.

    Reference:
        lzhxmu/CPPO, cppo_verl/recipe/cppo/src/cppo_ray_trainer.py and src/open_r1/grpo_trainer_gsm.py.
    """

    prune_within: PruneScope = "batch"


cppo_released = recipe("cppo_released", CPPOReleased)


@dataclass(frozen=True, kw_only=True)
class GRPOEntropyBonus(GRPO):
    """GRPO with an undirected entropy bonus per token.

    Attributes:
        entropy_weight: the bonus per nat.

    Reference:
        the "GRPO + entropy bonus 0.01" baseline of CalibRL (arXiv:2602.20197), which does not say how it aggregates;
        here as GRPO.
    """

    entropy_weight: float = 0.01

    def objective(self) -> Objective:
        """Return GRPO's objective with the bonus."""
        base = super().objective()
        return replace(base, terms=(*base.terms, EntropyBonus(weight=self.entropy_weight)))


entropy_bonus = recipe("entropy_bonus", GRPOEntropyBonus)


@dataclass(frozen=True, kw_only=True)
class GRPOEntropyCoefficient(GRPO):
    """GRPO with an entropy bonus only while the entropy is below its target; see ``EntropyCoefficient``.

    A trainer calls ``objective = objective.adapt(entropy)`` after every step. The first step has no bonus.

    Attributes:
        target_entropy: the entropy to hold, in nats per token; TRL's default.
        coefficient_step: change of the bonus per step, per nat.
        greatest_weight: the largest bonus, per nat.

    Reference:
        Skywork-OR1 (arXiv:2505.22312), adaptive entropy control; trl/trainer/grpo_trainer.py, use_adaptive_entropy.
    """

    target_entropy: float = 0.2
    coefficient_step: float = 0.005
    greatest_weight: float = 1.0

    def objective(self) -> Objective:
        """Return GRPO's objective with the bonus and its controller."""
        base = super().objective()
        target, delta, greatest = self.target_entropy, self.coefficient_step, self.greatest_weight
        controller = EntropyCoefficient(target=target, delta=delta, greatest=greatest)
        return replace(base, terms=(*base.terms, EntropyBonus(weight=0.0)), entropy_controller=controller)


entropy_coefficient = recipe("entropy_coefficient", GRPOEntropyCoefficient)


@dataclass(frozen=True, kw_only=True)
class GRPOEntropyTarget(GRPOEntropyBonus):
    """GRPO with an entropy bonus whose weight holds an entropy target; see ``EntropyTarget``.

    A trainer calls ``objective = objective.adapt(entropy)`` after every step; ``entropy_weight`` is where it starts.

    Attributes:
        target_entropy: the entropy to hold, in nats per token.
        adaptation_rate: change of the weight per nat and step.
        greatest_weight: the largest weight; the smallest is 0.

    Reference:
        an extension of this project, after the automatic temperature of soft actor-critic (arXiv:1812.05905).
    """

    target_entropy: float = 0.5
    adaptation_rate: float = 0.01
    greatest_weight: float = 1.0

    def objective(self) -> Objective:
        """Return the objective of the bonus with its controller."""
        target, rate, greatest = self.target_entropy, self.adaptation_rate, self.greatest_weight
        controller = EntropyTarget(target_entropy=target, rate=rate, greatest=greatest)
        return replace(super().objective(), entropy_controller=controller)


entropy_target = recipe("entropy_target", GRPOEntropyTarget)


@dataclass(frozen=True, kw_only=True)
class ClipCov(Clipped):
    """Clip-Cov: GRPO without the gradient of a few tokens of high covariance; see ``ClipCovSurrogate``.

    Which tokens is drawn uniformly, and reproducibly; their code takes torch.randperm. The scripts also drop groups of
    one outcome (filter_groups.metric=acc), which here is the trainer's choice: ``dynamic_sampling``.

    Attributes:
        fraction: share of the batch's tokens that lose their gradient.
        lower: least covariance of a token that may be chosen.
        upper: greatest covariance of a token that may be chosen.
        dynamic_sampling: drop the groups whose responses all have one outcome, as the scripts do.

    Reference:
        arXiv:2505.22617. PRIME-RL/Entropy-Mechanism-of-RL, recipe/dapo/7b_clip_cov.sh and 32b_clip_cov.sh:
        clip_ratio_low=1, clip_ratio_high=1, clip_cov_ratio=0.0002, clip_cov_lb=1.0, clip_cov_ub=5.0, token-mean.
        (PPO's own clip range of 0.2, the default of verl's function, is not theirs.)
    """

    clip_low: float | None = 1.0
    clip_high: float | None = 1.0
    dynamic_sampling: bool = False

    fraction: float = 0.0002
    lower: float = 1.0
    upper: float = 5.0

    def objective(self) -> Objective:
        """Return the surrogate alone."""
        clip_low, clip_high = self.clip_low, self.clip_high
        surrogate = ClipCovSurrogate(
            fraction=self.fraction, lower=self.lower, upper=self.upper, clip_low=clip_low, clip_high=clip_high
        )
        return replace(self.compose(surrogate), selection=informative_groups if self.dynamic_sampling else None)


clip_cov = recipe("clip_cov", ClipCov)


@dataclass(frozen=True, kw_only=True)
class KLCov(GroupRelative):
    """KL-Cov: unclipped GRPO with a penalty at the tokens of highest covariance; see ``KLCovSurrogate``.

    Attributes:
        fraction: share of the batch's tokens that are penalised.
        kl_weight: weight of the penalty, per nat.
        dynamic_sampling: drop the groups whose responses all have one outcome, as the scripts do.

    Reference:
        arXiv:2505.22617. PRIME-RL/Entropy-Mechanism-of-RL, recipe/dapo/7b_kl_cov.sh: k_percent=0.2 (per cent, so a
        fraction of 0.002), ppo_kl_coef=1, token-mean; 32b_kl_cov.sh has k_percent=0.02 (0.0002). verl's own default of
        ppo_kl_coef is 0.1, of kl_cov_ratio 0.0002.
    """

    fraction: float = 0.002
    kl_weight: float = 1.0
    dynamic_sampling: bool = False

    def objective(self) -> Objective:
        """Return the surrogate alone."""
        objective = self.compose(KLCovSurrogate(fraction=self.fraction, weight=self.kl_weight))
        return replace(objective, selection=informative_groups if self.dynamic_sampling else None)


kl_cov = recipe("kl_cov", KLCov)


@dataclass(frozen=True, kw_only=True)
class SFT(Recipe):
    """Supervised fine-tuning on the experts' rows: the first stage of SFT-then-RL.

    Reference:
        maximum likelihood; the first stage of the "SFT+GRPO" baseline of CalibRL (arXiv:2602.20197).
    """

    def objective(self) -> Objective:
        """Return imitation alone."""
        return self.compose(Imitation())


sft = recipe("sft", SFT)


@dataclass(frozen=True, kw_only=True)
class LUFFY(DualClipped):
    """LUFFY as its authors run it: the expert's row is an off-policy member of the group, shaped by p / (p + 0.1).

    The expert counts in the group mean, the on-policy ratio is not clipped, nothing is divided by a standard deviation
    or by a response's own length: the sum over all rows' tokens is divided by the padded length alone. The bonus is the
    mean entropy of all tokens, the experts' included. Tokens that the policy appended to the expert's text count as
    its own, if ``Rollouts.off_policy`` tells them apart.

    Attributes:
        shape: how the off-policy tokens are weighted.
        gamma: the shape's constant; None takes 0.1 for LUFFY's shape, 0.5 for RL-PLUS's.
        count_expert: count the expert in the group's mean and standard deviation.
        entropy_weight: bonus for the entropy of all tokens, per nat; 0 leaves it out.

    Reference:
        arXiv:2504.14945, Eq. 5 to 7. ElliottYan/LUFFY, exp_scripts/train.sh: adv_estimator=grpo (the expert counts),
        grpo_use_std=False, loss_remove_clip=True, loss_remove_token_mean=True, entropy_coeff=0.001,
        off_policy_reshape=p_div_p_0.1; luffy/verl/verl/mix_src/mix_core_alg.py.
    """

    shape: ShapeName = "luffy"
    gamma: float | None = None
    count_expert: bool = True
    entropy_weight: float = 0.001
    clip_low: float | None = None
    clip_high: float | None = None
    aggregation: AggregationName = "constant_length_sum"
    scale_by_std: bool = False

    def objective(self) -> Objective:
        """Return one surrogate over all rows, and the bonus if it has a weight."""
        surrogate = HybridSurrogate(on_policy=self.surrogate(), shape=self.shape, gamma=self.gamma)
        return self.compose(surrogate, *bonus_over_all(self.entropy_weight))

    def advantage(self) -> GroupAdvantage:
        """Return the estimator of advantages, with the expert or without."""
        return replace(super().advantage(), count_expert=self.count_expert)


luffy = recipe("luffy", LUFFY)


@dataclass(frozen=True, kw_only=True)
class RLPlus(LUFFY):
    """RL-PLUS as its authors run it: multiple importance sampling and an exploration bonus on the expert's row.

    All but the shape is as in ``luffy``: no clip, no standard deviation, a sum over the padded length, the bonus.

    Reference:
        arXiv:2508.00222. YihongDong/RL-PLUS, exp_scripts/train_RL-PLUS.sh: off_policy_strategy=RL-PLUS, the other flags
        as in LUFFY's script; rl_plus/verl/verl/recipe/rlplus_core_alg.py.
    """

    shape: ShapeName = "rl_plus"


rl_plus = recipe("rl_plus", RLPlus)


@dataclass(frozen=True, kw_only=True)
class LUFFYReleased(LUFFY):
    """LUFFY as the released CalibRL runs it: clipped, dual clip 3, expert not in the group mean, token mean.

    Reference:
        "luffy" in src/core_algos.py, compute_mix_policy_loss.
    """

    clip_low: float | None = 0.2
    clip_high: float | None = 0.2
    dual_clip: float | None = 3.0
    count_expert: bool = False
    entropy_weight: float = 0.0
    aggregation: AggregationName = "token_mean"


luffy_released = recipe("luffy_released", LUFFYReleased)


@dataclass(frozen=True, kw_only=True)
class RLPlusReleased(LUFFYReleased):
    """RL-PLUS as the released CalibRL runs it: as ``luffy_released``, with RL-PLUS's shape.

    Reference:
        "rlplus" in src/core_algos.py, compute_mix_policy_loss.
    """

    shape: ShapeName = "rl_plus"


rl_plus_released = recipe("rl_plus_released", RLPlusReleased)
