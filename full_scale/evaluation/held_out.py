"""Answers to held-out problems before and after training, and what they say: accuracy and entropy with intervals."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.table import Table
from transformers.modeling_utils import PreTrainedModel

from cli.folder import read_json, write_json
from full_scale.data import Quarantine, load_problems
from full_scale.data.shots import with_shots
from full_scale.evaluation.answering import blanked
from full_scale.evaluation.intervals import Estimate, bootstrap, share
from full_scale.model.answers import Answer, answer_problems
from full_scale.model.decisions import first_decision
from full_scale.model.processor import Processor
from full_scale.pages.answers_page import write_answers_page
from full_scale.pages.tables import PageTable
from full_scale.problems.problem import Problem
from full_scale.run.settings import Settings
from full_scale.verifier.answer import is_correct

MEASURES = {
    "greedy_accuracy": "accuracy of greedy answers",
    "sampled_accuracy": "accuracy of sampled answers",
    "pass_at_k": "one of a problem's sampled answers is right",
    "entropy": "entropy, nats per token",
    "sound_share": "sampled answers that take the sound way",
    "shortcut_share": "sampled answers that take the shortcut",
    "neither_share": "sampled answers that take neither",
    "sound_coverage": "problems with a sampled answer that takes it",
    "sound_probability": "probability of the sound way, exact",
    "shortcut_probability": "probability of the shortcut, exact",
    "decision_entropy": "entropy of the first decision, exact, nats",
}
"""Name in results.json -> name for the reader."""

NATS = ("entropy", "decision_entropy")
"""The measures that are no shares."""

PAGE_PROBLEMS = 60
"""Problems on the page of sample answers."""


@dataclass(frozen=True)
class HeldOut:
    """A model's answers to the held-out problems.

    Attributes:
        greedy: Each problem's greedy answer.
        sampled: Each problem's answers sampled at temperature 1.
        decision: Where the problems tell ways apart: what :func:`decisions` gives.
    """

    greedy: list[Answer]
    sampled: list[list[Answer]]
    decision: dict[str, list[float]] = field(default_factory=dict)

    def save(self, file: Path) -> None:
        """Write the answers as JSON."""
        write_json(file, dataclasses.asdict(self))

    @classmethod
    def load(cls, file: Path) -> "HeldOut":
        """The inverse of :meth:`save`."""
        stored = read_json(file)
        sampled = [[Answer(**answer) for answer in given] for given in stored["sampled"]]
        return cls([Answer(**answer) for answer in stored["greedy"]], sampled, stored["decision"])


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
    problems = load_problems(
        settings.dataset,
        split="test",
        limit=settings.evaluate_problems,
        seed=settings.seed,
        experts="none",
        columns=settings.columns,
        quarantine=quarantine,
    )
    return shown_examples(problems, settings)


def shown_examples(problems: Sequence[Problem], settings: Settings) -> list[Problem]:
    """The problems of a run, each behind the worked examples that its settings ask for.

    Args:
        problems: Of either split.
        settings: All options.

    Returns:
        The problems; the same ones where no examples are asked for.
    """
    return with_shots(
        problems,
        settings.dataset,
        shots=settings.shots,
        experts=settings.experts,
        columns=settings.columns,
        seed=settings.seed,
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
        decisions(model, processor, problems, instruct=settings.instruct),
    )


def decisions(
    model: PreTrainedModel, processor: Processor, problems: Sequence[Problem], *, instruct: bool
) -> dict[str, list[float]]:
    """The first decision before each problem, from the logits.

    Args:
        model: The policy.
        processor: Its processor.
        problems: At least one.
        instruct: Append the paper's instruction.

    Returns:
        ``sound_probability``, ``shortcut_probability`` and ``decision_entropy`` (nats), one number per problem; nothing
        where the problems tell no ways apart.
    """
    ways = problems[0].ways
    if ways is None:
        return {}
    found = first_decision(model, processor, problems, ways, instruct=instruct)
    return {
        "sound_probability": found.shares[ways.sound].tolist(),
        "shortcut_probability": found.shares[ways.shortcut].tolist(),
        "decision_entropy": found.entropy.tolist(),
    }


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
        over problems. The entropy is the mean over all tokens. Those of ways are there where the problems have them.
    """
    right = _shares_right(problems, answers.sampled)
    tokens = np.array([sum(answer.length for answer in given) for given in answers.sampled])
    nats = np.array([sum(answer.entropy * answer.length for answer in given) for given in answers.sampled])
    return {
        "greedy_accuracy": greedy_accuracy(problems, answers.greedy),
        "sampled_accuracy": _mean(right),
        "pass_at_k": _mean(right > 0),
        "entropy": bootstrap(lambda draw: nats[draw].sum() / tokens[draw].sum(), len(problems)),
        **_ways(problems, answers),
    }


