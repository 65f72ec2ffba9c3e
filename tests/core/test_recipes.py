"""Every hyper-parameter of every recipe arrives where it belongs, and its default is its source's."""

import inspect
from dataclasses import dataclass, replace
from itertools import product

import pytest

from calibrl_ref import (
    RECIPES,
    Exploration,
    OverlongPenalty,
    PruneByAdvantage,
    SwitchBySuccess,
    informative_groups,
    recipe,
)
from calibrl_ref.baseline_recipes import CPPO


def term(objective, name):
    return next((term for term in objective.terms if term.name == name), None)


def surrogate(objective):
    whole = term(objective, "surrogate")
    return getattr(whole, "on_policy", whole)


def weight_of(objective, name):
    found = term(objective, name)
    return 0.0 if found is None else found.weight


def is_detached(objective):
    return objective.exploration.detach_baseline or objective.exploration.baseline == "old_expert"


def controller(objective):
    return objective.slope_controller or objective.entropy_controller


READ = {
    "alpha": lambda o: term(o, "surrogate").alpha,
    "confidence_gate": lambda o: term(o, "surrogate").gate,
    "entropy_fraction": lambda o: term(o, "surrogate").fraction,
    "mu": lambda o: term(o, "imitation").weight,
    "phi": lambda o: term(o, "imitation").weighting == "phi",
    "positive_scale": lambda o: surrogate(o).positive_scale,
    "positive_weight": lambda o: o.advantage.right,
    "ratio_high": lambda o: surrogate(o).ratio_high,
    "ratio_low": lambda o: surrogate(o).ratio_low,
    "sft_scale": lambda o: term(o, "imitation").weight,
    "sft_weight": lambda o: term(o, "imitation").weight,
    "shift": lambda o: term(o, "surrogate").shift,
    "switch_gate": lambda o: o.selection.gate,
    "tau_negative": lambda o: surrogate(o).tau_negative,
    "tau_positive": lambda o: surrogate(o).tau_positive,
    "weighting": lambda o: term(o, "imitation").weighting,
    "adaptation_rate": lambda o: controller(o).rate,
    "coefficient_step": lambda o: controller(o).delta,
    "greatest_weight": lambda o: controller(o).greatest,
    "aggregation": lambda o: o.aggregation.mode,
    "baseline": lambda o: o.exploration.baseline,
    "gamma": lambda o: term(o, "surrogate").gamma,
    "mismatch_cap": lambda o: surrogate(o).mismatch_cap,
    "prune_within": lambda o: o.selection.scope,
    "clip_high": lambda o: surrogate(o).clip_high,
    "clip_low": lambda o: surrogate(o).clip_low,
    "count_expert": lambda o: o.advantage.count_expert,
    "detach_expert": is_detached,
    "dual_clip": lambda o: surrogate(o).dual_clip,
    "dynamic_sampling": lambda o: o.selection is informative_groups,
    "entropy_weight": lambda o: weight_of(o, "entropy_bonus"),
    "exploration_weight": lambda o: o.exploration.weight,
    "fraction": lambda o: surrogate(o).fraction,
    "gap": lambda o: o.exploration.gap,
    "gate": lambda o: o.exploration.gate,
    "keep_fraction": lambda o: o.selection.keep_fraction,
    "kl_weight": lambda o: surrogate(o).weight if hasattr(surrogate(o), "weight") else weight_of(o, "kl"),
    "lower": lambda o: surrogate(o).lower,
    "max_length": lambda o: o.aggregation.max_length,
    "ratio_level": lambda o: surrogate(o).ratio_level,
    "scale_by_std": lambda o: o.advantage.scale_by_std,
    "shape": lambda o: term(o, "surrogate").shape,
    "slope": lambda o: o.exploration.slope,
    "std_epsilon": lambda o: o.advantage.std_epsilon,
    "target_entropy": lambda o: getattr(controller(o), "target_entropy", None) or controller(o).target,
    "upper": lambda o: surrogate(o).upper,
    "weighted": lambda o: o.exploration.weighted,
}

