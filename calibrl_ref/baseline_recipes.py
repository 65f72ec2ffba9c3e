"""The baselines: group-relative methods without CalibRL's term, each with its source's hyper-parameters as defaults.

What the hyper-parameters mean that all recipes share is in ``calibrl_ref.recipes``.
"""

from dataclasses import replace

from calibrl_ref._checks import bad_value
from calibrl_ref.advantages import GroupAdvantage
from calibrl_ref.aggregation import Aggregation
from calibrl_ref.covariance import ClipCovSurrogate, KLCovSurrogate
from calibrl_ref.extension import extends
from calibrl_ref.objective import Objective
from calibrl_ref.selection import OverlongPenalty, PruneByAdvantage, informative_groups
from calibrl_ref.terms import ClippedSurrogate, EntropyBonus, HybridSurrogate, Imitation, KLPenalty


def grpo(
    *,
    clip_low: float | None = 0.2,
    clip_high: float | None = 0.2,
    dual_clip: float | None = None,
    ratio_level: str = "token",
    kl_weight: float = 0.0,
    aggregation: str = "sequence_mean_token_mean",
    max_length: int | None = None,
    scale_by_std: bool = True,
    std_epsilon: float = 1e-6,
) -> Objective:
    """GRPO: clipped surrogate with the group-normalised advantage; a KL penalty only where ``kl_weight`` > 0.

    ``ratio_level="sequence"`` makes it GSPO (arXiv:2507.18071), with GSPO's narrower clip range to be chosen by hand.

    Reference:
        arXiv:2402.03300, Eq. 3 and 4 (there with a KL weight of 0.04; CalibRL's runs omit it).
    """
    surrogate = ClippedSurrogate(clip_low=clip_low, clip_high=clip_high, dual_clip=dual_clip, ratio_level=ratio_level)
    penalty = (KLPenalty(weight=kl_weight),) if kl_weight else ()
    return Objective(
        terms=(surrogate, *penalty),
        aggregation=Aggregation(mode=aggregation, max_length=max_length),
        advantage=GroupAdvantage(scale_by_std=scale_by_std, std_epsilon=std_epsilon),
    )


@extends(grpo, aggregation="constant_length", scale_by_std=False)
def dr_grpo(objective: Objective) -> Objective:
    """Dr.GRPO: GRPO without the standard deviation and without a response's own length.

    The constant divisor is ``max_length``; without one it is the batch's padded length, and then not the same for every
    batch.

    Reference:
        arXiv:2503.20783, Eq. 4.
    """
    return objective


@extends(grpo, clip_high=0.28, aggregation="token_mean")
def dapo(objective: Objective, *, overlong_buffer: int | None = None, dynamic_sampling: bool = True) -> Objective:
    """DAPO: GRPO with a higher upper clip, a token mean, groups of one outcome dropped, and an overlong penalty.

    ``overlong_buffer`` (tokens, needs ``max_length``) switches the penalty on. Sampling anew for dropped
    groups is the trainer's part.

    Reference:
        arXiv:2503.14476, Eq. 8, 11 and 13.
    """
    selection = informative_groups if dynamic_sampling else None
    if overlong_buffer is None:
        return replace(objective, selection=selection)
    if (max_length := objective.aggregation.max_length) is None:
        raise bad_value("max_length", None, "a length in tokens, as overlong_buffer is given", "pass max_length too")
    penalty = OverlongPenalty(max_length=max_length, buffer=overlong_buffer)
    return replace(objective, selection=selection, overlong_penalty=penalty)


@extends(grpo)
def cppo(objective: Objective, *, keep_fraction: float = 0.5) -> Objective:
    """CPPO: GRPO on the ``keep_fraction`` of each group with the largest |A|, chosen before the update.

    The paper fills the places of dropped responses with other questions'; that is the trainer's part.

    Reference:
        arXiv:2503.22342, Eq. 9 and section 3.3 (pruning rate 1 - keep_fraction).
    """
    return replace(objective, selection=PruneByAdvantage(keep_fraction=keep_fraction))


@extends(grpo)
def entropy_bonus(objective: Objective, *, entropy_weight: float = 0.01) -> Objective:
    """GRPO with an undirected entropy bonus per token.

    Reference:
        the "GRPO + entropy bonus 0.01" baseline of CalibRL (arXiv:2602.20197), which does not say how it aggregates;
        here as GRPO.
    """
    return replace(objective, terms=(*objective.terms, EntropyBonus(weight=entropy_weight)))


