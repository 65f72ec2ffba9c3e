"""A method: one recipe of `calibrl_ref`, or several in a row, with the options given on the command line."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from calibrl_ref import RECIPES, SCHEDULES, Exploration, Schedule


@dataclass(frozen=True)
class Method:
    """What to train with.

    Attributes:
        name: as written on the command line, for example ``calibrl:slope=0.8``; also the label in figures.
        schedule: the objectives, and the share of the steps for each.
    """

    name: str
    schedule: Schedule

    @property
    def explores(self) -> bool:
        """Whether it has an exploration term, with a slope and a weight."""
        return any(isinstance(term, Exploration) for objective, _ in self.schedule.stages for term in objective.terms)


def parse_method(text: str) -> Method:
    """Build a method from its name: ``recipe`` or ``recipe:option=value,option=value``.

    All responses of a world have the same length, so the aggregations of a loss differ by a constant factor only; every
    recipe is given the same one, the sum over a response's decisions, to make one learning rate mean one size of step.

    Args:
        text: the name of a recipe or a schedule, with options of the recipe's signature.

    Raises:
        ValueError: the recipe or an option is unknown (the message lists the valid ones), or a value does not fit.

    Example:
        >>> parse_method("calibrl:slope=0.8").schedule.stages[0][0].terms[1].slope
        0.8
    """
    name, _, options = text.partition(":")
    if name in SCHEDULES and options:
        raise ValueError(f"recipe={text!r}: the schedule {name} takes no options. Fix: write {name!r}.")
    chosen = _parse_options(name, options) if name in RECIPES else {}
    return Method(text, Schedule.named(name, **{"aggregation": "sequence_mean_token_sum", **chosen}))


def with_options(method: str, options: str) -> str:
    """The method's name with more options.

    Example:
        >>> with_options("calibrl", "slope=0.3"), with_options("calibrl:slope=0.3", "gate=relu")
        ('calibrl:slope=0.3', 'calibrl:slope=0.3,gate=relu')
    """
    return f"{method}{',' if ':' in method else ':'}{options}" if options else method


def hyper_parameters(method: str) -> Mapping[str, inspect.Parameter]:
    """Name -> hyper-parameter of a method; a schedule has none."""
    recipe = RECIPES.get(method.partition(":")[0])
    return {} if recipe is None else inspect.signature(recipe).parameters


def _parse_options(recipe: str, text: str) -> dict[str, Any]:
    parameters = inspect.signature(RECIPES[recipe]).parameters
    options: dict[str, Any] = {}
    for item in filter(None, text.split(",")):
        key, _, value = item.partition("=")
        if key not in parameters or not value:
            raise ValueError(f"option={item!r} of {recipe}: expected name=value, name one of {list(parameters)}.")
        options[key] = _convert(f"{recipe}:{key}", value, parameters[key].default)
    return options


def _convert(name: str, value: str, default: object) -> object:
    """Read a value as the type of the option's default."""
    if value == "none":
        return None
    if isinstance(default, str):
        return value
    if isinstance(default, bool):
        if value not in ("true", "false"):
            raise ValueError(f"{name}={value!r}: expected true or false. Fix: write one of these.")
        return value == "true"
    try:
        return int(value) if isinstance(default, int) else float(value)
    except ValueError:
        raise ValueError(f"{name}={value!r}: expected a number, as the default {default!r}. Fix: write one.") from None
