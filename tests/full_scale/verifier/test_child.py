"""How a child process answers; that it is ended by its limits, and replaced, is tested in test_checker.py."""

import io
import json
import resource
import signal
import sys

from full_scale.verifier.child import serve_questions

QUESTIONS = {"twice": lambda text: text * 2, "raise": lambda: 1 / 0}


def test_each_line_is_a_question_and_each_reply_has_its_id(monkeypatch):
    limits, timers, signals = {}, [], {}
    monkeypatch.setattr(sys, "argv", ["child", "0.25", "12345"])
    monkeypatch.setattr(sys, "stdin", io.StringIO('[7, "twice", "a"]\n[9, "no such question"]\n[8, "raise"]\n'))
    replies = io.StringIO()
    monkeypatch.setattr(sys, "stdout", replies)
    monkeypatch.setattr(resource, "setrlimit", lambda what, values: limits.update({what: values}))
    monkeypatch.setattr(signal, "setitimer", lambda which, seconds: timers.append((which, seconds)))
    monkeypatch.setattr(signal, "signal", lambda number, action: signals.update({number: action}))
    asked = []
    questions = QUESTIONS | {"note": lambda text: asked.append(text)}
    serve_questions(questions, warm_up=[("raise",), ("note", "first"), ("note", "second")])
    assert asked == ["first", "second"]
    assert [json.loads(line) for line in replies.getvalue().splitlines()] == [[7, "aa"], [9, None], [8, None]]
    assert limits == {resource.RLIMIT_AS: (12345, 12345), resource.RLIMIT_CORE: (0, 0)}
    assert timers == [(signal.ITIMER_PROF, 0.25), (signal.ITIMER_PROF, 0)] * 3
    assert signals == {signal.SIGINT: signal.SIG_IGN}
