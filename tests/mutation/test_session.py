"""The session of ``make mutants``: which tests a mutant runs, in which order, and what their end means."""

import os
import signal
import time
from types import SimpleNamespace

import pytest
from session import KILLED, NO_TESTS, SURVIVED, TIMEOUT, Collected, Coverage, Trials, in_child

MUTANT = "full_scale.verifier.units.x_f__mutmut_1"
SECONDS = {
    "tests/test_units.py::slow": 0.9,
    "tests/test_units.py::quick": 0.2,
    "tests/test_other.py::quick": 0.1,
    "tests/test_other.py::too_slow": 2.0,
    "tests/test_other.py::gone": 0.1,
}


class Fake:
    """Collected tests whose verdict is given."""

    def __init__(self, verdict=SURVIVED, last=""):
        self.items = dict.fromkeys(name for name in SECONDS if "gone" not in name)
        self.verdict, self.last, self.asked = verdict, last, []

    def judge(self, mutant, names, seconds):
        self.asked.append(names)
        return self.verdict, self.last


def trials(fake, *, longest=10.0):
    tests = {"full_scale.verifier.units.x_f": list(SECONDS)}
    return Trials(fake, Coverage(tests, SECONDS), slowest=1.0, longest=longest)


def test_a_mutant_runs_the_tests_that_call_its_function_its_modules_own_first_the_quick_before_the_slow():
    own, other = ["tests/test_units.py::quick", "tests/test_units.py::slow"], ["tests/test_other.py::quick"]
    assert trials(Fake()).tests(MUTANT) == own + other
    assert trials(Fake(), longest=1.15).tests(MUTANT) == own
    assert trials(Fake()).tests("full_scale.verifier.units.x_g__mutmut_1") == []


def test_a_test_that_noticed_a_mutant_is_the_first_to_see_the_next_of_that_function():
    tried = trials(Fake(KILLED, "tests/test_other.py::quick"))
    assert tried.verdict(MUTANT) == KILLED
    assert tried.tests(MUTANT)[0] == "tests/test_other.py::quick"
    assert len(tried.tests(MUTANT)) == 3


def test_a_mutant_that_no_test_calls_has_no_tests():
    assert trials(Fake()).verdict("full_scale.verifier.units.x_g__mutmut_1") == NO_TESTS


def test_coverage_grows_and_is_read_back(tmp_path):
    coverage = Coverage({"f": ["b"]}, {"b": 1.0})
    coverage.add(Coverage({"f": ["a"], "g": ["a"]}, {"a": 2.0}))
    coverage.save(tmp_path / "coverage.json")
    assert Coverage.load(tmp_path / "coverage.json") == Coverage({"f": ["a", "b"], "g": ["a"]}, {"a": 2.0, "b": 1.0})
    assert Coverage.load(tmp_path / "none.json") == Coverage()


CONFIG = SimpleNamespace(_tmp_path_factory=SimpleNamespace(_basetemp=None))


def says(pipe, *messages):
    for message in messages:
        os.write(pipe, f"{message}\n".encode())
    return 0


@pytest.mark.parametrize(
    ("work", "code", "last"),
    [
        (lambda pipe: says(pipe, "first", "second"), 0, "second"),
        (lambda pipe: 1 + says(pipe, "first"), 1, "first"),
        (lambda pipe: says(pipe, "slept") or time.sleep(60), -signal.SIGKILL, "slept"),
        (lambda pipe: says(pipe, "ended") or os.kill(os.getpid(), signal.SIGPROF), -signal.SIGPROF, "ended"),
        (lambda _: 1 // 0, KILLED, ""),
    ],
)
def test_a_child_tells_its_end_and_a_silent_one_is_ended(work, code, last):
    assert in_child(CONFIG, work, silent_seconds=0.5) == (code, last)
    assert CONFIG._tmp_path_factory._basetemp is None  # the child's own


@pytest.mark.parametrize(
    ("code", "verdict"),
    [(0, SURVIVED), (1, KILLED), (2, KILLED), (-signal.SIGPROF, TIMEOUT), (-signal.SIGKILL, TIMEOUT)],
)
def test_a_silent_or_endless_child_is_a_timeout_and_any_failure_a_kill(code, verdict, monkeypatch):
    monkeypatch.setattr("session.in_child", lambda *_, **__: (code, "last"))
    assert Collected.judge(SimpleNamespace(config=None), MUTANT, [], {}) == (verdict, "last")
