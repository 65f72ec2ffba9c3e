"""Whole methods by name: each a composition of terms, with its source's hyper-parameters as defaults.

A recipe is a function with keyword-only hyper-parameters that returns an ``Objective``. The command lines read these
signatures, so a new recipe is one function and one line in ``RECIPES``.

Hyper-parameters that recipes share: ``aggregation`` (one of ``AGGREGATIONS``) and ``max_length`` (tokens, the constant
of the constant-length aggregations; None: the padded length of the batch). With a clipped surrogate: ``clip_low`` and
``clip_high`` (None: not clipped), ``dual_clip`` (None: none). With a group advantage: ``scale_by_std`` and
``std_epsilon`` (1e-6 as verl; TRL uses 1e-4). ``slope`` is the paper's alpha, ``exploration_weight`` its lambda.
"""

import functools
from collections.abc import Callable
from dataclasses import replace

from calibrl_ref.advantages import GroupAdvantage
from calibrl_ref.aggregation import Aggregation
from calibrl_ref.baseline_recipes import clip_cov, cppo, dapo, entropy_bonus, grpo, kl_cov, luffy, sft
from calibrl_ref.controllers import SlopeController
from calibrl_ref.objective import Objective
from calibrl_ref.selection import PruneByAdvantage, informative_groups
from calibrl_ref.terms import ClippedSurrogate, Exploration

Recipe = Callable[..., Objective]


def calibrl(
    *,
    slope: float = 0.5,
    exploration_weight: float = 0.1,
    gap: str = "trajectory",
    gate: str = "leaky_relu",
    baseline: str = "expert",
    detach_expert: bool = False,
    weighted: bool = True,
    clip_low: float | None = 0.2,
    clip_high: float | None = 0.2,
    dual_clip: float | None = None,
    aggregation: str = "sequence_mean_token_sum",
    max_length: int | None = None,
    scale_by_std: bool = True,
    std_epsilon: float = 1e-6,
) -> Objective:
    """CalibRL, the paper's form: one gate per response, gradient through the expert, token sum per response.

    ``detach_expert`` stops the gradient into the expert; ``weighted=False`` leaves |A| out of the exploration term.

    Reference:
        arXiv:2602.20197, Eq. 9 and 10, with alpha = 0.5 and lambda = 0.1.
    """
    exploration = Exploration(
        weight=exploration_weight,
        slope=slope,
        gap=gap,
        gate=gate,
        baseline=baseline,
        detach_baseline=detach_expert,
        weighted=weighted,
    )
    return Objective(
        terms=(ClippedSurrogate(clip_low=clip_low, clip_high=clip_high, dual_clip=dual_clip), exploration),
        aggregation=Aggregation(mode=aggregation, max_length=max_length),
        advantage=GroupAdvantage(scale_by_std=scale_by_std, std_epsilon=std_epsilon),
    )


def calibrl_released(
    *,
    slope: float = 0.5,
    exploration_weight: float = 0.1,
    gap: str = "token_aligned",
    detach_expert: bool = True,
    clip_low: float | None = 0.2,
    clip_high: float | None = 0.2,
    dual_clip: float | None = 3.0,
    aggregation: str = "token_mean",
    max_length: int | None = None,
    scale_by_std: bool = False,
    std_epsilon: float = 1e-6,
) -> Objective:
    """CalibRL, the released code's form: one gate per token, compared by index with the old policy's expert.

    ``detach_expert=False`` takes the expert's log-probability under the current policy instead, with its gradient. A
    group without an expert has no exploration term here; the released code compares with 0 there.

    Reference:
        "expert-guided" in src/core_algos.py, compute_mix_policy_loss.
    """
    return calibrl(
        slope=slope,
        exploration_weight=exploration_weight,
        gap=gap,
        baseline="old_expert" if detach_expert else "expert",
        clip_low=clip_low,
        clip_high=clip_high,
        dual_clip=dual_clip,
        aggregation=aggregation,
        max_length=max_length,
        scale_by_std=scale_by_std,
        std_epsilon=std_epsilon,
    )


def calibrl_dapo(
    *,
    slope: float = 0.5,
    exploration_weight: float = 0.1,
    gap: str = "trajectory_mean",
    detach_expert: bool = False,
    clip_low: float | None = 0.2,
    clip_high: float | None = 0.28,
    dual_clip: float | None = None,
    aggregation: str = "token_mean",
    max_length: int | None = None,
    scale_by_std: bool = True,
    std_epsilon: float = 1e-6,
) -> Objective:
    """CalibRL on DAPO: higher upper clip, token mean, groups of one outcome dropped.

    The gap is length-normalised by default: beside a token mean, a sum over the response would outweigh the surrogate
    by the response's length.

    Reference:
        an extension of this project.
    """
    base = calibrl(
        slope=slope,
        exploration_weight=exploration_weight,
        gap=gap,
        detach_expert=detach_expert,
        clip_low=clip_low,
        clip_high=clip_high,
        dual_clip=dual_clip,
        aggregation=aggregation,
        max_length=max_length,
        scale_by_std=scale_by_std,
        std_epsilon=std_epsilon,
    )
    return replace(base, selection=informative_groups)


