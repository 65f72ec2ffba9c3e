"""The reward functions: accuracy and format."""

from collections.abc import Sequence
from typing import Any

from full_scale.problems.problem import Problem
from full_scale.verifier.answer import (
    is_correct,
)


def accuracy_reward(response: str, problem: Problem) -> float:
    """1.0 where the text in the first <answer>...</answer> is right, else 0.0 (also without the tags).

    Args:
        response: The model's whole text.
        problem: The question with its ground truth.

    Returns:
        0.0 or 1.0.
    """
    return float(is_correct(response, problem))


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


def accuracy(completions: Sequence[Any], problem: Sequence[Problem], **_: object) -> list[float | None]:
    """TRL's reward signature around :func:`accuracy_reward`."""
    return [accuracy_reward(turn[0]["content"], item) for turn, item in zip(completions, problem, strict=True)]


def formatted(completions: Sequence[Any], **_: object) -> list[float | None]:
    """TRL's reward signature around :func:`format_reward`."""
    return [format_reward(turn[0]["content"]) for turn in completions]
