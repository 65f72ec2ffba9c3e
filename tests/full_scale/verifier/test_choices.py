"""Which choice an answer names: a letter, none (None), or a contradiction ("")."""

import pytest

from full_scale.verifier.answer import equal_answers
from full_scale.verifier.choices import chosen_letter

NUMBERS = ("24", "36", "48", "60")
LETTERS = ("A", "B", "C", "D", "E")


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("B", "B"),
        ("(c)", "C"),
        ("D.", "D"),
        ("E", None),
        ("B: 36", "B"),
        ("B 36", "B"),
        ("B: 48", ""),
        ("B 48", None),
        ("36 (B)", "B"),
        ("36 (C)", None),
        ("36", "B"),
        ("36.0", None),
        ("B, C", ""),
        ("B or C", None),
        ("(B) is wrong", ""),
        ("B is correct", "B"),
        ("B because the sides are equal", "B"),
        ("B because C is large", None),
        ("(B)C", None),
        ("b 36", "B"),
        ("b 48", None),
        ("37", None),
        ("[B", None),
        ("B)", "B"),
        ("(B]", None),
        ("'B'", "B"),
        ("B'", None),
        ("option B", "B"),
        ("故选B", "B"),
        ("B项正确", "B"),
        ("B项错误", None),
    ],
)
def test_letters_beside_the_choices_texts(text, letter):
    assert chosen_letter(text, NUMBERS, equal_answers) == letter


@pytest.mark.parametrize("choices", [LETTERS, ()])
@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("B", "B"),
        ("B: the circle", "B"),
        ("(B) Beetle with 6 points", "B"),
        ("B the circle", None),
        ("B: not the circle", ""),
        ("B: C", ""),
        ("(B), (C)", ""),
        ("B, as AB = CD", "B"),
        ("the circle", None),
        ("36 (B)", None),
        ("B. " + "x" * 301, ""),
        ("B. " + "x" * 300, "B"),
    ],
)
def test_letters_whose_choices_are_in_the_picture(text, letter, choices):
    assert chosen_letter(text, choices, equal_answers) == letter


def test_a_letter_beyond_the_choices_names_none():
    assert chosen_letter("J", (), equal_answers) == "J"
    assert chosen_letter("F", LETTERS, equal_answers) is None


def test_the_very_text_of_a_choice_comes_first():
    assert chosen_letter("8 cm", ("8 cm²", "8 cm"), equal_answers) == "B"
    assert chosen_letter("A circle.", ("square", "circle"), equal_answers) == "B"
    assert chosen_letter("5", ("5", "5"), equal_answers) is None
    assert chosen_letter("C", ("C", "A", "B"), equal_answers) == "A"
