"""Which arms each command trains, and why: `compare`, `ablate`, `phase`, `mechanism`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

from toy.methods import parse_method
from toy.population import check_prompts
from toy.settings import Training
from toy.study import Arm
from toy.trainer import check_cells
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
MAP_RECIPES = ("grpo", "sft_grpo", "calibrl")
MECHANISM_RECIPES = ("grpo", "entropy_bonus", "calibrl", "calibrl_released", "sft_grpo")

SLOPES = (0.0, 0.1, 0.3, 0.5, 0.8, 1.0)
WEIGHTS = (0.03, 0.1, 0.3, 1.0)
COARSE_SLOPES = (0.0, 0.3, 0.5, 0.8, 1.0)


@dataclass(frozen=True)
class Setting:
    """A part of a study: a question, and how the world or the training differ from the default for it.

    Attributes:
        title: for tables.
        why: what the change is for, a sentence.
        world: fields of :class:`toy.world.World` that differ.
        training: fields of :class:`toy.settings.Training` that differ.
        ordered: whether its arms are values of one number, to be drawn in a ramp of colours.
    """

    title: str
    why: str
    world: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    ordered: bool = False

    def arms(self, name: str, recipes: Sequence[str], world: World, training: Training, seeds: int) -> list[Arm]:
        """One arm for each recipe, in the setting's world."""
        changed = replace(world, **self.world), replace(training, **self.training)
        return [Arm(name, recipe, *changed, seeds) for recipe in recipes]


REGIMES: dict[str, Setting] = {
    "deterministic": Setting(
        "Deterministic outcomes",
        "Each path always or never succeeds: sound paths do, shortcuts and the rest do not. GRPO needs no help there.",
        {"sound_success": 1.0, "shortcut_success": 0.0, "flawed_success": 0.0, "unsound_success": 0.0},
    ),
    "executable": Setting(
        "Expert fully executable",
        "All demonstrations are sound paths that the policy can follow: the case for plain imitation before GRPO.",
        {"executable": 1.0},
    ),
    "unexecutable": Setting(
        "Expert not executable",
        "With every path that the expert shows the policy succeeds only as often as a flawed one: is there anything "
        "that calibration can still find?",
        {"executable": 0.0},
    ),
    "adam": Setting(
        "Adam",
        "Adam (rate 0.05) in place of plain gradient descent: it rescales each logit's step, and so saves rare paths.",
        training={"optimizer": "adam", "learning_rate": 0.05},
    ),
}

ABLATIONS: dict[str, tuple[Setting, tuple[str, ...]]] = {
    "slope": (
        Setting(
            "The slope alpha",
            "How much of the gradient passes where the policy already agrees with the verdict?",
            ordered=True,
        ),
        tuple(f"slope={slope:g}" for slope in SLOPES),
    ),
    "weight": (
        Setting(
            "The weight lambda", "How much does the exploration term count beside the clipped surrogate?", ordered=True
        ),
        tuple(f"exploration_weight={weight:g}" for weight in (0.0, 0.01, *WEIGHTS)),
    ),
    "gate": (
        Setting("The gate", "Which other gates do as well as the LeakyReLU? The random gate is the control."),
        ("", *(f"gate={gate}" for gate in ("relu", "linear", "softplus", "sigmoid", "random"))),
    ),
    "gap": (
        Setting("The level of the gap", "Whole responses, their mean per token, or token against token?"),
        ("", "gap=trajectory_mean", "gap=token_aligned", "gap=token_aligned,baseline=old_expert"),
    ),
    "baseline": (
        Setting(
            "The reference point",
            "The prompt's expert, with and without its gradient; another prompt's expert (control); no expert at all. "
            "All prompts of the default world share one policy, so the control says little here: see the next part.",
        ),
        ("", "detach_expert=true", "baseline=shuffled_expert", "baseline=reference"),
    ),
    "families": (
        Setting(
            "The reference point, with four families of prompts",
            "Each sound path works for one family of prompts only, and a small network answers them all, so that "
            "another prompt's expert shows what does not work for one's own. Imitation's steps are too large for the "
            "network at this learning rate (docs/toy_findings.md has smaller ones).",
            {"families": 4, "own_sound": 1.0},
            {"policy": "neural"},
        ),
        ("", "detach_expert=true", "baseline=shuffled_expert", "baseline=reference"),
    ),
    "weighting": (
        Setting("The weight |advantage|", "What if every response counts alike, or the advantage is only centred?"),
        ("", "weighted=false", "scale_by_std=false"),
    ),
}
"""Setting of `ablate` -> its question, and the options of the recipe that are changed in it."""

ABLATION_COMPANIONS = {"slope": ("grpo",), "families": ("grpo", "sft_grpo")}
"""Setting of `ablate` -> recipes shown beside it."""

SETTINGS: dict[str, Setting] = {
    "main": Setting("The default world", "What happens to entropy and accuracy in training, method by method?"),
    "slope x weight": Setting("Alpha and lambda together", "How do the slope and the weight trade against each other?"),
    **REGIMES,
    **{name: setting for name, (setting, _) in ABLATIONS.items()},
    "executable x weight": Setting(
        "Executability and lambda",
        "What share of the demonstrations must the policy be able to follow, and how does lambda change that?",
    ),
    "rollouts x prior": Setting(
        "Group size and prior",
        "Does it take an expert at all, with more responses to a prompt or sound paths that are less rare?",
    ),
}
"""Setting of any study -> its title and its question, in the order of the pages."""


