# ruff: noqa: RUF001  # signs of many alphabets are the subject
"""The grammar: how a text is read, token by token and as a tree."""

from fractions import Fraction

import pytest

from full_scale.verifier.grammar import MAX_LENGTH, Node, NotUnderstoodError, Parser, readings, tokens
from full_scale.verifier.units import unit_named
from full_scale.verifier.values import exact


def number(value, decimals=0):
    return Node("number", value=Fraction(value), decimals=decimals)


def name(text):
    return Node("name", value=text)


def texts(text, **options):
    return [token.text for token in tokens(text, thousands=options.get("thousands", True))]


def test_tokens_have_one_name_for_the_spellings_of_a_sign():
    assert texts("\\pi\\cdot\\sqrt2 \\leq x**2") == ["π", "*", "√", "2", "≤", "x", "^", "2"]
    assert texts("a==b <= c; d、e") == ["a", "=", "b", "≤", "c", ",", "d", ",", "e"]
    assert texts("\\{α,β\\} ∪ ∅") == ["\\{", "alpha", ",", "beta", "\\}", "∪", "∅"]
    assert [token.spaced for token in tokens("1 2x", thousands=True)] == [False, True, False]


def test_a_comma_joins_thousands_outside_of_brackets_only():
    assert texts("17,400") == ["17,400"]
    assert texts("17,400", thousands=False) == ["17", ",", "400"]
    assert texts("(17,400)") == ["(", "17", ",", "400", ")"]
    assert texts("(1) 17,400") == ["(", "1", ")", "17,400"]
    assert texts("17,40") == ["17", ",", "40"]
    assert texts("1,234,567.5e2") == ["1,234,567.5e2"]


