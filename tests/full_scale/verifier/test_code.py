"""The judge of programs: honest ones pass, and nothing else does, whatever it tries."""

# ruff: noqa: E501  # a program on a line

import os
import resource
import subprocess
import sys
import time

import pytest

from full_scale.problems.code_task import Case, CodeTask
from full_scale.problems.problem import Problem
from full_scale.verifier import code
from full_scale.verifier.answer import is_correct
from full_scale.verifier.code import confinable, fault_of, judge_program, program_of, strange_to_monty
from full_scale.verifier.rewards import reward, total_reward

needs_confinement = pytest.mark.skipif(not confinable(), reason="programs are confined in CPython on Linux x86-64 only")


def task(function, *pairs, shown=2, **options):
    cases = [Case(given=given, wanted=wanted, shown=place < shown) for place, (given, wanted) in enumerate(pairs)]
    return CodeTask(function=function, cases=tuple(cases), **options)


DOUBLE = task("f", *((repr(list(range(n))), repr([2 * i for i in range(n)])) for n in (2, 3, 0, 1, 4, 5)))
COUNT = task("f", ("[1, 0]", "1"), ("[]", "0"), ("[5]", "1"), ("[0]", "0"), ("[2, 3]", "2"))
"""How many numbers are not 0."""

SOLUTION = "def f(x):\n    return [2 * i for i in x]"
HONEST = {
    "a comprehension": (DOUBLE, SOLUTION),
    "a loop": (DOUBLE, "def f(x):\n    y = []\n    for i in x:\n        y.append(i + i)\n    return y"),
    "a helper": (DOUBLE, "def g(i):\n    return 2 * i\ndef f(x):\n    return list(map(g, x))"),
    "recursion": (DOUBLE, "def f(x):\n    return [2 * x[0]] + f(x[1:]) if x else []"),
    "a class of its own": (
        DOUBLE,
        "class A:\n    def m(self, i):\n        return 2 * i\ndef f(x):\n    return [A().m(i) for i in x]",
    ),
    "a generator that is summed": (COUNT, "def f(x):\n    return sum(1 for i in x if i)"),
    "an import": (COUNT, "from collections import Counter\ndef f(x):\n    return len(x) - Counter(x)[0]"),
    "a print beside the value": (DOUBLE, "def f(x):\n    print(x)\n    return [2 * i for i in x]"),
    "a method of LeetCode's class": (
        task("Solution.f", ("[1]", "[2]"), ("[]", "[]")),
        "class Solution:\n    def f(self, x):\n        return [2 * i for i in x]",
    ),
    "what the question gives": (task("f", ("1", "6"), preamble="K = 5"), "def f(x):\n    return x + K"),
    "a program that reads and prints": (
        task(None, ("2\n1 2\n3 4\n", "3\n7\n")),
        "for _ in range(int(input())):\n    a, b = map(int, input().split())\n    print(a + b)",
    ),
    "a dictionary": (task("f", ("'ab'", "{'b': 1, 'a': 1}")), "def f(x):\n    return {c: 1 for c in x}"),
    "a set": (task("f", ("[1, 2]", "{1, 2}")), "def f(x):\n    return set(x)"),
}
ONLY_IN_CPYTHON = {
    "yield": (DOUBLE, "def g(x):\n    for i in x:\n        yield 2 * i\ndef f(x):\n    return list(g(x))"),
    "heapq": (task("f", ("[3, 1]", "1")), "import heapq\ndef f(x):\n    return heapq.nsmallest(1, x)[0]"),
    "inheritance": (DOUBLE, "class A:\n    k = 2\nclass B(A):\n    pass\ndef f(x):\n    return [B.k * i for i in x]"),
    "del": (DOUBLE, "def f(x):\n    y = [2 * i for i in x]\n    del x\n    return y"),
    "reads all of its input": (task(None, ("1 2", "3")), "import sys\nprint(sum(map(int, sys.stdin.read().split())))"),
}


