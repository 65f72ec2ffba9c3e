r"""math-verify and latex2sympy, asked in a process of their own (:mod:`full_scale.verifier.child`).

Most answers never come here: numbers and polynomials are compared exactly in this process. What does come is text that
nobody has vetted: "9^{9^{9}}" would keep a Python process busy inside one C function, where no signal handler and no
thread can stop it.
"""

import re
from functools import lru_cache

from full_scale.verifier.child import Child

MAX_LENGTH = 400
"""Characters of a question."""


class Checker(Child):
    """The process of math-verify.

    Args:
        program: What it runs.
    """

    def __init__(self, program: str = "from full_scale.verifier.checker_process import serve; serve()") -> None:
        super().__init__(
            program,
            probe=("equal", "1", "1.0"),
            reply=True,
            fault="math-verify's process does not start: it needs Linux or macOS and the installed project. "
            "Fix: see what `python -c 'import math_verify'` says.",
        )


_CHECKER = Checker()


def stop() -> None:
    """End the process that this one asks, if there is one; the next question starts another."""
    _CHECKER.stop()


_ENDLESS = re.compile(
    r"\d{3,}\s*!|[!)}]\s*!|[-+]{4,}|\\sqrt\[\s*\d{3,}|\\(?:sum|prod|int|iint|oint|lim|binom|dbinom|tbinom|begin|pmatrix|bmatrix)|\d{25,}|[eE]\d{4,}"
    r"|(?:\^|\*\*)\s*(?:\{[^{}]*(?:\^|\*\*)|[\w.]+\s*(?:\^|\*\*)|\{?\s*(?:\(|\\(?!circ|prime|degree)))"
)
_EXPONENT = re.compile(r"(?:\^|\*\*)\s*\{?\s*-?\s*(\d+)")
_FUNCTION = re.compile(r"\\(?:sin|cos|tan|cot|sec|csc|sinh|cosh|tanh|log|ln|exp|arc[a-z]+)")
_VARIABLE = re.compile(r"(?<![A-Za-z\\])[A-Za-z](?![A-Za-z])")
_DEEPEST = 8
_MOST_FUNCTIONS = 3
_LARGEST_POWER = {True: 12, False: 1000}  # with variables or functions; without


def endless(text: str) -> bool:
    r"""Whether an expression may take long to check: towers of powers, factorials, sums, expansions, deep brackets.

    The child's limits would stop it too, but at the price of a new process; a policy may write hundreds of these.

    Args:
        text: An answer.

    Returns:
        True where it is not put to the child.

    Example:
        >>> endless("2^{10}"), endless("9^{9^{9}}"), endless("\\left(" * 40)
        (False, True, True)
    """
    if len(text) > MAX_LENGTH or max(map(text.count, "({[")) > _DEEPEST or _ENDLESS.search(text):
        return True
    functions = len(_FUNCTION.findall(text))
    if functions > _MOST_FUNCTIONS:
        return True
    size, is_open = 1, functions > 0 or _VARIABLE.search(text) is not None
    for digits in _EXPONENT.findall(text):
        size *= int(digits[:9]) or 1
        if size > _LARGEST_POWER[is_open]:
            return True
    return False


@lru_cache(maxsize=100_000)
def symbolically_equal(text: str, truth: str) -> bool:
    """Whether math-verify calls two answers equal; False where it needs more than the limits.

    Args:
        text: An answer.
        truth: The ground truth.

    Returns:
        The verdict.
    """
    return max(len(text), len(truth)) <= MAX_LENGTH and _CHECKER.ask("equal", text, truth) is True


@lru_cache(maxsize=100_000)
def values_of(*texts: str) -> tuple[float | None, ...]:
    r"""The values of closed LaTeX expressions such as "4\sqrt{3}", by latex2sympy, in one question.

    Args:
        texts: Answers.

    Returns:
        A value for each, or None where it has none, or where all need more than the limits.
    """
    found = None if any(map(endless, texts)) else _CHECKER.ask("values", *texts)
    return tuple(found) if isinstance(found, list) else (None,) * len(texts)
