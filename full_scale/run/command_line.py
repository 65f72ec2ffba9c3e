"""The command line of a training run: a preset's values, replaced by the flags; and where each value came from."""

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass
from pathlib import Path
from typing import Any

import yaml

from cli.flags import Parser, add_flag, add_flags, add_opposite, read_flags
from cli.folder import Output
from cli.names import hint
from full_scale.run.methods import hyper_parameters, method_names
from full_scale.run.settings import OPTIONS, Settings

PRESETS = Path(__file__).parent / "presets"
DEFAULT_OUT = Path("runs/full_scale")

OTHER_NAMES = {
    "algo": "method",
    "algorithm": "method",
    "alpha": "slope",
    "batch-size": "prompts-per-step",
    "bf16": "mixed-precision",
    "checkpoint-path": "checkpoint",
    "clip-range": "clip-low",
    "config": "preset",
    "continue": "resume",
    "data": "dataset",
    "data-dir": "dataset",
    "data-path": "dataset",
    "device": "needs-gpu",
    "epochs": "steps",
    "force": "overwrite",
    "gpu": "needs-gpu",
    "lambda": "exploration-weight",
    "lora": "lora-rank",
    "lr": "learning-rate",
    "lora-r": "lora-rank",
    "max-completion-length": "max-response-length",
    "max-new-tokens": "max-response-length",
    "max-steps": "steps",
    "model-name": "model",
    "model-name-or-path": "model",
    "model-path": "model",
    "num-epochs": "steps",
    "num-generations": "group-size",
    "num-samples": "group-size",
    "num-steps": "steps",
    "num-train-epochs": "steps",
    "output": "out",
    "output-dir": "out",
    "per-device-train-batch-size": "micro-batch-rows",
    "recipe": "method",
    "resume-from-checkpoint": "checkpoint",
    "rollouts": "group-size",
    "save-steps": "save-every",
    "train-batch-size": "prompts-per-step",
    "train-file": "dataset",
    "updates": "steps",
    "use-vllm": "vllm",
}
"""What other trainers call a flag -> what it is here."""

NO_DROPOUT = (
    "expected no dropout, as the policy that is scored must be the one that sampled: at 0.05 the ratio of an unchanged "
    "policy is off by 0.29. Fix: leave the flag out."
)
"""What is said to who asks for dropout in front of the adapters."""


@dataclass(frozen=True, kw_only=True)
class Command:
    """What a command line asks for, besides the settings and the folder.

    Attributes:
        preset: settings in full_scale/run/presets, or a .yaml file.
        checkpoint: with --resume: go on from this earlier checkpoint, such as checkpoint-40, not from the last.
        print_config: show all values and where each comes from, and stop.
    """

    preset: str = "tiny"
    checkpoint: str | None = None
    print_config: bool = False


@dataclass(frozen=True, kw_only=True)
class Run:
    """A command line that was read.

    Attributes:
        settings: Of the training.
        origin: Name of each value -> where it came from.
        output: Where it writes, and what it may do there.
        checkpoint: Name of the checkpoint to go on from; None for the last one.
        print_config: Show the settings, and stop.
    """

    settings: Settings
    origin: dict[str, str]
    output: Output
    checkpoint: str | None
    print_config: bool


def read_command_line(arguments: Sequence[str]) -> Run:
    """Parse a command line.

    Args:
        arguments: The command line, without the program's name.

    Returns:
        The settings and what to do.

    Raises:
        ValueError: Unknown or unreadable preset, unknown flag or method, or a value that does not fit.
        SystemExit: After ``--help``.
    """
    first, _ = _first_parser().parse_known_args(arguments)
    name = getattr(first, "preset", Command.preset)
    preset = read_preset(name)
    method, _, attached = str(getattr(first, "method", preset.get("method", ""))).partition(":")
    recipe = preset.pop("recipe", {})
    if method != preset.get("method"):
        recipe = {}  # they belong to the preset's own method
    known = hyper_parameters(method) if method else {}
    parser = _parser(method, preset | recipe)
    given = parser.parse_args([*_as_flags(method, attached), *arguments])
    command, output = read_flags(given, Command), read_flags(given, Output)
    flags = {key: value for key, value in vars(given).items() if key in OPTIONS or key in known}
    flags |= {"method": method} if "method" in flags else {}
    sources = {f"preset {name}": preset | recipe, "command line": flags}
    values, origin = _merged(sources, known=(*OPTIONS, *known))
    missing = [key for key, option in OPTIONS.items() if option.default is MISSING and key not in values]
    if missing:
        raise ValueError(f"preset {name} lacks {', '.join(missing)}. Fix: add them to it, or give them as flags.")
    settings = {key: values.pop(key) for key in OPTIONS if key in values}
    if command.checkpoint is not None and not output.resume:
        raise ValueError(f"--checkpoint {command.checkpoint}: expected with --resume. Fix: add --resume.")
    return Run(
        settings=Settings(**settings, recipe=values),
        origin=origin,
        output=output,
        checkpoint=command.checkpoint,
        print_config=command.print_config,
    )


