"""One self-contained HTML page of problems and the answers that a model gave: pictures, verdicts, filters, search."""

import base64
import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import jinja2
import PIL.Image

from full_scale.data.verdicts import Verdict, judge
from full_scale.model.answers import Answer
from full_scale.pages.tables import PageTable
from full_scale.problems.problem import LETTERS, Problem
from full_scale.verifier.answer import judgement
from full_scale.verifier.code import explained

COLOURS = 32
"""Of a picture's palette: plenty for a line drawing, and it keeps photographs small."""


@dataclass(frozen=True)
class _Card:
    """A problem as the page shows it."""

    problem: Problem
    pictures: tuple[str, ...]
    choices: tuple[tuple[str, str], ...]
    responses: tuple[tuple[str, Answer, Verdict], ...]

    @property
    def category(self) -> str:
        """Source and category, as the page's filter lists them."""
        return f"{self.problem.source}: {self.problem.category or 'all'}"

    @property
    def outcome(self) -> str:
        """Whether every, some or none of the responses are right by the training reward."""
        right = [verdict.correct for _, _, verdict in self.responses]
        return "every" if all(right) else "some" if any(right) else "none"

    def why(self, response: str) -> str:
        """Why a program is right or wrong, and which shown test it fails; nothing where no program was asked for."""
        verdict = judgement(response, self.problem)
        return "" if verdict is None or self.problem.task is None else explained(verdict, self.problem.task)

    @property
    def differs(self) -> bool:
        """Whether reward and official scoring differ on a response."""
        return any(verdict.differs for _, _, verdict in self.responses)


def write_answers_page(
    file: Path,
    title: str,
    problems: Sequence[Problem],
    answers: Sequence[Sequence[Answer]],
    *,
    labels: Sequence[str] | None = None,
    verdicts: Sequence[Sequence[Verdict]] | None = None,
    introduction: str = "",
    tables: Sequence[PageTable] = (),
    limit: int = 500,
    picture_size: int = 320,
) -> None:
    """Write the page; nothing in it is loaded from elsewhere, all text of data and model is escaped.

    The page's policy allows no script but its own, by that script's digest.

    Args:
        file: Where the page goes; its folder must exist.
        title: Heading of the page.
        problems: What was asked.
        answers: For each problem, its answers; all problems have equally many.
        labels: What each of a problem's answers is, such as ("before training", "after training"); numbers by default.
        verdicts: Verdicts of the answers; by default they are judged here.
        introduction: A paragraph below the heading.
        tables: Tables above the answers.
        limit: At most so many problems, the first ones; the page says how many there are in all.
        picture_size: Longest side of a picture on the page, pixels.

    Raises:
        ValueError: There are no problems, or answers, labels or verdicts do not fit them, or a picture is unreadable.
    """
    shown = min(limit, len(problems))
    labels = _labels(problems, answers, labels)
    if verdicts is None:
        verdicts = [
            [judge(answer.text, problem) for answer in given]
            for problem, given in zip(problems[:shown], answers, strict=False)
        ]
    cards = [
        _card(problem, given, judged, labels, picture_size)
        for problem, given, judged in zip(problems[:shown], answers[:shown], verdicts[:shown], strict=True)
    ]
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    template = environment.from_string(_file("answers_page.html.jinja"))
    script = _file("answers_page.js")
    page = template.render(
        script=script,
        script_hash=f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}",
        title=title,
        introduction=introduction,
        tables=tables,
        cards=cards,
        count=len(problems),
        categories=sorted({card.category for card in cards}),
        outcomes={name: sum(card.outcome == name for card in cards) for name in ("every", "some", "none")},
        differing=sum(card.differs for card in cards),
    )
    file.write_text(page, encoding="utf-8")


def _file(name: str) -> str:
    return files("full_scale.pages").joinpath(name).read_text(encoding="utf-8")


def _labels(
    problems: Sequence[Problem], answers: Sequence[Sequence[Answer]], labels: Sequence[str] | None
) -> Sequence[str]:
    if not problems:
        raise ValueError("problems is empty; a page needs at least one.")
    if len(answers) != len(problems):
        raise ValueError(f"answers are of {len(answers)} problems, problems are {len(problems)}; pass one list each.")
    counts = sorted({len(given) for given in answers})
    if len(counts) > 1:
        raise ValueError(f"answers per problem are {counts}; give every problem equally many.")
    labels = [str(number) for number in range(1, counts[0] + 1)] if labels is None else labels
    if len(labels) != counts[0]:
        raise ValueError(f"labels are {len(labels)}, answers per problem {counts[0]}; give one label for each.")
    return labels


def _card(
    problem: Problem, answers: Sequence[Answer], verdicts: Sequence[Verdict], labels: Sequence[str], picture_size: int
) -> _Card:
    return _Card(
        problem,
        pictures=tuple(inline_picture(picture, picture_size) for picture in problem.rgb_images()),
        choices=() if "Choices:" in problem.question else tuple(zip(LETTERS, problem.choices, strict=False)),
        responses=tuple(zip(labels, answers, verdicts, strict=True)),
    )


def inline_picture(picture: PIL.Image.Image, size: int) -> str:
    """A picture as a data URI.

    Args:
        picture: An RGB picture.
        size: Longest side, pixels; larger pictures are shrunk.

    Returns:
        A PNG of few colours, base64-encoded.
    """
    small = picture.copy()
    small.thumbnail((size, size))
    content = io.BytesIO()
    small.quantize(COLOURS).save(content, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(content.getvalue()).decode()