def _ways(problems: Sequence[Problem], answers: HeldOut) -> dict[str, Estimate]:
    """How often each way is taken; nothing where the problems tell no ways apart."""
    ways = problems[0].ways
    if ways is None:
        return {}
    taken = [ways.shares([one.text for one in given]) for given in answers.sampled]
    shares = {name: np.array([one[name] for one in taken]) for name in taken[0]}
    exact = {name: np.array(values) for name, values in answers.decision.items()}
    found = shares | {"sound_coverage": shares["sound_share"] > 0} | exact
    return {name: _mean(values) for name, values in found.items()}


def _mean(values: NDArray[np.number | np.bool_]) -> Estimate:
    """The mean over problems of one number for each."""
    return bootstrap(lambda draw: values[draw].mean(), len(values))


def gains(problems: Sequence[Problem], before: HeldOut, after: HeldOut) -> dict[str, Estimate]:
    """What training added to the accuracies, problem by problem.

    Args:
        problems: At least one.
        before: Answers before training.
        after: Answers to the same problems after it.

    Returns:
        "greedy_accuracy" and "sampled_accuracy" -> difference, with a 95 % interval by a bootstrap over problems: it
        is paired, so that problems which both or neither solve do not widen it.
    """
    greedy = [_shares_right(problems, [[answer] for answer in answers.greedy]) for answers in (before, after)]
    sampled = [_shares_right(problems, answers.sampled) for answers in (before, after)]
    return {
        "greedy_accuracy": _mean(greedy[1] - greedy[0]),
        "sampled_accuracy": _mean(sampled[1] - sampled[0]),
    }


def _shares_right(problems: Sequence[Problem], answers: Sequence[Sequence[Answer]]) -> NDArray[np.float64]:
    """The share of right ones among each problem's answers."""
    return np.array([_right(problem, given) for problem, given in zip(problems, answers, strict=True)])


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
        self.measures = {"before": measures(problems, before) if before else {}, "after": measures(problems, after)}
        self.gains = gains(problems, before, after) if before else {}

    def as_json(self) -> dict[str, Any]:
        """The part of results.json: each measure before and after training, and the gain, with 95 % intervals."""
        parts = {when: _as_json(found) if found else None for when, found in self.measures.items()}
        blank = {"blank_pictures": _as_json({"greedy_accuracy": self.blank})} if self.blank else {}
        gained = {"gain": _as_json(self.gains)} if self.gains else {}
        return {"problems": len(self._problems), **parts, **gained, **blank, "categories": self._categories()}

    def _categories(self) -> dict[str, Any]:
        """Accuracy of sampled answers after training, by category."""
        found: dict[str, list[float]] = {}
        for problem, given in zip(self._problems, self._after.sampled, strict=True):
            found.setdefault(problem.category or "all", []).append(_right(problem, given))
        return {
            name: {"problems": len(right), "sampled_accuracy": round(sum(right) / len(right), 4)}
            for name, right in sorted(found.items())
        }

    def rows(self) -> list[tuple[str, str, str]]:
        """The measures for a reader: name, before, after."""
        known = {name: label for name, label in MEASURES.items() if name in self.measures["after"]}
        lines = [(label, self._text("before", name), self._text("after", name)) for name, label in known.items()]
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
        return found[name].as_text(percent=name not in NATS) if found else "not measured"


def _as_json(found: Mapping[str, Estimate]) -> dict[str, Any]:
    values: dict[str, Any] = {name: round(estimate.value, 4) for name, estimate in found.items()}
    intervals = {name: [round(estimate.low, 4), round(estimate.high, 4)] for name, estimate in found.items()}
    return values | {"interval_95": intervals}
