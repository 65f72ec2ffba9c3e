"""What there is to know of a recipe's hyper-parameters: read once, here, for every command line and table.

A recipe's class, or a plain function that is used as a recipe, is the only source: its keywords, annotations, defaults
and the ``Attributes`` (of a function: ``Args``) of its docstring.
"""

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from calibrl_ref._checks import bad_value, look_up

Value = bool | int | float | str | None
_SECTION = re.compile(r"^(?:Attributes|Args):\n((?: {4}.*\n?)+)", flags=re.MULTILINE)
_ENTRY = re.compile(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", flags=re.MULTILINE)
_NUMBERS = {int: "a whole number", float: "a number"}


@dataclass(frozen=True, eq=False)  # hashable, as annotations must be
class OneOf:
    """Says in an annotation that a string is a key of a registry, as in ``Annotated[str, OneOf(GATES)]``.

    Attributes:
        registry: the registry; names that a user adds to it count too.
    """

    registry: Mapping[str, object] = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class HyperParameter:
    """One hyper-parameter.

    Attributes:
        name: its keyword.
        kind: bool, int, float or str, from its annotation.
        default: what it is unless given.
        optional: whether it may be None.
        choices: the names that it may have; empty: any value of its kind.
        documentation: what it means.
    """

    name: str
    kind: type[bool] | type[int] | type[float] | type[str]
    default: Value
    optional: bool
    choices: tuple[str, ...]
    documentation: str

    def read(self, text: str) -> Value:
        """Read a value as it is written on a command line: "0.3", "true", "none", "leaky_relu".

        Args:
            text: the value.

        Raises:
            ValueError: the text is not of this kind.

        Example:
            >>> from calibrl_ref import RECIPES, hyper_parameters_of
            >>> (buffer,) = (item for item in hyper_parameters_of(RECIPES["dapo"]) if item.name == "overlong_buffer")
            >>> buffer.kind, buffer.optional, buffer.read("2"), buffer.read("none")
            (<class 'int'>, True, 2, None)
        """
        if self.optional and text == "none":
            return None
        if self.kind is bool:
            return look_up({"true": True, "false": False}, self.name, text, closed=True)
        if self.kind is str:
            return self._read_name(text)
        try:
            return self.kind(text)
        except ValueError:
            expected = _NUMBERS[self.kind] + (", or none" if self.optional else "")
            raise bad_value(self.name, text, expected, f"write one, as the default {self.default}") from None

    def _read_name(self, text: str) -> str:
        if self.choices:
            look_up(dict.fromkeys(self.choices), self.name, text)
        return text


def hyper_parameters_of(recipe: Callable[..., object]) -> tuple[HyperParameter, ...]:
    """Read the hyper-parameters of a recipe.

    Args:
        recipe: one of ``RECIPES``, a recipe's class, or a function of keywords with annotations and defaults.

    Returns:
        Its hyper-parameters, in the order of its signature.

    Raises:
        TypeError: a hyper-parameter has no default, or an annotation that no command line can read.

    Example:
        >>> from calibrl_ref import RECIPES, hyper_parameters_of
        >>> [item.name for item in hyper_parameters_of(RECIPES["sft"])]
        ['aggregation', 'max_length']
    """
    source = inspect.unwrap(recipe)
    hints, texts = get_type_hints(source, include_extras=True), documented_members(source)
    return tuple(
        _hyper_parameter(parameter, hints.get(name), texts.get(name, ""))
        for name, parameter in inspect.signature(source).parameters.items()
    )


def documented_members(source: object) -> dict[str, str]:
    """Read what a class's docstring, or one that it inherits, says under ``Attributes``; of a function, under ``Args``.

    Args:
        source: the class or function.

    Returns:
        Name -> its text, on one line, without the closing point.
    """
    texts: dict[str, str] = {}
    for documented in inspect.getmro(source) if isinstance(source, type) else (source,):
        for section in _SECTION.findall(inspect.cleandoc(documented.__doc__ or "")):
            for name, entry in _ENTRY.findall(section):
                texts.setdefault(name, " ".join(entry.split()).replace("``", "").rstrip("."))
    return texts


def _hyper_parameter(parameter: inspect.Parameter, hint: object, text: str) -> HyperParameter:
    members = tuple(_members(hint))
    kinds = [member for member in members if member in (bool, int, float, str)]
    others = [member for member in members if member not in (*kinds, NoneType) and not isinstance(member, OneOf)]
    if len(kinds) != 1 or others or parameter.default is parameter.empty:
        raise TypeError(
            f"hyper-parameter {parameter}: expected a default, and the annotation bool, int, float or str, with or "
            "without None. Fix: give it both."
        )
    return HyperParameter(
        name=parameter.name,
        kind=kinds[0],
        default=parameter.default,
        optional=NoneType in members,
        choices=tuple(name for member in members if isinstance(member, OneOf) for name in member.registry),
        documentation=text,
    )


def _members(hint: object) -> Iterator[Any]:
    """Take an annotation apart: the types of a union, and what ``Annotated`` adds."""
    if get_origin(hint) is Annotated:
        kind, *extras = get_args(hint)
        yield from _members(kind)
        yield from extras
    elif get_origin(hint) in (Union, UnionType):
        for member in get_args(hint):
            yield from _members(member)
    else:
        yield hint
