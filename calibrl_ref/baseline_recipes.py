"""The baselines: group-relative methods without CalibRL's term, each with its source's hyper-parameters as defaults.

What the hyper-parameters mean that all recipes share is in ``calibrl_ref.recipes``.
"""

from dataclasses import replace

from calibrl_ref._checks import bad_value
from calibrl_ref.advantages import GroupAdvantage
from calibrl_ref.aggregation import Aggregation
from calibrl_ref.covariance import ClipCovSurrogate, KLCovSurrogate
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


def dapo(
    *,
    clip_low: float | None = 0.2,
    clip_high: float | None = 0.28,
    dual_clip: float | None = None,
    aggregation: str = "token_mean",
    max_length: int | None = None,
    overlong_buffer: int | None = None,
    dynamic_sampling: bool = True,
    scale_by_std: bool = True,
    std_epsilon: float = 1e-6,
) -> Objective:
    """DAPO: GRPO with a higher upper clip, a token mean, groups of one outcome dropped, and an overlong penalty.

    ``overlong_buffer`` (tokens, needs ``max_length``) switches the penalty on. Sampling anew for dropped
    groups is the trainer's part.

    Reference:
        arXiv:2503.14476, Eq. 8, 11 and 13.
    """
    if overlong_buffer is not None and max_length is None:
        raise bad_value("max_length", None, "a length in tokens, as overlong_buffer is given", "pass max_length too")
    penalty = OverlongPenalty(max_length=max_length, buffer=overlong_buffer) if overlong_buffer and max_length else None
    base = grpo(
        clip_low=clip_low,
        clip_high=clip_high,
        dual_clip=dual_clip,
        aggregation=aggregation,
        max_length=max_length,
        scale_by_std=scale_by_std,
        std_epsilon=std_epsilon,
    )
    return replace(base, selection=informative_groups if dynamic_sampling else None, overlong_penalty=penalty)


def cppo(
    *,
    keep_fraction: float = 0.5,
    clip_low: float | None = 0.2,
    clip_high: float | None = 0.2,
    dual_clip: float | None = None,
    aggregation: str = "sequence_mean_token_mean",
    max_length: int | None = None,
    scale_by_std: bool = True,
    std_epsilon: float = 1e-6,
) -> Objective:
    """CPPO: GRPO on the ``keep_fraction`` of each group with the largest |A|, chosen before the update.

    Reference:
        arXiv:2503.22342, Eq. 9 and section 3.3 (pruning rate 1 - keep_fraction).
    """
    base = grpo(
        clip_low=clip_low,
        clip_high=clip_high,
        dual_clip=dual_clip,
        aggregation=aggregation,
        max_length=max_length,
        scale_by_std=scale_by_std,
        std_epsilon=std_epsilon,
    )
    return replace(base, selection=PruneByAdvantage(keep_fraction=keep_fraction))


def entropy_bonus(
    *,
    entropy_weight: float = 0.01,
    clip_low: float | None = 0.2,
    clip_high: float | None = 0.2,
    dual_clip: float | None = None,
    aggregation: str = "sequence_mean_token_mean",
    max_length: int | None = None,
    scale_by_std: bool = True,
    std_epsilon: float = 1e-6,
) -> Objective:
    """GRPO with an undirected entropy bonus per token.

    Reference:
        the "GRPO + entropy bonus 0.01" baseline of CalibRL (arXiv:2602.20197).
    """
    base = grpo(
        clip_low=clip_low,
        clip_high=clip_high,
        dual_clip=dual_clip,
        aggregation=aggregation,
        max_length=max_length,
        scale_by_std=scale_by_std,
        std_epsilon=std_epsilon,
    )
    return replace(base, terms=(*base.terms, EntropyBonus(weight=entropy_weight)))


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
    """Supervised fine-tuning on the experts' rows: the first stage of SFT-then-RL."""
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
        arXiv:2504.14945, Eq. 5 to 7.
    """
    on_policy = ClippedSurrogate(clip_low=clip_low, clip_high=clip_high, dual_clip=dual_clip)
    return Objective(
        terms=(HybridSurrogate(on_policy=on_policy, shape=shape),),
        aggregation=Aggregation(mode=aggregation, max_length=max_length),
        advantage=GroupAdvantage(scale_by_std=scale_by_std, std_epsilon=std_epsilon, count_expert=count_expert),
    )
