"""Benchmarks of programs: HumanEval, MBPP in both its layouts, LiveCodeBench.

Their tests become cases that are judged outside of the program's process (:mod:`full_scale.verifier.code`): of Python's
asserts those that compare a call with a literal; the others would have to be run where the program is.
"""

import ast
import base64
import binascii
import io
import json
import operator
import pickle
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

from full_scale.data.records import Record, column, parse_json
from full_scale.data.schema import PROGRAM_REWARD_RULE, Scoring, table_schema
from full_scale.problems.code_task import Case, CodeTask, tree_of
from full_scale.problems.problem import Problem
from full_scale.verifier.official import program

PROGRAM = Scoring(score=program, rule="the program in the answer, or else in the response, passes every test")
"""All of them ask for the same."""

MOST_TESTS = 2**26
"""Bytes that the packed hidden tests of one problem may grow to."""

_FOLDED = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}
_SAME_TYPE = ("tuple", "list", "set", "sorted")  # on both sides of "==" they only change the type of both


def assert_cases(source: str, function: str | None = None, *, shown: int = 0) -> tuple[list[Case], str | None]:
    """The cases of a text of asserts.

    Args:
        source: Python, of which the asserts are read.
        function: What is called; None: whatever the first assert calls.
        shown: So many of the first cases stand in the question.

    Returns:
        The cases, and the function's name.

    Raises:
        ValueError: It is no Python.
    """
    cases: list[Case] = []
    for node in ast.walk(tree_of(source)):
        if isinstance(node, ast.Assert):
            function = function or _called(node.test)
            case = _case(node.test, function or "")
            if case is not None:
                given, wanted, tolerance = case
                cases.append(Case(given=given, wanted=wanted, tolerance=tolerance, shown=len(cases) < shown))
    return cases, function


def _called(test: ast.expr) -> str | None:
    """The function that an assert is about: the innermost call of a name, but for those that only wrap it."""
    wraps = {*_SAME_TYPE, "abs", "round", "isclose", "all", "any", "len"}
    names = [node.func.id for node in ast.walk(test) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)]
    return next((name for name in names if name not in wraps), None)


def _case(test: ast.expr, function: str) -> tuple[str, str, float] | None:
    """Arguments, wanted value and tolerance of one assert; None where it is no comparison with a literal."""
    match test:
        case ast.Call() if (given := _given(test, function)) is not None:
            return given, "True", 0.0
        case ast.UnaryOp(op=ast.Not(), operand=inner) if (given := _given(inner, function)) is not None:
            return given, "False", 0.0
        case ast.Compare(left=left, ops=[ast.Eq() | ast.Is()], comparators=[right]):
            return _equal(left, right, function) or _equal(right, left, function)
        case ast.Compare(
            left=ast.Call(func=ast.Name(id="abs"), args=[ast.BinOp(left=left, op=ast.Sub(), right=right)]),
            ops=[ast.Lt() | ast.LtE()],
            comparators=[within],
        ):
            near = _equal(left, right, function)
            tolerance = _literal(within)
            return (near[0], near[1], float(tolerance)) if near and tolerance else None
    return None


def _equal(call: ast.expr, value: ast.expr, function: str) -> tuple[str, str, float] | None:
    match call, value:
        case (
            ast.Call(func=ast.Name(id=one), args=[inner], keywords=[]),
            ast.Call(func=ast.Name(id=other), args=[literal], keywords=[]),
        ) if one == other and one in _SAME_TYPE:
            call, value = inner, literal
    given, wanted = _given(call, function), _literal(value)
    return None if given is None or wanted is None else (given, wanted, 0.0)


def _given(call: ast.expr, function: str) -> str | None:
    match call:
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name == function:
            texts = [_literal(argument) for argument in arguments]
            return None if None in texts else ", ".join(text for text in texts if text is not None)
    return None


def _literal(node: ast.expr) -> str | None:
    """A literal's text, its sums and products worked out; None where it is none."""
    try:
        return repr(ast.literal_eval(node))
    except (ValueError, TypeError):
        pass
    match node:
        case ast.BinOp(left=left, op=sign, right=right) if type(sign) in _FOLDED:
            parts = _literal(left), _literal(right)
            if None not in parts:
                one, other = (ast.literal_eval(str(part)) for part in parts)
                with suppress(ArithmeticError, TypeError, ValueError, MemoryError):  # 1 / 0, "a" - 1, too many digits
                    return repr(_FOLDED[type(sign)](one, other))
        case ast.List(elts=parts) | ast.Tuple(elts=parts):
            texts = [_literal(part) for part in parts]
            if None not in texts:
                inner = "".join(f"{text}, " for text in texts)
                return f"[{inner}]" if isinstance(node, ast.List) else f"({inner})"
    return None


def _asked(cases: list[Case], where: str, **options: Any) -> CodeTask:  # noqa: ANN401  # those of CodeTask
    if not cases:
        raise ValueError(f"{where}: none of its tests compares a call with a literal; leave it out")
    return CodeTask(cases=tuple(cases), **options)


