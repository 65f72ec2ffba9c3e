"""From problems to the rows that the trainer reads, and the two reward functions that it calls."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from datasets import Dataset

from full_scale.data import expert_response
from full_scale.model.processor import Processor, tokenizer_of
from full_scale.model.prompting import conversation, model_inputs
from full_scale.problems.problem import Problem
from full_scale.verifier.answer import is_correct
from full_scale.verifier.rewards import format_reward


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
    kept: list[tuple[Problem, str | None]] = []
    counts = {"long_prompts": 0, "long_experts": 0, "wrong_experts": 0}
    for problem in problems:
        if model_inputs(processor, [problem], instruct=instruct)["input_ids"].shape[1] > max_prompt_length:
            counts["long_prompts"] += 1
            continue
        expert, fault = _usable_expert(problem, processor, max_response_length)
        if fault is not None:
            counts[fault] += 1
        kept.append((problem, expert))
    if not kept:
        raise ValueError(
            f"all {len(problems)} prompts are longer than max_prompt_length ({max_prompt_length}); raise it."
        )

    def build(batch: dict[str, list[int]]) -> dict[str, list[Any]]:
        """Draw and word the problems of one batch, when the data set is read."""
        rows = [_row(*kept[index], instruct=instruct, format_weight=format_weight) for index in batch["index"]]
        return {name: [row[name] for row in rows] for name in rows[0]}

    return Dataset.from_dict({"index": range(len(kept))}).with_transform(build), Dropped(**counts)


def _usable_expert(problem: Problem, processor: Processor, longest: int) -> tuple[str | None, str | None]:
    expert = expert_response(problem)
    if expert is None:
        return None, None
    if not is_correct(expert, problem):
        return None, "wrong_experts"
    length = len(tokenizer_of(processor)(expert, add_special_tokens=False)["input_ids"]) + 1  # the end token
    return (expert, None) if length <= longest else (None, "long_experts")


def _row(problem: Problem, expert: str | None, *, instruct: bool, format_weight: float) -> dict[str, Any]:
    message = conversation(problem, instruct=instruct)[0]
    reward = None if expert is None else 1.0 + format_weight * format_reward(expert)
    return {
        "prompt": [{"role": "user", "content": message["content"][-1]["text"]}],  # TRL puts the pictures in front
        "images": problem.rgb_images(),
        "problem": problem,
        "expert": expert,
        "expert_reward": reward,
    }