@pytest.mark.parametrize("text", ["5 § 6", "5 & 6", "\\foo", "5?", "a\\to b", "5; 6 # 7", "𝟓"])
def test_an_unknown_sign_is_named(text):
    with pytest.raises(NotUnderstoodError, match=r"is no (sign|command)"):
        tokens(text, thousands=True)


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("5", number(5)),
        ("0.50", number("0.5", 2)),
        (".5", number("0.5", 1)),
        ("5.2e3", number(5200)),
        ("0.1\\overline{6}", number(Fraction(1, 6))),
        ("0.\\overline{09}", number(Fraction(1, 11))),
        ("4 1/2", number(Fraction(9, 2))),
        ("4\\frac{1}{2}", number(Fraction(9, 2))),
        ("4\\frac12", number(Fraction(9, 2))),
        ("-5", Node("neg", (number(5),))),
        ("+5", number(5)),
        ("x_{1}'", name("x_1'")),
        ("x_1", name("x_1")),
        ("ABC", name("ABC")),
        ("ab", Node("*", (name("a"), name("b")))),
        ("∠ABC", name("∠ABC")),
        ("m∠1", name("∠1")),
        ("\\triangle ABC", name("△ABC")),
        ("\\overline{AB}", name("over AB")),
        ("x^2", Node("^", (name("x"), number(2)))),
        ("x^{-1}", Node("^", (name("x"), Node("neg", (number(1),))))),
        ("x^-1", Node("^", (name("x"), Node("neg", (number(1),))))),
        ("√7", Node("root", (number(7),), "2")),
        ("\\sqrt[3]{8}", Node("root", (number(8),), "3")),
        ("5!", Node("!", (number(5),))),
        ("|x|", Node("abs", (name("x"),))),
        ("\\binom52", Node("binom", (number(5), number(2)))),
        ("\\frac xy", Node("/", (name("x"), name("y")))),
        ("6/-3", Node("/", (number(6), Node("neg", (number(3),))))),
        ("1/2x", Node("*", (Node("/", (number(1), number(2))), name("x")))),
        ("\\infty", Node("infinity")),
        ("\\log_2 8", Node("call", (number(8), number(2)), "log")),
        ("\\sin^2 x", Node("^", (Node("call", (name("x"),), "sin"), number(2)))),
        ("\\sin^{-1} x", Node("call", (name("x"),), "arcsin")),
        ("\\sin 2x", Node("call", (Node("*", (number(2), name("x"))),), "sin")),
        ("5 cm", Node("quantity", (number(5),), unit_named("cm"))),
        ("5 km/h", Node("quantity", (number(5),), unit_named("kph"))),
        ("5 miles per hour", Node("quantity", (number(5),), unit_named("mph"))),
        ("5 square cm", Node("quantity", (number(5),), unit_named("cm").power(2))),
        ("5 cm^{3}", Node("quantity", (number(5),), unit_named("cm").power(3))),
        ("5 cm2", Node("quantity", (number(5),), unit_named("cm").power(2))),
        ("5 cm squared", Node("quantity", (number(5),), unit_named("cm").power(2))),
        ("€5", Node("quantity", (number(5),), unit_named("€"))),
        ("5%", Node("quantity", (number(5),), unit_named("%"))),
        ("1:2:3", Node("ratio", (number(1), number(2), number(3)))),
        ("(1, 2]", Node("tuple", (number(1), number(2)), "(]")),
        ("(5)", number(5)),
        ("{5}", number(5)),
        ("[5]", Node("tuple", (number(5),), "[]")),
        ("\\{1;2\\}", Node("set", (number(1), number(2)))),
        ("\\{\\}", Node("set", ())),
        ("1, 2 and 3", Node("list", (number(1), number(2), number(3)))),
        ("1, 2, and 3", Node("list", (number(1), number(2), number(3)))),
        ("±5", Node("list", (number(5), Node("neg", (number(5),))))),
        ("x = ±5, 0", Node("list", (
            Node("relation", (name("x"), number(5)), "="), number(0),
            Node("relation", (name("x"), Node("neg", (number(5),))), "="), number(0)))),
        ("x = 5", Node("relation", (name("x"), number(5)), "=")),
        ("= 5", number(5)),
        ("≈ 5", Node("relation", (number(5),), "≈")),
        ("1 < x ≤ 3", Node("relation", (number(1), name("x"), number(3)), "<≤")),
        ("[1,2) ∪ (3,4]", Node("union", (
            Node("tuple", (number(1), number(2)), "[)"), Node("tuple", (number(3), number(4)), "(]")))),
    ],
)  # fmt: skip
def test_trees(text, tree):
    assert readings(text) == (tree,)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("40°20'", Fraction(121, 3)),
        ("1°0'36''", Fraction(101, 100)),
        ("2 h 30 min", Fraction(5, 2)),
        ("5 ft 6 in", Fraction(11, 2)),
        ("2-3-4", -5),
        ("2-3*4", -10),
        ("12/2/3", 2),
        ("12/2*3", 18),
        ("-2^2", -4),
        ("2(3+4)", 14),
        ("(1+2)(3+4)", 21),
        ("2 \\cdot 4\\frac12", 9),
        ("180°-30°", 150),
    ],
)
def test_values(text, value):
    tree = readings(text)[0]
    tree = tree.parts[0] if tree.kind == "quantity" else tree
    assert exact(tree).as_fraction() == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1 2",
        "1 2 3",
        "x 2",
        "(1) 2",
        "\\frac{1}{2} 3",
        "5 4/3",
        "4\\frac{3}{2}",
        "4 2/2",
        "4 1/2^2",
        "4 1/2!",
        "4 1/x",
        "2^3^4",
        "5!!",
        "--5",
        "5--",
        "5 +",
        "* 5",
        "5 *",
        "x/2y",
        "1/x y",
        "(1,2",
        "1,2)",
        "(1]",
        "\\{1)",
        "(1\\}",
        "{5",
        "5}",
        "|5",
        "5|6",
        "√",
        "\\sqrt[7]{2}",
        "\\sqrt[x]{2}",
        "\\frac{1}",
        "\\frac",
        "∠",
        "\\overline AB",
        "word",
        "no",
        "abc",
        "是",
        "5 cm 6",
        "5 cm 6 kg",
        "5 min 6 h",
        "5 cm kg",
        "€5 kg",
        "5 / cm / ",
        "≠ 5",
        "< 5",
        "5 <",
        "= ",
        "1, ",
        "1 and",
        "and 1",
        ",1",
        "1,,2",
        "(x=1)",
        "\\sin_2 x",
        "\\log^{-1} 2",
        "\\sin",
        "e_{",
        "x_{{1}}",
        "5'",
        "1:",
        ":1",
        "1∪",
        "x^",
        "x^{",
        "0.\\overline{x}",
        "1.2.3",
        "5 %%",
        "5 square %",
    ],
)
def test_what_is_refused(text):
    assert readings(text) == ()


