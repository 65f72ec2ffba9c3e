"""MATH-Vision's values: what is read here is what latex2sympy reads, and the rest is one question."""

import pytest

from full_scale.verifier import mathvision
from full_scale.verifier.checker_process import values
from full_scale.verifier.mathvision import _cleaned, mathvision_equal

READ_HERE = [
    "5",
    "-5",
    "2.50",
    "2:30",
    "11:3",
    "e",
    "a",
    "point",
    "12inches",
    "18\\mathrm{~cm}",
    "$18 \\mathrm{~cm}^{2}$",
    "$55^{\\circ}$",
    "$6+\\pi$",
    "\\frac{1}{2}",
    "\\frac{3\\sqrt{2}}{4}",
    "2\\sqrt{3}",
    "2^{10}",
    "3*4-1/2",
    "2\\cdot3\\times4",
    "(1,2)",
    "4\\pi",
    "x+1",
    "n-1",
    "\\sqrt{2}-\\sqrt{3}",
    "{noneoftheabove}",
    "a{red},b{green}",
    "?shouldbereplacedwith60",
    "(1+2)*3",
    "",
    "$6+\\pi / 2$",
]
ASKED = [
    "1\\frac12",
    "--5",
    "{5}",
    "2(3)",
    "5\\frac{1}{2}",
    "2**3",
    "[5]",
    "2:0",
    "\\sin(2)",
    "52(47)",
    "x≈6",
    "2^\\pi",
    "\\frac{1}{2}7",
]


@pytest.mark.parametrize("text", READ_HERE)
def test_what_is_read_here_is_what_latex2sympy_reads(text, monkeypatch):
    monkeypatch.setattr(mathvision, "values_of", lambda *texts: pytest.fail(f"{texts} are asked about"))
    found, wanted = mathvision._value(text), values(text)[0]
    assert found == (None if wanted is None else pytest.approx(wanted))


@pytest.mark.parametrize("text", ASKED)
def test_what_may_be_read_otherwise_is_asked(text, monkeypatch):
    monkeypatch.setattr(mathvision, "values_of", lambda *texts: (123.0,))
    assert mathvision._value(text) == 123.0


def test_a_tuple_is_one_question(monkeypatch):
    asked = []
    monkeypatch.setattr(mathvision, "values_of", lambda *texts: asked.append(texts) or (2.0,) * len(texts))
    assert mathvision_equal("(5,1\\frac12,a,\\infty,1\\frac12)", "(5.0,2,a,\\infty,2.001)")
    assert asked == [("1\\frac12",)]


@pytest.mark.parametrize(
    ("left", "right", "verdict"),
    [
        ("A", "a", True),
        ("a", "b", False),
        ("", "", False),
        ("2.004", "2", True),
        ("2.006", "2", False),
        ("(1,2)", "(1.001,2)", True),
        ("(1,2)", "(1.01,2)", False),
        ("[1,2]", "(1,2)", False),
        ("(1,x)", "(1,x)", True),
        ("(1,x)", "(1.0,x)", False),
        ("(a,-a)", "(a,-a)", True),
        ("5", "a", False),
        ("a", "5", False),
        ("(5)", "5", True),
        ("x" * 1001, "x" * 1001, True),
        ("x" * 1001, "5", False),
        ("2:30", "1:15", True),
    ],
)
def test_equal(left, right, verdict):
    assert mathvision_equal(left, right) is verdict


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("\\dfrac{1}{2}", "\\frac{1}{2}"),
        ("\\tfrac{1}{2}", "\\frac{1}{2}"),
        ("\\sqrt2+\\frac12", "\\sqrt{2}+\\frac{1}{2}"),
        ("1/2", "\\frac{1}{2}"),
        ("0.5", "\\frac{1}{2}"),
        ("\\sqrt2", "\\sqrt{2}"),
        ("x=5", "5"),
        ("\\pi\\approx3.14", "3.14"),
        ("+∞", "\\infty"),
        (".25", "0.25"),
        ("{.5}", "{0.5}"),
        ("\\begin{bmatrix}", "\\begin{pmatrix}"),
    ],
)
def test_an_answer_is_cleaned_as_mathvisions_script_does(text, cleaned):
    assert _cleaned(text) == cleaned