def with_options(recipe: str, options: str) -> str:
    """The recipe's name with more options.

    Example:
        >>> with_options("calibrl", "slope=0.3"), with_options("calibrl:slope=0.3", "gate=relu")
        ('calibrl:slope=0.3', 'calibrl:slope=0.3,gate=relu')
    """
    return f"{recipe}{',' if ':' in recipe else ':'}{options}" if options else recipe


def comparison(recipes: Sequence[str], world: World, training: Training, seeds: int) -> list[Arm]:
    """The arms of ``compare``: all recipes in the given setting, the main ones in each regime, and a coarse grid.

    The grid of alpha and lambda has half of the seeds, because it is as many runs as all the rest.
    """
    arms = SETTINGS["main"].arms("main", recipes, world, training, seeds)
    for name, regime in REGIMES.items():
        arms += regime.arms(name, REGIME_RECIPES, world, training, seeds)
    return arms + _slope_and_weight("calibrl", COARSE_SLOPES, world, training, max(seeds // 2, 1))


def ablation(recipes: Sequence[str], world: World, training: Training, seeds: int) -> list[Arm]:
    """The arms of ``ablate``: one change of the recipe at a time, beside its control, and alpha and lambda together."""
    (base,) = recipes
    arms = []
    for name, (setting, changes) in ABLATIONS.items():
        changed = [with_options(base, options) for options in changes]
        arms += setting.arms(name, [*ABLATION_COMPANIONS.get(name, ()), *changed], world, training, seeds)
    return arms + _slope_and_weight(base, SLOPES, world, training, seeds)


def _slope_and_weight(recipe: str, slopes: Sequence[float], world: World, training: Training, seeds: int) -> list[Arm]:
    return [
        Arm("slope x weight", recipe, world, training, seeds, _cells(slope=[slope], exploration_weight=WEIGHTS), at)
        for slope in slopes
        for at in [{"slope": slope}]
    ]


def phase(recipes: Sequence[str], world: World, training: Training, seeds: int) -> list[Arm]:
    """The arms of ``phase``: maps over expert executability x lambda, and over group size x prior.

    A method without an exploration term has no lambda, and stands in the first map as a single row.
    """
    shares, weights, priors = (0.0, 0.125, 0.25, 0.5, 1.0), (0.01, 0.03, 0.1, 0.3), (0.002, 0.005, 0.02, 0.08)
    arms = []
    for recipe, share in product(recipes, shares):
        axes = {"exploration_weight": weights} if parse_method(recipe).explores else {}
        cells = _cells(executable=[share], **axes)
        arms.append(Arm("executable x weight", recipe, world, training, seeds, cells, {"executable": share}))
    for recipe, rollouts in product(recipes, (4, 8, 16)):
        changed, place = replace(training, rollouts=rollouts), {"rollouts": rollouts}
        arms.append(Arm("rollouts x prior", recipe, world, changed, seeds, _cells(sound_prior=priors), place))
    return arms


def mechanism_study(recipes: Sequence[str], world: World, training: Training, seeds: int) -> list[Arm]:
    """The arms of ``mechanism``: who is pushed where, and what that does to the entropy."""
    return SETTINGS["main"].arms("main", recipes, world, training, seeds)


def _cells(**axes: Sequence[float]) -> tuple[dict[str, float], ...]:
    """Every combination of the axes' values."""
    return tuple(dict(zip(axes, values, strict=True)) for values in product(*axes.values()))


@dataclass(frozen=True)
class Study:
    """A command that trains and writes a page.

    Attributes:
        text: its help.
        recipes: what it trains unless told.
        arms: (recipes, world, training, seeds) -> its arms.
        several: whether it takes more than one recipe.
    """

    text: str
    recipes: tuple[str, ...]
    arms: Callable[[Sequence[str], World, Training, int], list[Arm]]
    several: bool = True


STUDIES: dict[str, Study] = {
    "compare": Study("train methods side by side and write a report", DEFAULT_RECIPES, comparison),
    "ablate": Study(
        "change one piece of a recipe at a time, beside its control", ("calibrl",), ablation, several=False
    ),
    "phase": Study("maps over expert executability and lambda, and group size and prior", MAP_RECIPES, phase),
    "mechanism": Study("who is pushed where, and what that does to the entropy", MECHANISM_RECIPES, mechanism_study),
}
"""Command -> what it does."""


def plan(study: str, recipes: Sequence[str], world: World, training: Training, seeds: int) -> list[Arm]:
    """The arms of a study, checked before anything is trained.

    Raises:
        ValueError: a recipe or one of its options is unknown, or cannot be trained on a grid that the study has; the
            prompts are no multiple of the families.
    """
    for recipe in recipes:
        parse_method(recipe)
    arms = STUDIES[study].arms(list(dict.fromkeys(recipes)), world, training, seeds)
    for arm in arms:
        method = parse_method(arm.method)
        check_prompts(arm.world, arm.training)
        if arm.cells:
            check_cells(method, arm.cells)
    return arms
