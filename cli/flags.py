"""Flags made from a dataclass: every field is one, with its type, its choices and its default in the help.

Libraries do the same (``tyro``, ``trl.TrlParser``); here a mistake is answered by one line that says what to type.
"""

import argparse
import dataclasses
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any, Literal, NoReturn, TypeVar, get_args, get_origin, get_type_hints

from cli.names import NOTHING, hint

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Settings = TypeVar("Settings", bound="DataclassInstance")

KINDS: dict[type, str] = {int: "a whole number", float: "a number", str: "text", Path: "a path", bool: "true or false"}
"""Types of flags -> what they are called in messages."""


class Parser(argparse.ArgumentParser):
    """An ``ArgumentParser`` whose mistakes are a ``ValueError`` of one line, with the flag that was meant.

    A flag that is not given is absent from what it returns: the dataclass has the defaults.

    Args:
        description: Of the program.
        other_names: What other programs call a flag -> what it is here, without dashes in front.
        elsewhere: Flag that this command line does not have -> when it would; without dashes in front.
        lenient: Leave unknown flags over, since something else may know them; what is left goes to :meth:`refuse`.
        options: As in ``ArgumentParser``.
    """

    def __init__(
        self,
        description: str | None = None,
        *,
        other_names: Mapping[str, str] = NOTHING,
        elsewhere: Mapping[str, str] = NOTHING,
        lenient: bool = False,
        **options: Any,  # noqa: ANN401  # handed on
    ) -> None:
        fixed: dict[str, Any] = {
            "formatter_class": argparse.RawDescriptionHelpFormatter,
            "argument_default": argparse.SUPPRESS,
        }
        super().__init__(description=description, allow_abbrev=False, **(fixed | options))
        self.other_names, self.elsewhere, self.lenient = other_names, elsewhere, lenient

    def parse_known_args(  # type: ignore[override]  # argparse's overloads allow any namespace
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """As in argparse, but an unknown flag is refused, unless the parser is lenient."""
        found, unknown = super().parse_known_args(args, namespace)
        if not self.lenient:
            self.refuse(unknown)
        return found, unknown

    def refuse(self, unknown: Sequence[str], *, more: Sequence[str] = ()) -> None:
        """Refuse arguments that are left over.

        Args:
            unknown: What is left.
            more: Other flags that would have been right.

        Raises:
            ValueError: Something is left; the message names the flag that was meant.
        """
        if unknown:
            raise ValueError(self._refusal(unknown[0], more))

    def error(self, message: str) -> NoReturn:
        """Raise the message; argparse would print the usage and exit."""
        said, guess, meant = message.removeprefix("argument ").rstrip(". ").partition("did you mean")
        raise ValueError(f"{said.rstrip('. ')}. Fix: {guess}{meant or f'see {self.prog} --help.'}")

    def _refusal(self, unknown: str, more: Sequence[str]) -> str:
        if not unknown.startswith("-"):
            return f"{unknown!r}: expected a flag in front of it. Fix: see {self.prog} --help."
        flags = [flag for action in self._actions for flag in action.option_strings if flag.startswith("--")]
        name = unknown.partition("=")[0]
        own = [flag[2:] for flag in (*flags, *more)]
        if name.lstrip("-") in self.elsewhere and self.other_names.get(name.lstrip("-")) not in own:
            return f"{name}: {self.elsewhere[name.lstrip('-')]}"
        near = hint(name.lstrip("-"), own, other_names=self.other_names)
        fix = near.replace("'", "--", 1).replace("'", "") or f"{self.prog} --help lists all."
        return f"{name}: expected a flag of {self.prog}. Fix: {fix}"


def add_flags(
    parser: argparse.ArgumentParser,
    kind: "type[DataclassInstance]",
    *,
    title: str | None = None,
    defaults: Mapping[str, object] = NOTHING,
    without: Sequence[str] = (),
) -> None:
    """Add a flag for each field of a dataclass.

    Args:
        parser: Gets ``--some-field`` for the field ``some_field``.
        kind: The dataclass. A field's help is its metadata's "help" or its entry in the docstring's ``Attributes``; its
            choices are those of a ``Literal``.
        title: Of the flags' group in the help; a field's metadata "group" goes before it.
        defaults: Shown in the help in place of the dataclass's own.
        without: Fields that get no flag.

    Example:
        >>> @dataclasses.dataclass
        ... class Walk:
        ...     '''A walk.
        ...
        ...     Attributes:
        ...         steps: how many.
        ...     '''
        ...     steps: int = 3
        >>> parser = Parser()
        >>> add_flags(parser, Walk)
        >>> read_flags(parser.parse_args(["--steps", "4"]), Walk)
        Walk(steps=4)
    """
    hints, texts = get_type_hints(kind), attribute_texts(kind)
    groups: dict[str, argparse._ArgumentGroup] = {}
    for field in dataclasses.fields(kind):
        if field.name not in without:
            name = field.metadata.get("group", title or f"the {kind.__name__.lower()}'s settings")
            group = groups.get(name) or groups.setdefault(name, parser.add_argument_group(name))
            text = field.metadata.get("help") or texts.get(field.name, "")
            default = defaults.get(field.name, _default(field))
            negatable = field.default is not False
            add_flag(group, field.name, hints[field.name], text, default=default, negatable=negatable)


def flag_of(name: str) -> str:
    """The flag of a value.

    Example:
        >>> flag_of("sound_prior")
        '--sound-prior'
    """
    return "--" + name.replace("_", "-")


def add_flag(
    group: "argparse._ArgumentGroup | argparse.ArgumentParser",
    name: str,
    hint: object,
    text: str,
    valid: Sequence[str] = (),
    default: object = MISSING,
    *,
    negatable: bool = True,
) -> None:
    """Add one flag.

    Args:
        group: Gets it.
        name: Of the value.
        hint: Its type: int, float, str, Path, bool, a ``Literal`` of texts, ``X | None`` or ``tuple[X, ...]`` of these.
        text: Its meaning.
        valid: The names that it may be, where the type does not say so.
        default: Shown in the help.
        negatable: Whether a flag of true or false is also there as ``--no-...``.
    """
    flag, kind = flag_of(name), kind_of(hint)
    valid = valid or choices_of(hint)
    parts = [
        text,
        f"one of {', '.join(valid)}" if valid else "",
        "or none" if _optional(hint) and kind is not bool else "",
    ]
    unsaid = any(default is nothing for nothing in (MISSING, False, None)) or default == ()
    shown = "" if unsaid else f" (default: {_shown(default)})"
    help_text = ("; ".join(part for part in parts if part) + shown).replace("%", "%%")
    if kind is bool:
        action = argparse.BooleanOptionalAction if negatable else "store_true"
        group.add_argument(flag, action=action, help=help_text, default=argparse.SUPPRESS)
        return
    several = {"nargs": "+"} if get_origin(hint) is tuple else {}
    metavar = "NAME" if valid else {int: "INT", float: "FLOAT", Path: "PATH"}.get(kind, "TEXT")
    reader = _reader(kind, valid, optional=_optional(hint))
    group.add_argument(flag, type=reader, metavar=metavar, help=help_text, **several)  # type: ignore[arg-type]  # mypy does not see that several is nargs alone


def add_opposite(parser: argparse.ArgumentParser, name: str, *, of: str) -> None:
    """Add a flag that takes another one back.

    Args:
        parser: Gets it.
        name: Of the flag.
        of: Name of a value that is true or false.

    Example:
        >>> parser = Parser()
        >>> add_flag(parser, "skip_broken", bool, "", negatable=False)
        >>> add_opposite(parser, "strict", of="skip_broken")
        >>> parser.parse_args(["--skip-broken", "--strict"])
        Namespace(skip_broken=False)
    """
    parser.add_argument(
        flag_of(name), action="store_false", dest=of, default=argparse.SUPPRESS, help=f"the opposite of {flag_of(of)}"
    )


def read_flags(options: argparse.Namespace, kind: type[Settings]) -> Settings:
    """Build the dataclass from what was given; it has its own defaults and checks its own values."""
    given = vars(options)
    values = {field.name: given[field.name] for field in dataclasses.fields(kind) if field.name in given}
    return kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()})


