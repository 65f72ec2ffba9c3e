import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from full_scale.verifier import checker
from full_scale.verifier.checker import Checker, symbolically_equal, values_of


def test_a_question_beyond_the_limits_is_answered_no_and_the_next_one_as_usual():
    one = Checker()
    assert one.ask("equal", "1/2", "0.5") is True
    assert one.ask("equal", "9^{9^{9^9}}", "4") is None  # the operating system ended the process
    assert one.ask("equal", "1/2", "0.25") is False
    one.stop()


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


def test_a_child_that_does_not_start_is_an_error(monkeypatch):
    monkeypatch.setattr(checker, "_CHILD", "raise SystemExit")
    with pytest.raises(RuntimeError, match="math-verify's process does not start"):
        Checker().ask("equal", "1", "1")
