"""What the checker's child answers; its limits are tested from outside, in test_checker.py."""

import pytest

from full_scale.verifier.checker_process import equal, values


@pytest.mark.parametrize(
    ("text", "truth", "verdict"),
    [("\\frac{1}{2}", "0.5", True), ("0.4", "0.5", False), ("\\sin(x)^{2}+\\cos(x)^{2}", "1", True), ("", "1", False)],
)
def test_equal(text, truth, verdict):
    assert equal(text, truth) is verdict


def test_values_that_an_expression_does_not_have_are_none():
    assert values("\\frac{1}{2}", "x", "\\frac{", "i", "\\infty", "3") == [0.5, None, None, None, None, 3.0]
    assert values() == []