OTHER = {
    "alpha": 0.6,
    "confidence_gate": "relu",
    "entropy_fraction": 0.35,
    "mu": 0.21,
    "positive_scale": 0.17,
    "positive_weight": 0.19,
    "ratio_high": 2.5,
    "ratio_low": 0.3,
    "sft_scale": 0.41,
    "sft_weight": 0.43,
    "shift": "mean",
    "switch_gate": 3,
    "tau_negative": 1.7,
    "tau_positive": 0.6,
    "weighting": "high_entropy",
    "adaptation_rate": 0.013,
    "coefficient_step": 0.017,
    "greatest_weight": 0.77,
    "aggregation": "constant_length_sum",
    "baseline": "shuffled_expert",
    "clip_high": 0.37,
    "clip_low": 0.11,
    "dual_clip": 4.5,
    "entropy_weight": 0.07,
    "exploration_weight": 0.23,
    "fraction": 0.03,
    "gamma": 0.34,
    "gap": "trajectory_mean",
    "gate": "softplus",
    "keep_fraction": 0.7,
    "kl_weight": 0.019,
    "lower": 1.5,
    "max_length": 77,
    "mismatch_cap": 2.5,
    "prune_within": "batch",
    "ratio_level": "sequence",
    "shape": "rl_plus",
    "slope": 0.27,
    "std_epsilon": 3e-5,
    "target_entropy": 0.31,
    "upper": 3.5,
}

ANOTHER = {
    "aggregation": "token_mean",
    "baseline": "expert",
    "gap": "trajectory",
    "gate": "linear",
    "prune_within": "group",
    "ratio_level": "token",
    "shape": "luffy",
}

CASES = [(name, option) for name, recipe in RECIPES.items() for option in inspect.signature(recipe).parameters]


def defaults(name):
    return {option: parameter.default for option, parameter in inspect.signature(RECIPES[name]).parameters.items()}


@pytest.mark.parametrize(("name", "option"), [case for case in CASES if case[1] != "overlong_buffer"])
def test_an_option_changes_its_own_hyper_parameter_and_no_other(name, option):
    expected = {key: value for key, value in defaults(name).items() if key != "overlong_buffer"}
    value = not expected[option] if isinstance(expected[option], bool) else OTHER[option]
    if value == expected[option]:  # the recipe's default is this test's other value
        value = ANOTHER[option]
    objective = RECIPES[name](**{option: value})
    if name == "calibrl_released" and option != "detach_expert":
        assert objective.exploration.baseline == "old_expert"
    assert {key: READ[key](objective) for key in expected} == expected | {option: value}


STD, CENTRED = {"scale_by_std": True, "std_epsilon": 1e-6}, {"scale_by_std": False, "std_epsilon": 1e-6}
PPO = {"clip_low": 0.2, "clip_high": 0.2, "dual_clip": None, "mismatch_cap": None}
UNCLIPPED = PPO | {"clip_low": None, "clip_high": None}
RELEASED_CLIP = PPO | {"dual_clip": 3.0}
GRPO = {"ratio_level": "token", "kl_weight": 0.0} | PPO
PER_RESPONSE = {"aggregation": "sequence_mean_token_mean", "max_length": None}
TOKEN_MEAN = {"aggregation": "token_mean", "max_length": None}
EQUATION_10 = {"aggregation": "sequence_mean_token_sum", "max_length": None}
CONSTANT_SUM = {"aggregation": "constant_length_sum", "max_length": None}
CONSTANT = {"aggregation": "constant_length", "max_length": None}
FILTER = {"dynamic_sampling": False}
PRUNED = {"keep_fraction": 0.5, "prune_within": "group"}
PIECES = {"slope": 0.5, "exploration_weight": 0.1, "gap": "trajectory", "detach_expert": False}
CALIBRL = PIECES | {"gate": "leaky_relu", "baseline": "expert", "weighted": True} | PPO | EQUATION_10 | STD
OFF_POLICY_RELEASED = (
    RELEASED_CLIP | {"gamma": None, "count_expert": False, "entropy_weight": 0.0} | TOKEN_MEAN | CENTRED
)
LUFFY = UNCLIPPED | {"gamma": None, "count_expert": True, "entropy_weight": 0.001} | CONSTANT_SUM | CENTRED
PRUNED_GRPO = PRUNED | GRPO | {"kl_weight": 0.04, "scale_by_std": True, "std_epsilon": 1e-4} | TOKEN_MEAN
CLIP_COV = {"fraction": 0.0002, "lower": 1.0, "upper": 5.0, "clip_low": 1.0, "clip_high": 1.0} | FILTER

