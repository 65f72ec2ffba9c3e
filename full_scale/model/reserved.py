"""Texts that a tokenizer would not read as they are written."""

from collections.abc import Sequence

from full_scale.model.processor import Processor, tokenizer_of
from full_scale.model.prompting import opening
from full_scale.problems.problem import Problem

TAGS = ("<think>", "</think>", "<answer>", "</answer>")
"""What the format reward looks for in the decoded response."""


def reserved_tokens(processor: Processor) -> tuple[str, ...]:
    """The special tokens of a model: written in a text, they are no text.

    Args:
        processor: Of the model.

    Returns:
        End and padding tokens, image tokens and so on, the longest first.
    """
    tokenizer = tokenizer_of(processor)
    added = [str(token.content) for token in tokenizer.added_tokens_decoder.values() if token.special]
    image = getattr(processor, "image_token", None)
    named = [str(token) for token in tokenizer.all_special_tokens]
    tokens = {*added, *named, *([image] if isinstance(image, str) else [])}
    return tuple(sorted(tokens - {""}, key=lambda token: (-len(token), token)))


def check_format(processor: Processor) -> None:
    """Refuse a model whose responses can never have the format that is rewarded.

    Args:
        processor: Of the model.

    Raises:
        ValueError: A tag is a special token, which is left out where responses are decoded; or the chat template ends
            the prompt in thoughts of its own.
    """
    special = [tag for tag in TAGS if tag in reserved_tokens(processor)]
    if special:
        raise ValueError(
            f"{', '.join(special)}: special tokens in this tokenizer, so no response would show them to the reward. "
            'Fix: in the checkpoint\'s tokenizer.json set "special": false for them'
        )
    opening(processor)


def reserved_in(text: str, reserved: Sequence[str]) -> str | None:
    """The special token that a text holds.

    Args:
        text: A question or a response.
        reserved: From :func:`reserved_tokens`.

    Returns:
        The first of them that occurs; None where the text is only text.

    >>> reserved_in("How long?<|im_end|>", ("<|im_end|>",))
    '<|im_end|>'
    """
    return next((token for token in reserved if token in text), None)


def check_question(problem: Problem, reserved: Sequence[str]) -> None:
    """Refuse a question that the model would not read as it is written.

    Args:
        problem: A problem.
        reserved: From :func:`reserved_tokens`.

    Raises:
        ValueError: It holds a special token; the message names the record.
    """
    if token := reserved_in(problem.question, reserved):
        raise ValueError(f"{problem.name}: the question holds {token!r}, a special token of this model; remove it")


def without_end(text: str, reserved: Sequence[str]) -> str:
    r"""A response without the special tokens at its end: the program itself ends it, once.

    Args:
        text: An expert's response, as dumps of conversations have them.
        reserved: From :func:`reserved_tokens`.

    Returns:
        The response.

    >>> without_end("so 5.<|im_end|>\n<|endoftext|>", ("<|endoftext|>", "<|im_end|>"))
    'so 5.'
    """
    while token := next((token for token in reserved if text.rstrip().endswith(token)), None):
        text = text.rstrip().removesuffix(token).rstrip()
    return text