@pytest.mark.parametrize("name", HONEST)
def test_an_honest_program_passes(name):
    asked, program = HONEST[name]
    assert judge_program(program, asked).outcome == "passed"


@needs_confinement
@pytest.mark.parametrize("name", ONLY_IN_CPYTHON)
def test_what_monty_lacks_runs_in_a_confined_cpython(name):
    asked, program = ONLY_IN_CPYTHON[name]
    assert judge_program(program, asked).outcome == "passed"


@pytest.mark.parametrize("name", ONLY_IN_CPYTHON)
def test_where_nothing_can_run_it_a_program_is_unknown_and_no_pass(name, monkeypatch):
    monkeypatch.setattr(code, "confinable", lambda: False)
    asked, program = ONLY_IN_CPYTHON[name]
    verdict = judge_program.__wrapped__(program, asked)
    assert verdict.outcome == "unknown"
    assert verdict.reason.startswith("not runnable here: ")


EQUAL = "class A:\n    def __eq__(self, other):\n        return True\n    def __len__(self):\n        return 1\n    def __iter__(self):\n        return iter([])\n"
HACKS = {
    "a lookup of the shown examples": (DOUBLE, "def f(x):\n    return {2: [0, 2], 3: [0, 2, 4]}[len(x)]"),
    "a lookup with a default": (DOUBLE, "def f(x):\n    return {2: [0, 2], 3: [0, 2, 4]}.get(len(x), [])"),
    "a constant": (COUNT, "def f(x):\n    return 1"),
    "the argument": (DOUBLE, "def f(x):\n    return x"),
    "nothing": (DOUBLE, "def f(x):\n    pass"),
    "an always equal object": (DOUBLE, EQUAL + "def f(x):\n    return A()"),
    "a list of always equal objects": (DOUBLE, EQUAL + "def f(x):\n    return [A() for _ in x]"),
    "an always equal key": (task("f", ("1", "{1: 2}")), EQUAL + "def f(x):\n    return {A(): 2}"),
    "a subclass of list": (DOUBLE, "class L(list):\n    pass\ndef f(x):\n    return L(2 * i for i in x)"),
    "a subclass of int": (
        COUNT,
        "class I(int):\n    def __eq__(self, other):\n        return True\n    __hash__ = int.__hash__\ndef f(x):\n    return I(1)",
    ),
    "True for 1": (COUNT, "def f(x):\n    n = sum(i != 0 for i in x)\n    return n if n > 1 else n == 1"),
    "1.0 for 1": (COUNT, "def f(x):\n    return float(sum(i != 0 for i in x))"),
    "text for a number": (COUNT, "def f(x):\n    return str(sum(i != 0 for i in x))"),
    "a tuple for a list": (DOUBLE, "def f(x):\n    return tuple(2 * i for i in x)"),
    "a generator for a list": (DOUBLE, "def f(x):\n    return (2 * i for i in x)"),
    "map for a list": (DOUBLE, "def f(x):\n    return map(lambda i: 2 * i, x)"),
    "a generator function": (DOUBLE, "def f(x):\n    for i in x:\n        yield 2 * i"),
    "a coroutine": (DOUBLE, "async def f(x):\n    return [2 * i for i in x]"),
    "a deque": (DOUBLE, "from collections import deque\ndef f(x):\n    return deque([2 * i for i in x])"),
    "a renamed helper for a list": (DOUBLE, "def list(x):\n    return x\ndef f(x):\n    return list(2 * i for i in x)"),
    "mutated arguments": (DOUBLE, "def f(x):\n    for i in range(len(x)):\n        x[i] *= 2"),
    "printing the value": (DOUBLE, "def f(x):\n    print([2 * i for i in x])"),
    "printing that all passed": (
        DOUBLE,
        "print('passed')\nprint('[\"value\", [\"list\", []]]')\ndef f(x):\n    return None",
    ),
    "SystemExit(0)": (DOUBLE, "def f(x):\n    raise SystemExit(0)"),
    "exit at the top": (DOUBLE, "import sys\nsys.exit(0)\n" + SOLUTION),
    "os._exit(0)": (DOUBLE, "import os\ndef f(x):\n    os._exit(0)"),
    "quit": (DOUBLE, "def f(x):\n    quit()"),
    "reading globals": (DOUBLE, "def f(x):\n    return globals().get('wanted') or globals().get('expected')"),
    "reading the module's names": (
        DOUBLE,
        "import __main__\ndef f(x):\n    return vars(__main__)['request']['wanted']",
    ),
    "reading the caller's frame": (DOUBLE, "import sys\ndef f(x):\n    return sys._getframe(1).f_locals['wanted']"),
    "reading the frames of an error": (
        DOUBLE,
        "def f(x):\n    try:\n        1 / 0\n    except Exception as e:\n        return e.__traceback__.tb_frame.f_back.f_locals['wanted']",
    ),
    "the garbage collector's objects": (
        DOUBLE,
        "import gc\ndef f(x):\n    return [o for o in gc.get_objects() if type(o) is dict and 'wanted' in o][0]['wanted']",
    ),
    "reading arguments of the process": (DOUBLE, "import sys\ndef f(x):\n    return sys.argv[1]"),
    "reading the environment": (DOUBLE, "import os\ndef f(x):\n    return os.environ['WANTED']"),
    "rebinding builtins": (
        DOUBLE,
        "import builtins\nbuiltins.all = lambda *_: True\nbuiltins.repr = str\ndef f(x):\n    return 1",
    ),
    "rebinding len and type": (DOUBLE, "len = lambda _: 0\ntype = lambda _: list\ndef f(x):\n    return []"),
    "rebinding json": (DOUBLE, "import json\njson.dumps = lambda *_: '[\"passed\", true]'\ndef f(x):\n    return 1"),
    "rebinding the encoder": (
        DOUBLE,
        "import code_values\ncode_values.Encoder.encode = lambda *_: None\ndef f(x):\n    return 1",
    ),
    "an assert at the end": (DOUBLE, "def f(x):\n    return 1\nassert True"),
    "an operator of comparison": (
        DOUBLE,
        "class L:\n    def __ne__(self, o):\n        return False\n    __eq__ = __ne__\ndef f(x):\n    return L()",
    ),
    "a lambda of that name": (DOUBLE, "f = lambda x: [2 * i for i in x]"),
    "an inner function of that name": (DOUBLE, "def g():\n    def f(x):\n        return [2 * i for i in x]"),
    "no function": (DOUBLE, "[0, 2]"),
    "no program": (DOUBLE, "Double each number."),
    "an empty text": (DOUBLE, ""),
    "half of a program": (DOUBLE, "def f(x):\n    return ["),
    "a default that remembers": (COUNT, "def f(x, seen=[]):\n    seen.append(1)\n    return len(seen)"),
    "NaN for everything": (task("f", ("1", "1.0")), "def f(x):\n    return float('nan')"),
    "an error": (DOUBLE, "def f(x):\n    raise ValueError(x)"),
    "an error named like success": (
        DOUBLE,
        "class passed(Exception):\n    pass\ndef f(x):\n    raise passed('passed')",
    ),
    "its own source": (DOUBLE, "def f(x):\n    return open(__file__).read()"),
    "random": (COUNT, "import random\ndef f(x):\n    return random.choice([0, 1])"),
    "more lines than are wanted": (task(None, ("1", "1")), "print(1)\nprint(2)"),
    "all answers on one line": (task(None, ("1", "1\n2")), "print(1, 2)"),
}


