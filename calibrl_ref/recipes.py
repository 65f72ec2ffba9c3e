"""Whole methods by name: each a composition of terms, with its source's hyper-parameters as defaults.

A recipe is a function with keyword-only hyper-parameters that returns an ``Objective``. The command lines read these
signatures, so a new recipe is one function and its name in ``RECIPES``; one that changes another recipe is written
with ``extends``.

Hyper-parameters that recipes share: ``aggregation`` (one of ``AGGREGATIONS``) and ``max_length`` (tokens, the constant
of the constant-length aggregations; None: the padded length of the batch). With a clipped surrogate: ``clip_low`` and
``clip_high`` (None: not clipped), ``dual_clip`` (None: none). With a group advantage: ``scale_by_std`` and
``std_epsilon`` (1e-6 as verl; TRL uses 1e-4). ``slope`` is the paper's alpha, ``exploration_weight`` its lambda.
"""

from dataclasses import replace

from calibrl_ref.advantages import GroupAdvantage
from calibrl_ref.aggregation import Aggregation
from calibrl_ref.baseline_recipes import (
    clip_cov,
    cppo,
    dapo,
    dr_grpo,
    entropy_bonus,
    grpo,
    kl_cov,
    luffy,
    luffy_released,
    rl_plus,
    rl_plus_released,
    sft,
)
from calibrl_ref.controllers import SlopeController
from calibrl_ref.extension import Recipe, extends
from calibrl_ref.objective import Objective
from calibrl_ref.selection import PruneByAdvantage, informative_groups
from calibrl_ref.terms import ClippedSurrogate, Exploration


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


@extends(calibrl, gate="relu")
def calibrl_relu(objective: Objective) -> Objective:
    """Ablation: nothing beyond the expert's level (a ReLU, slope 0).

    Reference:
        arXiv:2602.20197, ablation of the activation.
    """
    return objective


@extends(calibrl, gate="linear")
def calibrl_linear(objective: Objective) -> Objective:
    """Ablation: no gate (slope 1), so that the four quadrants are not told apart.

    Reference:
        arXiv:2602.20197, ablation of the activation.
    """
    return objective


@extends(calibrl, gate="softplus")
def calibrl_softplus(objective: Objective) -> Objective:
    """Ablation: a LeakyReLU without its kink.

    Reference:
        this project's; the paper has no smooth gate.
    """
    return objective


@extends(calibrl, gate="sigmoid")
def calibrl_sigmoid(objective: Objective) -> Objective:
    """Ablation: a bounded gate, which saturates far from the expert's level.

    Reference:
        arXiv:2602.20197, ablation of the activation (its formula is not printed; here 1 / (1 + exp(-x))).
    """
    return objective


@extends(calibrl, weighted=False)
def calibrl_unweighted(objective: Objective) -> Objective:
    """Ablation: every response has weight 1 instead of |A|.

    Reference:
        arXiv:2602.20197, ablation of the advantage weighting.
    """
    return objective


@extends(calibrl, gap="trajectory_mean")
def calibrl_length_normalised(objective: Objective) -> Objective:
    """Ablation: the gap is taken between log-probabilities per token.

    Reference:
        arXiv:2602.20197, ablation of length normalisation.
    """
    return objective


@extends(calibrl, baseline="reference")
def calibrl_reference_baseline(objective: Objective) -> Objective:
    """Ablation: a frozen reference policy's log-probability of the same response takes the expert's place.

    Reference:
        arXiv:2602.20197, ablation of the baseline.
    """
    return objective


@extends(calibrl, gate="random")
def calibrl_random_gate(objective: Objective) -> Objective:
    """Control: the slope is 1 or alpha by a coin that knows nothing of the gap's sign.

    Reference:
        a control of this project.
    """
    return objective


@extends(calibrl, baseline="shuffled_expert")
def calibrl_shuffled_expert(objective: Objective) -> Objective:
    """Control: the expert of another prompt takes the expert's place.

    Reference:
        a control of this project.
    """
    return objective


@extends(calibrl, scale_by_std=False)
def calibrl_dr_grpo(objective: Objective) -> Objective:
    """CalibRL on Dr.GRPO: the advantage is only centred.

    The token sum per response of Eq. 10 is Dr.GRPO's aggregation up to its constant, which keeps the two terms'
    relative weight.

    Reference:
        an extension of this project; Dr.GRPO: arXiv:2503.20783, Eq. 4.
    """
    return objective


@extends(calibrl, gap="trajectory_mean", clip_high=0.28, aggregation="token_mean")
def calibrl_dapo(objective: Objective) -> Objective:
    """CalibRL on DAPO: higher upper clip, token mean, groups of one outcome dropped.

    The gap is length-normalised by default: beside a token mean, a sum over the response would outweigh the surrogate
    by the response's length.

    Reference:
        an extension of this project; DAPO: arXiv:2503.14476, Eq. 8 and 11.
    """
    return replace(objective, selection=informative_groups)


@extends(calibrl)
def calibrl_cppo(objective: Objective, *, keep_fraction: float = 0.5) -> Objective:
    """CalibRL on CPPO: only the ``keep_fraction`` of each group with the largest |A| is scored and updated.

    Reference:
        an extension of this project, the combination being an open question of the paper's readers; CPPO:
        arXiv:2503.22342, section 3.3.
    """
    return replace(objective, selection=PruneByAdvantage(keep_fraction=keep_fraction))


@extends(calibrl)
def calibrl_adaptive(objective: Objective, *, target_entropy: float = 0.5, adaptation_rate: float = 0.05) -> Objective:
    """CalibRL with a slope that holds an entropy target (nats per token); see ``SlopeController``.

    A trainer calls ``objective = objective.adapt(entropy)`` after every step; ``slope`` is where it starts.

    Reference:
        an extension of this project; an adaptive slope is an open question of the paper's readers.
    """
    return replace(objective, slope_controller=SlopeController(target_entropy=target_entropy, rate=adaptation_rate))


RECIPES: dict[str, Recipe] = {
    recipe.__name__: recipe
    for recipe in (
        grpo,
        dr_grpo,
        dapo,
        cppo,
        entropy_bonus,
        clip_cov,
        kl_cov,
        sft,
        luffy,
        rl_plus,
        luffy_released,
        rl_plus_released,
        calibrl,
        calibrl_released,
        calibrl_relu,
        calibrl_linear,
        calibrl_softplus,
        calibrl_sigmoid,
        calibrl_unweighted,
        calibrl_length_normalised,
        calibrl_reference_baseline,
        calibrl_random_gate,
        calibrl_shuffled_expert,
        calibrl_dr_grpo,
        calibrl_dapo,
        calibrl_cppo,
        calibrl_adaptive,
    )
}