def calibrl_cppo(
    *,
    keep_fraction: float = 0.5,
    slope: float = 0.5,
    exploration_weight: float = 0.1,
    gap: str = "trajectory",
    detach_expert: bool = False,
    clip_low: float | None = 0.2,
    clip_high: float | None = 0.2,
    dual_clip: float | None = None,
    aggregation: str = "sequence_mean_token_sum",
    max_length: int | None = None,
    scale_by_std: bool = True,
    std_epsilon: float = 1e-6,
) -> Objective:
    """CalibRL on CPPO: only the ``keep_fraction`` of each group with the largest |A| is scored and updated.

    Reference:
        an extension of this project; the combination is an open question of the paper's readers.
    """
    base = calibrl(
        slope=slope,
        exploration_weight=exploration_weight,
        gap=gap,
        detach_expert=detach_expert,
        clip_low=clip_low,
        clip_high=clip_high,
        dual_clip=dual_clip,
        aggregation=aggregation,
        max_length=max_length,
        scale_by_std=scale_by_std,
        std_epsilon=std_epsilon,
    )
    return replace(base, selection=PruneByAdvantage(keep_fraction=keep_fraction))


def calibrl_adaptive(
    *,
    target_entropy: float = 0.5,
    adaptation_rate: float = 0.05,
    slope: float = 0.5,
    exploration_weight: float = 0.1,
    gap: str = "trajectory",
    detach_expert: bool = False,
    clip_low: float | None = 0.2,
    clip_high: float | None = 0.2,
    dual_clip: float | None = None,
    aggregation: str = "sequence_mean_token_sum",
    max_length: int | None = None,
    scale_by_std: bool = True,
    std_epsilon: float = 1e-6,
) -> Objective:
    """CalibRL with a slope that holds an entropy target (nats per token); see ``SlopeController``.

    A trainer calls ``objective = objective.adapt(entropy)`` after every step; ``slope`` is where it starts.

    Reference:
        an extension of this project; an adaptive slope is an open question of the paper's readers.
    """
    base = calibrl(
        slope=slope,
        exploration_weight=exploration_weight,
        gap=gap,
        detach_expert=detach_expert,
        clip_low=clip_low,
        clip_high=clip_high,
        dual_clip=dual_clip,
        aggregation=aggregation,
        max_length=max_length,
        scale_by_std=scale_by_std,
        std_epsilon=std_epsilon,
    )
    return replace(base, slope_controller=SlopeController(target_entropy=target_entropy, rate=adaptation_rate))


def _variant(recipe: Recipe, doc: str, **defaults: object) -> Recipe:
    """Return the recipe with other defaults; its signature shows them."""
    variant = functools.partial(recipe, **defaults)
    variant.__doc__ = doc
    return variant


RECIPES: dict[str, Recipe] = {
    "grpo": grpo,
    "dr_grpo": _variant(
        grpo,
        "Dr.GRPO: GRPO without the standard deviation and without a response's own length (arXiv:2503.20783, Eq. 4).",
        aggregation="constant_length",
        scale_by_std=False,
    ),
    "dapo": dapo,
    "cppo": cppo,
    "entropy_bonus": entropy_bonus,
    "clip_cov": clip_cov,
    "kl_cov": kl_cov,
    "sft": sft,
    "luffy": luffy,
    "rl_plus": _variant(
        luffy,
        "RL-PLUS: multiple importance sampling and an exploration bonus on the expert's row (arXiv:2508.00222). The "
        "formulas of the expert row are those of the released CalibRL's baseline; the on-policy part is GRPO's, and "
        "that the expert counts in the group mean was not verified against its authors' code.",
        shape="rl_plus",
        clip_low=0.2,
        clip_high=0.2,
        aggregation="sequence_mean_token_mean",
        scale_by_std=True,
    ),
    "luffy_released": _variant(
        luffy,
        "LUFFY as the released CalibRL runs it: clipped, dual clip 3, expert not in the group mean, token mean "
        '("luffy" in src/core_algos.py).',
        clip_low=0.2,
        clip_high=0.2,
        dual_clip=3.0,
        count_expert=False,
        aggregation="token_mean",
    ),
    "rl_plus_released": _variant(
        luffy,
        'RL-PLUS as the released CalibRL runs it: as luffy_released, with RL-PLUS\'s shape ("rlplus" in '
        "src/core_algos.py).",
        shape="rl_plus",
        clip_low=0.2,
        clip_high=0.2,
        dual_clip=3.0,
        count_expert=False,
        aggregation="token_mean",
    ),
    "calibrl": calibrl,
    "calibrl_released": calibrl_released,
    "calibrl_relu": _variant(calibrl, "Ablation: nothing beyond the expert's level (slope 0).", gate="relu"),
    "calibrl_linear": _variant(calibrl, "Ablation: no gate (slope 1).", gate="linear"),
    "calibrl_softplus": _variant(calibrl, "Ablation: a LeakyReLU without its kink.", gate="softplus"),
    "calibrl_sigmoid": _variant(calibrl, "Ablation: a bounded gate.", gate="sigmoid"),
    "calibrl_unweighted": _variant(calibrl, "Ablation: every response has weight 1 instead of |A|.", weighted=False),
    "calibrl_length_normalised": _variant(
        calibrl, "Ablation: the gap is taken between log-probabilities per token.", gap="trajectory_mean"
    ),
    "calibrl_reference_baseline": _variant(
        calibrl, "Ablation: a frozen reference policy takes the expert's place.", baseline="reference"
    ),
    "calibrl_random_gate": _variant(
        calibrl, "Control: the slope is 1 or alpha by a coin that knows nothing of the gap's sign.", gate="random"
    ),
    "calibrl_shuffled_expert": _variant(
        calibrl, "Control: the expert of another prompt takes the expert's place.", baseline="shuffled_expert"
    ),
    "calibrl_dr_grpo": _variant(
        calibrl,
        "CalibRL on Dr.GRPO: the advantage is only centred. The token sum per response of Eq. 10 is Dr.GRPO's "
        "aggregation up to its constant, which keeps the two terms' relative weight.",
        scale_by_std=False,
    ),
    "calibrl_dapo": calibrl_dapo,
    "calibrl_cppo": calibrl_cppo,
    "calibrl_adaptive": calibrl_adaptive,
}