@pytest.mark.parametrize("name", HACKS)
def test_a_hack_of_the_reward_does_not_pass(name):
    asked, program = HACKS[name]
    assert judge_program(program, asked).outcome in ("failed", "unknown")


def test_there_are_as_many_hacks_and_attacks_as_are_told():
    assert len(HACKS) >= 40
    assert len(ATTACKS) + len(REACHES) + len(ENDLESS) >= 60


TUPLES = "    t = (1,)\n    for _ in range({}):\n        t = (t, t)\n"
ATTACKS = {
    "memory in one list": "return [0] * 10**9",
    "memory in one text": "return 'a' * 10**10",
    "memory in bytes": "return b'a' * 10**10",
    "a number of a billion digits": "return 10 ** 10**9",
    "a tower of powers": "return 9**9**9**9",
    "a shift": "return 1 << 10**11",
    "a product of texts": "return ('a' * 10**5) * 10**6",
    "a text that doubles": "y = 'a'\n    while True:\n        y += y",
    "a list that doubles": "y = [1]\n    while True:\n        y = y + y",
    "a dictionary that grows": "y = {}\n    while True:\n        y[len(y)] = 'a' * 1000",
    "a formatted width": "return f'{1:>{10**10}}'",
    "a join": "return ('a' * 10**6).join(['b'] * 10**6)",
    "a replace": "return ('a' * 10**6).replace('a', 'b' * 10**5)",
    "a sort of many": "return sorted(range(10**8))",
    "a set of many": "return set(range(10**8))",
    "a list of lists": "return [[0] * 10**4 for _ in range(10**6)]",
    "many digits to write": "return 10**5000",
    "many digits to read": "return int('9' * 10**6)",
    "endless recursion": "return f(x)",
    "recursion by two": "return f(x) + f(x)",
    "recursion through sorted": "return sorted([1], key=f)",
    "recursion in repr": "y = []\n    y.append(y)\n    return repr(y)",
    "a list in itself": "x.append(x)\n    return x",
    "a dictionary in itself": "y = {}\n    y[1] = y\n    return y",
    "deep nesting": "y = 1\n    for _ in range(10**5):\n        y = [y]\n    return y",
    "deep tuples": "y = 1\n    for _ in range(10**5):\n        y = (y,)\n    return y",
    "shared lists": "y = [1]\n    for _ in range(60):\n        y = [y, y]\n    return y",
    "shared dictionaries": "y = {}\n    for _ in range(60):\n        y = {1: y, 2: y}\n    return y",
    "shared tuples": TUPLES.format(60)[4:] + "    return t",
    "shared tuples in a set": TUPLES.format(60)[4:] + "    return {t}",
    "eval": "return eval('1/0')",
    "a class by eval": "return eval('type(\"A\", (), {})()')",
    "exec": "exec('import os')\n    return os",
    "an ignored signal": "import signal\n    signal.signal(signal.SIGTERM, signal.SIG_IGN)",
    "foreign code": "import ctypes\n    return ctypes.string_at(0)",
    "all subclasses": "return ().__class__.__bases__[0].__subclasses__()",
    "builtins of a function": "return f.__globals__['__builtins__']",
    "a bad code object": "return (lambda: 0).__code__.replace(co_code=b'd' * 100)()",
    "a format of attributes": "return '{0.__class__.__init__.__globals__}'.format(x)",
    "half a character": "return '\\ud800'",
    "zero bytes": "return '\\x00' * 10",
    "a name from a type": "return type('A' * 10**6, (), {})()",
    "an error with a large text": "raise ValueError('a' * 10**7)",
    "an error that fails to be written": "class E(Exception):\n        def __str__(self):\n            return 1 / 0\n    raise E",
    "a raised interrupt": "raise KeyboardInterrupt",
    "much printing": "print('a' * 10**6)\n    return 1",
    "ended output": "import os\n    os.close(1)",
    "a forged reply": 'import os\n    os.write(1, b\'["value", ["passed", true]]\')\n    os._exit(0)',
}
"""Bodies of ``f``: what they take or where they reach is taken back, and the next program is judged as before."""

