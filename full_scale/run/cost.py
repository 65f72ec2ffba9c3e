"""What an update costs on GPUs, by formula, with a group's prompt read once and without: docs/cost.md.

python -m full_scale.run.cost

An update has ``N`` prompts of ``p`` tokens, ``i`` of them a picture's, with ``G`` sampled responses of ``r`` tokens and
an expert of as many. A prompt is read ``C`` times: once where it is shared, else with each of its responses. The model
has ``P`` parameters, ``S`` of them in its layers and ``W`` in its vision tower; ``L`` layers with queries of ``q``
numbers and keys of ``k``; a width of ``w``; and ``V`` words. A multiplication and an addition are two operations.

- A forward pass over ``R`` responses that are scored, as four patches make one token of a picture:
  ``F(C, R) = 2 S (C p + R r) + 4 L q (C p p / 2 + R r (p + r / 2)) + 2 V w R r + 8 W C i``.
- Scoring: ``4 N F(C, G + 1)``, forward, backward twice as much, and forward once more with checkpointing.
- Sampling: ``N F(C, 0)`` for the prompts; then for each of ``r`` tokens each GPU reads the weights, ``2 P`` bytes, and
  the keys and values of its responses, ``4 L k (p + r / 2)`` bytes each: what takes time there is memory.
- Operations are divided by the GPUs, by PEAK and by ACHIEVED; bytes by BANDWIDTH and by REACHED. What the GPUs tell
  each other is left out.

Memory is that of ``full_scale.run.memory``.
"""

from dataclasses import dataclass, replace

from full_scale.run.command_line import read_preset
from full_scale.run.memory import GIB, SIZES, Size, memory
from full_scale.run.settings import Settings

PEAK, BANDWIDTH = 989e12, 3.35e12
"""Operations in bfloat16, and bytes of memory, a second: NVIDIA's data sheet of the H100 SXM."""
ACHIEVED, REACHED = 0.4, 0.6
"""Shares of these that training and sampling reach: assumed, as usual for such models."""
MODELS = {
    "3B": "Qwen/Qwen2.5-VL-3B-Instruct",
    "7B": "Qwen/Qwen2.5-VL-7B-Instruct",
    "32B": "Qwen/Qwen2.5-VL-32B-Instruct",
}


@dataclass(frozen=True, kw_only=True)
class Work:
    """An update.

    Attributes:
        prompts: Their number.
        prompt: Tokens of each, its picture's among them.
        picture: Tokens of its picture.
        responses: Sampled for each prompt.
        response: Tokens of each.
        expert: Whether there is one more that is only scored.
        checkpointed: Whether the forward pass is made again for the backward pass.
    """

    prompts: int = 120
    prompt: int = 1024
    picture: int = 900
    responses: int = 10
    response: int = 1024
    expert: bool = True
    checkpointed: bool = True

    @property
    def scored(self) -> int:
        """Responses to a prompt that are scored."""
        return self.responses + self.expert


def forward(size: Size, work: Work, *, prompts: int, responses: int) -> float:
    """Operations of one forward pass over a group.

    Args:
        size: Of the model.
        work: The update.
        prompts: How often the prompt is read.
        responses: How many responses are.

    Returns:
        Their number.

    Example:
        >>> tiny = Size(
        ...     parameters=100, vision=10, stack=50, layers=2, width=4, inner=8, query=4, key_value=4, vocabulary=9
        ... )
        >>> forward(tiny, Work(prompt=3, picture=2, response=2), prompts=1, responses=2)
        1804.0
    """
    read, said, length = prompts * work.prompt, responses * work.response, work.response
    layers = 2.0 * size.stack * (read + said)
    attention = 4.0 * size.layers * size.query * (read * work.prompt / 2 + said * (work.prompt + length / 2))
    head = 2.0 * size.vocabulary * size.width * said
    return layers + attention + head + 8.0 * size.vision * prompts * work.picture


def scoring(size: Size, work: Work, *, shared: bool) -> float:
    """Operations of an update's forward and backward pass.

    Args:
        size: Of the model.
        work: The update.
        shared: Whether a prompt is read once.

    Returns:
        Their number.
    """
    once = forward(size, work, prompts=1 if shared else work.scored, responses=work.scored)
    return work.prompts * once * (4 if work.checkpointed else 3)


def reading(size: Size, work: Work, *, shared: bool) -> float:
    """Operations of reading the prompts before responses are sampled.

    Args:
        size: Of the model.
        work: The update.
        shared: Whether a prompt is read once.

    Returns:
        Their number.
    """
    return work.prompts * forward(size, work, prompts=1 if shared else work.responses, responses=0)


def writing(size: Size, work: Work, gpus: int) -> float:
    """Bytes that each GPU reads while it samples responses, all of its own at once.

    Args:
        size: Of the model.
        work: The update.
        gpus: Their number.

    Returns:
        Bytes.
    """
    kept = 4.0 * size.layers * size.key_value * (work.prompt + work.response / 2)
    return work.response * (2.0 * size.parameters + kept * work.prompts * work.responses / gpus)


def seconds(size: Size, work: Work, gpus: int, *, shared: bool) -> tuple[float, float]:
    """Of sampling and of scoring on H100s.

    Args:
        size: Of the model.
        work: The update.
        gpus: Their number.
        shared: Whether a prompt is read once.

    Returns:
        Both.
    """
    speed = gpus * PEAK * ACHIEVED
    sampling = reading(size, work, shared=shared) / speed + writing(size, work, gpus) / (BANDWIDTH * REACHED)
    return sampling, scoring(size, work, shared=shared) / speed


def table(work: Work | None = None) -> str:
    """Cost of an update of the paper's size, as a Markdown table.

    Args:
        work: Another update.

    Returns:
        Its text.
    """
    lines = [
        "| model | GPUs | sampling, s: apart | shared | scoring, s: apart | shared | update, shared / apart"
        " | GiB a GPU: apart | shared |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    return "\n".join([*lines, *(_line(name, gpus, work or Work()) for name in MODELS for gpus in (1, 8, 64))])


def _line(name: str, gpus: int, work: Work) -> str:
    size = SIZES[MODELS[name]]
    apart, shared = (seconds(size, work, gpus, shared=shared) for shared in (False, True))
    settings = Settings(**read_preset("qwen2.5-vl-7b"))
    settings = replace(settings, max_response_length=work.response, vllm="none")
    held = [
        memory(
            replace(settings, shared_prompt=choice),
            size,
            gpus=gpus,
            sharing="full" if gpus > 1 else "none",
            prompt_tokens=work.prompt,
        ).total
        for choice in ("off", "on")
    ]
    return (
        f"| {name} | {gpus} | {apart[0]:,.1f} | {shared[0]:,.1f} | {apart[1]:,.1f} | {shared[1]:,.1f} | "
        f"{sum(shared) / sum(apart):.2f} | {held[0] / GIB:,.1f} | {held[1] / GIB:,.1f} |"
    )


if __name__ == "__main__":
    print(table())
