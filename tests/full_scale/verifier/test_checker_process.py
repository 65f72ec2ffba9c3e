"""What the checker's child answers; its limits are tested from outside, in test_checker.py."""

import io
import json
import signal
import sys

import pytest

from full_scale.verifier import checker_process
from full_scale.verifier.checker_process import answer, equal, serve, values


@pytest.mark.parametrize(
    ("text", "truth", "verdict"),
    [("\\frac{1}{2}", "0.5", True), ("0.4", "0.5", False), ("\\sin(x)^{2}+\\cos(x)^{2}", "1", True), ("", "1", False)],
)
def test_equal(text, truth, verdict):
    assert equal(text, truth) is verdict
    assert answer("equal", text, truth) is verdict


def test_values_that_an_expression_does_not_have_are_none():
    assert values("\\frac{1}{2}", "x", "\\frac{", "i", "\\infty", "3") == [0.5, None, None, None, None, 3.0]
    assert answer("values") == []


def test_whatever_a_library_raises_is_no_answer(monkeypatch):
    monkeypatch.setitem(checker_process.QUESTIONS, "raise", lambda: 1 / 0)
    assert answer("raise") is None
    assert answer("no such question") is None


def test_each_line_is_a_question_and_each_reply_has_its_id(monkeypatch):
    limits, timers, signals = {}, [], {}
    monkeypatch.setattr(sys, "argv", ["child", "0.25", "12345"])
    monkeypatch.setattr(sys, "stdin", io.StringIO('[7, "equal", "1", "1.0"]\n[9, "values", "2", "x"]\n[8, "raise"]\n'))
    replies = io.StringIO()
    monkeypatch.setattr(sys, "stdout", replies)
    monkeypatch.setattr(checker_process.resource, "setrlimit", lambda what, values: limits.update({what: values}))
    monkeypatch.setattr(signal, "setitimer", lambda which, seconds: timers.append((which, seconds)))
    monkeypatch.setattr(signal, "signal", lambda number, action: signals.update({number: action}))
    serve()
    assert [json.loads(line) for line in replies.getvalue().splitlines()] == [[7, True], [9, [2.0, None]], [8, None]]
    assert limits == {
        checker_process.resource.RLIMIT_AS: (12345, 12345),
        checker_process.resource.RLIMIT_CORE: (0, 0),
    }
    assert timers == [(signal.ITIMER_PROF, 0.25), (signal.ITIMER_PROF, 0)] * 3
    assert signals == {signal.SIGINT: signal.SIG_IGN}
