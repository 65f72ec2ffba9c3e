"""Letters, texts and marks of a question and its choices."""

import pytest

from full_scale.data.wording import choice_letter, choice_text, listed_choices, with_choices, without_image_marks


def test_letters_and_texts():
    assert choice_letter(["1", "2"], "2", "r") == "B"
    assert choice_text(["1", "2"], "A", "r") == "1"
    with pytest.raises(ValueError, match=r"^r: the answer '3' is none of the choices \['1', '2'\]"):
        choice_letter(["1", "2"], "3", "r")
    with pytest.raises(ValueError, match="is none of the choices"):
        choice_letter([str(n) for n in range(11)], "10", "r")
    for letter in ("C", "", "AB"):
        with pytest.raises(ValueError, match=f"^r: the answer '{letter}' is not a letter of its 2 choices"):
            choice_text(["1", "2"], letter, "r")


@pytest.mark.parametrize("mark", ["<image>", "<image1>", "<image_12>"])
def test_marks(mark):
    assert without_image_marks(f" {mark}q ", [1], "r") == "q"
    with pytest.raises(ValueError, match=r"^r: the question shows a picture, but the record has none"):
        without_image_marks(f"{mark}q", [], "r")
    assert without_image_marks(" q <b> ", [], "r") == "q <b>"


@pytest.mark.parametrize(
    ("question", "choices"),
    [
        ("q\nChoices:\nA:1\nB: 2", ("1", "2")),
        ("q\nChoice:\n(A) 1\n B. 2\nC) 3", ("1", "2", "3")),
        ("q\nA:1\nB:2", ()),
        ("q\nChoices:\nA:1\nC:2", ()),
        ("Choices: none\nChoices:\nA:1", ("1",)),
        ("In the figure\nA: a point\nChoices:\nA:1\nB:2", ("1", "2")),
        ("my choices:\nA:1\nB:2", ()),
    ],
)
def test_listed_choices(question, choices):
    assert listed_choices(question) == choices


def test_choices_are_shown_unless_they_are_letters():
    assert with_choices("q", ["1", "2"]) == "q\nChoices:\n(A) 1\n(B) 2"
    assert with_choices("q", ["A", "B"]) == with_choices("q", []) == "q"
