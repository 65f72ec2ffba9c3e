"""A process that answers questions about untrusted text, so that a limit of time and memory is a real one.

The operating system keeps the limits: the child asks for a timer of processor time and a limit of memory, and is ended
by either; the question is then answered "no". A timer of processor time, not of the clock, gives the same verdict on a
busy machine.

A child that ends or falls silent for another reason (killed, stopped, an interrupt between question and reply) says
nothing about the answer: it is replaced and asked again. Every request has an id that its reply must carry.

Processor timers are POSIX (Linux, macOS).
"""

import atexit
import contextlib
import json
import os
import resource
import select
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

SECONDS = 0.5
"""Processor time of one question."""

MEMORY = 2**30
"""Address space of the child, bytes."""

PATIENCE = (10.0, 20.0, 40.0)
"""Seconds of the clock that the first, second, third child has for a reply: far more than SECONDS, on any machine."""

_START_SECONDS = 120.0
_OWN_END = frozenset((signal.SIGPROF, signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS))


class NoReplyError(Exception):
    """The child gave no reply.

    Args:
        by_question: Whether the question ended it: one of its limits, or a crash.
    """

    def __init__(self, *, by_question: bool) -> None:
        super().__init__("the child process gave no reply")
        self.by_question = by_question


class Child:
    """The child process: started by the first question, and again after a question that ended it.

    Args:
        program: What it runs, in Python; it calls :func:`serve_questions`.
        probe: A question that it answers when it starts: function and arguments.
        reply: The answer.
        fault: What is said where it does not give it.
    """

    def __init__(self, program: str, *, probe: Sequence[str], reply: object, fault: str) -> None:
        self._program, self._probe, self._reply, self._fault = program, list(probe), reply, fault
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._ids = count(1)
        _CHILDREN.add(self)

    def ask(self, name: str, *arguments: str) -> Any:  # noqa: ANN401  # what JSON can hold
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
            f"question={name!r}: expected a reply, but {len(PATIENCE)} processes in a row were killed or stopped. "
            "Fix: look for what ends them, such as the system's out-of-memory killer."
        )

    def _start(self) -> subprocess.Popen[bytes]:
        root = str(Path(__file__).resolve().parents[2])
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", self._program, str(SECONDS), str(MEMORY)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))},
        )
        try:
            if self._exchange(self._process, self._probe, _START_SECONDS) == self._reply:
                return self._process
        except NoReplyError:
            self.stop()
        raise RuntimeError(self._fault)

    def _exchange(self, process: subprocess.Popen[bytes], question: list[str], seconds: float) -> Any:  # noqa: ANN401  # what JSON can hold
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
                    return answer

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


_CHILDREN: "weakref.WeakSet[Child]" = weakref.WeakSet()


def _each(action: Callable[[Child], None]) -> None:
    for child in list(_CHILDREN):
        action(child)


atexit.register(_each, Child.stop)
os.register_at_fork(after_in_child=lambda: _each(Child.forget))


def serve_questions(questions: Mapping[str, Callable[..., Any]], *, warm_up: Sequence[Sequence[str]] = ()) -> None:
    """In the child: answer questions until the input ends: lines of [id, name, arguments...], replies of [id, answer].

    Command line: seconds of processor time a question, bytes of memory.

    Args:
        questions: Name -> function of texts that gives what JSON can hold; where it raises, the answer is null.
        warm_up: Questions asked beforehand: imports and tables, outside of the first question's time.
    """
    seconds, memory = float(sys.argv[1]), int(sys.argv[2])
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the trainer
    with contextlib.suppress(ValueError, OSError):  # macOS has no such limit
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for question in warm_up:
        _answer(questions, *question)
    answers, sys.stdout = sys.stdout, sys.stderr  # whatever a library prints is no answer
    for line in sys.stdin:
        signal.setitimer(signal.ITIMER_PROF, seconds)  # its signal ends the process, also inside a C function
        number, name, *arguments = json.loads(line)
        result = _answer(questions, name, *arguments)
        signal.setitimer(signal.ITIMER_PROF, 0)
        print(json.dumps([number, result]), file=answers, flush=True)


def _answer(questions: Mapping[str, Callable[..., Any]], name: str, *arguments: str) -> Any:  # noqa: ANN401
    try:
        return questions[name](*arguments)
    except Exception:  # libraries raise anything at all on text that is not what they are for
        return None