def _human_eval(record: Record, _path: Path) -> Problem:
    name = column(record, "task_id", "HumanEval record")
    prompt, function = (column(record, cell, f"HumanEval record {name}") for cell in ("prompt", "entry_point"))
    cases, _ = assert_cases(column(record, "test", f"HumanEval record {name}"), "candidate")
    return Problem(
        id=name,
        source="humaneval",
        question=f"Write the whole function.\n\n{prompt.strip()}",
        answer=prompt + column(record, "canonical_solution", f"HumanEval record {name}"),
        task=_asked(cases, f"HumanEval record {name}", function=function, preamble=_before(prompt, function)),
    )


def _before(prompt: str, function: str) -> str:
    """What a prompt gives in front of the function that is asked for: imports and helpers."""
    return prompt.partition(f"def {function}(")[0].strip()


def _mbpp(record: Record, _path: Path) -> Problem:
    name = f"{column(record, 'task_id', 'MBPP record')}"
    where = f"MBPP record {name}"
    asked = record.get("text") or column(record, "prompt", where)
    setup = record.get("test_setup_code") or "\n".join(record.get("test_imports") or [])
    tests = "\n".join(column(record, "test_list", where))
    cases, function = assert_cases(tests, shown=1)
    example = next((line for line in tests.splitlines() if line.startswith("assert")), "")
    return Problem(
        id=name,
        source="mbpp",
        question=f"{asked.strip()}\nThe function is called {function}, for example:\n{example}",
        answer=column(record, "code", where),
        task=_asked(cases, where, function=function, preamble=setup),
    )


def _live_code_bench(record: Record, _path: Path) -> Problem:
    name = column(record, "question_id", "LiveCodeBench record")
    where = f"LiveCodeBench record {name}"
    starter = record.get("starter_code") or ""
    called = parse_json(record.get("metadata") or "{}").get("func_name")
    if starter and not called:
        raise ValueError(f"{where}: it has a starter, but metadata names no func_name; download it again")
    function = f"Solution.{called}" if "class Solution" in starter else called
    public = [(test, True) for test in parse_json(column(record, "public_test_cases", where))]
    hidden = [(test, False) for test in unpacked(record.get("private_test_cases") or "[]", where)]
    cases = [_io_case(test, shown, functional=function is not None) for test, shown in [*public, *hidden]]
    begin = f"\n\nBegin with:\n{starter}" if starter else "\n\nWrite a program that reads its input and prints."
    return Problem(
        id=name,
        source="livecodebench",
        question=column(record, "question_content", where).strip() + begin,
        answer="",
        category=record.get("difficulty"),
        task=_asked(cases, where, function=function, preamble="from typing import *" if function else ""),
    )


def _io_case(test: Record, shown: bool, *, functional: bool) -> Case:
    given, wanted = test["input"], test["output"]
    if functional:
        given = ", ".join(repr(parse_json(line)) for line in given.splitlines() if line.strip())
        wanted = repr(parse_json(wanted))
    return Case(given=given, wanted=wanted, shown=shown)


class _TextOnly(pickle.Unpickler):
    """Reads a pickle that holds plain values: it names no class and calls nothing."""

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401  # it gives none
        """Refuse."""
        raise pickle.UnpicklingError(f"it names {module}.{name}")


def unpacked(packed: str, where: str) -> list[Record]:
    """LiveCodeBench's hidden tests: JSON, or JSON that was pickled, deflated and written in base64.

    Args:
        packed: The cell.
        where: How errors call the record.

    Returns:
        The tests.

    Raises:
        ValueError: It is neither, or grows too large.
    """
    try:
        return list(json.loads(packed))
    except ValueError:
        pass
    try:
        stream = zlib.decompressobj()
        content = stream.decompress(base64.b64decode(packed, validate=True), MOST_TESTS)
        if stream.unconsumed_tail:
            raise ValueError(f"it grows to more than {MOST_TESTS} bytes")
        return list(json.loads(_TextOnly(io.BytesIO(content)).load()))
    except (ValueError, TypeError, binascii.Error, zlib.error, pickle.UnpicklingError, EOFError) as error:
        raise ValueError(f"{where}: its private_test_cases cannot be read ({error}); download it again") from error


HUMANEVAL = table_schema(
    "humaneval",
    ("test",),
    _human_eval,
    {"task_id", "prompt", "canonical_solution", "test", "entry_point"},
    official=PROGRAM,
    reward_rule=PROGRAM_REWARD_RULE,
    distinct=set(),
)
MBPP = table_schema(
    "mbpp",
    ("train", "val", "test", "prompt"),
    _mbpp,
    {"task_id", "text", "code", "test_list"},
    {"task_id", "prompt", "code", "test_list"},
    official=PROGRAM,
    reward_rule=PROGRAM_REWARD_RULE,
    distinct=set(),
)
LIVECODEBENCH = table_schema(
    "livecodebench",
    ("test",),
    _live_code_bench,
    {"question_id", "question_content", "public_test_cases", "private_test_cases", "metadata"},
    official=PROGRAM,
    reward_rule=PROGRAM_REWARD_RULE,
    distinct=set(),
)
