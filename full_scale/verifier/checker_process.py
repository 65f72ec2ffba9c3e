"""The checker's child process: answers one question a line, and is ended by its own limits."""

import math
from collections.abc import Callable

from latex2sympy2_extended import latex2sympy
from math_verify import parse, verify
from sympy import Expr

from full_scale.verifier.child import serve_questions


def equal(text: str, truth: str) -> bool:
    """Whether math-verify calls two answers equal."""
    wanted, given = (parse(f"${answer}$", parsing_timeout=0) for answer in (truth, text))
    return bool(verify(wanted, given, timeout_seconds=0))


def values(*texts: str) -> list[float | None]:
    """The values of closed expressions; None where one has none."""
    return [_value(text) for text in texts]


def _value(text: str) -> float | None:
    try:
        expression = latex2sympy(text)
        is_value = isinstance(expression, Expr) and expression.is_number and expression.is_real
        number = float(expression) if is_value else math.nan
    except Exception:
        return None
    return number if math.isfinite(number) else None


QUESTIONS: dict[str, Callable[..., bool | list[float | None] | None]] = {"equal": equal, "values": values}


WARM_UP = (
    ("equal", "\\sin^2 x+\\cos^2 x", "1"),
    ("equal", "\\cosh x", "\\frac{e^x+e^{-x}}{2}"),
)
"""Kinds of question whose first takes several times as long as later ones, as long as one may take."""


def serve() -> None:
    """Answer questions until the input ends."""
    serve_questions(QUESTIONS, warm_up=WARM_UP)
