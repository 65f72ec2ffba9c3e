"""Every option of a training run: a preset, then the command line; and where each value came from."""

import argparse
import dataclasses
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_type_hints

import yaml

from calibrl_ref import RECIPES, SCHEDULES, Objective, Schedule
from full_scale.model import TINY_MODEL

PRESETS = Path(__file__).parent / "presets"


def _option(text: str) -> dataclasses.Field[object]:
    return field(metadata={"help": text})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """One training run. The fields are the command line's flags; their meaning is in each field's help text."""

    model: str = _option("folder or hub id of a vision-language model; 'tiny' is the shipped one")
    dataset: str = _option("'rendered', a folder or file, or '<layout>:<path>'")
    experts: str = _option("where experts come from: dataset, column:<name>, answer_only or none")
    instruct: bool = _option("append the paper's instruction to think first and answer in tags")
    method: str = _option("a recipe of calibrl_ref")
    steps: int = _option("updates")
    prompts_per_step: int = _option("prompts in one update")
    group_size: int = _option("sampled responses per prompt")
    micro_batch_prompts: int = _option("prompts in one forward pass; divides prompts_per_step")
    learning_rate: float = _option("of AdamW, constant")
    weight_decay: float = _option("of AdamW")
    max_grad_norm: float = _option("gradients are clipped to this norm")
    temperature: float = _option("of the sampled responses")
    format_weight: float = _option("reward = accuracy + this x format")
    max_prompt_length: int = _option("tokens; longer prompts are dropped and counted")
    max_response_length: int = _option("tokens; longer experts are dropped and counted")
    dtype: str = _option("of the weights: float32 or bfloat16")
    save_every: int = _option("updates between two checkpoints")
    evaluate_problems: int = _option("held-out problems before and after training; 0 for none")
    limit: int | None = field(default=None, metadata={"help": "use only so many training problems"})
    seed: int = field(default=0, metadata={"help": "of problems, order and sampling"})
    recipe: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.method not in RECIPES:
            raise ValueError(f"method {self.method!r} is unknown; valid: {', '.join(RECIPES)}.")
        if self.dtype not in ("float32", "bfloat16"):
            raise ValueError(f"dtype is {self.dtype!r}; valid: float32, bfloat16.")
        for name in ("steps", "prompts_per_step", "micro_batch_prompts", "max_prompt_length", "max_response_length"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 1.")
        if self.group_size < 2:
            raise ValueError(f"group_size is {self.group_size}; a group needs at least 2 responses to compare.")
        if self.prompts_per_step % self.micro_batch_prompts:
            raise ValueError(
                f"micro_batch_prompts ({self.micro_batch_prompts}) does not divide prompts_per_step "
                f"({self.prompts_per_step}); choose a divisor."
            )

    @property
    def model_folder(self) -> str:
        """Where the model is read from."""
        return str(TINY_MODEL) if self.model == "tiny" else self.model

    def schedule(self) -> Schedule:
        """The method's stages; a recipe is one stage. Each stage takes the hyper-parameters that it knows."""
        stages = SCHEDULES.get(self.method, ((self.method, 1.0),))
        return Schedule(tuple((self._objective(recipe), share) for recipe, share in stages))

    def _objective(self, recipe: str) -> Objective:
        """The recipe with its hyper-parameters; a constant length is the longest response unless it was given."""
        known = inspect.signature(RECIPES[recipe]).parameters
        values = {name: value for name, value in self.recipe.items() if name in known}
        if "max_length" in known and values.get("max_length") is None:
            values["max_length"] = self.max_response_length
        return RECIPES[recipe](**values)


def read_settings(arguments: Sequence[str]) -> tuple[Settings, dict[str, str], argparse.Namespace]:
    """Parse a command line: the preset's values, replaced by the flags.

    Args:
        arguments: The command line, without the program's name.

    Returns:
        The settings; for each value where it came from; and the flags that are no settings (out, resume, ...).

    Raises:
        ValueError: Unknown preset, or a value that does not fit.
    """
    first = _parser(add_help=False)
    known, _ = first.parse_known_args(arguments)
    preset = read_preset(known.preset)
    method = getattr(known, "method", preset["method"])
    if method not in RECIPES:
        raise ValueError(f"method {method!r} is unknown; valid: {', '.join(RECIPES)}.")
    options = vars(_parser(add_help=True, recipe=RECIPES[method]).parse_args(arguments))
    parameters = inspect.signature(RECIPES[method]).parameters
    values, origin = {}, {}
    recipe = {name: parameter.default for name, parameter in parameters.items()}
    for name in recipe:
        origin[name] = f"default of {method}"
    preset_recipe = preset.pop("recipe", {}) if method == preset["method"] else {}
    preset.pop("recipe", None)
    for source, given in ((f"preset {known.preset}", preset | preset_recipe), ("command line", options)):
        for name, value in given.items():
            if name in recipe:
                recipe[name] = value
            elif name in SETTINGS:
                values[name] = value
            else:
                continue
            origin[name] = source
    run = argparse.Namespace(**{name: value for name, value in options.items() if name not in origin})
    return Settings(**values, recipe=recipe), origin, run


def read_preset(name: str) -> dict[str, Any]:
    """The values of a preset.

    Args:
        name: Name of a file in ``presets``, without its ending.

    Returns:
        Field of :class:`Settings` -> value.

    Raises:
        ValueError: If there is no such preset, or it has an unknown key.
    """
    path = PRESETS / f"{name}.yaml"
    if not path.is_file():
        valid = ", ".join(sorted(file.stem for file in PRESETS.glob("*.yaml")))
        raise ValueError(f"preset {name!r} is unknown; valid: {valid}.")
    values = yaml.safe_load(path.read_text())
    unknown = sorted(set(values) - set(SETTINGS) - {"recipe"})
    if unknown:
        raise ValueError(f"{path.name} has unknown keys {', '.join(unknown)}; valid: {', '.join(SETTINGS)}, recipe.")
    return values


def describe(settings: Settings, origin: dict[str, str]) -> str:
    """One line per value, with its origin.

    Args:
        settings: The settings.
        origin: From :func:`read_settings`.

    Returns:
        The text of ``--print-config``.
    """
    values = dataclasses.asdict(settings)
    flat = values | values.pop("recipe")
    return "\n".join(f"{name:22} {flat[name]!s:28} {origin.get(name, 'default')}" for name in flat if name != "recipe")


SETTINGS = tuple(item.name for item in dataclasses.fields(Settings) if item.name != "recipe")
"""Names of the settings that are flags."""


def _parser(*, add_help: bool, recipe: Callable[..., Objective] | None = None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description="Train a vision-language model on geometry by GRPO with experts.",
        argument_default=argparse.SUPPRESS,
        add_help=add_help,
        allow_abbrev=False,
    )
    parser.add_argument("--preset", default="tiny", help="named settings in full_scale/presets (default: tiny)")
    parser.add_argument("--out", type=Path, default=Path("runs/full_scale"), help="output folder")
    parser.add_argument(
        "--resume", action="store_true", default=False, help="go on from the output folder's checkpoint"
    )
    parser.add_argument("--overwrite", action="store_true", default=False, help="empty the output folder first")
    parser.add_argument("--print-config", action="store_true", default=False, help="show all values, and stop")
    hints = get_type_hints(Settings)
    for item in dataclasses.fields(Settings):
        if item.name != "recipe":
            _add(parser, item.name, hints[item.name], item.metadata["help"])
    if recipe is not None:
        hints = get_type_hints(recipe)
        for name in inspect.signature(recipe).parameters:
            _add(parser, name, hints[name], f"hyper-parameter of the method, see {recipe.__name__} in calibrl_ref")
    return parser


def _add(parser: argparse.ArgumentParser, name: str, hint: object, text: str) -> None:
    kinds = [kind for kind in get_args(hint) or (hint,) if kind is not NoneType]
    flag = "--" + name.replace("_", "-")
    if kinds == [bool]:
        parser.add_argument(flag, action=argparse.BooleanOptionalAction, help=text)
    elif NoneType in get_args(hint):
        parser.add_argument(
            flag, type=lambda given: None if given == "none" else kinds[0](given), help=f"{text}; or none"
        )
    else:
        parser.add_argument(flag, type=kinds[0], help=text)