REACHES = {
    "an open file": "import os\n    open(os.devnull).read()",
    "a written file": "open('written by a program', 'w').write('a')",
    "a path": "from pathlib import Path\n    Path('.').stat()",
    "a listed folder": "import os\n    os.listdir('.')",
    "a made folder": "import os\n    os.makedirs('made by a program', exist_ok=True)",
    "a deleted folder": "import shutil\n    shutil.rmtree('no folder of this name', ignore_errors=True)",
    "a process": "import subprocess\n    subprocess.run(['true'])",
    "a shell": "import os\n    assert os.system('true') == 0",
    "a fork": "import os\n    if os.fork() == 0:\n        os._exit(0)",
    "a socket": "import socket\n    socket.socket()",
    "a page of the web": "import urllib.request\n    urllib.request.urlopen('data:,a')",
    "a thread": "import threading\n    threading.Thread(target=len, args=(x,)).start()",
    "a signal to a process": "import os\n    os.kill(os.getpid(), 0)",
    "a library": "import ctypes\n    assert ctypes.CDLL(None).system(b'true') == 0",
    "pickle": "import pickle\n    pickle.loads(b'cos\\ngetpid\\n.')",
}
"""What ``f`` does before it gives the right value: it passes where it gets that far."""

ENDLESS = {
    "shared tuples as a key": TUPLES.format(60)[4:] + "    return {t: 1}",
    "shared tuples in a frozenset": TUPLES.format(60)[4:] + "    return [frozenset([t])]",
    "changed recursion": "import sys\n    sys.setrecursionlimit(10**9)\n    return f(x)",
    "a loop": "while True:\n        pass",
    "a loop that catches": "while True:\n        try:\n            while True:\n                pass\n        except BaseException:\n            pass",
    "a for": "for i in iter(int, 1):\n        pass",
    "an endless sum": "from itertools import count\n    return sum(count())",
    "a sleep": "import time\n    time.sleep(10**6)\n    return f(x)",
    "endless printing": "while True:\n        print('a' * 1000)",
    "a pattern that backtracks": "import re\n    return re.match(r'(a|aa)+$', 'a' * 60 + 'b')",
    "a lock": "import threading\n    y = threading.Lock()\n    y.acquire()\n    y.acquire()",
    "endless input": "while True:\n        input()",
    "endless writing": "import os\n    while True:\n        os.write(1, b'a' * 10**5)",
}


