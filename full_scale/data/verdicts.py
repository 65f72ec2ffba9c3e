"""The verdict on a response: the training reward's next to the benchmark's own, and why the two differ."""

from dataclasses import dataclass

from full_scale.data.loading import DATASETS
from full_scale.data.schema import Schema, Scoring
from full_scale.problems.problem import Problem
from full_scale.verifier.answer import extract_answer, is_correct
from full_scale.verifier.official import final_answer
from full_scale.verifier.rewards import well_formed

BY_SOURCE: dict[str, Schema] = {schema.source: schema for schema in DATASETS.values()}
"""`Problem.source` -> a schema with its rules of scoring, which all layouts of one benchmark share."""


@dataclass(frozen=True)
class Verdict:
    """Two judgements of one response.

    Args:
        correct: The training reward counts it as right.
        official: The benchmark's scoring does; None where the source has none.
        well_formed: The whole response is <think>...</think>...<answer>...</answer>.
    """

    correct: bool
    official: bool | None
    well_formed: bool

    @property
    def differs(self) -> bool:
        """Whether the two judgements contradict each other."""
        return self.official is not None and self.official != self.correct


def official_score(response: str, problem: Problem) -> bool | None:
    """Whether the benchmark's own scoring counts a response as right.

    Args:
        response: The model's whole text.
        problem: A problem; `source` selects the scoring.

    Returns:
        The verdict; None where the source has no scoring of its own (rendered problems).
    """
    official = scoring_of(problem.source)
    return None if official is None else official.score(response, problem)


def scoring_of(source: str) -> Scoring | None:
    """A benchmark's own scoring.

    Args:
        source: `Problem.source`.

    Returns:
        The scoring; None where there is none.
    """
    return BY_SOURCE[source].official if source in BY_SOURCE else None


def judge(response: str, problem: Problem) -> Verdict:
    """Judge a response by the training reward and by the benchmark's own scoring.

    Args:
        response: The model's whole text.
        problem: What it answers.

    Returns:
        Both verdicts.
    """
    return Verdict(
        correct=is_correct(response, problem),
        official=official_score(response, problem),
        well_formed=well_formed(response, problem),
    )


def why_different(response: str, problem: Problem) -> str:
    """Why reward and official scoring may judge a response differently: they read, or they ask for, something else.

    Args:
        response: A response whose verdict differs.
        problem: What it answers.

    Returns:
        One of a few sentences, so that equal causes can be counted.
    """
    if extract_answer(response) is None:
        read = "the whole response" if final_answer(response) == response.strip() else "the answer stated in the text"
        return f"no <answer> tags: the reward reads nothing, the official scoring reads {read}"
    strictness = "stricter" if is_correct(response, problem) else "laxer"
    official = scoring_of(problem.source)
    rule = "there is none" if official is None else official.rule
    return f"both read the same answer, the official scoring is {strictness}: {rule}"
