"""Command-line flags made from a settings dataclass, so that every setting is a flag and its help is its docstring."""

import argparse
import inspect
import re
from dataclasses import MISSING, Field, fields
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Settings = TypeVar("Settings", bound="DataclassInstance")


def add_settings(parser: argparse.ArgumentParser, settings: "type[DataclassInstance]", **defaults: object) -> None:
    """Add a flag for each field of a dataclass of numbers and names, as its own group in the help.

    Args:
        parser: gets ``--some-field`` for the field ``some_field``.
        settings: the dataclass; the ``Attributes:`` of its docstring are the flags' help.
        **defaults: defaults that differ from the dataclass's own.

    Example:
        >>> from toy.world import World
        >>> parser = argparse.ArgumentParser()
        >>> add_settings(parser, World, depth=3)
        >>> options = parser.parse_args(["--sound-prior", "0.01"])
        >>> options.depth, options.sound_prior
        (3, 0.01)
    """
    group = parser.add_argument_group(f"the {settings.__name__.lower()}'s settings")
    help_texts = _attribute_texts(settings)
    for field in fields(settings):
        default = defaults.get(field.name, field.default)
        flag = "--" + field.name.replace("_", "-")
        text = f"{help_texts[field.name]} (default: {default})"
        group.add_argument(flag, type=_reader(field), default=default, metavar="X", help=text)


def read_settings(options: argparse.Namespace, settings: type[Settings]) -> Settings:
    """Build the dataclass from parsed flags; it checks its own values.

    Args:
        options: parsed by a parser that :func:`add_settings` prepared.
        settings: the dataclass.
    """
    return settings(**{field.name: getattr(options, field.name) for field in fields(settings)})


def _reader(field: "Field[Any]") -> type:
    if field.default is MISSING or field.type not in (int, float, str):
        raise TypeError(
            f"field {field.name}: a flag needs a default and the type int, float or str. Fix: give it both."
        )
    return type(field.default)


def _attribute_texts(settings: type) -> dict[str, str]:
    """Field name -> its line in the docstring's ``Attributes:``."""
    section = (inspect.getdoc(settings) or "").partition("Attributes:\n")[2].partition("\n\n")[0]
    entries = re.findall(r"^    (\w+): (.*(?:\n {8}.*)*)", section, flags=re.MULTILINE)
    return {name: " ".join(text.split()).replace("``", "").rstrip(".").replace("%", "%%") for name, text in entries}