def test_what_may_be_read_in_two_ways():
    assert readings("343,729") == (number(343729), Node("list", (number(343), number(729))))
    assert readings("1, 2") == (Node("list", (number(1), number(2))),)


def test_a_letter_glued_to_a_number_is_a_unit_unless_it_is_a_name():
    grams = Node("quantity", (number(5),), unit_named("g"))
    assert readings("5g") == readings("5 g") == (grams,)
    assert readings("5g", frozenset("g")) == (Node("*", (number(5), name("g"))),)
    assert readings("5 g", frozenset("g")) == (grams,)
    assert readings("5m", frozenset("m")) == (Node("quantity", (number(5),), unit_named("m")),)
    assert readings("5k") == (Node("*", (number(5), name("k"))),)


def test_limits():
    assert readings("1" * MAX_LENGTH)
    assert readings("1" * (MAX_LENGTH + 1)) == ()
    assert readings("(" * 5 + "1" + ")" * 5)
    assert readings("(" * 20 + "1" + ")" * 20) == ()
    assert readings("\\sqrt{" * 20 + "1" + "}" * 20) == ()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("5 § 6", "'§' is no sign of the grammar"),
        ("\\foo", "\\foo is no command of the grammar"),
        ("5)", "')' is left over"),
        ("(5", "'' where one of (')', ']', '\\\\}') is due"),
        ("\\frac{1", "'' where one of ('}',) is due"),
        ("|x", "'' where one of ('|',) is due"),
        ("√[3", "'' where one of (']',) is due"),
        ("\\overline AB", "'AB' where one of ('{',) is due"),
        ("\\overline{AB", "'' where one of ('}',) is due"),
        ("2^{3", "'' where one of ('}',) is due"),
        ("{1,2", "'' where one of ('}',) is due"),
        ("€5 kg", "two units of one number"),
        ("5 6", "two numbers side by side"),
        ("5 h 30 cm", "two numbers side by side"),
        ("5 min 2 h", "two numbers side by side"),
        ("5 m 6", "two numbers side by side"),
        ("(((((((((((((1)))))))))))))", "brackets are nested too deeply"),
        ("1/xy", "a/bc may be (a/b)c or a/(bc)"),
        ("x^2^3", "a tower of powers"),
        ("5!!", "a tower of powers"),
        ("*5", "'*' begins no expression"),
        ("1,2,", "'' begins no expression"),
        ("4 1/x", "a mixed number without its denominator"),
        ("4 3/2", "no mixed number"),
        ("4 1/2^2", "no mixed number"),
        ("\\frac+2", "an argument is missing"),
        ("\\binom{5}", "an argument is missing"),
        ("word", "'word' is a word"),
        ("no", "'no' is a word"),
        ("cm", "'cm' is a word"),
        ("\\sin_2 x", "sin with a base"),
        ("\\ln^{-1} x", "ln to the -1"),
        ("\\{1,2)", "brackets that do not match"),
        ("(1, x=2)", "brackets that do not match"),
        ("(5]", "brackets that do not match"),
        ("\\sqrt[7]{2}", "root 7"),
        ("√+", "the root of what?"),
        ("√\\sin x", "the root of what?"),
        ("∠", "a name is missing"),
    ],
)
def test_what_is_not_in_the_grammar_is_refused_for_its_reason(text, reason):
    with pytest.raises(NotUnderstoodError) as error:
        Parser(tokens(text, thousands=True), frozenset()).answer()
    assert str(error.value) == reason


@pytest.mark.parametrize("word", ["per", "Per", "a", "each"])
def test_words_for_a_unit_of_another(word):
    assert readings(f"5 km {word} hour")[0].value == unit_named("km") * unit_named("hour").power(-1)
