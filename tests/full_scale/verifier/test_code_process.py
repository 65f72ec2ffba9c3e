"""What the child that runs programs in monty replies, worked out by hand; the judge's use of it is test_code.py's."""

import pytest

pytest.importorskip("pydantic_monty", reason="needs the sandbox, of the extra code")

from full_scale.verifier import code_process
from full_scale.verifier.code_process import Sandbox, serve


@pytest.fixture(scope="module")
def sandbox():
    return Sandbox()


@pytest.mark.parametrize(
    ("program", "function", "given", "content"),
    [
        ("def f(x, y):\n    return [y, x]", "f", "1, 'a'", ["list", [["str", "a"], ["int", "1"]]]),
        ("def f():\n    return 7", "f", "", ["int", "7"]),
        ("def f(x):\n    print(x)\n    return None", "f", "1", ["constant", None]),
        ("class Solution:\n    def f(self, x):\n        return x + 1", "Solution.f", "4", ["int", "5"]),
        ("import time\ndef f():\n    time.sleep(100)\n    return 1", "f", "", ["int", "1"]),
    ],
    ids=[
        "arguments in order",
        "no arguments",
        "print is no value",
        "a method of LeetCode's class",
        "sleep takes no time",
    ],
)
def test_a_function_gives_its_value(sandbox, program, function, given, content):
    assert sandbox.run(program, function, given) == ["value", content]


@pytest.mark.parametrize(
    ("program", "given", "text"),
    [
        ("print(int(input()) + 1)\nprint(input())", "4\na b\n", "5\na b\n"),
        ("print(input('a prompt is not printed'))", "1", "1\n"),
        ("x = 5", "", ""),
    ],
)
def test_a_program_prints_what_it_makes_of_the_lines_of_its_input(sandbox, program, given, text):
    assert sandbox.run(program, "", given) == ["printed", text]


def test_input_that_has_ended_is_an_error(sandbox):
    kind, why = sandbox.run("input()\ninput()", "", "4\n")
    assert (kind, why.endswith("EOF when reading a line")) == ("error", True)


@pytest.mark.parametrize(
    ("program", "why"),
    [
        ("import heapq\ndef f():\n    return 1", "ModuleNotFoundError: No module named 'heapq'"),
        ("def f():\n    yield 1", "NotImplementedError: "),
        ("class A:\n    pass\nclass B(A):\n    pass\ndef f():\n    return 1", "NotImplementedError: "),
        ("def f():\n    return (1).nothing", "AttributeError: 'int' object has no attribute 'nothing'"),
        ("def f():\n    return nothing", "NameError: name 'nothing' is not defined"),
        ("def f():\n    return sorted([1], option=1)", "TypeError: "),
        ("def f():\n    raise RuntimeError('this is not supported')", "RuntimeError: this is not supported"),
    ],
)
def test_what_monty_has_not_is_absent_and_may_run_elsewhere(sandbox, program, why):
    kind, said = sandbox.run(program, "f", "")
    assert kind == "absent"
    assert said.startswith(why)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("raise ValueError('this is not supported')", "ValueError: this is not supported"),
        ("raise RuntimeError('no luck')", "RuntimeError: no luck"),
        ("return [1][5]", "IndexError: list index out of range"),
        ("return 1 + 'a'", "TypeError: unsupported operand type(s) for +: 'int' and 'str'"),
    ],
)
def test_an_error_of_the_programs_own_is_told(sandbox, line, why):
    assert sandbox.run(f"def f():\n    {line}", "f", "") == ["error", f"it raised {why}"]


def test_what_is_told_has_200_characters_at_most(sandbox):
    kind, told = sandbox.run("def f():\n    raise ValueError('a' * 1000)", "f", "")
    assert (kind, told) == ("error", "it raised ValueError: " + "a" * (200 - len("ValueError: ")))
    kind, told = sandbox.run("def f():\n    raise NotImplementedError('a' * 1000)", "f", "")
    assert (kind, len(told)) == ("absent", 200)


DEEPER = "def f(x):\n    return 0 if x == 0 else 1 + f(x - 1)"


@pytest.mark.parametrize(
    ("program", "function", "given", "within"),
    [
        (DEEPER, "f", "199", True),
        (DEEPER, "f", "200", False),
        ("def f():\n    return len('a' * 31 * 2**20)", "f", "", True),
        ("def f():\n    return len('a' * 33 * 2**20)", "f", "", False),
        ("print('a' * 2**16, end='')", "", "", True),
        ("print('a' * (2**16 + 1), end='')", "", "", False),
        ("def f():\n    print('a' * 2**16)\n    return 1", "f", "", False),
        ("print('a' * (2**16 + 1))\ndef f():\n    return 1", "f", "", False),
    ],
    ids=["200 calls", "201 calls", "31 MiB", "33 MiB", "all it may print", "one more", "in f", "before f"],
)
def test_the_limits_are_where_they_are_told_to_be(sandbox, program, function, given, within):
    kind, content = sandbox.run(program, function, given)
    assert kind == (("value" if function else "printed") if within else "error"), content


def test_a_loop_without_end_is_ended_and_the_next_program_runs(sandbox):
    kind, why = sandbox.run("def f():\n    while True:\n        pass", "f", "")
    assert kind == "error"
    assert why.startswith("it raised TimeoutError")
    assert sandbox.run("def f():\n    return 1", "f", "") == ["value", ["int", "1"]]


def test_a_value_that_only_grows_when_it_is_read_is_too_large(sandbox):
    doubled = "def f():\n    t = (1,)\n    for _ in range(17):\n        t = (t, t)\n    return t"
    assert sandbox.run(doubled, "f", "") == ["error", "its value is too large to be read"]


def test_each_run_begins_anew_and_chance_is_the_same_in_each(sandbox):
    sandbox.run("kept = 1\ndef f():\n    return 1", "f", "")
    assert sandbox.run("def f():\n    return kept", "f", "")[0] == "absent"
    program = "import random\ndef f():\n    return random.random()"
    assert sandbox.run(program, "f", "") == sandbox.run(program, "f", "")


def test_the_child_serves_the_one_question_run(monkeypatch):
    served = []
    monkeypatch.setattr(code_process, "serve_questions", lambda questions, **_: served.append(questions))
    serve()
    (questions,) = served
    assert list(questions) == ["run"]
    assert questions["run"]("print(2 * int(input()))", "", "4") == ["printed", "8\n"]
