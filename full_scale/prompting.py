"""From a problem to what the model reads, and to what it should write."""

from collections.abc import Sequence
from typing import Any

from transformers import BatchFeature
from transformers.processing_utils import ProcessorMixin

from full_scale.problem import Problem
from full_scale.rewards import PROMPT_SUFFIX

Message = dict[str, Any]


def conversation(problem: Problem, *, instruct: bool) -> list[Message]:
    """One user turn: the pictures, then the question.

    Args:
        problem: The problem.
        instruct: Append the paper's instruction to think first and answer in tags. The tiny model was only ever shown
            that format, so it needs none.

    Returns:
        The conversation, without pictures' pixels (see :func:`with_pictures`).
    """
    question = f"{problem.question}\n{PROMPT_SUFFIX}" if instruct else problem.question
    pictures = [{"type": "image"} for _ in problem.images]
    return [{"role": "user", "content": [*pictures, {"type": "text", "text": question}]}]


def model_inputs(processor: ProcessorMixin, problems: Sequence[Problem], *, instruct: bool) -> BatchFeature:
    """Left-padded prompts of a batch, with their pictures' patches.

    Args:
        processor: Of the model.
        problems: The batch.
        instruct: As in :func:`conversation`.

    Returns:
        A ``BatchFeature`` of tensors for the model's forward and ``generate``.
    """
    texts = [
        processor.apply_chat_template(conversation(problem, instruct=instruct), add_generation_prompt=True)
        for problem in problems
    ]
    pictures = [problem.rgb_images() for problem in problems]
    return processor(
        text=texts, images=pictures if any(pictures) else None, padding=True, padding_side="left", return_tensors="pt"
    )
