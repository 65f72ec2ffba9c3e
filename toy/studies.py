"""Which arms each command trains, and why: `compare`, `ablate`, `phase`, `mechanism`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

from toy.settings import Training
from toy.study import Arm
from toy.world import World

DEFAULT_RECIPES = (
    "grpo",
    "entropy_bonus",
    "dapo",
    "cppo",
    "dr_grpo",
    "clip_cov",
    "sft_grpo",
    "luffy",
    "rl_plus",
    "calibrl",
    "calibrl:slope=1",
    "calibrl_released",
)
REGIME_RECIPES = ("grpo", "sft_grpo", "calibrl")


@dataclass(frozen=True)
class Setting:
    """A part of a study: a question, and how the world or the training differ from the default for it.

    Attributes:
        title: for tables.
        why: what the change is for, a sentence.
        world: fields of :class:`toy.world.World` that differ.
        training: fields of :class:`toy.settings.Training` that differ.
    """

    title: str
    why: str
    world: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)


REGIMES: dict[str, Setting] = {
    "deterministic": Setting(
        "Deterministic outcomes",
        "Each path always or never succeeds: sound paths do, shortcuts and the rest do not.",
        {"sound_success": 1.0, "shortcut_success": 0.0, "flawed_success": 0.0, "unsound_success": 0.0},
        {},
    ),
    "executable": Setting(
        "Expert fully executable",
        "All demonstrations are sound paths that the policy can follow.",
        {"executable": 1.0},
        {},
    ),
    "unexecutable": Setting(
        "Expert not executable",
        "With every path that the expert shows the policy succeeds only as often as a flawed one.",
        {"executable": 0.0},
        {},
    ),
    "adam": Setting(
        "Adam", "Adam (rate 0.05) in place of plain gradient descent.", {}, {"optimizer": "adam", "learning_rate": 0.05}
    ),
}


def comparison(recipes: Sequence[str], world: World, training: Training, seeds: int) -> list[Arm]:
    """The arms of ``compare``: all recipes in the given setting, and the main ones in each regime."""
    arms = [Arm("main", recipe, world, training, seeds) for recipe in recipes]
    for name, regime in REGIMES.items():
        changed = replace(world, **regime.world), replace(training, **regime.training)
        arms += [Arm(name, recipe, *changed, seeds) for recipe in REGIME_RECIPES]
    return arms


SLOPES = (0.0, 0.1, 0.3, 0.5, 0.8, 1.0)
WEIGHTS = (0.0, 0.03, 0.1, 0.3)

ABLATIONS: dict[str, tuple[Setting, tuple[str, ...]]] = {
    "slope": (
        Setting("The slope alpha", "How much of the gradient passes where the policy already agrees with the verdict."),
        ("grpo", *(f"calibrl:slope={slope:g}" for slope in SLOPES)),
    ),
    "weight": (
        Setting("The weight lambda", "How much the exploration term counts beside the clipped surrogate."),
        tuple(f"calibrl:exploration_weight={weight:g}" for weight in (0.0, 0.01, 0.03, 0.1, 0.3, 1.0)),
    ),
    "gate": (
        Setting("The gate", "Other gates in place of the LeakyReLU; the random gate is the control."),
        ("calibrl", "calibrl_relu", "calibrl_linear", "calibrl_softplus", "calibrl_sigmoid", "calibrl_random_gate"),
    ),
    "gap": (
        Setting("The level of the gap", "Whole responses, their mean per token, or token against token."),
        ("calibrl", "calibrl_length_normalised", "calibrl:gap=token_aligned", "calibrl_released"),
    ),
    "baseline": (
        Setting(
            "The reference point",
            "The prompt's expert, with and without its gradient; another prompt's expert (control); no expert at all.",
        ),
        ("calibrl", "calibrl:detach_expert=true", "calibrl_shuffled_expert", "calibrl_reference_baseline"),
    ),
    "weighting": (
        Setting("The weight |advantage|", "Every response counts alike without it."),
        ("calibrl", "calibrl_unweighted", "calibrl:scale_by_std=false"),
    ),
}
"""Setting of `ablate` -> its question and the recipes that answer it."""

MECHANISM_RECIPES = ("grpo", "entropy_bonus", "calibrl", "calibrl_released", "sft_grpo")

SETTINGS: dict[str, Setting] = {
    "main": Setting("The default world", "All methods with their sources' defaults."),
    **REGIMES,
    **{name: setting for name, (setting, _) in ABLATIONS.items()},
    "slope x weight": Setting("Alpha and lambda together", "CalibRL over a grid of both."),
    "executable": Setting(
        "How much of the expert can be executed", "Methods over the share of demonstrations that the policy can follow."
    ),
    "executable x weight": Setting(
        "Executability and lambda", "CalibRL over the share of executable demonstrations and the exploration weight."
    ),
    "rollouts x prior": Setting(
        "Group size and prior", "Methods over the responses per prompt and the untrained policy's mass on sound paths."
    ),
}
"""Setting of any study -> its title and its question."""


def ablation(world: World, training: Training, seeds: int) -> list[Arm]:
    """The arms of ``ablate``: one change at a time, each beside its control, and alpha and lambda together."""
    arms = [Arm(name, recipe, world, training, seeds) for name, (_, recipes) in ABLATIONS.items() for recipe in recipes]
    cells = _cells(slope=SLOPES, exploration_weight=WEIGHTS)
    return [*arms, Arm("slope x weight", "calibrl", world, training, seeds, cells)]


def phase(world: World, training: Training, seeds: int) -> list[Arm]:
    """The arms of ``phase``: maps over expert executability x lambda, and over group size x prior."""
    shares, priors = (0.0, 0.125, 0.25, 0.5, 1.0), (0.002, 0.005, 0.02, 0.08)
    arms = [
        Arm("executable", recipe, world, training, seeds, _cells(executable=shares)) for recipe in ("grpo", "sft_grpo")
    ]
    cells = _cells(executable=shares, exploration_weight=(0.01, 0.03, 0.1, 0.3))
    arms.append(Arm("executable x weight", "calibrl", world, training, seeds, cells))
    for recipe, rollouts in product(("grpo", "calibrl"), (4, 8, 16)):
        changed, place = replace(training, rollouts=rollouts), {"rollouts": rollouts}
        arms.append(Arm("rollouts x prior", recipe, world, changed, seeds, _cells(sound_prior=priors), place))
    return arms


def mechanism_study(world: World, training: Training, seeds: int) -> list[Arm]:
    """The arms of ``mechanism``: who is pushed where, and what that does to the entropy."""
    return [Arm("main", recipe, world, training, seeds) for recipe in MECHANISM_RECIPES]


def _cells(**axes: Sequence[float]) -> tuple[dict[str, float], ...]:
    """Every combination of the axes' values."""
    return tuple(dict(zip(axes, values, strict=True)) for values in product(*axes.values()))


STUDIES: dict[str, Callable[[World, Training, int], list[Arm]]] = {
    "ablate": ablation,
    "phase": phase,
    "mechanism": mechanism_study,
}
"""Command -> its arms in a world, at a training's settings, for a number of seeds."""
