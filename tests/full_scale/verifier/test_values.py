"""Exact and approximate values of trees, and their LaTeX."""

import math
from fractions import Fraction

import pytest

from full_scale.verifier.checker_process import values
from full_scale.verifier.exact import InexactError
from full_scale.verifier.grammar import Node, readings
from full_scale.verifier.values import approximate, exact, latex, names_of


def tree(text):
    return readings(text)[0]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2+3*4", 14),
        ("2^{10}", 1024),
        ("2^{-2}", Fraction(1, 4)),
        ("(-2)^3", -8),
        ("(\\frac{2}{3})^2", Fraction(4, 9)),
        ("2^{1000}", 2**1000),
        ("9^{\\frac12}", 3),
        ("\\sqrt{\\frac{9}{4}}", Fraction(3, 2)),
        ("\\sqrt[3]{8}", 2),
        ("\\sqrt[3]{-8}", -2),
        ("\\sqrt[3]{\\frac{1}{27}}", Fraction(1, 3)),
        ("\\sqrt[4]{16}", 2),
        ("\\sqrt[3]{0}", 0),
        ("|3-5|", 2),
        ("|5|", 5),
        ("0!", 1),
        ("5!", 120),
        ("170!", math.factorial(170)),
        ("\\binom{5}{2}", 10),
        ("\\binom{500}{1}", 500),
        ("\\binom{2}{5}", 0),
        ("i^2", -1),
    ],
)
def test_exact_values(text, value):
    assert exact(tree(text)).as_fraction() == value


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("2^{x}", "a name in an exponent"),
        ("2^{\\frac13}", "a broken exponent"),
        ("2^{2001}", "a large power"),
        ("\\sqrt[3]{x}", "the root of a name"),
        ("\\sqrt[3]{2}", "a root that is no rational number"),
        ("\\sqrt[4]{-16}", "a root that is no rational number"),
        ("|x|", "the size of a name"),
        ("171!", "a factorial of what is no small whole number"),
        ("\\sin 1", "call has no exact value"),
        ("\\infty", "infinity has no exact value"),
        ("\\sqrt{x}", "the root of what is no positive rational number"),
        ("\\sqrt{1000000000001}", "a large number under the root"),
        ("1/0", "division by zero"),
        ("x^{101}", "power 101"),
    ],
)
def test_the_reason_why_there_is_no_exact_value(text, reason):
    with pytest.raises(InexactError) as error:
        exact(tree(text))
    assert str(error.value) == reason


@pytest.mark.parametrize(
    "text",
    [
        "2^{2001}",
        "2^{x}",
        "2^{\\frac13}",
        "(-4)^{\\frac12}",
        "\\sqrt{x}",
        "\\sqrt[3]{2}",
        "\\sqrt[3]{x}",
        "\\sqrt[4]{-16}",
        "\\sqrt[3]{10000000000000001}",
        "|x|",
        "171!",
        "(-1)!",
        "0.5!",
        "x!",
        "\\binom{501}{1}",
        "\\binom{x}{1}",
        "\\sin 1",
        "1/0",
        "\\infty",
        "0^{-1}",
        "0^0",
    ],
)
def test_what_has_no_exact_value(text):
    with pytest.raises(InexactError):
        exact(tree(text))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2^{\\frac13}", 2 ** (1 / 3)),
        ("\\sqrt[3]{2}", 2 ** (1 / 3)),
        ("\\sqrt{2+\\sqrt3}", math.sqrt(2 + math.sqrt(3))),
        ("-x", -0.5),
        ("x-y", -1.5),
        ("2xy/3", 2 / 3),
        ("|x-y|", 1.5),
        ("\\sin x", math.sin(0.5)),
        ("\\cos x", math.cos(0.5)),
        ("\\tan x", math.tan(0.5)),
        ("\\cot x", 1 / math.tan(0.5)),
        ("\\sec x", 1 / math.cos(0.5)),
        ("\\csc x", 1 / math.sin(0.5)),
        ("\\arcsin x", math.asin(0.5)),
        ("\\arccos x", math.acos(0.5)),
        ("\\arctan x", math.atan(0.5)),
        ("\\sinh x", math.sinh(0.5)),
        ("\\cosh x", math.cosh(0.5)),
        ("\\tanh x", math.tanh(0.5)),
        ("\\exp x", math.exp(0.5)),
        ("\\ln y", math.log(2)),
        ("\\lg y", math.log10(2)),
        ("\\log y", math.log10(2)),
        ("\\log_2 8", 3),
        ("\\sin 30°", 0.5),
        ("\\sin(30°)", 0.5),
        ("e^{x}", math.exp(0.5)),
        ("π", math.pi),
        ("5!", 120),
        ("\\binom52", 10),
    ],
)
def test_approximate_values(text, value):
    assert approximate(tree(text), {"x": 0.5, "y": 2.0}) == pytest.approx(value)


@pytest.mark.parametrize(
    "text", ["1/0", "z", "\\ln 0", "10^{400}", "9^{9^9}", "\\exp 1000", "171!", "\\infty", "(1,2)"]
)
def test_what_has_no_approximate_value(text):
    with pytest.raises(InexactError):
        approximate(tree(text), {"x": 0.5})


def test_names():
    assert names_of(tree("x+2y_1-π e i")) == {"x", "y_1"}
    assert names_of(tree("(a, \\sin b)")) == {"a", "b"}
    assert names_of(tree("5 cm")) == set()


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("5", "5"),
        ("0.5", "\\frac{1}{2}"),
        ("x", "x"),
        ("\\alpha", "\\alpha"),
        ("π", "\\pi"),
        ("-x", "-\\left(x\\right)"),
        ("x-1", "x + \\left(-\\left(1\\right)\\right)"),
        ("2x", "\\left(2\\right) \\cdot \\left(x\\right)"),
        ("x/2", "\\frac{x}{2}"),
        ("x^2", "\\left(x\\right)^{2}"),
        ("√x", "\\sqrt{x}"),
        ("\\sqrt[3]{x}", "\\sqrt[3]{x}"),
        ("|x|", "\\left|x\\right|"),
        ("x!", "\\left(x\\right)!"),
        ("\\binom{x}{2}", "\\binom{x}{2}"),
        ("\\sin x", "\\sin\\left(x\\right)"),
        ("\\log x", "\\log_{10}\\left(x\\right)"),
        ("\\lg x", "\\log_{10}\\left(x\\right)"),
        ("\\log_2 x", "\\log_{2}\\left(x\\right)"),
        ("\\ln x", "\\ln\\left(x\\right)"),
    ],
)
def test_latex(text, written):
    assert latex(tree(text)) == written


@pytest.mark.parametrize(
    "text", ["\\sin(30°)+2^{3}", "\\frac{\\sqrt{3}}{2}-\\sqrt[3]{2}", "\\log_2 10", "\\lg 7", "|2-5|"]
)
def test_latex2sympy_reads_our_latex_as_we_do(text):
    assert values(latex(tree(text)))[0] == pytest.approx(approximate(tree(text), {}).real)


def test_a_node_without_a_number_is_an_error():
    with pytest.raises(TypeError, match="expected a Fraction"):
        exact(Node("number"))
