"""From a problem to what the model reads, and to what it should write."""

from collections.abc import Sequence
from typing import Any, cast

from torch import Tensor
from transformers import BatchEncoding, BatchFeature

from full_scale.model.processor import Processor
from full_scale.problems.problem import Problem

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


def model_inputs(
    processor: Processor, problems: Sequence[Problem], *, instruct: bool, begin: str = ""
) -> BatchFeature | BatchEncoding[Tensor]:
    """Left-padded prompts of a batch, with their pictures' patches.

    Args:
        processor: Of the model; a text model's tokenizer where no problem has a picture.
        problems: The batch.
        instruct: As in :func:`conversation`.
        begin: The beginning of every response, behind the prompt.

    Returns:
        Tensors for the model's forward and ``generate``.
    """
    begin = begin.removeprefix(opening(processor)) if begin else ""
    texts = [prompt_text(processor, problem, instruct=instruct) + begin for problem in problems]
    pictures = [problem.rgb_images() for problem in problems]
    seen = {"images": pictures} if any(pictures) else {}  # a tokenizer knows no pictures
    inputs: BatchFeature | BatchEncoding[Tensor] = processor(
        text=texts, **seen, padding=True, padding_side="left", return_tensors="pt"
    )
    return inputs


def prompt_text(processor: Processor, problem: Problem, *, instruct: bool) -> str:
    """A prompt as the chat template writes it, up to where the response begins.

    Args:
        processor: Of the model.
        problem: What is asked.
        instruct: As in :func:`conversation`.

    Returns:
        The text, with marks of the pictures.
    """
    turn = conversation(problem, instruct=instruct)[0]
    if not problem.images:
        turn["content"] = turn["content"][-1]["text"]  # templates of text models take plain text only
    prompt = processor.apply_chat_template([turn], tokenize=False, add_generation_prompt=True)
    return cast(str, prompt)  # without tokenize=False it would be ids


def opening(processor: Processor) -> str:
    """The beginning of every response that the chat template writes itself: "<think>", or "<think>" and a line's end.

    Such a model, and an expert of it, goes on behind it; who judges a response reads it with its opening.

    Args:
        processor: Of the model.

    Returns:
        The opening; empty for most models.

    Raises:
        ValueError: The template writes more of the response than this tag.
    """
    asked = Problem(id="0", source="none", question="?", answer="0")
    begun = prompt_text(processor, asked, instruct=False).rpartition("?")[2]
    if begun.count(THINK) <= begun.count("</think>"):
        return ""
    opened = begun[begun.rindex(THINK) :]
    if opened.strip() != THINK:
        raise ValueError(
            f"the chat template ends the prompt with {opened[-60:]!r}: thoughts of its own, which no expert can go on "
            "from. Fix: delete what follows <think> in the checkpoint's chat_template.jinja"
        )
    return opened


def behind(opened: str, response: str) -> str:
    r"""What a model writes of a whole response where the chat template has written its opening.

    Args:
        opened: From :func:`opening`.
        response: The whole response, with or without <think> in front.

    Returns:
        The rest; opening and rest make the response that is judged.

    >>> behind("<think>\n", "<think>3 + 4</think><answer>7</answer>")
    '3 + 4</think><answer>7</answer>'
    >>> behind("", "<think>3 + 4</think><answer>7</answer>")
    '<think>3 + 4</think><answer>7</answer>'
    """
    if not opened:
        return response
    rest = response.lstrip().removeprefix(THINK)
    return rest if opened.endswith(THINK) else rest.lstrip()


THINK = "<think>"
"""Opens the thoughts in a response."""

PROMPT_SUFFIX = (
    "You FIRST think about the reasoning process as an internal monologue and then provide the final answer. "
    "The reasoning process MUST BE enclosed within <think> </think> tags. "
    "The final answer MUST BE put in <answer> </answer> tags."
)
"""The paper's instruction, appended to every question."""
