"""From problems to the rows that the trainer reads."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from datasets import Dataset

from full_scale.data import expert_response
from full_scale.model.processor import Processor, tokenizer_of
from full_scale.model.prompting import conversation, model_inputs
from full_scale.problems.problem import Problem
from full_scale.verifier.rewards import reward

Row: TypeAlias = dict[str, Any]
"""A row of the training data: TRL's ``prompt`` and ``images``, the ``problem``, and its ``expert`` or None."""


@dataclass(frozen=True, kw_only=True)
class Expert:
    """An expert's response to a problem.

    Attributes:
        text: The whole response.
        ids: Its tokens, the end token included.
        correct: The verifier's verdict.
        reward: Accuracy and weighted format.
    """

    text: str
    ids: tuple[int, ...]
    correct: bool
    reward: float


@dataclass(frozen=True, kw_only=True)
class Dropped:
    """What was left out, as counts: prompts and experts that are too long, and experts that the verifier rejects."""

    long_prompts: int
    long_experts: int
    wrong_experts: int

    def __str__(self) -> str:
        """One line for the log."""
        return (
            f"dropped: {self.long_prompts} too long prompts, {self.long_experts} too long experts, "
            f"{self.wrong_experts} experts that the verifier rejects"
        )


def training_rows(
    problems: Sequence[Problem],
    processor: Processor,
    *,
    instruct: bool,
    format_weight: float,
    max_prompt_length: int,
    max_response_length: int,
) -> tuple[Dataset, Dropped]:
    """Rows for :class:`~full_scale.training.trainer.HybridPolicyTrainer`; nothing is ever cut.

    Args:
        problems: Training problems.
        processor: Of the model.
        instruct: As in :func:`~full_scale.model.prompting.conversation`.
        format_weight: Weight of the format in an expert's reward.
        max_prompt_length: Tokens, image tokens included; a longer prompt is dropped.
        max_response_length: Tokens; a longer expert is dropped, its problem stays.

    Returns:
        A data set that builds each row when it is read, and what was dropped.

    Raises:
        ValueError: If every prompt is too long.
    """
    kept: list[tuple[Problem, Expert | None]] = []
    counts = {"long_prompts": 0, "long_experts": 0, "wrong_experts": 0}
    for problem in problems:
        if model_inputs(processor, [problem], instruct=instruct)["input_ids"].shape[1] > max_prompt_length:
            counts["long_prompts"] += 1
            continue
        expert = expert_of(problem, processor, format_weight=format_weight)
        fault = _expert_fault(expert, max_response_length)
        if fault is not None:
            counts[fault] += 1
        kept.append((problem, expert if fault is None else None))
    if not kept:
        raise ValueError(
            f"all {len(problems)} prompts are longer than max_prompt_length ({max_prompt_length}); raise it."
        )

    def build(batch: dict[str, list[int]]) -> dict[str, list[Any]]:
        """Draw and word the problems of one batch, when the data set is read."""
        rows = [_row(*kept[index], instruct=instruct) for index in batch["index"]]
        return {name: [row[name] for row in rows] for name in rows[0]}

    return Dataset.from_dict({"index": range(len(kept))}).with_transform(build), Dropped(**counts)


def expert_of(problem: Problem, processor: Processor, *, format_weight: float) -> Expert | None:
    """A problem's expert as the trainer reads it: tokenised, verified and rewarded as a sampled response is.

    Args:
        problem: The problem.
        processor: Of the model.
        format_weight: Weight of the format in the reward.

    Returns:
        The expert, or None where the problem has none.

    Raises:
        ValueError: If the response contains the model's image token.
    """
    text = expert_response(problem)
    if text is None:
        return None
    tokenizer = tokenizer_of(processor)
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    image_token = getattr(processor, "image_token_id", None)
    if image_token is not None and image_token in ids:
        raise ValueError(f"{problem.name}: the expert's response contains the image token; remove it.")
    earned = reward(text, problem, format_weight=format_weight)
    return Expert(text=text, ids=(*ids, tokenizer.eos_token_id), correct=earned.accuracy == 1.0, reward=earned.total)


def _expert_fault(expert: Expert | None, longest: int) -> str | None:
    if expert is None:
        return None
    if not expert.correct:
        return "wrong_experts"
    return "long_experts" if len(expert.ids) > longest else None


def _row(problem: Problem, expert: Expert | None, *, instruct: bool) -> Row:
    message = conversation(problem, instruct=instruct)[0]
    return {
        "prompt": [{"role": "user", "content": message["content"][-1]["text"]}],  # TRL puts the pictures in front
        "images": problem.rgb_images(),
        "problem": problem,
        "expert": expert,
    }