DAPO = (
    GRPO | {"clip_high": 0.28, "dual_clip": 10.0, "overlong_buffer": None, "dynamic_sampling": True} | TOKEN_MEAN | STD
)

SOURCES = {
    "grpo": GRPO | PER_RESPONSE | STD,
    "dr_grpo": GRPO | CONSTANT | CENTRED,
    "dapo": DAPO,
    "cppo": PRUNED_GRPO,
    "cppo_released": PRUNED_GRPO | {"prune_within": "batch"},
    "entropy_bonus": {"entropy_weight": 0.01} | GRPO | PER_RESPONSE | STD,
    "entropy_coefficient": {"target_entropy": 0.2, "coefficient_step": 0.005, "greatest_weight": 1.0}
    | GRPO
    | PER_RESPONSE
    | STD,
    "entropy_target": {
        "entropy_weight": 0.01,
        "target_entropy": 0.5,
        "adaptation_rate": 0.01,
        "greatest_weight": 1.0,
    }
    | GRPO
    | PER_RESPONSE
    | STD,
    "cispo": {"ratio_low": None, "ratio_high": 5.0} | TOKEN_MEAN | STD,
    "gspo": GRPO | {"ratio_level": "sequence", "clip_low": 3e-4, "clip_high": 4e-4} | PER_RESPONSE | STD,
    "sapo": {"tau_positive": 1.0, "tau_negative": 1.05} | PER_RESPONSE | STD,
    "w_reinforce": {"positive_weight": 0.1, "entropy_weight": 0.0, "clip_low": 0.2, "clip_high": 0.2} | TOKEN_MEAN,
    "ace": {"alpha": 1.0, "shift": "sum", "confidence_gate": "softplus"} | PPO | TOKEN_MEAN | STD,
    "top_entropy": DAPO | {"entropy_fraction": 0.2, "dual_clip": None},
    "chord": {"mu": 0.1, "phi": True} | RELEASED_CLIP | TOKEN_MEAN | STD,
    "hpt": {"switch_gate": 0, "sft_weight": 1.0, "entropy_weight": 0.001, "clip_low": None, "clip_high": None}
    | CONSTANT_SUM
    | CENTRED,
    "srft": {"sft_scale": 0.5, "positive_scale": 0.1, "weighting": "low_entropy", "entropy_weight": 0.001}
    | CONSTANT_SUM
    | CENTRED,
    "pivot": {"exploration_weight": 0.1, "gap": "token_aligned"} | DAPO,
    "clip_cov": CLIP_COV | TOKEN_MEAN | STD,
    "kl_cov": {"fraction": 0.002, "kl_weight": 1.0} | FILTER | TOKEN_MEAN | STD,
    "sft": TOKEN_MEAN,
    "luffy": LUFFY | {"shape": "luffy"},
    "rl_plus": LUFFY | {"shape": "rl_plus"},
    "luffy_released": {"shape": "luffy"} | OFF_POLICY_RELEASED,
    "rl_plus_released": {"shape": "rl_plus"} | OFF_POLICY_RELEASED,
    "calibrl": CALIBRL,
    "calibrl_released": PIECES | {"gap": "token_aligned", "detach_expert": True} | RELEASED_CLIP | TOKEN_MEAN | CENTRED,
    "calibrl_relu": CALIBRL | {"gate": "relu"},
    "calibrl_linear": CALIBRL | {"gate": "linear"},
    "calibrl_softplus": CALIBRL | {"gate": "softplus"},
    "calibrl_sigmoid": CALIBRL | {"gate": "sigmoid"},
    "calibrl_unweighted": CALIBRL | {"weighted": False},
    "calibrl_length_normalised": CALIBRL | {"gap": "trajectory_mean"},
    "calibrl_reference_baseline": CALIBRL | {"baseline": "reference"},
    "calibrl_random_gate": CALIBRL | {"gate": "random"},
    "calibrl_shuffled_expert": CALIBRL | {"baseline": "shuffled_expert"},
    "calibrl_dr_grpo": CALIBRL | {"scale_by_std": False},
    "calibrl_dapo": CALIBRL | {"gap": "trajectory_mean", "clip_high": 0.28} | TOKEN_MEAN,
    "calibrl_cppo": PRUNED | CALIBRL,
    "calibrl_adaptive": {"target_entropy": 0.5, "adaptation_rate": 0.05} | CALIBRL,
}


