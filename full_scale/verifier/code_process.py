"""The child process that runs programs in monty, a sandbox: it reads arguments, and answers with a value.

The programs run in monty's worker, a process of its own again; this one turns what comes back into plain text. A value
may be made so that already reading it takes for ever (a tuple that holds itself twice, forty times over, as a key): the
limits of :mod:`full_scale.verifier.child` end this process then, not the trainer. What a program should answer is never
sent here.
"""

import re
from typing import Any

from pydantic_monty import (
    CollectString,
    Monty,
    MontyConversionError,
    MontyCrashedError,
    MontyRuntimeError,
    MontySession,
    MontySyntaxError,
)
from pydantic_monty import ResourceLimits as Limits

from full_scale.problems.code_task import arguments_of
from full_scale.verifier.child import serve_questions
from full_scale.verifier.code_values import Encoder

SECONDS = 0.5
"""Of one run."""

MEMORY = 32 * 2**20
"""Bytes of the sandbox."""

DEPTH = 200
"""Calls within calls."""

PRINTED = 2**16
"""Characters that a program may print."""

_LIMITS: Limits = {
    "max_feed_duration_secs": SECONDS,
    "max_memory": MEMORY,
    "max_recursion_depth": DEPTH,
    "max_suspensions": 100_000,  # lines of input
}
_ABSENT = (NotImplementedError, ImportError)  # what monty raises for parts of Python that it has not
_NO_SUCH = re.compile(
    r"has no attribute|is not defined|is not supported|are not supported|not yet support|unexpected keyword"
)

Reply = list[Any]
"""["value", encoded], ["printed", text], ["absent", what monty lacks] or ["error", why there is no value]."""


class Sandbox:
    """Monty's worker, kept for all questions; each run has a session of its own in it."""

    def __init__(self) -> None:
        self._pool = Monty(max_processes=1, request_timeout=10 * SECONDS)
        self._pool.__enter__()

    def run(self, program: str, function: str, given: str) -> Reply:
        """One run of a program.

        Args:
            program: Its text, with what runs before it.
            function: What is called, or "" for a program that reads its input.
            given: Its arguments as literals, or its input.

        Returns:
            What came out.
        """
        try:
            return self._printed(program, given) if not function else self._value(program, function, given)
        except MontySyntaxError as error:  # CPython has parsed it already
            return ["absent", str(error)[:200]]
        except (MontyCrashedError, MontyConversionError, MontyRuntimeError) as error:
            return _why(error.exception())
        except (ValueError, RecursionError, MemoryError):
            return ["error", "its value is too large to be read"]

    def _session(self) -> MontySession:
        return self._pool.checkout(limits=_LIMITS, os_policy={"sleep": "zero", "random_start": {"seed": 0}})

    def _value(self, program: str, function: str, given: str) -> Reply:
        arguments = {f"argument_{place}_": value for place, value in enumerate(arguments_of(given))}
        called = f"{function.replace('Solution.', 'Solution().')}({', '.join(arguments)})"
        with self._session() as session:
            session.feed_run(program, print_callback=CollectString(PRINTED))
            value = session.feed_run(called, inputs=arguments, print_callback=CollectString(PRINTED))
        return ["value", Encoder().encode(value)]

    def _printed(self, program: str, given: str) -> Reply:
        lines, printed = iter(given.splitlines()), CollectString(PRINTED)

        def read_line(*_: object) -> str:
            """The program's input()."""
            try:
                return next(lines)
            except StopIteration:
                raise EOFError("EOF when reading a line") from None

        with self._session() as session:
            session.feed_run(program, external_lookup={"input": read_line}, print_callback=printed)
        return ["printed", printed.output]


def _why(error: BaseException) -> Reply:
    text = f"{type(error).__name__}: {error}"[:200]
    if isinstance(error, _ABSENT) or (
        isinstance(error, AttributeError | NameError | RuntimeError | TypeError) and _NO_SUCH.search(text)
    ):
        return ["absent", text]
    return ["error", f"it raised {text}"]


def serve() -> None:
    """Answer questions until the input ends."""
    serve_questions({"run": Sandbox().run})


if __name__ == "__main__":
    serve()
