"""Plants faults in the course's checks: ``python tests/mutation/checks.py`` says how many of them the tests notice.

mutmut leaves functions with decorators alone, and every check is one. So each module of ``course/checks`` is changed
here, one place at a time (a comparison, a number, an operator, a condition, an assertion, a keyword), and judged by
what the tests ask of it: right answers are right, the open exercise and every typical wrong answer get their hint.
Hints and the examples on which a check tries an answer are left alone: another example is as good. The report is
written to ``results/mutants_checks.txt``; with numbers of notebooks (``03 07``) only those are tried.
"""

import ast
import copy
import datetime
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tutorials"), str(ROOT / "tests" / "tutorials")]

from course.build import sources  # noqa: E402  # after the path
from course.exercises import verdict  # noqa: E402
from test_exercises import exercises_of  # noqa: E402
from wrong_answers import RIGHT, WRONG  # noqa: E402

REPORT = ROOT / "results" / "mutants_checks.txt"
NOTICED_AT_LEAST = 0.95
SECONDS = 20  # for all exercises of one module; who is slower hangs

COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.GtE,
    ast.LtE: ast.Gt,
    ast.Gt: ast.LtE,
    ast.GtE: ast.Lt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}

Exercise = tuple[str, Any, Any]
Change = Callable[[], None]


@dataclass(frozen=True)
class Mutant:
    """A module with one fault.

    Attributes:
        line: of the source.
        what: the change.
        tree: the changed module.
    """

    line: int
    what: str
    tree: ast.Module


def mutants(source: str) -> Iterator[Mutant]:
    """Yield a module with each of its possible faults, one at a time; what only words a hint is left alone."""
    pristine = ast.parse(source)
    for place in range(sum(1 for _ in ast.walk(pristine))):
        for choice in range(len(_changes(list(ast.walk(pristine))[place]))):
            tree = copy.deepcopy(pristine)
            node = list(ast.walk(tree))[place]
            if node in _left_alone(tree):
                continue
            before = ast.unparse(node)
            _changes(node)[choice]()
            ast.fix_missing_locations(tree)
            yield Mutant(getattr(node, "lineno", 0), f"{before[:60]} -> {ast.unparse(node)[:60]}", tree)


def _left_alone(tree: ast.Module) -> set[ast.AST]:
    """All nodes within messages, and within the examples on which a check tries an answer."""
    every = list(ast.walk(tree))
    parts: list[ast.AST] = [node for node in every if isinstance(node, ast.JoinedStr)]
    parts += [node.msg for node in every if isinstance(node, ast.Assert) and node.msg]
    parts += [node.iter for node in every if isinstance(node, ast.For) and not _has_text(node.iter)]
    parts += [node.value for node in every if isinstance(node, ast.Assign) and _makes_example(node.value)]
    parts += [
        node for node in every if isinstance(node, ast.Call) and _named(node) in ("answer", "Rollouts", "_one_group")
    ]
    return {inner for part in parts for inner in ast.walk(part)}


def _has_text(node: ast.AST) -> bool:
    return any(isinstance(inner, ast.Constant) and isinstance(inner.value, str) for inner in ast.walk(node))


