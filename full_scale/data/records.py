"""Reading records of any schema: JSON, columns, choices. Every error names the file or the record."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from full_scale.problems.problem import LETTERS

Cell: TypeAlias = Any  # a value of a foreign file: `Problem` checks its type
Record = Mapping[str, Cell]


def read_json(path: Path) -> Cell:
    """The content of a JSON file.

    Args:
        path: An existing file.

    Returns:
        Whatever the file holds.

    Raises:
        ValueError: The file is missing or is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"cannot read {path} as JSON: {error}") from error


def read_jsonl(path: Path) -> Iterator[dict[str, Any]]:
    """The records of a file with one JSON object per line.

    Args:
        path: An existing file.

    Yields:
        One object per non-empty line.

    Raises:
        ValueError: A line is not a JSON object; the message gives its number.
    """
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                yield _json_object(line, f"line {number} of {path}")


def _json_object(text: str, place: str) -> dict[str, Any]:
    try:
        record = json.loads(text)
    except ValueError as error:
        raise ValueError(f"{place} is not JSON: {error}") from error
    if not isinstance(record, dict):
        raise ValueError(f"{place} must be a JSON object, got {type(record).__name__}")
    return record


def column(record: Record, name: str, where: str) -> Cell:
    """A column that must be there.

    Args:
        record: One record.
        name: The column.
        where: How errors call the record.

    Returns:
        The column's value.

    Raises:
        ValueError: The column is missing; the message lists those there are.
    """
    if name not in record:
        raise ValueError(f"{where} has no column {name!r}; its columns are {', '.join(map(str, record))}")
    return record[name]


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
    if not images and re.search(r"<image\d*>", text):
        raise ValueError(f"{where}: the question shows a picture, but the record has none; leave the record out")
    return re.sub(r"<image\d*>", "", text).strip()


def fingerprint(text: str) -> str:
    """A short id for a record that has none.

    Args:
        text: What makes the record unique.

    Returns:
        Twelve hexadecimal digits.
    """
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def values(content: Cell) -> list[Record]:
    """The records of a JSON file that is a list, or a dict keyed by id.

    Args:
        content: The file's content.

    Returns:
        The records, in the file's order.

    Raises:
        ValueError: The content is neither.
    """
    records = list(content.values()) if isinstance(content, dict) else content
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise ValueError("expected a list of JSON objects, or an object of them")
    return records


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