def _first_parser() -> Parser:
    """Reads the two flags on which the others depend."""
    parser = Parser(prog="train.py", lenient=True, add_help=False)
    add_flags(parser, Command, without=["checkpoint", "print_config"])
    add_flag(parser, "method", str, "")
    return parser


def _parser(method: str, defaults: Mapping[str, object]) -> Parser:
    parser = Parser(
        "Train a vision-language model on geometry, or a text model, by GRPO with experts in the group.",
        prog="train.py",
        usage="train.py [--preset NAME] [--method NAME] [flags]",
        other_names=OTHER_NAMES,
        elsewhere=_of_other_methods(method) | {"lora-dropout": NO_DROPOUT},
    )
    add_flags(parser, Command, title="command")
    add_flags(parser, Output, title="output folder", defaults={"out": DEFAULT_OUT})
    parser.set_defaults(out=DEFAULT_OUT)
    add_flags(parser, Settings, defaults=defaults, without=["recipe"])
    add_opposite(parser, "strict", of="skip_broken")
    if method:
        group = parser.add_argument_group(f"hyper-parameters of {method}, see calibrl_ref/recipes.py")
        for name, item in hyper_parameters(method).items():
            add_flag(group, name, item.hint, item.documentation, item.choices, defaults.get(name, item.default))
    return parser


def _of_other_methods(method: str) -> dict[str, str]:
    """Flag of a hyper-parameter that the method does not have -> which methods do."""
    own = hyper_parameters(method) if method else {}
    owners: dict[str, list[str]] = {}
    for other in method_names():
        for name in hyper_parameters(other):
            owners.setdefault(name, []).append(other)
    return {
        name.replace("_", "-"): f"{method} has no such hyper-parameter. Fix: choose a --method of {', '.join(having)}."
        for name, having in owners.items()
        if name not in own
    }


def _as_flags(method: str, attached: str) -> list[str]:
    """The values behind a method's name, "slope=0.3,weighted=false", as flags."""
    flags = []
    for item in filter(None, attached.split(",")):
        name, _, value = item.partition("=")
        flag, truth = name.replace("_", "-"), {"true": "", "false": "no-"}.get(value)
        if not value:
            raise ValueError(
                f"method={method}:{attached}: expected name:key=value,key=value. Fix: give {name} a value."
            )
        flags += [f"--{flag}={value}"] if truth is None else [f"--{truth}{flag}"]
    return flags


def _merged(sources: Mapping[str, Mapping[str, Any]], known: Sequence[str]) -> tuple[dict[str, Any], dict[str, str]]:
    """The values of all sources, a later one before an earlier one, and each value's source."""
    values: dict[str, Any] = {}
    origin: dict[str, str] = {}
    for source, given in sources.items():
        for name in given:
            if name not in known:
                fix = hint(name, known) or f"choose among {', '.join(known)}."
                raise ValueError(f"{source}: it has the unknown key {name!r}. Fix: {fix}")
        values |= given
        origin |= dict.fromkeys(given, source)
    return values, origin


def read_preset(name: str) -> dict[str, Any]:
    """The values of a preset.

    Args:
        name: Name of a file in ``presets``, without its ending; or the path of a YAML file.

    Returns:
        Field of :class:`~full_scale.run.settings.Settings` -> value; ``recipe`` holds the method's hyper-parameters.

    Raises:
        ValueError: If there is no such preset, or it is not a YAML mapping.
    """
    path = Path(name) if name.endswith((".yaml", ".yml")) else PRESETS / f"{name}.yaml"
    if not path.is_file():
        valid = sorted(file.stem for file in PRESETS.glob("*.yaml"))
        fix = hint(name, valid) or "choose one of these."
        raise ValueError(f"preset={name!r}: expected {', '.join(valid)}, or the path of a .yaml file. Fix: {fix}")
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise ValueError(f"preset={path}: expected readable YAML. Fix: correct it: {error}") from error
    if not isinstance(values, dict) or not isinstance(values.get("recipe", {}), dict):
        raise ValueError(f"preset={path}: expected a mapping of settings to values, recipe another. Fix: correct it.")
    return values


def describe(run: Run) -> str:
    """One line per value with its origin, by group.

    Args:
        run: From :func:`read_command_line`.

    Returns:
        The text of ``--print-config``.
    """
    settings = run.settings
    groups: dict[str, dict[str, object]] = {}
    for name, option in OPTIONS.items():
        groups.setdefault(option.metadata["group"], {})[name] = getattr(settings, name)
    groups[f"hyper-parameters of {settings.method}"] = settings.hyper_parameters()
    lines = []
    for group, values in groups.items():
        lines.append(f"{group}:")
        lines += [f"  {name:22} {value!s:32} {run.origin.get(name, 'default')}" for name, value in values.items()]
    return "\n".join(lines)