def clip_cov(
    *,
    fraction: float = 0.0002,
    lower: float = 1.0,
    upper: float = 5.0,
    clip_low: float | None = 0.2,
    clip_high: float | None = 0.2,
    aggregation: str = "token_mean",
    max_length: int | None = None,
    scale_by_std: bool = True,
    std_epsilon: float = 1e-6,
) -> Objective:
    """Clip-Cov: GRPO without the gradient of a few tokens of high covariance; see ``ClipCovSurrogate``.

    The tokens are chosen by a hash of their log-probability; verl draws them at random.

    Reference:
        arXiv:2505.22617; defaults of verl.
    """
    surrogate = ClipCovSurrogate(fraction=fraction, lower=lower, upper=upper, clip_low=clip_low, clip_high=clip_high)
    return Objective(
        terms=(surrogate,),
        aggregation=Aggregation(mode=aggregation, max_length=max_length),
        advantage=GroupAdvantage(scale_by_std=scale_by_std, std_epsilon=std_epsilon),
    )


def kl_cov(
    *,
    fraction: float = 0.0002,
    kl_weight: float = 1.0,
    aggregation: str = "token_mean",
    max_length: int | None = None,
    scale_by_std: bool = True,
    std_epsilon: float = 1e-6,
) -> Objective:
    """KL-Cov: unclipped GRPO with a penalty at the tokens of highest covariance; see ``KLCovSurrogate``.

    Reference:
        arXiv:2505.22617; defaults of verl.
    """
    return Objective(
        terms=(KLCovSurrogate(fraction=fraction, weight=kl_weight),),
        aggregation=Aggregation(mode=aggregation, max_length=max_length),
        advantage=GroupAdvantage(scale_by_std=scale_by_std, std_epsilon=std_epsilon),
    )


def sft(*, aggregation: str = "token_mean", max_length: int | None = None) -> Objective:
    """Supervised fine-tuning on the experts' rows: the first stage of SFT-then-RL.

    Reference:
        maximum likelihood; the first stage of the "SFT+GRPO" baseline of CalibRL (arXiv:2602.20197).
    """
    return Objective(
        terms=(Imitation(),),
        aggregation=Aggregation(mode=aggregation, max_length=max_length),
        advantage=GroupAdvantage(),
    )


def luffy(
    *,
    clip_low: float | None = None,
    clip_high: float | None = None,
    dual_clip: float | None = None,
    shape: str = "luffy",
    count_expert: bool = True,
    aggregation: str = "constant_length",
    max_length: int | None = None,
    scale_by_std: bool = False,
    std_epsilon: float = 1e-6,
) -> Objective:
    """LUFFY as its authors run it: the expert's row is an off-policy member of the group, shaped by p / (p + 0.1).

    The expert counts in the group mean, the on-policy ratio is not clipped, nothing is divided by a standard deviation
    or by a response's own length.

    Reference:
        arXiv:2504.14945, Eq. 5 to 7; the divisor is constant as in its authors' code.
    """
    on_policy = ClippedSurrogate(clip_low=clip_low, clip_high=clip_high, dual_clip=dual_clip)
    return Objective(
        terms=(HybridSurrogate(on_policy=on_policy, shape=shape),),
        aggregation=Aggregation(mode=aggregation, max_length=max_length),
        advantage=GroupAdvantage(scale_by_std=scale_by_std, std_epsilon=std_epsilon, count_expert=count_expert),
    )


@extends(luffy, shape="rl_plus", clip_low=0.2, clip_high=0.2, aggregation="sequence_mean_token_mean", scale_by_std=True)
def rl_plus(objective: Objective) -> Objective:
    """RL-PLUS: multiple importance sampling and an exploration bonus on the expert's row.

    The formulas of the expert row are those of the released CalibRL's baseline; the on-policy part is GRPO's, and that
    the expert counts in the group mean was not verified against its authors' code.

    Reference:
        arXiv:2508.00222.
    """
    return objective


@extends(luffy, clip_low=0.2, clip_high=0.2, dual_clip=3.0, count_expert=False, aggregation="token_mean")
def luffy_released(objective: Objective) -> Objective:
    """LUFFY as the released CalibRL runs it: clipped, dual clip 3, expert not in the group mean, token mean.

    Reference:
        "luffy" in src/core_algos.py, compute_mix_policy_loss.
    """
    return objective


@extends(luffy_released, shape="rl_plus")
def rl_plus_released(objective: Objective) -> Objective:
    """RL-PLUS as the released CalibRL runs it: as ``luffy_released``, with RL-PLUS's shape.

    Reference:
        "rlplus" in src/core_algos.py, compute_mix_policy_loss.
    """
    return objective
