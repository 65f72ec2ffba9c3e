# ruff: noqa: RUF001  # signs of many alphabets are the subject
"""Whether two trees are the same answer, and what a chain of relations states."""

import pytest

from full_scale.verifier import comparison
from full_scale.verifier.comparison import equal_expressions, has_value, measured, same, statement
from full_scale.verifier.grammar import Node, readings
from full_scale.verifier.units import unit_named


def tree(text):
    return readings(text)[0]


@pytest.mark.parametrize(
    ("given", "wanted", "verdict"),
    [
        ("0.5", "1/2", True),
        ("0.333333", "1/3", True),
        ("0.3333333", "1/3", True),
        ("0.33333", "1/3", False),
        ("0.333334", "1/3", False),
        ("-0.333333", "-1/3", True),
        ("0.333333", "-1/3", False),
        ("0.500000", "0.5000001", False),
        ("1/3", "0.333333", True),
        ("0.3333333333333", "1/3", False),
        ("3.141593", "π", True),
        ("3.141592", "π", False),
        ("1.414214", "√2", True),
        ("0.333333", "x", False),
        ("4√3≈6.93", "4√3", True),
        ("4√3≈6.93", "6.93", True),
        ("4√3≈6.94", "4√3", False),
        ("4√3 cm≈6.93 cm", "4√3 cm", True),
        ("4√3 cm≈6.94 cm", "4√3 cm", False),
        ("x≈6.93", "6.93", True),
        ("x≈7", "7", False),
        ("x≈6.93≈7", "6.93", False),
        ("≈6.93 cm", "6.93 cm", True),
        ("≈6.93 cm", "6.93 km", False),
        ("≈6.93", "6.94", False),
        ("5≈5", "5", True),
        ("x=5", "5", True),
        ("5=x", "5", True),
        ("x=5", "y=5", False),
        ("x=5", "x=6", False),
        ("x=2+3=5", "5", True),
        ("x=2+3=6", "6", False),
        ("2+3=5", "5", True),
        ("5", "x=5", True),
        ("f(x)=x+1", "x+1", True),
        ("x∈[1,2]", "[1,2]", True),
        ("x∈[1,2]", "[1,3]", False),
        ("y=x-5", "x-y=5", True),
        ("y=x-5", "x-y=6", False),
        ("2y=2x-10", "y=x-5", True),
        ("x+y=5", "x+y=5", True),
        ("x+y=5", "5", False),
        ("3=4", "5=6", False),
        ("x=x", "y=y", False),
        ("x<5", "5>x", True),
        ("x<5", "x>5", False),
        ("x<5", "x≤5", False),
        ("1<x<3", "3>x>1", True),
        ("1<x<3", "1<x<4", False),
        ("x≠5", "5≠x", True),
        ("x<5", "5", False),
        ("x<5", "x=5", False),
        ("1<x=3", "1<x=3", True),
        ("1:3", "2:6", True),
        ("1:2:3", "2:4:6", True),
        ("1:2:3", "2:4:7", False),
        ("1:2:3", "1:2", False),
        ("1:3", "1/3", True),
        ("1:3", "3", False),
        ("3:1", "3", True),
        ("0:1", "0:2", False),
        ("x:y", "x/y", True),
        ("(1,2)", "(1,2)", True),
        ("(1,2)", "(2,1)", False),
        ("(1,2)", "(1,2,3)", False),
        ("(1,2)", "[1,2]", False),
        ("[1,2)", "(1,2]", False),
        ("(0.5,2)", "(1/2,2)", True),
        ("1,2", "(1,2)", True),
        ("2,1", "(1,2)", False),
        ("1,2", "[1,2]", False),
        ("1,2", "2,1", True),
        ("\\{1,2\\}", "2,1", True),
        ("\\{1,2\\}", "(1,2)", False),
        ("\\{1,1\\}", "\\{1,2\\}", False),
        ("\\{1,2\\}", "\\{1,1\\}", False),
        ("1,1", "1,2", False),
        ("[1,2]∪[3,4]", "[3,4]∪[1,2]", True),
        ("[1,2]∪[3,4]", "[1,2]∪[3,5]", False),
        ("5", "5,5", False),
        ("5,5", "5", False),
        ("\\{5\\}", "5", False),
        ("-∞", "-∞", True),
        ("∞", "-∞", False),
        ("(1,∞)", "(1,+∞)", True),
        ("[1,2]∪[3,4]", "[1,2],[3,4]", False),
        ("18 cm", "18", True),
        ("18", "18 cm", True),
        ("18 cm", "0.18 m", True),
        ("18 cm", "18 kg", False),
        ("18 cm", "18 m", False),
        ("17 cm", "18", False),
        ("25%", "25%", True),
        ("25%", "0.25", True),
        ("25%", "25", True),
        ("0.25", "25%", True),
        ("25", "25%", True),
        ("2500", "25%", False),
        ("25%", "1/4", True),
        ("0.25%", "0.25", False),
        ("100%", "1", False),
        ("100%", "100", True),
        ("25%", "25 cm", False),
        ("x%", "x", True),
        ("0%", "0", True),
        ("\\sin^2 x+\\cos^2 x", "1", True),
        ("\\sin x", "\\cos x", False),
        ("\\sin x", "\\sin y", False),
        ("\\sqrt{x^2}", "x", False),
        ("e^{2x}", "(e^x)^2", True),
        ("9^{9^9}", "9^{9^9}", True),
        ("9^{9^9}", "9", False),
        ("1/0", "5", False),
        ("|x|", "x", False),
        ("\\ln 8", "3\\ln 2", True),
    ],
)
def test_same(given, wanted, verdict):
    assert same(tree(given), tree(wanted)) is verdict


