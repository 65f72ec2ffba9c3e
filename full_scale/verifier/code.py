"""Whether a program does what it is asked for: run where it can do no harm, judged where it cannot talk.

1. The text is parsed here: the function that is asked for must be defined at its top level.
2. Each case is a run of its own, in monty's sandbox (``code_process``); it is sent arguments, never what should come
   out, so that nothing in there can tell it, print it, or assert it.
3. What comes out is compared here, by type and content at every depth. Only as many right values as there are cases
   make a pass: neither an exit status, nor an assertion that an object with an ``__eq__`` of its own can satisfy.
4. What monty lacks runs in a CPython that the kernel confines (``code_confined``), on Linux; elsewhere the verdict is
   unknown, which earns nothing and is counted apart.
"""

import ast
import json
import os
import platform
import selectors
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Literal

from full_scale.problems.code_task import Case, CodeTask, tree_of, value_of
from full_scale.verifier.child import Child
from full_scale.verifier.code_values import Encoded, Encoder, same, shown, sound

LONGEST_PROGRAM = 10_000
"""Characters."""

MODULES = frozenset(
    (
        *("abc", "array", "bisect", "calendar", "cmath", "collections", "copy", "dataclasses", "datetime", "decimal"),
        *("enum", "fractions", "functools", "hashlib", "heapq", "inspect", "io", "itertools", "json", "math"),
        *("numbers", "operator", "queue", "random", "re", "statistics", "string", "sys", "textwrap", "time", "types"),
        *("typing", "unicodedata", "uuid"),
    )
)
"""What a program in CPython may import."""

CONFINED = {"memory": 256 * 2**20, "seconds": 1, "depth": 200}
"""Limits of a run in CPython: bytes of address space, processor time, calls within calls."""

_REPLY = 2**20
_CLOCK = 10.0  # a run that waits for ever uses no processor time
_LAZY = frozenset(("map", "filter", "zip", "enumerate", "reversed", "deque"))
_EAGER = frozenset(
    (
        *("list", "tuple", "set", "dict", "frozenset", "sorted", "sum", "min", "max", "any", "all"),
        *("join", "Counter", "extend"),
    )
)

Outcome = Literal["passed", "failed", "unknown"]


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """The verdict on a program.

    Attributes:
        outcome: "passed": every case; "unknown": it cannot be run on this machine.
        reason: What a reader is told; nothing of a hidden case.
        case: The shown case that failed, if one did.
    """

    outcome: Outcome
    reason: str
    case: Case | None = None


def program_of(answer: str) -> str:
    r"""The program in an answer: its first fenced block, or all of it.

    Args:
        answer: Text between answer tags.

    Returns:
        The program.

    Example:
        >>> program_of("```python\ndef f():\n    return 1\n```")
        'def f():\n    return 1\n'
    """
    _, fence, behind = answer.partition("```")
    if not fence:
        return answer.strip("\n")
    first, _, rest = behind.partition("\n")
    return rest.partition("```")[0] if first.strip().isalnum() or not first.strip() else behind.partition("```")[0]


@lru_cache(maxsize=20_000)
def judge_program(program: str, task: CodeTask) -> Judgement:
    """Judge a program by all cases of its task, the shown ones first, until one fails.

    Args:
        program: Its text.
        task: What it is asked for.

    Returns:
        The verdict; the same for the same text.

    Raises:
        RuntimeError: The sandbox is not installed.
    """
    if fault := fault_of(program, task.function):
        return Judgement(outcome="failed", reason=fault)
    whole = f"{task.preamble}\n{program}" if task.preamble else program
    lacking = strange_to_monty(program)
    for case in task.shown_first:
        reply: list[Any] = ["absent", lacking] if lacking else _in_monty(whole, task.function or "", case.given)
        if reply[0] == "absent":
            lacking = reply[1]
            reply = _in_cpython(whole, task.function or "", case.given) or reply
        if failed := _failure(reply, case, task.function):
            return failed
    return Judgement(outcome="passed", reason=f"passes all {len(task.cases)} tests")


def explained(verdict: Judgement, task: CodeTask) -> str:
    """A verdict for a reader: why, and which shown case failed.

    Args:
        verdict: From :func:`judge_program`.
        task: What was asked for.

    Returns:
        One line.

    Example:
        >>> case = Case(given="[1]", wanted="[2]", shown=True)
        >>> verdict = Judgement(outcome="failed", reason="it returned [1]", case=case)
        >>> explained(verdict, CodeTask(function="f", cases=(case,)))
        'fails f([1]) == [2]: it returned [1]'
    """
    case = verdict.case
    if case is None:
        return verdict.reason
    if task.function is None:
        return f"fails {case.given!r} -> {case.wanted!r}: {verdict.reason}"
    return f"fails {task.function}({case.given}) == {case.wanted}: {verdict.reason}"


def fault_of(program: str, function: str | None) -> str:
    """Why a text is no program that could be run; empty where it is one.

    Args:
        program: The text.
        function: As in :class:`CodeTask`.

    Returns:
        One line.
    """
    if len(program) > LONGEST_PROGRAM:
        return f"it has more than {LONGEST_PROGRAM} characters"
    try:
        with warnings.catch_warnings(action="ignore"):
            compile(program, "program", "exec", dont_inherit=True)
        body = tree_of(program).body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return f"it is no Python: {getattr(error, 'msg', None) or error}"
    if function is None:
        return ""
    *owner, name = function.split(".")
    for outer in owner:
        body = [inner for node in body if isinstance(node, ast.ClassDef) and node.name == outer for inner in node.body]
    defined = any(isinstance(node, ast.FunctionDef) and node.name == name for node in body)
    return "" if defined else f"it does not define {function} at the top level"


