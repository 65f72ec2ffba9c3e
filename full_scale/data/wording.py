"""How a question and its choices are worded: letters, texts, marks of pictures."""

import re
from collections.abc import Sequence

from full_scale.problems.problem import LETTERS

IMAGE_MARK = re.compile(r"<image_?\d*>")
"""Where a published question shows a picture: "<image>", "<image1>", "<image_1>"."""


def choice_letter(choices: Sequence[str], text: str, where: str) -> str:
    """The letter of the choice with this text.

    Args:
        choices: Texts of A, B, C ...
        text: The right choice's text.
        where: How errors call the record.

    Returns:
        "A", "B", ...

    Raises:
        ValueError: No choice has this text.
    """
    if text not in choices[: len(LETTERS)]:
        raise ValueError(f"{where}: the answer {text!r} is none of the choices {list(choices)}")
    return LETTERS[choices.index(text)]


def choice_text(choices: Sequence[str], letter: str, where: str) -> str:
    """The text of the choice with this letter.

    Args:
        choices: Texts of A, B, C ...
        letter: The right choice's letter.
        where: How errors call the record.

    Returns:
        The choice's text.

    Raises:
        ValueError: There is no such choice.
    """
    if len(letter) != 1 or letter not in LETTERS[: len(choices)]:
        raise ValueError(f"{where}: the answer {letter!r} is not a letter of its {len(choices)} choices")
    return choices[LETTERS.index(letter)]


def without_image_marks(text: str, images: Sequence[object], where: str) -> str:
    """A question without "<image>", "<image1>" ...; the prompt's template places the pictures.

    Args:
        text: A question as published.
        images: The record's pictures.
        where: How errors call the record.

    Returns:
        The question, stripped.

    Raises:
        ValueError: The question shows a picture, and the record has none.
    """
    if not images and IMAGE_MARK.search(text):
        raise ValueError(f"{where}: the question shows a picture, but the record has none; leave the record out")
    return IMAGE_MARK.sub("", text).strip()


def listed_choices(question: str) -> tuple[str, ...]:
    """The choices that a question lists after "Choices:" or "Choice:", one a line: "A:40°".

    Args:
        question: A question as published.

    Returns:
        The choices' texts without letters; empty where there are none.
    """
    tail = re.split(r"\bChoices?:", question)[-1] if re.search(r"\bChoices?:", question) else ""
    found = re.findall(r"^\s*\(?([A-J])[:.)]\s*(.*)$", tail, re.MULTILINE)
    in_order = [letter for letter, _ in found] == list(LETTERS[: len(found)])
    return tuple(text.strip() for _, text in found) if in_order else ()


def with_choices(question: str, choices: Sequence[str]) -> str:
    """A question followed by its choices, as MathVista's and MATH-Vision's own prompts show them.

    Args:
        question: The question.
        choices: Texts of A, B, C ...; choices that are letters only are in the picture and are not repeated.

    Returns:
        The question with a line per choice.
    """
    if not choices or list(choices) == list(LETTERS[: len(choices)]):
        return question
    return "\n".join(
        [question, "Choices:", *(f"({letter}) {text}" for letter, text in zip(LETTERS, choices, strict=False))]
    )