def test_functions_are_asked_about_only_where_their_values_agree(monkeypatch):
    asked = []
    monkeypatch.setattr(comparison, "symbolically_equal", lambda *question: asked.append(question) or False)
    assert not equal_expressions(tree("\\sin x"), tree("\\cos x"))
    assert not equal_expressions(tree("\\sin x"), tree("\\sin x + 10^{-6}"))
    assert asked == []
    assert not equal_expressions(tree("\\sin 2x"), tree("2\\sin x\\cos x"))
    assert len(asked) == 1
    assert not equal_expressions(tree("x^2"), tree("x*x+0*\\sin y"))
    assert len(asked) == 2


@pytest.mark.parametrize(
    ("text", "name", "forms"),
    [
        ("5", None, ["5"]),
        ("x=5", "x", ["5"]),
        ("5=x", "x", ["5"]),
        ("S=2+3=5", "S", ["2+3", "5"]),
        ("2+3=5", None, ["2+3", "5"]),
        ("π=5", None, None),
        ("5=6", None, None),
        ("x<5", None, None),
        ("x=5=6", None, None),
        ("x+1=5", None, None),
    ],
)
def test_statement(text, name, forms):
    found = statement(tree(text))
    wanted = (None if name is None else tree(name), None if forms is None else [tree(form) for form in forms])
    assert (found[0], None if found[1] is None else list(found[1])) == wanted


def test_measured():
    assert measured(tree("5")) == (tree("5"), None)
    assert measured(tree("5 cm")) == (tree("5"), unit_named("cm"))
    assert measured(Node("rounded", (tree("5 cm"),))) == (Node("rounded", (tree("5"),)), unit_named("cm"))


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("5", True),
        ("x+1", True),
        ("\\sin x", True),
        ("∞", True),
        ("-∞", True),
        ("(1,∞)", True),
        ("5 cm", True),
        ("1:2", True),
        ("x<5", True),
        ("9^{9^9}", False),
        ("171!", False),
        ("(1,9^{9^9})", False),
        ("1/0", False),
        ("9^{9^9} cm", False),
        ("\\sqrt{x}", True),
    ],
)
def test_has_value(text, verdict):
    assert has_value(tree(text)) is verdict