def test_every_recipe_has_the_defaults_of_its_source():
    assert {name: defaults(name) for name in RECIPES} == SOURCES


@pytest.mark.parametrize("name", SOURCES)
def test_an_objective_carries_its_recipe_s_defaults(name):
    expected = {key: value for key, value in SOURCES[name].items() if key != "overlong_buffer"}
    objective = RECIPES[name]()
    assert {key: READ[key](objective) for key in expected} == expected
    if "cppo" in name:
        assert isinstance(objective.selection, PruneByAdvantage)
    elif name == "hpt":
        assert isinstance(objective.selection, SwitchBySuccess)
    elif name in ("dapo", "calibrl_dapo", "top_entropy", "pivot"):
        assert objective.selection is informative_groups
    else:
        assert objective.selection is None
    assert (objective.slope_controller is not None) == (name == "calibrl_adaptive")
    assert (objective.entropy_controller is not None) == (name in ("entropy_coefficient", "entropy_target"))
    assert objective.overlong_penalty is None


def test_the_overlong_penalty_takes_its_length_and_buffer():
    objective = RECIPES["dapo"](overlong_buffer=16, max_length=64)
    assert objective.overlong_penalty == OverlongPenalty(max_length=64, buffer=16)
    with pytest.raises(ValueError, match=r"max_length=None: expected a length in tokens.*Fix: pass max_length too"):
        RECIPES["dapo"](overlong_buffer=16)


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_known_by_its_name(name):
    assert RECIPES[name].__name__ == RECIPES[name].__qualname__ == name


@dataclass(frozen=True, kw_only=True)
class CPPOThatExplores(CPPO):
    """CPPO with an exploration term."""

    clip_high: float | None = 0.3
    slope: float = 0.4

    def objective(self):
        base = super().objective()
        return replace(base, terms=(*base.terms, Exploration(slope=self.slope)))


def test_a_subclass_takes_the_hyper_parameters_of_both():
    made = recipe("cppo_that_explores", CPPOThatExplores)
    parameters = inspect.signature(made).parameters
    assert {p.kind for p in parameters.values()} == {inspect.Parameter.KEYWORD_ONLY}
    assert {name: p.default for name, p in parameters.items()} == SOURCES["cppo"] | {"clip_high": 0.3, "slope": 0.4}
    assert (made.__name__, made.__doc__) == ("cppo_that_explores", "CPPO with an exploration term.")
    for options, expected in (
        ({}, (0.4, 0.5, 0.2, 0.3)),
        ({"slope": 0.1, "keep_fraction": 0.25, "clip_low": 0.5, "clip_high": 0.6}, (0.1, 0.25, 0.5, 0.6)),
    ):
        objective = made(**options)
        clip = surrogate(objective)
        found = (objective.exploration.slope, objective.selection.keep_fraction, clip.clip_low, clip.clip_high)
        assert found == expected


def test_an_unknown_hyper_parameter_is_refused_and_the_right_one_guessed():
    expected = r"^slpe=0.5: expected a hyper-parameter of calibrl_cppo, one of \(.*'slope'.*Fix: did you mean 'slope'\?"
    with pytest.raises(TypeError, match=expected):
        RECIPES["calibrl_cppo"](slpe=0.5)
    with pytest.raises(TypeError, match=r"zzz=1: expected .*\)\. Fix: use one of these\.$"):
        RECIPES["grpo"](zzz=1)


def test_an_unknown_recipe_is_refused_and_the_right_one_guessed():
    with pytest.raises(
        KeyError, match=r"recipe='calibr': expected one of \['ace'.*'calibrl'.*Fix: did you mean 'calibrl'\?"
    ):
        RECIPES["calibr"]
    with pytest.raises(KeyError, match=r"Fix: use one of these, or register it first\."):
        RECIPES["qqq"]


@pytest.mark.parametrize("name", RECIPES)
def test_the_exploration_term_is_found(name):
    objective = RECIPES[name]()
    assert objective.exploration is term(objective, "exploration")
    assert (objective.exploration is not None) == (name.startswith("calibrl") or name == "pivot")


def test_every_recipe_documents_itself():
    for name, made in RECIPES.items():
        assert len(made.__doc__.split()) > 3, name
    documents = [made.__doc__ for made in RECIPES.values()]
    assert all(first != second for (i, first), (j, second) in product(enumerate(documents), repeat=2) if i != j)
