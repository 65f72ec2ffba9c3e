"""What each command asks: `compare`, `ablate`, `phase`, `mechanism`; their parts, and the methods that they train."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

DEFAULT_METHODS = (
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
    "calibrl:exploration_weight=1",
    "calibrl:slope=1",
    "calibrl_released",
)
REGIME_METHODS = ("grpo", "sft_grpo", "calibrl", "calibrl:exploration_weight=1")
MAP_METHODS = ("grpo", "sft_grpo", "calibrl")
MECHANISM_METHODS = ("grpo", "entropy_bonus", "calibrl", "calibrl_released", "sft_grpo")

SLOPES = (0.0, 0.1, 0.3, 0.5, 0.8, 1.0)
WEIGHTS = (0.03, 0.1, 0.3, 1.0)
COARSE_SLOPES = (0.0, 0.3, 0.5, 0.8, 1.0)
EXECUTABLE = (0.0, 0.125, 0.25, 0.5, 1.0)
SUPERVISED = (0.15, 1 / 3, 0.6, 0.8)


@dataclass(frozen=True)
class Part:
    """A part of a study: a question, and how the world or the training differ from the default for it.

    Attributes:
        title: for tables.
        why: what the change is for, a sentence.
        world: fields of :class:`toy.world.World` that differ.
        training: fields of :class:`toy.learning.settings.Training` that differ.
        ordered: whether its arms are values of one number, to be drawn in a ramp of colours.
    """

    title: str
    why: str
    world: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    ordered: bool = False


REGIMES: dict[str, Part] = {
    "deterministic": Part(
        "Deterministic outcomes",
        "Each path always or never succeeds: sound paths do, shortcuts and the rest do not. GRPO needs no help there.",
        {"sound_success": 1.0, "shortcut_success": 0.0, "flawed_success": 0.0, "unsound_success": 0.0},
    ),
    "executable": Part(
        "Expert fully executable",
        "All demonstrations are sound paths that the policy can follow: the case for plain imitation before GRPO.",
        {"executable": 1.0},
    ),
    "unexecutable": Part(
        "Expert not executable",
        "With every path that the expert shows the policy succeeds only as often as a flawed one: is there anything "
        "that calibration can still find?",
        {"executable": 0.0},
    ),
    "deep": Part(
        "Deep imitation of what cannot be executed",
        "Where there is a supervised stage it takes three fifths of the steps, not a third, and the policy can follow "
        "nothing that the expert shows: what is left of imitation?",
        {"executable": 0.0},
        {"supervised_share": 0.6},
    ),
    "adam": Part(
        "Adam",
        "Adam (rate 0.05) in place of plain gradient descent: it rescales each logit's step, and so saves rare paths.",
        training={"optimizer": "adam", "learning_rate": 0.05},
    ),
}

ABLATIONS: dict[str, tuple[Part, tuple[str, ...]]] = {
    "slope": (
        Part(
            "The slope alpha",
            "How much of the gradient passes where the policy already agrees with the verdict?",
            ordered=True,
        ),
        tuple(f"slope={slope:g}" for slope in SLOPES),
    ),
    "weight": (
        Part(
            "The weight lambda", "How much does the exploration term count beside the clipped surrogate?", ordered=True
        ),
        tuple(f"exploration_weight={weight:g}" for weight in (0.0, 0.01, *WEIGHTS)),
    ),
    "gate": (
        Part("The gate", "Which other gates do as well as the LeakyReLU? The random gate is the control."),
        ("", *(f"gate={gate}" for gate in ("relu", "linear", "softplus", "sigmoid", "random"))),
    ),
    "gap": (
        Part("The level of the gap", "Whole responses, their mean per token, or token against token?"),
        ("", "gap=trajectory_mean", "gap=token_aligned", "gap=token_aligned,baseline=old_expert"),
    ),
    "baseline": (
        Part(
            "The reference point",
            "The prompt's expert, with and without its gradient; another prompt's expert (control); no expert at all. "
            "All prompts of the default world share one policy, so the control says little here: see the next part.",
        ),
        ("", "detach_expert=true", "baseline=shuffled_expert", "baseline=reference"),
    ),
    "families": (
        Part(
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
        Part("The weight |advantage|", "What if every response counts alike, or the advantage is only centred?"),
        ("", "weighted=false", "scale_by_std=false"),
    ),
}
"""Part of `ablate` -> its question, and the options of the method that are changed in it."""

ABLATION_COMPANIONS = {"slope": ("grpo",), "families": ("grpo", "sft_grpo")}
"""Part of `ablate` -> methods shown beside it."""

PARTS: dict[str, Part] = {
    "main": Part("The default world", "What happens to entropy and accuracy in training, method by method?"),
    "slope x weight": Part("Alpha and lambda together", "How do the slope and the weight trade against each other?"),
    **REGIMES,
    **{name: part for name, (part, _) in ABLATIONS.items()},
    "executable x weight": Part(
        "Executability and lambda",
        "What share of the demonstrations must the policy be able to follow, and how does lambda change that?",
    ),
    "imitation x executable": Part(
        "Imitation and executability",
        "How long may a policy imitate before it learns by itself, if it can follow only a part of what it is shown?",
    ),
    "rollouts x prior": Part(
        "Group size and prior",
        "Does it take an expert at all, with more responses to a prompt or sound paths that are less rare?",
    ),
    "push": Part("Who is pushed where", "Which responses does an update make likelier, and which less likely?"),
    "entropy change": Part(
        "What that does to the entropy",
        "Is the change of entropy by each update (nats per decision) the one that its covariance predicts?",
    ),
}
"""Part of any study -> its title and its question, in the order of the pages."""


@dataclass(frozen=True)
class Study:
    """A command that trains and writes a page.

    Attributes:
        text: its help.
        methods: what it trains unless told.
        several: whether it takes more than one method.
    """

    text: str
    methods: tuple[str, ...]
    several: bool = True


STUDIES: dict[str, Study] = {
    "compare": Study("train methods side by side and write a report", DEFAULT_METHODS),
    "ablate": Study("change one piece of a method at a time, beside its control", ("calibrl",), several=False),
    "phase": Study(
        "maps over what of the expert can be executed, lambda, imitation, group size and prior", MAP_METHODS
    ),
    "mechanism": Study("who is pushed where, and what that does to the entropy", MECHANISM_METHODS),
}
"""Command -> what it does."""
