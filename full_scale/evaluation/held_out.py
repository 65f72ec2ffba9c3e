"""Answers to held-out problems before and after training, and what they say: accuracy and entropy with intervals."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table
from transformers.modeling_utils import PreTrainedModel

from cli.folder import read_json, write_json
from full_scale.data import Quarantine, load_problems
from full_scale.evaluation.answering import blanked
from full_scale.evaluation.intervals import Estimate, bootstrap, share
from full_scale.model.answers import Answer, answer_problems
from full_scale.model.processor import Processor
from full_scale.pages.answers_page import write_answers_page
from full_scale.pages.tables import PageTable
from full_scale.problems.problem import Problem
from full_scale.run.settings import Settings
from full_scale.verifier.answer import is_correct

MEASURES = {
    "greedy_accuracy": "accuracy of greedy answers",
    "sampled_accuracy": "accuracy of sampled answers",
    "entropy": "entropy, nats per token",
}
"""Name in results.json -> name for the reader."""

PAGE_PROBLEMS = 60
"""Problems on the page of sample answers."""


@dataclass(frozen=True)
class HeldOut:
    """A model's answers to the held-out problems.

    Attributes:
        greedy: Each problem's greedy answer.
        sampled: Each problem's answers sampled at temperature 1.
    """

    greedy: list[Answer]
    sampled: list[list[Answer]]

    def save(self, file: Path) -> None:
        """Write the answers as JSON."""
        write_json(file, dataclasses.asdict(self))

    @classmethod
    def load(cls, file: Path) -> "HeldOut":
        """The inverse of :meth:`save`."""
        stored = read_json(file)
        sampled = [[Answer(**answer) for answer in given] for given in stored["sampled"]]
        return cls([Answer(**answer) for answer in stored["greedy"]], sampled)


def held_out_problems(settings: Settings, quarantine: Quarantine | None = None) -> list[Problem]:
    """The problems of a run's settings: the test split of its data set; none where none are wanted.

    Args:
        settings: All options.
        quarantine: Takes broken records; without one the first ends the program.

    Returns:
        The problems.

    Raises:
        MissingSplitError: There is no such split.
        ValueError: A record is broken.
    """
    if settings.evaluate_problems == 0:
        return []
    return load_problems(
        settings.dataset,
        split="test",
        limit=settings.evaluate_problems,
        seed=settings.seed,
        experts="none",
        columns=settings.columns,
        quarantine=quarantine,
    )


def answer_held_out(
    model: PreTrainedModel, processor: Processor, problems: Sequence[Problem], settings: Settings
) -> HeldOut:
    """Answer each problem greedily and ``evaluate_samples`` times by sampling."""
    return HeldOut(
        _greedy_answers(model, processor, problems, settings),
        answer_problems(
            model,
            processor,
            problems,
            max_new_tokens=settings.max_response_length,
            samples=settings.evaluate_samples,
            instruct=settings.instruct,
            seed=settings.seed,
        ),
    )


def _greedy_answers(
    model: PreTrainedModel, processor: Processor, problems: Sequence[Problem], settings: Settings
) -> list[Answer]:
    longest, instruct = settings.max_response_length, settings.instruct
    given = answer_problems(model, processor, problems, max_new_tokens=longest, greedy=True, instruct=instruct)
    return [answer for (answer,) in given]


def measures(problems: Sequence[Problem], answers: HeldOut) -> dict[str, Estimate]:
    """Accuracy and entropy with 95 % intervals.

    Args:
        problems: At least one.
        answers: To these problems.

    Returns:
        Key of :data:`MEASURES` -> estimate: Wilson's interval for the greedy answers; for the sampled ones a bootstrap
        over problems. The entropy is the mean over all tokens.
    """
    right = np.array([_right(problem, given) for problem, given in zip(problems, answers.sampled, strict=True)])
    tokens = np.array([sum(answer.length for answer in given) for given in answers.sampled])
    nats = np.array([sum(answer.entropy * answer.length for answer in given) for given in answers.sampled])
    return {
        "greedy_accuracy": greedy_accuracy(problems, answers.greedy),
        "sampled_accuracy": bootstrap(lambda draw: right[draw].mean(), len(problems)),
        "entropy": bootstrap(lambda draw: nats[draw].sum() / tokens[draw].sum(), len(problems)),
    }


def greedy_accuracy(problems: Sequence[Problem], answers: Sequence[Answer]) -> Estimate:
    """The share of right answers where each problem has one."""
    return share([is_correct(answer.text, problem) for problem, answer in zip(problems, answers, strict=True)])


def _right(problem: Problem, answers: Sequence[Answer]) -> float:
    return sum(is_correct(answer.text, problem) for answer in answers) / len(answers)


def blank_accuracy(
    model: PreTrainedModel, processor: Processor, problems: Sequence[Problem], settings: Settings
) -> Estimate | None:
    """Accuracy of greedy answers where white pictures replace the pictures; None where there are no pictures."""
    if not any(problem.images for problem in problems):
        return None
    blank = [blanked(problem) for problem in problems]
    return greedy_accuracy(blank, _greedy_answers(model, processor, blank, settings))


class Outcome:
    """What training did to the answers to held-out problems.

    Args:
        problems: At least one.
        before: Answers before training; None where they were not made.
        after: Answers after training.
        blank: Accuracy of greedy answers to blank pictures after training; None without pictures.
    """

    def __init__(
        self, problems: Sequence[Problem], before: HeldOut | None, after: HeldOut, blank: Estimate | None
    ) -> None:
        self._problems, self._before, self._after, self.blank = problems, before, after, blank
        self.measures = {"before": before and measures(problems, before), "after": measures(problems, after)}

    def as_json(self) -> dict[str, Any]:
        """The part of results.json: each measure before and after training, with its 95 % interval."""
        parts = {when: found and _as_json(found) for when, found in self.measures.items()}
        blank = {"blank_pictures": _as_json({"greedy_accuracy": self.blank})} if self.blank else {}
        return {"problems": len(self._problems), **parts, **blank}

    def rows(self) -> list[tuple[str, str, str]]:
        """The measures for a reader: name, before, after."""
        lines = [(label, self._text("before", name), self._text("after", name)) for name, label in MEASURES.items()]
        return [*lines, ("greedy, blank pictures", "", self.blank.as_text(percent=True))] if self.blank else lines

    def table(self) -> Table:
        """The measures for the terminal."""
        table = Table(title=f"{len(self._problems)} held-out problems, 95 % intervals")
        for heading in ("", "before training", "after training"):
            table.add_column(heading, no_wrap=True)
        for row in self.rows():
            table.add_row(*row)
        return table

    def write_page(self, file: Path, title: str) -> None:
        """Write a page of the first problems' answers before and after training, with their pictures."""
        kinds = {"before training, greedy": self._before.greedy} if self._before else {}
        first_samples = [given[0] for given in self._after.sampled]
        kinds |= {"after training, greedy": self._after.greedy, "after training, sampled": first_samples}
        count = min(PAGE_PROBLEMS, len(self._problems))
        write_answers_page(
            file,
            title,
            self._problems[:count],
            [[kind[index] for kind in kinds.values()] for index in range(count)],
            labels=tuple(kinds),
            introduction=f"Answers to the first {count} of {len(self._problems)} held-out problems.",
            tables=(PageTable("All held-out problems", ("measure", "before", "after"), self.rows()),),
        )

    def _text(self, when: str, name: str) -> str:
        found = self.measures[when]
        return found[name].as_text(percent=name != "entropy") if found else "not measured"


def _as_json(found: Mapping[str, Estimate]) -> dict[str, Any]:
    values: dict[str, Any] = {name: round(estimate.value, 4) for name, estimate in found.items()}
    intervals = {name: [round(estimate.low, 4), round(estimate.high, 4)] for name, estimate in found.items()}
    return values | {"interval_95": intervals}
