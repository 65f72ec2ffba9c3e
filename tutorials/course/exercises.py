"""Exercises that check themselves: ``check("2.1", my_answer)`` says right, or not yet and why; it never raises.

A check is a function in ``course/checks/tNN.py``, registered by ``@exercise("NN.k")``. It takes the answer, raises
AssertionError with a hint where the answer is wrong, and returns a sentence that says why a right one is right.
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Check = Callable[[Any], str]

_CHECKS: dict[str, Check] = {}


@dataclass(frozen=True)
class Verdict:
    """What a check found.

    Attributes:
        right: whether the answer passed.
        message: why it is right, or a hint.
    """

    right: bool
    message: str

    def __str__(self) -> str:
        return f"{'right' if self.right else 'not yet'}: {self.message}"


def exercise(number: str) -> Callable[[Check], Check]:
    """Register a check under its number, ``"notebook.exercise"``, as in ``@exercise("2.1")``.

    Raises:
        ValueError: another check has this number.
    """

    def register(function: Check) -> Check:
        """Put the check into the table."""
        known = _CHECKS.setdefault(number, function)
        if known.__qualname__ != function.__qualname__:  # a module that is loaded anew registers its own again
            raise ValueError(f"exercise={number!r}: taken by {known.__name__}. Fix: give each exercise its own number.")
        _CHECKS[number] = function
        return function

    return register


def verdict(number: str, answer: Any) -> Verdict:  # noqa: ANN401  # an answer is whatever the reader made
    """Judge an answer.

    Args:
        number: as in ``"2.1"``: the second notebook's first exercise.
        answer: what the exercise asks for: a function, a number, a tensor.

    Raises:
        KeyError: there is no such exercise.
    """
    importlib.import_module(f"course.checks.t{int(number.partition('.')[0]):02d}")
    check_answer = _CHECKS[number]
    if answer is ...:
        return Verdict(False, "replace the three dots by your answer")
    try:
        return Verdict(True, check_answer(answer))
    except AssertionError as wrong:
        return Verdict(False, str(wrong))
    except Exception as error:  # the reader's code may raise anything; the hint says what
        return Verdict(False, f"your answer raised {type(error).__name__}: {error}")


def check(number: str, answer: Any) -> None:  # noqa: ANN401  # an answer is whatever the reader made
    """Print the verdict on an answer: ``right: ...`` or ``not yet: ...``; see :func:`verdict`."""
    print(verdict(number, answer))
