"""The benchmark of the verifier: its outputs are distinct and have both verdicts, and each judge has its row."""

import pytest

from benchmarks import verifier
from benchmarks.verifier import outputs, rate, rows, tagged, untagged


def test_outputs_are_distinct_and_right_and_wrong_ones_are_among_them():
    made = outputs(400)
    assert len({response for _, response, _ in made}) == 400
    for judge in (lambda *one: tagged(*one).accuracy, untagged):
        share = sum(map(float, (judge(*one) for one in made))) / 400
        assert 0.1 < share < 0.6


def test_a_rate_leaves_the_checkers_start_out(monkeypatch):
    taken = iter([5.0, 1.0])  # with the answers, and the start alone
    monkeypatch.setattr(verifier, "seconds", lambda work: work() or next(taken))
    asked = []
    assert rate(lambda *one: asked.append(one), outputs(20)) == 20 / (5.0 - 1.0)
    assert asked == outputs(20)


@pytest.mark.slow
def test_the_rows():
    start, reward, own = rows(20, turns=1)
    assert (start.name, reward.name, own.name) == ("the checker's start", "training reward", "MATH-Vision's own score")
    assert 0.0 < start.ours < 60.0
    assert all(row.peer == "math-verify" for row in (reward, own))
