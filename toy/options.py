"""A parser of command lines that says what was meant, and flags made from a settings dataclass.

Every setting is a flag, and its help is its docstring.
"""

import argparse
import difflib
import inspect
import re
from collections.abc import Callable, Iterable
from dataclasses import MISSING, Field, fields
from typing import TYPE_CHECKING, Any, Literal, NoReturn, TypeVar, get_args, get_origin

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Settings = TypeVar("Settings", bound="DataclassInstance")


class Parser(argparse.ArgumentParser):
    """A parser whose errors are exceptions, and which takes no shortened flags: a new flag could change their meaning.

    Args:
        **options: as argparse takes them.
    """

    def __init__(self, **options: Any) -> None:  # noqa: ANN401  # argparse's own
        super().__init__(allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        """Raise what argparse would print.

        Raises:
            ValueError: always.
        """
        end = "" if message.endswith((".", "?")) else "."
        raise ValueError(f"{message}{end} Fix: `{self.prog} --help` shows what it takes.")

    def check_flags(self, unknown: Iterable[str], *, more: Iterable[str] = ()) -> None:
        """Refuse arguments that ``parse_known_args`` has left over.

        Args:
            unknown: what is left.
            more: other flags that would have been right.

        Raises:
            ValueError: something is left.
        """
        for text in unknown:
            known = [*re.findall(r"--[\w-]+", self.format_usage()), *more]
            hint = did_you_mean(text.partition("=")[0], known)
            self.error(f"{text}: unknown to `{self.prog}`.{hint}")


def did_you_mean(name: str, valid: Iterable[str]) -> str:
    """A question after a misspelt name, or nothing if no valid one looks like it.

    Args:
        name: what was written.
        valid: what could have been meant.

    Example:
        >>> did_you_mean("--sedes", ["--seeds", "--out"])
        ' Did you mean --seeds?'
    """
    close = difflib.get_close_matches(name, list(valid), n=1)
    return f" Did you mean {close[0]}?" if close else ""


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
        read, kind = _reader(field)
        text = f"{help_texts[field.name]} (default: {default})"
        group.add_argument(flag_of(field.name), type=read, default=default, metavar=kind, help=text)


def read_settings(options: argparse.Namespace, settings: type[Settings]) -> Settings:
    """Build the dataclass from parsed flags; it checks its own values.

    Args:
        options: parsed by a parser that :func:`add_settings` prepared.
        settings: the dataclass.
    """
    return settings(**{field.name: getattr(options, field.name) for field in fields(settings)})


def flag_of(name: str) -> str:
    """The flag of a setting.

    Example:
        >>> flag_of("sound_prior")
        '--sound-prior'
    """
    return "--" + name.replace("_", "-")


def _reader(field: "Field[Any]") -> tuple[Callable[[str], object], str]:
    """How a field's value is read from text, and what the help calls its type."""
    if field.default is not MISSING and field.type in (int, float):
        return type(field.default), type(field.default).__name__.upper()
    if field.default is not MISSING and get_origin(field.type) is Literal:
        names = get_args(field.type)
        return _choice(names), "{" + ",".join(names) + "}"
    raise TypeError(f"field {field.name}: expected a default and the type int, float or Literal. Fix: give it both.")


def _choice(names: tuple[str, ...]) -> Callable[[str], str]:
    def choice(text: str) -> str:
        """One of the names."""
        if text not in names:
            raise argparse.ArgumentTypeError(f"{text!r}: expected one of {list(names)}.{did_you_mean(text, names)}")
        return text

    return choice


def _attribute_texts(settings: type) -> dict[str, str]:
    """Field name -> its line in the docstring's ``Attributes:``."""
    section = (inspect.getdoc(settings) or "").partition("Attributes:\n")[2].partition("\n\n")[0]
    entries = re.findall(r"^    (\w+): (.*(?:\n {8}.*)*)", section, flags=re.MULTILINE)
    return {name: " ".join(text.split()).replace("``", "").rstrip(".").replace("%", "%%") for name, text in entries}
