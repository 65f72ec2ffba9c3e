"""A buffer of the policy's own successes, as pure functions: the self-anchored form takes its experts from it (PIVOT).

A buffer maps a prompt to what is known of it. Every function returns a new buffer or a choice; nothing is changed in
place, and what is drawn by chance takes its generator.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import torch

from calibrl_ref._checks import bad_value, check_count, check_range


@dataclass(frozen=True, kw_only=True)
class Success:
    """A right response of the policy's own.

    Attributes:
        tokens: its ids.
        entropy: its mean entropy when it was sampled, in nats per token.
        visual_dependency: how much surer the policy is of it with its pictures than without, in nats; 0 for text.
    """

    tokens: tuple[int, ...]
    entropy: float
    visual_dependency: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Remembered:
    """What is known of a prompt.

    Attributes:
        solved: share of its last group that was right, in [0, 1].
        successes: right responses, the latest last.
    """

    solved: float
    successes: tuple[Success, ...] = ()

    def __post_init__(self) -> None:
        check_range("solved", self.solved, 0.0, 1.0)


Buffer = Mapping[Hashable, Remembered]
"""Prompt -> what is remembered of it."""


def remember(
    buffer: Buffer, prompt: Hashable, successes: Sequence[Success], *, group_size: int, capacity: int = 8
) -> Buffer:
    """Return the buffer after a group of ``prompt`` was sampled.

    Args:
        buffer: what was known.
        prompt: its id.
        successes: the group's right responses.
        group_size: how many responses were sampled.
        capacity: how many successes of a prompt are kept, the latest.

    Returns:
        A new buffer; ``buffer`` stays as it is.

    Raises:
        ValueError: more successes than responses, a count below 1.

    Example:
        >>> buffer = remember({}, "p", [Success(tokens=(1, 2), entropy=0.3)], group_size=4)
        >>> buffer["p"].solved, len(buffer["p"].successes)
        (0.25, 1)
    """
    check_count("group_size", group_size)
    check_count("capacity", capacity)
    if len(successes) > group_size:
        raise bad_value("successes", len(successes), f"at most group_size={group_size}", "pass the group's right rows")
    former = buffer[prompt].successes if prompt in buffer else ()
    kept = (*former, *successes)[-capacity:]
    return {**buffer, prompt: Remembered(solved=len(successes) / group_size, successes=kept)}


def anchor(remembered: Remembered) -> Success | None:
    """Return the success to compare with: of the half with the lowest entropy the one that depends most on its picture.

    Args:
        remembered: what is known of the prompt.

    Returns:
        The anchor; None if the prompt has no success. Of equals the earlier.

    Reference:
        "Anchoring What Matters" (PIVOT), from its text; no code was found.

    Example:
        >>> sure, unsure = Success(tokens=(1,), entropy=0.1), Success(tokens=(2,), entropy=0.9)
        >>> anchor(Remembered(solved=0.5, successes=(unsure, sure))).tokens
        (1,)
    """
    ordered = sorted(remembered.successes, key=lambda success: success.entropy)
    half = ordered[: max(1, len(ordered) // 2)]
    return max(half, key=lambda success: success.visual_dependency, default=None)


def replay_weights(buffer: Buffer) -> dict[Hashable, float]:
    """Return how often each prompt should be replayed: ``p (1 - p)``, p the share of its group that was right.

    A prompt that is always or never solved has weight 0. The weights are not normalised.
    """
    return {prompt: known.solved * (1.0 - known.solved) for prompt, known in buffer.items()}


def draw_prompts(buffer: Buffer, count: int, *, generator: torch.Generator) -> list[Hashable]:
    """Draw prompts to replay, without replacement, by ``replay_weights``.

    Args:
        buffer: what is known.
        count: how many are wanted.
        generator: the source of chance.

    Returns:
        At most ``count`` prompts; fewer where fewer have a weight.

    Raises:
        ValueError: a count below 1.
    """
    check_count("count", count)
    weights = {prompt: weight for prompt, weight in replay_weights(buffer).items() if weight > 0.0}
    if not weights:
        return []
    number = min(count, len(weights))
    drawn = torch.multinomial(torch.tensor(list(weights.values())), number, generator=generator)
    prompts = list(weights)
    return [prompts[index] for index in drawn.tolist()]


def solved_ratio(buffer: Buffer) -> float:
    """Share of the prompts that have been solved at least once, in [0, 1]; 0 for an empty buffer.

    PIVOT begins to replay half of each batch once it exceeds 0.45.
    """
    return sum(bool(known.successes) for known in buffer.values()) / max(len(buffer), 1)