def _named(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def _makes_example(node: ast.AST) -> bool:
    """Whether numbers are drawn or written down, as by ``torch.tensor`` or ``draws.random``."""
    makers = {"tensor", "array", "rand", "randn", "randint", "random", "manual_seed", "default_rng", "ones", "full"}
    return any(isinstance(inner, ast.Call) and _named(inner) in makers for inner in ast.walk(node))


def _changes(node: ast.AST) -> list[Change]:
    """What can be done to a node."""
    found: list[Change] = []
    if isinstance(node, ast.Compare) and type(node.ops[0]) in COMPARISONS:
        found.append(lambda: node.ops.__setitem__(0, COMPARISONS[type(node.ops[0])]()))
    if isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
        found.append(lambda: setattr(node, "op", OPERATORS[type(node.op)]()))
    if isinstance(node, ast.BoolOp):
        found.append(lambda: setattr(node, "op", ast.Or() if isinstance(node.op, ast.And) else ast.And()))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        found.append(lambda: setattr(node, "op", ast.UAdd()))
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        value = node.value
        found.append(lambda: setattr(node, "value", not value if isinstance(value, bool) else value + 1))
    if isinstance(node, ast.Assert):
        found.append(lambda: setattr(node, "test", ast.Constant(True)))
    if isinstance(node, ast.Assert | ast.If | ast.IfExp):
        found.append(lambda: setattr(node, "test", ast.UnaryOp(ast.Not(), node.test)))
    if isinstance(node, ast.Call):
        found += [(lambda place=place: node.keywords.pop(place)) for place in range(len(node.keywords))]  # type: ignore[misc]
    return found


def answers(*numbers: str) -> dict[str, list[Exercise]]:
    """Module -> number, answer and wanted words of all that its checks are asked by the tests."""
    found: dict[str, list[Exercise]] = {}
    for source in sources(numbers):
        cases = found.setdefault(f"t{source.name[:2]}", [])
        for number, first, unsolved, checking, solution in exercises_of(source):
            for code, words in ((solution, None), (unsolved, "")):
                cases.append((number, _answer(first, code, checking), words))
            cases += [(number, answer, None) for answer in RIGHT.get(number, [])]
            cases += [(number, answer, words) for answer, words in WRONG[number]]
    return found


def _answer(first: str, code: str, checking: str) -> object:
    """What a cell hands to its check."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for cell in (first, code):
        exec(cell, namespace)
    return eval(ast.unparse(ast.parse(checking).body[0].value.args[1]), namespace)  # type: ignore[attr-defined]


def judged(cases: list[Exercise]) -> list[str]:
    """What each case is told; that of a wrong answer is cut to whether it is refused with its words."""
    told = []
    for number, answer, words in cases:
        found = verdict(number, answer)
        wanted = words if isinstance(words, tuple) else (words,)
        told.append(found.message if not words else str(not found.right and any(w in found.message for w in wanted)))
        told[-1] = f"{found.right} {told[-1]}"
    return told


def noticed(module: ast.Module, name: str, cases: list[Exercise], healthy: list[str]) -> bool:
    """Whether a module with a fault judges any case as the healthy one does not, fails to load, or hangs."""
    signal.alarm(SECONDS)
    try:
        exec(compile(module, name, "exec"), {"__name__": f"course.checks.{name}"})
        return any(judged([case]) != [told] for case, told in zip(cases, healthy, strict=True))
    except Exception:
        return True
    finally:
        signal.alarm(0)


def _hangs(*_: object) -> None:
    raise TimeoutError


def main(*numbers: str) -> int:
    """Plant all faults, write the report, and say whether enough of them are noticed."""
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGALRM, _hangs)
    lines, total, killed = [], 0, 0
    for name, cases in answers(*numbers).items():
        path = ROOT / "tutorials" / "course" / "checks" / f"{name}.py"
        healthy = judged(cases)
        found = [(mutant, noticed(mutant.tree, name, cases, healthy)) for mutant in mutants(path.read_text())]
        exec(compile(path.read_text(), name, "exec"), {"__name__": f"course.checks.{name}"})  # the healthy one again
        caught = sum(seen for _, seen in found)
        lines.append(f"{name}: {caught} of {len(found)} noticed")
        lines += [f"  survived, line {mutant.line}: {mutant.what}" for mutant, seen in found if not seen]
        total, killed = total + len(found), killed + caught
    score = killed / total
    today, bar = datetime.date.today(), f"at least {NOTICED_AT_LEAST:.0%}"
    head = f"{today}: {killed} of {total} faults in the checks noticed, {score:.1%}; {bar}"
    print("\n".join([*lines, head]))
    if not numbers:
        REPORT.write_text("\n".join([head, *lines]) + "\n", encoding="utf-8")
    return 0 if score >= NOTICED_AT_LEAST else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