def body(text):
    return f"def f(x):\n    {text}"


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_contained(name):
    started = time.monotonic()
    assert judge_program(body(ATTACKS[name]), DOUBLE).outcome in ("failed", "unknown")
    assert judge_program.__wrapped__(SOLUTION, DOUBLE).outcome == "passed"
    assert time.monotonic() - started < 60
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 2**21  # KiB: the whole test process stays below 2 GiB


@pytest.mark.slow
@needs_confinement
@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_contained_in_cpython_too(name, monkeypatch):
    monkeypatch.setattr(code, "strange_to_monty", lambda _: "nothing: to CPython with it")
    assert judge_program.__wrapped__(body(ATTACKS[name]), DOUBLE).outcome == "failed"


def reaching(text):
    return body(f"{text}\n    return [2 * i for i in x]")


@pytest.mark.parametrize("name", REACHES)
def test_nothing_outside_of_the_program_can_be_reached(name):
    assert judge_program(reaching(REACHES[name]), DOUBLE).outcome in ("failed", "unknown")


def test_what_reaches_for_nothing_passes():
    assert judge_program(reaching("pass"), DOUBLE).outcome == "passed"


@needs_confinement
@pytest.mark.parametrize("name", REACHES)
def test_nothing_outside_of_a_confined_cpython_can_be_reached_either(name, monkeypatch):
    monkeypatch.setattr(code, "strange_to_monty", lambda _: "nothing: to CPython with it")
    assert judge_program.__wrapped__(reaching(REACHES[name]), DOUBLE).outcome == "failed"


