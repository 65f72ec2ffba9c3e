"""One run of a program in CPython, confined by the kernel: for what monty has not (classes that inherit, yield, heapq).

A script, not a module: ``python -I -S code_confined.py`` reads one request from its input and writes one reply. Before
the program runs, the process gives up all but a few system calls (seccomp): it can compute, ask for memory up to a
limit, read its input and write its reply. It cannot open, connect, start, signal or trace anything; native code could
not either. What it writes is believed no more than any value of a program: what it should answer was never sent here.

Linux on x86-64.
"""

import ast
import contextlib
import ctypes
import io
import json
import os
import resource
import struct
import sys
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from code_values import Encoder  # type: ignore[import-not-found]  # beside this script

CALLS = MappingProxyType(
    {
        "read": 0,
        "write": 1,
        "mmap": 9,
        "munmap": 11,
        "brk": 12,
        "rt_sigaction": 13,
        "rt_sigprocmask": 14,
        "rt_sigreturn": 15,
        "mremap": 25,
        "madvise": 28,
        "exit": 60,
        "futex": 202,
        "clock_gettime": 228,
        "exit_group": 231,
        "getrandom": 318,
    }
)
"""System calls that are left, and their numbers on x86-64; any other fails with "operation not permitted"."""

_X86_64, _ALLOW, _KILL, _REFUSE = 0xC000003E, 0x7FFF0000, 0x80000000, 0x00050001
_NO_NEW_PRIVILEGES, _SECCOMP, _FILTER = 38, 22, 2


def confine(memory: int, seconds: int) -> None:
    """Give up every right that computing does not need; it cannot be taken back.

    Args:
        memory: Bytes of address space.
        seconds: Of processor time.

    Raises:
        OSError: The kernel refuses: nothing may be run then.
    """
    for what, limit in ((resource.RLIMIT_AS, memory), (resource.RLIMIT_CPU, seconds), (resource.RLIMIT_CORE, 0)):
        resource.setrlimit(what, (limit, limit))
    load, jump_equal, give = 0x20, 0x15, 0x06
    steps = [(load, 0, 0, 4), (jump_equal, 1, 0, _X86_64), (give, 0, 0, _KILL), (load, 0, 0, 0)]
    numbers = list(CALLS.values())
    steps += [(jump_equal, len(numbers) - place, 0, number) for place, number in enumerate(numbers)]
    steps += [(give, 0, 0, _REFUSE), (give, 0, 0, _ALLOW)]
    program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
    header = struct.pack("HxxxxxxQ", len(steps), ctypes.addressof(program))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) or libc.prctl(_SECCOMP, _FILTER, header, 0, 0):
        raise OSError(ctypes.get_errno(), "seccomp is not allowed here")


def answer(program: str, function: str, given: str) -> list[Any]:
    """Run a program.

    Args:
        program: Its text.
        function: What is called, or "" for a program that reads its input.
        given: Its arguments as literals, or its input.

    Returns:
        As :mod:`full_scale.verifier.code_process` gives it.
    """
    printed = io.StringIO()
    names: dict[str, Any] = {"__name__": "__main__"}
    sys.stdin = io.StringIO(given)
    try:
        with contextlib.redirect_stdout(printed):
            exec(compile(program, "program", "exec"), names)
            if function:
                owner, _, method = function.rpartition(".")
                called = getattr(names[owner](), method) if owner else names[method]
                return ["value", Encoder().encode(called(*ast.literal_eval(f"({given},)" if given.strip() else "()")))]
    except BaseException as error:
        if function or not isinstance(error, SystemExit):
            return ["error", f"it raised {type(error).__name__}: {error}"[:200]]
    return ["printed", printed.getvalue()[:500_000]]


def main() -> None:
    """Read the request, confine, run, reply."""
    request = json.load(sys.stdin)
    for name in request["modules"]:
        with contextlib.suppress(ImportError):  # the program's own import says it
            import_module(name)
    output = sys.stdout
    confine(request["memory"], request["seconds"])
    sys.setrecursionlimit(request["depth"] + 20)
    try:
        text = json.dumps(answer(request["program"], request["function"], request["given"]))
    except BaseException:  # in its own __name__, or too deep to be written
        text = json.dumps(["error", "its value cannot be read"])
    output.write(text)
    output.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
