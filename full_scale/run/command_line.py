"""The command line of a training run: a preset's values, replaced by the flags; and where each value came from."""

import argparse
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_type_hints

import yaml

from calibrl_ref import HyperParameter, hyper_parameters, read_method
from full_scale.run.settings import OPTIONS, Settings, kind_of

PRESETS = Path(__file__).parent / "presets"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Run:
    """What a command line asks for.

    Attributes:
        settings: Of the training.
        origin: Name of each value -> where it came from.
        out: Output folder.
        resume: Go on from its last checkpoint.
        overwrite: Empty it first.
        print_config: Show the settings, and stop.
    """

    settings: Settings
    origin: dict[str, str]
    out: Path
    resume: bool
    overwrite: bool
    print_config: bool


def read_command_line(arguments: Sequence[str]) -> Run:
    """Parse a command line.

    Args:
        arguments: The command line, without the program's name.

    Returns:
        The settings and what to do.

    Raises:
        ValueError: Unknown or unreadable preset, unknown method, or a value that does not fit.
    """
    first, _ = _parser(add_help=False).parse_known_args(arguments)
    preset = read_preset(first.preset)
    method = getattr(first, "method", preset.get("method"))
    method, chosen = (None, {}) if method is None else read_method(method)
    given = vars(_parser(add_help=True, method=method).parse_args(arguments))
    if "method" in given:
        given = chosen | given | {"method": method}
    run = {name: given.pop(name) for name in ("out", "resume", "overwrite", "print_config")}
    del given["preset"]
    recipe = preset.pop("recipe", {})
    if method != preset.get("method"):
        recipe = {}  # they belong to the preset's own method
    known = [*OPTIONS, *(item.name for item in (() if method is None else hyper_parameters(method)))]
    values, origin = _merged({f"preset {first.preset}": preset | recipe, "command line": given}, known)
    settings = {name: value for name, value in values.items() if name in OPTIONS}
    recipe = {name: value for name, value in values.items() if name not in OPTIONS}
    missing = [name for name, option in OPTIONS.items() if option.default is MISSING and name not in settings]
    if missing:
        raise ValueError(f"preset {first.preset} lacks {', '.join(missing)}; add them to it, or give them as flags.")
    return Run(settings=Settings(**settings, recipe=recipe), origin=origin, **run)


def _merged(sources: Mapping[str, Mapping[str, Any]], known: Sequence[str]) -> tuple[dict[str, Any], dict[str, str]]:
    """The values of all sources, a later one before an earlier one, and each value's source."""
    values: dict[str, Any] = {}
    origin: dict[str, str] = {}
    for source, given in sources.items():
        unknown = [name for name in given if name not in known]
        if unknown:
            raise ValueError(f"{source} has unknown keys {', '.join(unknown)}; valid: {', '.join(known)}.")
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
        valid = ", ".join(sorted(file.stem for file in PRESETS.glob("*.yaml")))
        raise ValueError(f"preset {name!r} is unknown; valid: {valid}, or the path of a .yaml file.")
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"preset {path} cannot be read as YAML; correct it: {error}") from error
    if not isinstance(values, dict) or not isinstance(values.get("recipe", {}), dict):
        raise ValueError(f"preset {path} is not a mapping of settings to values, with recipe as another; correct it.")
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


def _parser(*, add_help: bool, method: str | None = None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description="Train a vision-language model on geometry, or a text model, by GRPO with experts in the group.",
        argument_default=argparse.SUPPRESS,
        add_help=add_help,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--preset", default="tiny", help="settings in full_scale/run/presets, or a .yaml (default: tiny)"
    )
    parser.add_argument("--out", type=Path, default=Path("runs/full_scale"), help="output folder")
    parser.add_argument("--resume", action="store_true", default=False, help="go on from its last checkpoint")
    parser.add_argument("--overwrite", action="store_true", default=False, help="empty the output folder first")
    parser.add_argument("--print-config", action="store_true", default=False, help="show all values, and stop")
    hints = get_type_hints(Settings)
    titles = dict.fromkeys(option.metadata["group"] for option in OPTIONS.values())
    groups = {title: parser.add_argument_group(title) for title in titles}
    for name, option in OPTIONS.items():
        _add(groups[option.metadata["group"]], name, hints[name], option.metadata["help"])
    if method is not None:
        group = parser.add_argument_group(f"hyper-parameters of {method}, see calibrl_ref/recipes.py")
        for item in hyper_parameters(method):
            _add_hyper_parameter(group, item)
    return parser


def _add(group: argparse._ArgumentGroup, name: str, hint: object, text: str) -> None:
    flag, kind = "--" + name.replace("_", "-"), kind_of(hint)
    text = text.replace("%", "%%")
    if kind is bool:
        group.add_argument(flag, action=argparse.BooleanOptionalAction, help=text)
    elif NoneType in get_args(hint):
        group.add_argument(flag, type=_or_none(kind), help=f"{text}; or none", metavar="X")
    else:
        group.add_argument(flag, type=kind, help=text, metavar="X")


def _add_hyper_parameter(group: argparse._ArgumentGroup, item: HyperParameter) -> None:
    flag, text = "--" + item.name.replace("_", "-"), f"{item.documentation} (default: {item.default})"
    text = text.replace("%", "%%")
    if item.kind is bool:
        group.add_argument(flag, action=argparse.BooleanOptionalAction, help=text)
        return
    kind = "{" + ",".join(item.choices) + "}" if item.choices else item.kind.__name__
    group.add_argument(flag, type=_read(item), help=text, metavar=f"{kind} or none" if item.optional else kind)


def _read(item: HyperParameter) -> Callable[[str], object]:
    def read(given: str) -> object:
        """The value, or argparse's error with the core's message."""
        try:
            return item.read(given)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return read


def _or_none(kind: type) -> Callable[[str], object]:
    def read(given: str) -> object:
        """A value of the kind, or None for "none"."""
        return None if given == "none" else kind(given)

    read.__name__ = f"{kind.__name__} or none"  # argparse names it in its messages
    return read