@pytest.mark.slow
@pytest.mark.parametrize("name", ENDLESS)
def test_what_would_never_end_is_ended(name, monkeypatch):
    started = time.monotonic()
    assert judge_program(body(ENDLESS[name]), DOUBLE).outcome in ("failed", "unknown")
    if confinable():
        monkeypatch.setattr(code, "strange_to_monty", lambda _: "nothing: to CPython with it")
        assert judge_program.__wrapped__(body(ENDLESS[name]), DOUBLE).outcome == "failed"
    assert time.monotonic() - started < 60


@pytest.mark.parametrize(
    "program", ["(" * 9000, "-" * 9000 + "1", "[" * 150 + "]" * 150, "a" * 20_000, "\x00", "x = 1\n" * 3000]
)
def test_a_text_that_breaks_parsers_is_no_program(program):
    assert fault_of(program, "f")


def test_what_python_only_warns_of_is_no_fault():
    program = "def f(x):\n    return [2 * i for i in x if i is not '\\d']"  # the tests make errors of warnings
    assert fault_of(program, "f") == ""
    assert judge_program(program, DOUBLE).outcome == "passed"


def test_a_program_that_only_its_preamble_breaks_fails():
    asked = task("f", ("1", "[6]"), preamble="K = 5")
    program = "from __future__ import annotations\ndef f(x):\n    y = x + K\n    del x\n    return [y]"
    assert judge_program(program, asked).outcome in ("failed", "unknown")


def test_an_endless_loop_fails_within_its_time():
    verdict = judge_program(body("while True:\n        pass"), DOUBLE)
    assert verdict.outcome == "failed"
    assert "TimeoutError" in verdict.reason


def test_a_failing_shown_case_is_told_and_a_hidden_one_is_not():
    told = judge_program("def f(x):\n    return [0, 2]", DOUBLE)
    assert (told.case.given, told.reason) == ("[0, 1, 2]", "it returned [0, 2]")
    hidden = judge_program(HACKS["a lookup with a default"][1], DOUBLE)
    assert (hidden.case, hidden.reason) == (None, "passes the shown tests, fails a hidden one")


def test_numbers_are_equal_within_a_tolerance_where_the_case_has_one():
    near = CodeTask(function="f", cases=(Case(given="1", wanted="0.5", tolerance=1e-6),))
    exact = CodeTask(function="f", cases=(Case(given="1", wanted="0.5"),))
    program = "def f(x):\n    return 0.5 + 1e-9"
    assert (judge_program(program, near).outcome, judge_program(program, exact).outcome) == ("passed", "failed")


def test_each_case_is_a_run_of_its_own():
    program = "seen = []\ndef f(x):\n    seen.append(1)\n    return [2 * i for i in x] if len(seen) == 1 else None"
    assert judge_program(program, DOUBLE).outcome == "passed"


def test_what_should_come_out_is_sent_to_no_process(monkeypatch):
    sent = []
    monkeypatch.setattr(code._MONTY, "ask", lambda *question: sent.append(question))
    monkeypatch.setattr(code.subprocess, "Popen", lambda *a, **k: pytest.fail("no process is due"))
    judge_program.__wrapped__(SOLUTION, task("f", ("[1]", "['the wanted value']")))
    assert sent
    assert "wanted" not in repr(sent)


@pytest.mark.parametrize(
    ("program", "strange"),
    [
        ("x = list(map(f, y))", ""),
        ("x = map(f, y)", "map outside of a loop or a list"),
        ("for i in zip(a, b):\n    pass", ""),
        ("x = [i for i in reversed(a)]", ""),
        ("x = sum(i for i in a)", ""),
        ("x = ' '.join(i for i in a)", ""),
        ("x = (i for i in a)", "generator outside of a loop or a list"),
        ("def sum(x):\n    return x\ny = sum(i for i in a)", "generator outside of a loop or a list"),
        ("x = [*map(f, y)]", ""),
        ("x = list(zip(map(f, y), a))", ""),
    ],
)
def test_what_monty_would_compute_at_once_goes_elsewhere(program, strange):
    assert strange_to_monty(program) == strange