def attribute_texts(kind: type) -> dict[str, str]:
    """Field name -> its entry in the docstring's ``Attributes`` or ``Args``."""
    text = inspect.getdoc(kind) or ""
    section = re.search(r"^(?:Attributes|Args):\n((?:    .*\n?|\n(?=    ))*)", text, flags=re.MULTILINE)
    entries = re.findall(r"^    (\w+): (.*(?:\n {8}.*)*)", section[1] if section else "", flags=re.MULTILINE)
    return {name: " ".join(entry.split()).replace("``", "").rstrip(".") for name, entry in entries}


def kind_of(hint: object) -> type:
    """The type of one value: int for ``int | None`` and ``tuple[int, ...]``, str for a ``Literal`` of texts."""
    if get_origin(hint) is Literal:
        return type(get_args(hint)[0])
    kinds = [part for part in get_args(hint) if part not in (NoneType, Ellipsis)] or [hint]
    return kinds[0] if isinstance(kinds[0], type) else kind_of(kinds[0])


def choices_of(hint: object) -> tuple[str, ...]:
    """The texts of a ``Literal``; none for another type."""
    return get_args(hint) if get_origin(hint) is Literal else ()


def _optional(hint: object) -> bool:
    return NoneType in get_args(hint)


def _default(field: "dataclasses.Field[Any]") -> object:
    return field.default if field.default_factory is MISSING else field.default_factory()


def _shown(value: object) -> str:
    if isinstance(value, tuple | list):
        return " ".join(map(str, value)) or "none"
    return (
        {None: "none", True: "yes", False: "no"}.get(value, str(value))
        if isinstance(value, bool | None)
        else str(value)
    )


def _reader(kind: type, valid: Sequence[str], *, optional: bool) -> Callable[[str], object]:
    def read(given: str) -> object:
        """The value, or a message for the person who typed it."""
        if optional and given.lower() == "none":
            return None
        if valid and given not in valid:
            raise argparse.ArgumentTypeError(f"expected one of {', '.join(valid)}, got {given!r}. {hint(given, valid)}")
        try:
            return kind(given)
        except ValueError:
            wanted = KINDS[kind] + (" or none" if optional else "")
            raise argparse.ArgumentTypeError(f"expected {wanted}, got {given!r}") from None

    return read
