"""Values on their way between processes, and whether two of them are the same.

A program's value is judged here, outside of the program's process, by its type and its content at every depth: an
object that says of itself that it is equal to everything is never asked. This file needs the standard library alone, as
the process that runs programs in CPython reads it too.
"""

from collections import Counter, OrderedDict, defaultdict
from typing import Any, TypeAlias, cast

Encoded: TypeAlias = list[Any]
"""What JSON can hold: the name of the type, then the content."""

MOST_PARTS = 50_000
"""Numbers, texts and containers in one value."""

MOST_CHARACTERS = 500_000
"""In the texts of one value."""

DEEPEST = 200
"""Containers within containers: as many as a literal can have, few enough for every function here to follow."""

_DICTIONARIES = (dict, defaultdict, Counter, OrderedDict)  # they are what programs call a dictionary
_SEQUENCES: dict[type, str] = {list: "list", tuple: "tuple", set: "set", frozenset: "frozenset"}


class TooLargeError(ValueError):
    """A value has more parts, or is nested more deeply, than any that is wanted."""


class Encoder:
    """Writes one value, and stops where it grows too large: few objects may hold each other very often."""

    def __init__(self) -> None:
        self._parts, self._characters = MOST_PARTS, MOST_CHARACTERS

    def encode(self, value: Any, levels: int = DEEPEST) -> Encoded:  # noqa: ANN401  # a value of any type
        """The value for JSON.

        Args:
            value: Of any type; what is of no plain type is told by its type's name alone.
            levels: How deeply it may be nested.

        Returns:
            Name of the type and content.

        Raises:
            TooLargeError: It has too many parts, or is nested too deeply.
        """
        self._parts -= 1
        if self._parts < 0 or levels < 0:
            raise TooLargeError
        kind: type = type(value)
        if name := _SEQUENCES.get(kind):
            return [name, [self.encode(part, levels - 1) for part in value]]
        if kind in _DICTIONARIES:
            pairs = [[self.encode(one, levels - 1) for one in pair] for pair in value.items()]
            return ["dict", pairs]
        if kind in (str, bytes):
            return self._text(value if kind is str else value.hex(), kind.__name__)
        if value is None or kind is bool:
            return ["constant", value]
        if kind in (int, float, complex):
            return self._text(repr(value), kind.__name__)
        return ["other", str(kind.__name__)[:40]]

    def _text(self, text: Any, kind: str) -> Encoded:  # noqa: ANN401  # a str
        self._characters -= len(text)
        if self._characters < 0:
            raise TooLargeError
        return [kind, text]


def same(got: Encoded, wanted: Encoded, tolerance: float = 0.0) -> bool:
    """Whether two values are of the same type and equal, at every depth.

    Args:
        got: A program's value; nothing is assumed of it but that it was JSON.
        wanted: The value that it should be.
        tolerance: Numbers may differ by so much; then an integer may stand for a float.

    Returns:
        The verdict. Sets and dictionaries have no order; NaN is the same as NaN.

    Example:
        >>> def of(value):
        ...     return Encoder().encode(value)
        >>> same(of([1, 2]), of([1, 2])), same(of([True]), of([1])), same(of((1,)), of([1])), same(of(1.0), of(1))
        (True, False, False, False)
    """
    if tolerance and _is_number(got) and _is_number(wanted):
        return abs(float(got[1]) - float(wanted[1])) <= tolerance
    if got[:1] != wanted[:1] or len(got) != len(wanted):
        return False
    kind, content = wanted
    if kind in ("list", "tuple"):
        pairs = zip(got[1], content, strict=False)
        return len(got[1]) == len(content) and all(same(one, other, tolerance) for one, other in pairs)
    if kind in ("set", "frozenset"):
        return sorted(map(repr, map(_ordered, got[1]))) == sorted(map(repr, map(_ordered, content)))
    if kind == "dict":
        return _same_dictionary(got[1], content, tolerance)
    if kind == "float":
        return got[1] == content or float(got[1]) == float(content)
    return type(got[1]) is type(content) and bool(got[1] == content)


def _same_dictionary(got: list[list[Encoded]], wanted: list[list[Encoded]], tolerance: float) -> bool:
    values = {repr(_ordered(key)): value for key, value in got}
    return len(values) == len(wanted) and all(
        (name := repr(_ordered(key))) in values and same(values[name], value, tolerance) for key, value in wanted
    )


def _is_number(value: Encoded) -> bool:
    return value[0] in ("int", "float")


def _ordered(value: Encoded) -> Encoded:
    """The value with the parts of every set in one order, so that equal ones have equal texts."""
    kind, content = value
    if kind not in ("tuple", "frozenset"):
        return value
    parts = [_ordered(part) for part in content]
    return [kind, sorted(parts, key=repr) if kind == "frozenset" else parts]


def sound(value: object, levels: int = DEEPEST) -> Encoded:
    """A value that a program's own process sent, if it is one.

    Args:
        value: Anything that JSON can hold: a program may have written it itself.
        levels: How deeply it may be nested.

    Returns:
        The same.

    Raises:
        ValueError: It is no encoded value, a number's text is none, or it is nested too deeply.
    """
    if levels < 0:
        raise ValueError(f"it is nested more than {DEEPEST} deep")
    match value:
        case ["list" | "tuple" | "set" | "frozenset", [*parts]]:
            for part in parts:
                sound(part, levels - 1)
        case ["dict", [*pairs]]:
            for pair in pairs:
                key, part = pair if isinstance(pair, list) and len(pair) == 2 else (None, None)
                sound(key, levels - 1)
                sound(part, levels - 1)
        case ["int" | "float" | "complex" as kind, str(text)]:
            {"int": int, "float": float, "complex": complex}[kind](text)
        case ["bytes", str(text)]:
            bytes.fromhex(text)
        case ["str" | "other", str()] | ["constant", None | bool()]:
            pass
        case _:
            raise ValueError(f"{value!r:.100} is no encoded value")
    return cast(Encoded, value)


def shown(value: Encoded) -> str:
    """A value as a reader sees it.

    Args:
        value: Encoded.

    Returns:
        At most 200 characters, as Python writes it; "<name>" for an object.

    Example:
        >>> shown(Encoder().encode({"a": [1, 2.0, None], "b": (True,)}))
        "{'a': [1, 2.0, None], 'b': (True,)}"
    """
    text = _written(value)
    return text if len(text) <= 200 else f"{text[:197]}..."


def _written(value: Encoded) -> str:
    kind, content = value
    if kind in ("constant", "str"):
        return repr(content)
    if kind == "bytes":
        return repr(bytes.fromhex(content))
    if kind == "dict":
        return "{" + ", ".join(f"{_written(key)}: {_written(part)}" for key, part in content) + "}"
    if kind in _SEQUENCES.values():
        inner = ", ".join(map(_written, content))
        return {
            "list": f"[{inner}]",
            "tuple": f"({inner},)" if len(content) == 1 else f"({inner})",
            "set": f"{{{inner}}}" if content else "set()",
            "frozenset": f"frozenset({{{inner}}})",
        }[kind]
    return f"<{content}>" if kind == "other" else str(content)
