"""What a program is asked to do, and the cases by which it is judged."""

import ast
import warnings
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Case:
    """One test: what the program is given, and what must come out.

    Args:
        given: Arguments as Python literals, such as "[1, 2], 3"; of a program that reads its input, that text.
        wanted: The value as a Python literal; of a program that prints, that text.
        shown: Whether it stands in the question; the others are hidden.
        tolerance: Numbers may differ by so much.
    """

    given: str
    wanted: str
    shown: bool = False
    tolerance: float = 0.0


@dataclass(frozen=True, kw_only=True)
class CodeTask:
    """A program that is asked for.

    Args:
        function: Name of the function, defined at the top level; "Solution.<name>" of a method of a class without
            arguments; None for a program that reads its input and prints.
        cases: At least one.
        preamble: What runs before the program: imports and helpers that the question gives.

    Raises:
        ValueError: There are no cases, one is no Python literal, or the preamble is no Python.
    """

    function: str | None
    cases: tuple[Case, ...]
    preamble: str = ""

    def __post_init__(self) -> None:
        if not self.cases:
            raise ValueError("cases=(): expected at least one. Fix: leave the task out.")
        tree_of(self.preamble)
        for case in self.cases if self.function is not None else ():
            arguments_of(case.given)
            value_of(case.wanted)

    @property
    def shown_first(self) -> list[Case]:
        """The cases in the order in which they are tried: what fails first can be told."""
        return sorted(self.cases, key=lambda case: not case.shown)


def arguments_of(text: str) -> tuple[Any, ...]:
    """The arguments that a case's text stands for.

    Args:
        text: "[1, 2], 3".

    Returns:
        ([1, 2], 3).

    Raises:
        ValueError: It is no Python literal.

    Example:
        >>> arguments_of("[1, 2], 3"), arguments_of("[1]"), arguments_of("")
        (([1, 2], 3), ([1],), ())
    """
    return tuple(value_of(f"({text},)")) if text.strip() else ()


def value_of(text: str) -> Any:  # noqa: ANN401  # any literal
    """The value of a Python literal.

    Args:
        text: The literal.

    Returns:
        The value.

    Raises:
        ValueError: It is none.
    """
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError) as error:
        raise ValueError(f"{text!r:.100}: expected a Python literal. Fix: write numbers, texts, lists.") from error


def tree_of(source: str) -> ast.Module:
    """The tree of a program; what Python only warns of is no fault.

    Args:
        source: Its text.

    Returns:
        The tree.

    Raises:
        ValueError: It is no Python.
    """
    try:
        with warnings.catch_warnings(action="ignore"):
            return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ValueError(f"{source!r:.100}: expected Python ({error}). Fix: leave it out.") from error
