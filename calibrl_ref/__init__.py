"""CalibRL-ref: every formula of CalibRL and its baselines, once, as small typed functions on tensors.

Start with ``calibrl_ref.calibration`` (the four pieces and their composition), then ``calibrl_ref.recipes`` (whole
methods by name). ``toy`` and ``full_scale`` train with these objects and add no formula of their own.
"""

import importlib
from typing import TYPE_CHECKING

from calibrl_ref.advantages import AdvantageEstimator, GroupAdvantage, VerdictAdvantage, group_advantage
from calibrl_ref.aggregation import AGGREGATIONS, Aggregation, aggregate, aggregation_divisor
from calibrl_ref.baselines import BASELINES, GAPS, Baseline, BaselineRule, GapLevel, expert_row
from calibrl_ref.calibration import (
    Gate,
    advantage_weight,
    correctness_sign,
    exploration_loss,
    leaky_relu_gate,
    log_prob_gap,
)
from calibrl_ref.confidence import CONFIDENCE_GATES, SHIFTS, ConfidencePenalisedSurrogate, confidence_advantage
from calibrl_ref.controllers import EntropyCoefficient, EntropyTarget, SlopeController
from calibrl_ref.covariance import ClipCovSurrogate, KLCovSurrogate, token_covariance
from calibrl_ref.diagnostics import (
    Quadrant,
    approx_kl,
    clip_fraction,
    dual_clip_fraction,
    expected_calibration_error,
    exploration_coefficients,
    predicted_entropy_change,
    quadrant_table,
)
from calibrl_ref.divisors import Divisors
from calibrl_ref.gates import GATES, RandomGate, linear_gate, random_gate, relu_gate, sigmoid_gate, softplus_gate
from calibrl_ref.hybrid_terms import IMITATION_WEIGHTS, EntropyWeightedReinforce, WeightedImitation, WeightedSurrogate
from calibrl_ref.linearisation import Linearisation, linearise
from calibrl_ref.log_probs import (
    chunked_token_log_probs,
    chunked_token_log_probs_and_entropy,
    token_entropy,
    token_log_probs,
    token_log_probs_and_entropy,
    trajectory_log_prob,
)
from calibrl_ref.objective import Losses, Objective
from calibrl_ref.recipe_reader import HyperParameter, OneOf, hyper_parameters_of
from calibrl_ref.replay import Buffer, Remembered, Success, anchor, draw_prompts, remember, replay_weights, solved_ratio
from calibrl_ref.rollouts import Rollouts
from calibrl_ref.selection import OverlongPenalty, PruneByAdvantage, SwitchBySuccess, informative_groups
from calibrl_ref.soft_clipping import SigmoidSurrogate, TruncatedReinforce, sigmoid_surrogate, truncated_reinforce
from calibrl_ref.surrogates import (
    SHAPES,
    clipped_surrogate,
    importance_ratio,
    k3_kl,
    luffy_shaping,
    off_policy_surrogate,
    rl_plus_shaping,
    sequence_importance_ratio,
    truncated_mismatch_weight,
)
from calibrl_ref.terms import ClippedSurrogate, EntropyBonus, Exploration, HybridSurrogate, Imitation, KLPenalty, Term
from calibrl_ref.top_entropy import TopEntropySurrogate, top_entropy_tokens

__version__ = "0.2.0"

if TYPE_CHECKING:
    from calibrl_ref.composition import Recipe, recipe
    from calibrl_ref.recipes import RECIPES
    from calibrl_ref.schedules import SCHEDULES, Plateau, Schedule, chord_mu, hyper_parameters, read_method
else:
    # Whole methods are imported when one of their names is first asked for: making their classes takes longer than
    # importing everything else.
    _OF_METHODS = {
        "composition": ("Recipe", "recipe"),
        "recipes": ("RECIPES",),
        "schedules": ("SCHEDULES", "Plateau", "Schedule", "chord_mu", "hyper_parameters", "read_method"),
    }
    _MODULE_OF = {name: module for module, names in _OF_METHODS.items() for name in names}

    def __getattr__(name: str) -> object:
        """Import a name of whole methods."""
        if name not in _MODULE_OF:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
        globals()[name] = value
        return value


__all__ = [
    "AGGREGATIONS",
    "BASELINES",
    "CONFIDENCE_GATES",
    "GAPS",
    "GATES",
    "IMITATION_WEIGHTS",
    "RECIPES",
    "SCHEDULES",
    "SHAPES",
    "SHIFTS",
    "AdvantageEstimator",
    "Aggregation",
    "Baseline",
    "BaselineRule",
    "Buffer",
    "ClipCovSurrogate",
    "ClippedSurrogate",
    "ConfidencePenalisedSurrogate",
    "Divisors",
    "EntropyBonus",
    "EntropyCoefficient",
    "EntropyTarget",
    "EntropyWeightedReinforce",
    "Exploration",
    "GapLevel",
    "Gate",
    "GroupAdvantage",
    "HybridSurrogate",
    "HyperParameter",
    "Imitation",
    "KLCovSurrogate",
    "KLPenalty",
    "Linearisation",
    "Losses",
    "Objective",
    "OneOf",
    "OverlongPenalty",
    "Plateau",
    "PruneByAdvantage",
    "Quadrant",
    "RandomGate",
    "Recipe",
    "Remembered",
    "Rollouts",
    "Schedule",
    "SigmoidSurrogate",
    "SlopeController",
    "Success",
    "SwitchBySuccess",
    "Term",
    "TopEntropySurrogate",
    "TruncatedReinforce",
    "VerdictAdvantage",
    "WeightedImitation",
    "WeightedSurrogate",
    "advantage_weight",
    "aggregate",
    "aggregation_divisor",
    "anchor",
    "approx_kl",
    "chord_mu",
    "chunked_token_log_probs",
    "chunked_token_log_probs_and_entropy",
    "clip_fraction",
    "clipped_surrogate",
    "confidence_advantage",
    "correctness_sign",
    "draw_prompts",
    "dual_clip_fraction",
    "expected_calibration_error",
    "expert_row",
    "exploration_coefficients",
    "exploration_loss",
    "group_advantage",
    "hyper_parameters",
    "hyper_parameters_of",
    "importance_ratio",
    "informative_groups",
    "k3_kl",
    "leaky_relu_gate",
    "linear_gate",
    "linearise",
    "log_prob_gap",
    "luffy_shaping",
    "off_policy_surrogate",
    "predicted_entropy_change",
    "quadrant_table",
    "random_gate",
    "read_method",
    "recipe",
    "relu_gate",
    "remember",
    "replay_weights",
    "rl_plus_shaping",
    "sequence_importance_ratio",
    "sigmoid_gate",
    "sigmoid_surrogate",
    "softplus_gate",
    "solved_ratio",
    "token_covariance",
    "token_entropy",
    "token_log_probs",
    "token_log_probs_and_entropy",
    "top_entropy_tokens",
    "trajectory_log_prob",
    "truncated_mismatch_weight",
    "truncated_reinforce",
]
