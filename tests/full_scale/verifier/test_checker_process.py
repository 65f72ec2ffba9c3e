"""What the checker's child answers; its limits are tested from outside, in test_checker.py."""

import subprocess
import sys

import pytest

from full_scale.verifier.checker_process import equal, values
from full_scale.verifier.child import SECONDS


@pytest.mark.parametrize(
    ("text", "truth", "verdict"),
    [("\\frac{1}{2}", "0.5", True), ("0.4", "0.5", False), ("\\sin(x)^{2}+\\cos(x)^{2}", "1", True), ("", "1", False)],
)
def test_equal(text, truth, verdict):
    assert equal(text, truth) is verdict


def test_values_that_an_expression_does_not_have_are_none():
    assert values("\\frac{1}{2}", "x", "\\frac{", "i", "\\infty", "3") == [0.5, None, None, None, None, 3.0]
    assert values() == []


TAKES = """
import sys, time
from full_scale.verifier import checker_process
for _, *question in checker_process.WARM_UP if sys.argv[1] == "warm" else [("equal", "1", "1")]:
    checker_process.equal(*question)
begun = time.process_time()
assert checker_process.equal(*sys.argv[2:])
print(time.process_time() - begun)
"""


@pytest.mark.slow
def test_a_warm_child_needs_a_part_of_a_questions_time_for_the_first_of_its_kind():
    """Cold, the first takes as long as a question may take: on a slow machine a right answer would be judged wrong."""

    def seconds(how):
        question = ("\\sin^2 y+\\cos^2 y+1", "2")
        command = [sys.executable, "-c", TAKES, how, *question]
        return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    warm = min(seconds("warm") for _ in range(3))
    assert warm < SECONDS
    assert warm < 0.5 * seconds("cold")
