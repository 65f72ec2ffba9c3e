r"""math-verify in a process of its own, so that a limit of time and memory is a real one.

A model's answer is text that nobody has vetted: "9^{9^{9}}" or "1000000!" would keep a Python process busy inside one
C function, where no signal handler and no thread can stop it. The operating system can: the child process asks for a
timer of processor time and a limit of memory, and is ended by either. The next question starts a new one. A timer of
processor time, not of the clock, gives the same verdict on a busy machine.

Processor timers are POSIX (Linux, macOS).
"""

import atexit
import json
import os
import subprocess
import sys
import threading
from functools import lru_cache
from pathlib import Path

SECONDS = 2.0
"""Processor time of one question."""

MEMORY = 4 * 2**30
"""Address space of the child, bytes."""

MAX_LENGTH = 200
"""Characters; a longer answer is not a mathematical expression that somebody would write as a final answer."""

_CHILD = "from full_scale.verifier.checker_process import serve; serve()"


class Checker:
    """The child process: started by the first question, and again after a question that ended it."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()

    def ask(self, *question: str) -> bool | float | None:
        """Put one question to the child.

        Args:
            question: Name of one of its functions, then that function's arguments.

        Returns:
            Its answer; None where it found none within the limits.

        Raises:
            RuntimeError: The child cannot be started.
        """
        with self._lock:
            process = self._process or self._start()
            answer = _exchange(process, json.dumps(question))
            if not answer:
                self.stop()
                return None
            return json.loads(answer)  # type: ignore[no-any-return]  # the child answers bool, float or null

    def _start(self) -> subprocess.Popen[str]:
        root = str(Path(__file__).resolve().parents[2])
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", _CHILD, str(SECONDS), str(MEMORY)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))},
        )
        if _exchange(self._process, json.dumps(["equal", "1", "1.0"])) != "true\n":
            self.stop()
            raise RuntimeError(
                "math-verify's process does not start: it needs Linux or macOS and the installed project"
            )
        return self._process

    def stop(self) -> None:
        """End the child, if there is one."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()

    def forget(self) -> None:
        """In a forked process: leave the child to the parent process."""
        self._process, self._lock = None, threading.Lock()


def _exchange(process: subprocess.Popen[str], line: str) -> str:
    """Send a line and read one; empty where the process ended."""
    if process.stdin is None or process.stdout is None:
        raise RuntimeError("the process was started without pipes")
    try:
        process.stdin.write(line + "\n")
        process.stdin.flush()
        return process.stdout.readline()
    except BrokenPipeError:
        return ""


_CHECKER = Checker()
atexit.register(_CHECKER.stop)
os.register_at_fork(after_in_child=_CHECKER.forget)


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
def value_of(text: str) -> float | None:
    r"""The value of a closed LaTeX expression such as "4\sqrt{3}", by latex2sympy.

    Args:
        text: An answer.

    Returns:
        Its value, or None where it has none.
    """
    return _CHECKER.ask("value", text) if len(text) <= MAX_LENGTH else None