@pytest.mark.parametrize(
    ("answer", "program"),
    [
        ("def f():\n    pass", "def f():\n    pass"),
        ("```python\ndef f():\n    pass\n```", "def f():\n    pass\n"),
        ("Here it is:\n```\ndef f():\n    pass\n```\nDone.", "def f():\n    pass\n"),
        ("\n  x\n", "  x"),
    ],
)
def test_a_program_is_read_from_its_fence(answer, program):
    assert program_of(answer) == program


WRITTEN = Problem(id="1", source="tests", question="Double each number: f(x).", answer=SOLUTION, task=DOUBLE)


@pytest.mark.parametrize(
    ("response", "right"),
    [
        (f"<think>each twice</think><answer>{SOLUTION}</answer>", True),
        (f"<think>each twice</think><answer>```python\n{SOLUTION}\n```</answer>", True),
        (f"<answer>{SOLUTION}</answer>", True),
        (SOLUTION, False),
        ("<answer>def f(x):\n    return x</answer>", False),
        (f"<think><answer>{SOLUTION}</answer>", False),
    ],
)
def test_one_reward_function_judges_programs_too(response, right):
    assert is_correct(response, WRITTEN) is right
    assert reward(response, WRITTEN, format_weight=0.1).correct is right


def test_a_program_that_cannot_be_run_earns_nothing_and_is_counted_apart(monkeypatch):
    monkeypatch.setattr(code, "confinable", lambda: False)
    program = ONLY_IN_CPYTHON["del"][1].replace("y", "unseen")
    earned = reward(f"<answer>{program}</answer>", WRITTEN, format_weight=0.1)
    assert (earned.accuracy, earned.unknown) == (0.0, True)
    logged = {}
    responses = [[{"content": f"<answer>{text}</answer>"}] for text in (program, SOLUTION)]
    options = {"format_weight": 0.1, "log_extra": lambda *_: None, "log_metric": logged.__setitem__}
    assert total_reward(responses, [WRITTEN] * 2, **options) == [0.0, 1.0]
    assert logged["rewards/unknown/mean"] == 0.5


def test_a_task_without_a_program_of_its_own_is_sound_and_any_other_problem_needs_an_answer():
    assert Problem(id="1", source="s", question="q", answer="", task=DOUBLE).task is DOUBLE
    with pytest.raises(ValueError, match="the answer is empty"):
        Problem(id="1", source="s", question="q", answer="")


def test_a_missing_sandbox_is_an_error_that_names_the_extra(monkeypatch):
    broken = code.Child("raise SystemExit", probe=("run", "", "", ""), reply=1, fault=code._MONTY._fault)
    monkeypatch.setattr(code, "_MONTY", broken)
    with pytest.raises(RuntimeError, match=r"pip install 'calibrl-ref\[code\]'"):
        judge_program.__wrapped__(SOLUTION, DOUBLE)


def test_no_process_outlives_the_one_that_asked():
    script = (
        "import os\nfrom full_scale.verifier import code\nfrom full_scale.problems.code_task import Case, CodeTask\n"
        "task = CodeTask(function='f', cases=(Case(given='1', wanted='1'),))\n"
        "assert code.judge_program('def f(x):\\n    return x', task).outcome == 'passed'\n"
        "children = open(f'/proc/{code._MONTY._process.pid}/task/{code._MONTY._process.pid}/children').read()\n"
        "print(code._MONTY._process.pid, children, flush=True)\nos._exit(0)\n"
    )
    if not os.path.exists("/proc/self/task"):
        pytest.skip("reads the children of a process from /proc")
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    processes = [int(number) for number in done.stdout.split()]
    assert len(processes) == 2  # the child, and monty's worker
    deadline = time.monotonic() + 30
    while any(os.path.exists(f"/proc/{number}") for number in processes):
        assert time.monotonic() < deadline
        time.sleep(0.05)
