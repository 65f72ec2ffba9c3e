"""The checker's process: its limits, and that nothing that happens to it becomes a verdict."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from full_scale.verifier import checker, child
from full_scale.verifier.checker import Checker, endless, symbolically_equal, values_of

RIGHT, WRONG = ("equal", "3/4", "0.75"), ("equal", "3/4", "0.8")
BUSY = """
import sys, time
import full_scale.verifier.checker_process as child
child.QUESTIONS["wait"] = lambda: time.sleep(600)
child.QUESTIONS["grow"] = lambda: bool(bytearray(2**31))
child.QUESTIONS["crash"] = lambda: __import__("os").abort()
child.QUESTIONS["killed"] = lambda: __import__("os").kill(__import__("os").getpid(), 9)
child.serve()
"""
STALE = """
import json, sys
for line in sys.stdin:
    number, *_ = json.loads(line)
    print(json.dumps([number - 1, False]))
    print(json.dumps([number, True]), flush=True)
"""


@pytest.fixture
def one():
    asked = Checker()
    yield asked
    asked.stop()


@pytest.fixture
def busy():
    asked = Checker(BUSY)
    yield asked
    asked.stop()


def child_of(asked):
    return asked._process.pid  # the tests play the operating system that ends or stops this process


def test_a_question_beyond_the_limits_is_answered_no_and_the_next_one_as_usual(one):
    assert one.ask("equal", "1/2", "0.5") is True
    assert one.ask("equal", "9^{9^{9^9}}", "4") is None  # the operating system ended the process
    assert one.ask("equal", "1/2", "0.25") is False


@pytest.mark.slow
@pytest.mark.parametrize("times", [1, 2, 5])
def test_a_child_that_is_killed_between_questions_is_replaced(one, times):
    for _ in range(times):
        one.ask(*RIGHT)
        os.kill(child_of(one), signal.SIGKILL)
        time.sleep(0.05)
        assert one.ask(*RIGHT) is True
    assert one.ask(*WRONG) is False


def test_no_verdict_of_a_killed_child_is_cached():
    symbolically_equal("7/8", "1")
    os.kill(child_of(checker._CHECKER), signal.SIGKILL)
    assert symbolically_equal("7/8", "0.875")
    assert symbolically_equal("7/8", "0.875")


@pytest.mark.slow
def test_a_stopped_child_is_replaced(one, monkeypatch):
    monkeypatch.setattr(child, "PATIENCE", (0.5, 60.0))
    one.ask(*RIGHT)
    stopped = child_of(one)
    os.kill(stopped, signal.SIGSTOP)
    assert one.ask(*RIGHT) is True
    assert child_of(one) != stopped


@pytest.mark.slow
def test_a_child_that_sleeps_on_every_question_is_an_error_and_no_verdict(busy, monkeypatch):
    monkeypatch.setattr(child, "PATIENCE", (0.2, 0.2))
    with pytest.raises(RuntimeError, match="2 processes in a row were killed or stopped"):
        busy.ask("wait")
    monkeypatch.setattr(child, "PATIENCE", (60.0,))
    assert busy.ask(*RIGHT) is True


@pytest.mark.slow
def test_a_question_that_crashes_or_outgrows_its_process_is_answered_no(busy):
    assert busy.ask("crash") is None
    assert busy.ask("grow") is None
    survivor = child_of(busy)
    assert busy.ask(*RIGHT) is True
    assert child_of(busy) == survivor  # the limit of memory ends the question only
    with pytest.raises(RuntimeError, match="killed"):
        busy.ask("killed")


def test_an_interrupt_inside_a_question_shifts_no_verdict(busy):
    """Jupyter's stop button: the reply that was under way is to nobody's question."""
    busy.ask(*RIGHT)
    timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        busy.ask("wait")
    assert [busy.ask(*RIGHT), busy.ask(*WRONG), busy.ask(*RIGHT)] == [True, False, True]


def test_a_reply_to_another_question_is_passed_over():
    one = Checker(STALE)
    assert [one.ask("equal", "1", "2") for _ in range(3)] == [True] * 3
    one.stop()


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("2^{10}", False),
        ("2^{1000}", False),
        ("2^{1001}", True),
        ("x^{12}", False),
        ("x^{13}", True),
        ("(x+1)^{4}(y+1)^{4}", True),
        ("9^{9^{9}}", True),
        ("9^9^9^9", True),
        ("9**9**9**9", True),
        ("9^(9^9)", True),
        ("9^{(9)}", True),
        ("9^{\\frac12}", True),
        ("55^{\\circ}", False),
        ("55^\\circ", False),
        ("99!", False),
        ("100!", True),
        ("9!!", True),
        ("(9!)!", True),
        ("---5", False),
        ("----5", True),
        ("\\sqrt[99]{2}", False),
        ("\\sqrt[100]{2}", True),
        ("\\sin(2^{12})", False),
        ("\\sin(2^{13})", True),
        ("\\sin \\cos \\ln 2", False),
        ("\\sin \\cos \\ln \\tan 2", True),
        ("\\sum_{n=1}^{9} n", True),
        ("\\binom{5}{2}", True),
        ("1" * 24, False),
        ("1" * 25, True),
        ("1e999", False),
        ("1e9999", True),
        ("(" * 8, False),
        ("(" * 9, True),
        ("{" * 9, True),
        ("x" * 400, False),
        ("x" * 401, True),
    ],
)
def test_what_is_not_put_to_the_child(text, verdict):
    assert endless(text) is verdict


def test_a_long_question_is_not_asked():
    assert not symbolically_equal("1+" * 200 + "1", "401")


def test_several_values_are_one_question(monkeypatch):
    asked = []
    monkeypatch.setattr(checker._CHECKER, "ask", lambda *question: asked.append(question) or [0.25, None])
    assert values_of("1/4", "not asked before") == (0.25, None)
    assert asked == [("values", "1/4", "not asked before")]
    monkeypatch.setattr(checker._CHECKER, "ask", lambda *_: None)
    assert values_of("1/4", "beyond the limits") == (None, None)


def test_the_child_survives_ctrl_c_and_ends_with_its_parent():
    script = """
