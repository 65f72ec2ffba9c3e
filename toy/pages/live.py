"""The live page: GRPO and a method beside it train in the reader's browser, with the toy's own random numbers.

One self-contained file: the page's style and scripts are in `toy/pages/web`, its defaults and words come from here. The
computation is `engine.js`, the one place where formulas of `calibrl_ref` stand a second time: a browser has no torch.
Tests run it beside the toy's trainer and the recipes, for what the page offers and nothing else.
"""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from calibrl_ref import hyper_parameters, read_method
from cli.folder import beside
from toy.learning.settings import Training
from toy.pages.templates import percent, render, source
from toy.studies.results import SOLVED_ABOVE
from toy.world import Tree, World

METHODS = {
    "grpo": "GRPO",
    "calibrl": "CalibRL",
    "calibrl:detach_expert=true": "CalibRL, the expert's gradient cut",
    "calibrl_released": "CalibRL, the released code's form",
    "entropy_bonus": "GRPO with an entropy bonus",
}
"""Method, as the command line names it -> its name on the page. These are the ones that `engine.js` knows."""

SLIDERS = (
    {"name": "slope", "label": "slope alpha", "min": 0, "max": 1, "step": 0.05},
    {"name": "exploration_weight", "label": "weight lambda", "min": 0, "max": 1, "step": 0.01},
    {"name": "entropy_weight", "label": "entropy bonus", "min": 0, "max": 0.6, "step": 0.01},
    {"name": "executable", "label": "executable", "min": 0, "max": 1, "step": 0.0625},
    {"name": "learning_rate", "label": "learning rate", "min": 0.5, "max": 8, "step": 0.5},
    {"name": "rollouts", "label": "group size", "min": 2, "max": 32, "step": 1},
    {"name": "seed", "label": "seed", "min": 0, "max": 31, "step": 1},
)
READ = (
    *("depth", "branching", "sound", "shortcuts", "demonstrations", "executable", "sound_prior", "shortcut_prior"),
    *("sound_success", "shortcut_success", "flawed_success", "unsound_success"),
    *("steps", "prompts", "rollouts", "learning_rate"),
)
"""Settings of the world and the training that `engine.js` reads; of the others it has the defaults only."""

OPTIONAL = ("slope", "exploration_weight", "entropy_weight")
"""Sliders that some methods do not read: hyper-parameters of recipes."""

PRESETS: tuple[dict[str, Any], ...] = (
    {"question": "The paper's settings?", "changes": {}},
    {"question": "alpha = 1: what happens?", "changes": {"slope": 1}},
    {"question": "lambda = 1, ten times the paper's?", "changes": {"exploration_weight": 1}},
    {"question": "lambda = 1 and all executable?", "changes": {"exploration_weight": 1, "executable": 1}},
    {"question": "Cut the expert's gradient?", "changes": {"method": "calibrl:detach_expert=true"}},
    {"question": "Nothing can be executed?", "changes": {"executable": 0}},
    {"question": "The released code's form?", "changes": {"method": "calibrl_released"}},
    {"question": "A bonus for entropy, tuned?", "changes": {"method": "entropy_bonus", "entropy_weight": 0.2}},
)
SEEDS = 32


def live_page() -> str:
    """The page's text."""
    world = World()
    tree = Tree(world.depth, world.branching)
    return render(
        "live",
        toy=page_data(),
        world=world,
        methods=METHODS,
        seeds=SEEDS,
        paths=tree.paths,
        logits=tree.nodes * tree.branching,
        percent=percent,
        style=source("live.css"),
        script=source("engine.js").partition("\n")[2] + source("live.js"),
    )


def page_data() -> dict[str, Any]:
    """What the page's script reads beside the engine: defaults of all settings, and its words."""
    values = {item.name: item.default for method in METHODS for item in hyper_parameters(read_method(method)[0])}
    values |= asdict(World()) | asdict(Training())
    settings = {name: values[name] for name in (*READ, *OPTIONAL)}
    return {
        "defaults": settings | {"method": "calibrl", "seed": 0},
        "methods": METHODS,
        "reads": {method: [item.name for item in hyper_parameters(read_method(method)[0])] for method in METHODS},
        "sliders": SLIDERS,
        "optional": OPTIONAL,
        "presets": PRESETS,
        "seeds": SEEDS,
        "solved_above": SOLVED_ABOVE,
    }


def write_live(path: Path) -> Path:
    """Write the page, and return its path.

    Args:
        path: of the file; its folder is made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with beside(path) as partial:
        partial.write_text(live_page(), encoding="utf-8")
    return path
