r"""math-verify and latex2sympy in a process of their own, so that a limit of time and memory is a real one.

Most answers never come here: numbers and polynomials are compared exactly in this process. What does come is text that
nobody has vetted: "9^{9^{9}}" would keep a Python process busy inside one C function, where no signal handler and no
thread can stop it. The operating system can: the child process asks for a timer of processor time and a limit of
memory, and is ended by either; the question is then answered "no". A timer of processor time, not of the clock, gives
the same verdict on a busy machine.

A child that ends or falls silent for another reason (killed, stopped, an interrupt between question and reply) says
nothing about the answer: it is replaced and asked again. Every request has an id that its reply must carry.

Processor timers are POSIX (Linux, macOS).
"""

import atexit
import json
import os
import re
import select
import signal
import subprocess
import sys
import threading
import time
from functools import lru_cache
from itertools import count
from pathlib import Path

SECONDS = 0.5
"""Processor time of one question."""

MEMORY = 2**30
"""Address space of the child, bytes."""

MAX_LENGTH = 400
"""Characters of a question."""

PATIENCE = (10.0, 20.0, 40.0)
"""Seconds of the clock that the first, second, third child has for a reply: far more than SECONDS, on any machine."""

_START_SECONDS = 120.0
_OWN_END = frozenset((signal.SIGPROF, signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS))
_CHILD = "from full_scale.verifier.checker_process import serve; serve()"

Verdict = bool | list[float | None] | None


class NoReplyError(Exception):
    """The child gave no reply.

    Args:
        by_question: Whether the question ended it: one of its limits, or a crash.
    """

    def __init__(self, *, by_question: bool) -> None:
        super().__init__("the checker's process gave no reply")
        self.by_question = by_question


class Checker:
    """The child process: started by the first question, and again after a question that ended it."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._ids = count(1)

    def ask(self, name: str, *arguments: str) -> Verdict:
        """Put one question to the child.

        Args:
            name: Of one of its functions.
            arguments: That function's.

        Returns:
            Its answer; None where it found none within the limits.

        Raises:
            RuntimeError: The child cannot be started, or three in a row were killed or stopped by something else.
        """
        with self._lock:
            for seconds in PATIENCE:
                try:
                    process = self._process or self._start()
                    return self._exchange(process, [name, *arguments], seconds)
                except NoReplyError as gone:
                    self.stop()
                    if gone.by_question:
                        return None
                except BaseException:  # an interrupt: the reply that is still to come is to nobody's question
                    self.stop()
                    raise
        raise RuntimeError(
            f"checker={name!r}: expected a reply, but {len(PATIENCE)} processes in a row were killed or stopped. "
            "Fix: look for what ends them, such as the system's out-of-memory killer."
        )

    def _start(self) -> subprocess.Popen[bytes]:
        root = str(Path(__file__).resolve().parents[2])
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", _CHILD, str(SECONDS), str(MEMORY)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))},
        )
        try:
            if self._exchange(self._process, ["equal", "1", "1.0"], _START_SECONDS) is True:
                return self._process
        except NoReplyError:
            self.stop()
        raise RuntimeError(
            "math-verify's process does not start: it needs Linux or macOS and the installed project. "
            "Fix: see what `python -c 'import math_verify'` says."
        )

    def _exchange(self, process: subprocess.Popen[bytes], question: list[str], seconds: float) -> Verdict:
        """Send a question and wait for the reply with its id."""
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("the process was started without pipes")
        own, deadline = next(self._ids), time.monotonic() + seconds
        try:
            process.stdin.write(json.dumps([own, *question]).encode() + b"\n")
        except BrokenPipeError as error:
            raise NoReplyError(by_question=False) from error  # it ended before it was asked
        while True:
            for number, answer in map(json.loads, _lines(process, deadline)):
                if number == own:
                    return answer  # type: ignore[no-any-return]  # the child answers bool, null or a list of numbers

    def stop(self) -> None:
        """End the child, if there is one."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()

    def forget(self) -> None:
        """In a forked process: leave the child to the parent process."""
        self._process, self._lock = None, threading.Lock()


def _lines(process: subprocess.Popen[bytes], deadline: float) -> list[bytes]:
    """The child's next lines, whole; :class:`NoReplyError` where it ends or the deadline passes first."""
    out = process.stdout.fileno()  # type: ignore[union-attr]  # _exchange has looked
    poll, line = select.poll(), b""
    poll.register(out, select.POLLIN)
    while not line.endswith(b"\n"):
        if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
            raise NoReplyError(by_question=False)
        part = os.read(out, 65536)
        if not part:
            raise NoReplyError(by_question=-process.wait() in _OWN_END)
        line += part
    return line.splitlines()


_CHECKER = Checker()
atexit.register(_CHECKER.stop)
os.register_at_fork(after_in_child=_CHECKER.forget)


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