import os, signal, time
from full_scale.verifier.checker import Checker
one = Checker()
one.ask("equal", "1", "1")
child = one._process.pid
os.kill(child, signal.SIGINT)
assert one.ask("equal", "1/2", "0.5") is True
print(child, flush=True)
os._exit(0)  # no atexit
"""
    root = Path(checker.__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=True)
    child = int(done.stdout)
    for _ in range(600):
        try:
            os.kill(child, 0)
        except ProcessLookupError:
            return
        signal.sigtimedwait([], 0.1)
    pytest.fail("the checker outlived the process that asked it")


def _ask(answers):
    answers.put(checker.symbolically_equal("3/4", "0.75"))


def test_a_forked_process_asks_its_own_child():
    assert symbolically_equal("1/2", "0.5")
    context = multiprocessing.get_context("spawn" if sys.platform == "darwin" else "fork")
    answers = context.Queue()
    process = context.Process(target=_ask, args=(answers,))
    process.start()
    assert answers.get(timeout=120) is True
    process.join()
    assert symbolically_equal("3/5", "0.6")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("4\\sqrt{3}", 48**0.5),
        ("\\frac{1}{2}", 0.5),
        ("1,234", 1234.0),
        ("12inches", None),
        ("a", None),
        ("", None),
        ("10^{10^{10}}", None),
        ("1" * 201, None),
    ],
)
def test_values_of_expressions(text, value):
    assert values_of(text) == (value if value is None else pytest.approx(value),)


def test_a_child_that_does_not_start_is_an_error():
    with pytest.raises(RuntimeError, match="math-verify's process does not start"):
        Checker("raise SystemExit").ask("equal", "1", "1")