def strange_to_monty(program: str) -> str:
    """What a program has that monty runs, but to another value than Python; empty where there is nothing.

    Monty makes a list of what Python computes only when it is asked for: a program that returns ``map(...)`` for a list
    would pass.

    Args:
        program: Its text, which can be parsed.

    Returns:
        The name of it.
    """
    tree = tree_of(program)
    eaten = set(_eaten(tree))
    for node in ast.walk(tree):
        name = "generator" if isinstance(node, ast.GeneratorExp) else _called(node)
        if (name == "generator" or name in _LAZY) and id(node) not in eaten:
            return f"{name} outside of a loop or a list"
    return ""


def _called(node: ast.AST) -> str:
    function = node.func if isinstance(node, ast.Call) else None
    return (
        function.id if isinstance(function, ast.Name) else function.attr if isinstance(function, ast.Attribute) else ""
    )


def _eaten(tree: ast.AST) -> Iterator[int]:
    """The expressions whose parts are taken at once: by a loop, a comprehension, a star, a call of :data:`_EAGER`."""
    rebound = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    rebound |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    for node in ast.walk(tree):
        if isinstance(node, ast.For | ast.comprehension):
            yield id(node.iter)
        elif isinstance(node, ast.Starred):
            yield id(node.value)
        elif (
            isinstance(node, ast.Call)
            and _called(node) in _EAGER | (_LAZY - {"deque"})
            and _called(node) not in rebound
        ):
            yield from map(id, node.args)


def _failure(reply: list[Any], case: Case, function: str | None) -> Judgement | None:
    """The verdict where a run's reply is not what the case wants."""
    kind, content = reply
    if kind == "absent":
        return Judgement(outcome="unknown", reason=f"not runnable here: {content}")
    if kind == ("value" if function else "printed") and _right(content, case, function):
        return None
    if not case.shown:
        return Judgement(outcome="failed", reason="passes the shown tests, fails a hidden one")
    told = {"value": "it returned ", "printed": "it printed ", "error": ""}[kind]
    text = shown(content) if kind == "value" else repr(content)[:200] if kind == "printed" else content
    return Judgement(outcome="failed", reason=told + text, case=case)


def _right(content: Any, case: Case, function: str | None) -> bool:  # noqa: ANN401  # a value, or printed text
    if function is None:
        return [line.split() for line in content.strip().splitlines()] == [
            line.split() for line in case.wanted.strip().splitlines()
        ]
    return same(content, _wanted(case.wanted), case.tolerance)


@lru_cache(maxsize=20_000)
def _wanted(text: str) -> Encoded:
    return Encoder().encode(value_of(text))


_MONTY = Child(
    "from full_scale.verifier.code_process import serve; serve()",
    probe=("run", "def f(x):\n    return x", "f", "1"),
    reply=["value", ["int", "1"]],
    fault="pydantic_monty: expected the sandbox that runs programs. Fix: pip install 'calibrl-ref[code]'.",
)


def _in_monty(program: str, function: str, given: str) -> list[Any]:
    reply: list[Any] | None = _MONTY.ask("run", program, function, given)
    return reply or ["error", "its value cannot be read"]


def _in_cpython(program: str, function: str, given: str) -> list[Any] | None:
    """The reply of a confined CPython; None where there is none on this machine."""
    if not confinable():
        return None
    return _confined(program, function, given)


@cache
def confinable() -> bool:
    """Whether a program can be confined in CPython on this machine: found out by a program that tries to read a file.

    Returns:
        The answer.
    """
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return False
    reply = _confined("def f():\n    return len(open('/proc/self/stat').read())", "f", "")
    return reply[0] == "error" and "PermissionError" in reply[1]


def _confined(program: str, function: str, given: str) -> list[Any]:
    names = {module for module in _imported(program) if module.partition(".")[0] in MODULES}
    request = {"program": program, "function": function, "given": given, "modules": sorted(names), **CONFINED}
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", "-B", str(Path(__file__).with_name("code_confined.py"))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={},
        cwd="/",
        start_new_session=True,  # Ctrl-C is for the trainer
    )
    try:
        return _reply_of(_output(process, json.dumps(request).encode()))
    finally:
        process.kill()
        process.wait()


def _output(process: "subprocess.Popen[bytes]", request: bytes) -> bytes:
    """What a process writes until it ends, says too much, or takes too long."""
    if process.stdin is None or process.stdout is None:
        raise RuntimeError("the process was started without pipes")
    with process.stdin as given, process.stdout as taken, selectors.DefaultSelector() as ready:
        try:
            given.write(request)
            given.close()
        except BrokenPipeError:
            return b""
        ready.register(taken, selectors.EVENT_READ)
        deadline, text = time.monotonic() + _CLOCK, b""
        while len(text) < _REPLY and ready.select(max(0.0, deadline - time.monotonic())):
            part = os.read(taken.fileno(), 65536)
            if not part:
                break
            text += part
        return text


def _reply_of(text: bytes) -> list[Any]:
    try:
        match json.loads(text):
            case ["value", value]:
                return ["value", sound(value)]
            case ["printed" | "error" as kind, str(said)]:
                return [kind, said[:_REPLY]]
    except (ValueError, RecursionError):
        pass
    return ["error", "it ran out of time or memory, or left no value"]


def _imported(program: str) -> Iterator[str]:
    for node in ast.walk(tree_of(program)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
