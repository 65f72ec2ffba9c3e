"""The paper's verifiable reward: accuracy of the answer, plus a weight times the format of the whole response.

Source: CalibRL, section on training (r = accuracy + 0.1 x format); released code `src/reward_score/virl_verify.py`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from full_scale.problems.problem import Problem
from full_scale.verifier.answer import is_correct, judgement, takes_a_way


@dataclass(frozen=True, kw_only=True)
class Reward:
    """The reward of one response, and its two parts.

    Args:
        accuracy: 1.0 where the answer is right, else 0.0.
        format: 1.0 where the whole response is <think>...</think>...<answer>...</answer>, and opens with one of its
            problem's ways where it has some, else 0.0.
        format_weight: Weight of the format, dimensionless.
        unknown: Whether the answer is a program that cannot be run here; its accuracy is 0.
    """

    accuracy: float
    format: float
    format_weight: float
    unknown: bool = False

    @property
    def correct(self) -> bool:
        """The verdict on the answer."""
        return self.accuracy == 1.0

    @property
    def total(self) -> float:
        """Accuracy + weight x format: what the trainer maximises."""
        return self.accuracy + self.format_weight * self.format


def reward(response: str, problem: Problem, *, format_weight: float) -> Reward:
    """The reward of a response, sampled or an expert's.

    Args:
        response: The whole text after the prompt.
        problem: The question with its ground truth.
        format_weight: Weight of the format, dimensionless; the paper's is 0.1.

    Returns:
        Both parts and their weighted sum.

    Example:
        >>> problem = Problem(id="1", source="rendered", question="How long is AB?", answer="5 cm")
        >>> reward("<think>3, 4, 5</think><answer>5</answer>", problem, format_weight=0.1).total
        1.1
        >>> reward("<answer>5</answer>", problem, format_weight=0.1)
        Reward(accuracy=1.0, format=0.0, format_weight=0.1, unknown=False)

    Source: CalibRL, section on training; released code `src/reward_score/virl_verify.py`.
    """
    judged = judgement(response, problem)
    return Reward(
        accuracy=float(is_correct(response, problem)),
        format=float(well_formed(response, problem)),
        format_weight=format_weight,
        unknown=judged is not None and judged.outcome == "unknown",
    )


def format_reward(response: str) -> float:
    """1.0 where the whole response is <think>...</think>...<answer>...</answer>, else 0.0.

    Args:
        response: The model's whole text.

    Returns:
        0.0 or 1.0.
    """
    text = response.strip()
    thought_ends = text.find("</think>")
    answer_starts = text.find("<answer>", max(thought_ends, 0))
    nested_right = 0 < thought_ends < answer_starts <= len(text) - len("<answer></answer>")
    return float(nested_right and text.startswith("<think>") and text.endswith("</answer>"))


def well_formed(response: str, problem: Problem) -> bool:
    """Whether a response keeps the format, and opens with one of its problem's ways where it has some.

    Args:
        response: The model's whole text.
        problem: What it answers.

    Returns:
        The verdict.
    """
    return format_reward(response) == 1.0 and takes_a_way(response, problem)


def total_reward(
    completions: Sequence[Any],
    problem: Sequence[Problem],
    *,
    format_weight: float,
    log_extra: Callable[[str, list[bool]], None],
    log_metric: Callable[[str, float], None],
    **_: object,
) -> list[float | None]:
    """:func:`reward` of sampled responses, in TRL's signature.

    Its parts go to the logs, as `rewards/accuracy/mean` and `rewards/format/mean`, and where programs are asked for
    `rewards/unknown/mean`, the share of them that cannot be run here, and where the problems tell ways apart the shares
    of the ways; the verdicts go to the trainer, as TRL's extra column `correct`.

    Args:
        completions: A conversation of one turn each.
        problem: Of each response.
        format_weight: As of :func:`reward`.
        log_extra: TRL's.
        log_metric: TRL's.

    Returns:
        Each response's total.
    """
    earned = [
        reward(turn[0]["content"], item, format_weight=format_weight)
        for turn, item in zip(completions, problem, strict=True)
    ]
    log_extra("correct", [one.correct for one in earned])
    log_metric("rewards/accuracy/mean", fmean(one.accuracy for one in earned))
    log_metric("rewards/format/mean", fmean(one.format for one in earned))
    if any(item.task for item in problem):
        log_metric("rewards/unknown/mean", fmean(one.unknown for one in earned))
    ways = problem[0].ways
    if ways is not None:
        for name, share in ways.shares([turn[0]["content"] for turn in completions]).items():
            log_metric(name, share)
    return [one.total for one in earned]


def accuracy(completions: Sequence[Any], problem: Sequence[Problem], **_: object) -> list[float | None]:
    """The accuracy of sampled responses alone, in TRL's signature: for a trainer that weighs several rewards itself.

    Args:
        completions: A conversation of one turn each.
        problem: Of each response.

    Returns:
        1.0 where the answer is right, else 0.0.
    """
    return [float(is_correct(turn[0]["content"], item)) for turn, item in zip(completions, problem, strict=True)]
