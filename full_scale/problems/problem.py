"""One record for every data set: pictures, question, choices, answer, expert solution, source, id."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import PIL.Image

from full_scale.problems.code_task import CodeTask
from full_scale.problems.pictures import Picture, rgb_picture
from full_scale.problems.ways import Ways

_HALF = re.compile("[\ud800-\udfff]")  # JSON can spell it, and nothing can write it

LETTERS = "ABCDEFGHIJ"
"""Choice letters, in the order of a problem's choices."""


@dataclass(frozen=True, kw_only=True)
class Problem:
    """A question about pictures with an answer that can be verified.

    Args:
        id: Unique within its data set; errors name it.
        source: Name of the data set the record comes from.
        question: Question text without image placeholders; empty only where the question is in the picture.
        answer: Ground truth; the text of the right choice where choices are given; of a task, a program that does it,
            empty where none is known.
        images: Pictures in any form, decoded by `rgb_images` only.
        choices: Texts of the choices A, B, C ...; empty for a free-form question.
        answer_letter: Letter of the right choice; None for a free-form question.
        solution: An expert's chain of thought; None where there is none.
        category: The data set's own category, for tables.
        task: What a program is asked to do, where one is; it is judged by its cases.
        facts: What the benchmark's official scoring reads besides the answer, under the benchmark's own names.
        ways: The ways of reasoning that responses can take; None where they are not told apart.

    Raises:
        ValueError: A field is missing, or fields contradict each other; the message names the record.
    """

    id: str
    source: str
    question: str
    answer: str
    images: tuple[Picture, ...] = ()
    choices: tuple[str, ...] = ()
    answer_letter: str | None = None
    solution: str | None = None
    category: str | None = None
    task: CodeTask | None = None
    facts: Mapping[str, object] = field(default_factory=dict)
    ways: Ways | None = None

    def __post_init__(self) -> None:
        for name in ("id", "source", "question", "answer"):
            self._check_text(name, getattr(self, name))
        for name, texts in (("choices", self.choices), ("solution", (self.solution or "",))):
            for text in texts:
                self._check_text(name, text)
        if len(self.choices) > len(LETTERS):
            raise ValueError(f"{self.name}: {len(self.choices)} choices; at most {len(LETTERS)} have a letter")
        if not self.answer.strip() and self.task is None:
            raise ValueError(f"{self.name}: the answer is empty; give the record an answer or leave the record out")
        if not self.question.strip() and not self.images:
            raise ValueError(f"{self.name}: neither a question nor a picture; give one of them")
        if self.answer_letter is not None:
            self._check_letter(self.answer_letter)
        for path in self.images:
            if isinstance(path, Path) and not path.is_file():
                raise ValueError(f"{self.name}: picture {path} does not exist; check the images folder of the data set")

    @property
    def name(self) -> str:
        """How messages call this record: source and id."""
        return f"record {self.id!r} of {self.source!r}"

    def rgb_images(self) -> list[PIL.Image.Image]:
        """Open every picture as RGB, transparent parts white.

        Returns:
            One RGB picture per entry of `images`, in order.

        Raises:
            ValueError: A picture is unreadable, empty, too large or too narrow; the message names the record.
        """
        try:
            return [rgb_picture(image) for image in self.images]
        except ValueError as error:
            raise ValueError(f"{self.name}: {error}") from error

    def _check_text(self, name: str, text: object) -> None:
        if not isinstance(text, str):
            raise TypeError(f"{self.name}: {name} must be text, got {text!r:.60}")
        if found := _HALF.search(text):
            raise ValueError(f"{self.name}: {name} has half a character ({found[0]!r}); write the file as UTF-8 again")

    def _check_letter(self, letter: str) -> None:
        if len(letter) != 1 or letter not in LETTERS[: len(self.choices)]:
            valid = LETTERS[: len(self.choices)] or "none: the record has no choices"
            raise ValueError(f"{self.name}: answer_letter {letter!r} is not one of the choices ({valid})")
        text = self.choices[LETTERS.index(letter)]
        if text != self.answer:
            raise ValueError(f"{self.name}: choice {letter} is {text!r}, but the answer is {self.answer!r}")
