# ruff: noqa: RUF001  # signs of many keyboards are the subject
"""What stands around an answer: markup that is translated, sentences that are taken off, doubts that are seen."""

import pytest

from full_scale.verifier.wording import as_words, doubtful, plain, without_sentence


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("５２．５", "52.5"),
        ("−5", "-5"),
        ("–5", "-5"),
        ("5–6", "5–6"),
        ("5\u00a0cm", "5 cm"),
        ("\u200b5\ufeff", "5"),
        ("½", "\\frac{1}{2}"),
        ("4¾", "4\\frac{3}{4}"),
        ("x²⁰", "x^{20}"),
        ("x⁻¹", "x^{-1}"),
        ("x₁₂", "x_{12}"),
        ("5^\\circ", "5°"),
        ("5^{\\circ}", "5°"),
        ("{5}^{\\circ}", "{5}°"),
        ("5^o", "5°"),
        ("5^{o}", "5°"),
        ("5\\degree", "5°"),
        ("5掳", "5°"),
        ("5^°^", "5°"),
        ("5cm^2^", "5cm^{2}"),
        ("20^{\\prime}", "20'"),
        ("20^\\prime", "20'"),
        ("20″", "20''"),
        ("17,\\!400", "17400"),
        ("2,\\! 345,\\!678", "2345678"),
        ("1{,}234", "1234"),
        ("1\\,234", "1234"),
        ("1\\,23", "1 23"),
        ("\\text{ cm }", "cm"),
        ("\\textbf{\\text{5}}", "5"),
        ("\\left(5\\right)", "(5 )"),
        ("\\leftarrow", "\\leftarrow"),
        ("\\\\frac12", "\\frac12"),
        ("$5$", "5"),
        ("\\$5", "dollar 5"),
        ("\\(5\\)", "5"),
        ("**5**", "5"),
        ("**Answer:** 5", "Answer: 5"),
        ("2**3", "2**3"),
        ("`5`", "5"),
        ("# 5", "5"),
        ("'5'", "5"),
        ('"5"', "5"),
        ("5.", "5"),
        ("5。", "5"),
        ("5...", "5..."),
        ("5,", "5"),
        ("5 sq. ft", "5 sq ft"),
        ("5.2 x 10^3", "5.2*10^3"),
        ("5 x 2", "5 x 2"),
        ("~5", "~5"),
        ("5~cm", "5 cm"),
        ("", ""),
    ],
)
def test_plain(text, wanted):
    assert plain(text) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("The area is 5", "5"),
        ("So the total area of triangle ABC is equal to 5 cm", "5 cm"),
        ("x is 5", "x = 5"),
        ("so x = 5", "x = 5"),
        ("angle 1 = 5", "5"),
        ("angle 1 and angle 2 = 5", "5"),
        ("5 is the answer", "5"),
        ("5 because AB = CD", "5"),
        ("5, since the sides are equal", "5"),
        ("The answer is: the area is 5", "5"),
        ("答案是5", "5"),
        ("所以三角形的面积为5", "5"),
        ("∠1的度数是5", "5"),
        ("The area is not 5", "not 5"),
        ("The wrong area is 5", "The wrong area is 5"),
        ("side 4 is 5", "side 4 is 5"),
        ("5 because 4 is wrong", "5 because 4 is wrong"),
        ("5 because it cannot be", "5 because it cannot be"),
        ("This is", "This is"),
        ("island", "island"),
        ("5", "5"),
        ("the " * 30 + "area is 5", "the " * 30 + "area is 5"),
    ],
)
def test_without_sentence(text, wanted):
    assert without_sentence(text) == wanted


@pytest.mark.parametrize(
    "text", ["not", "B or C", "wrong", "maybe", "isn't", "?", "？", "不是", "但", "However,", "no more"]
)
def test_doubtful(text):
    assert doubtful(text)


@pytest.mark.parametrize("text", ["", "so the answer is", "note", "order", "north", "equal sides", "所以"])
def test_not_doubtful(text):
    assert not doubtful(text)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("An  Equilateral triangle.", "equilateral triangle"),
        ("the triangle", "triangle"),
        ("N 34° W", "n 34°w"),
        ("12 3", "12 3"),
        ("等边三角形。", "等边三角形"),
        ("It is a square", "square"),
    ],
)
def test_as_words(text, wanted):
    assert as_words(text) == wanted
