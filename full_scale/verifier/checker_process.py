"""The checker's child process: answers one question a line, and is ended by its own limits."""

import contextlib
import json
import math
import resource
import signal
import sys
from collections.abc import Callable

from latex2sympy2_extended import latex2sympy
from math_verify import parse, verify
from sympy import Expr


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


def answer(name: str, *arguments: str) -> bool | list[float | None] | None:
    """The answer to one question.

    Args:
        name: One of :data:`QUESTIONS`.
        arguments: Its arguments.

    Returns:
        The answer; None where the libraries raise: they raise anything at all on text that is no mathematics.
    """
    try:
        return QUESTIONS[name](*arguments)
    except Exception:
        return None


def serve() -> None:
    """Answer questions until the input ends: lines of [id, name, arguments...], replies of [id, answer].

    Command line: seconds of processor time a question, bytes of memory.
    """
    seconds, memory = float(sys.argv[1]), int(sys.argv[2])
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the trainer
    with contextlib.suppress(ValueError, OSError):  # macOS has no such limit
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    answer("equal", "\\frac{1}{2}", "0.5")  # imports and tables, outside of the first question's time
    answers, sys.stdout = sys.stdout, sys.stderr  # whatever a library prints is no answer
    for line in sys.stdin:
        signal.setitimer(signal.ITIMER_PROF, seconds)  # its signal ends the process, also inside a C function
        number, name, *arguments = json.loads(line)
        result = answer(name, *arguments)
        signal.setitimer(signal.ITIMER_PROF, 0)
        print(json.dumps([number, result]), file=answers, flush=True)
