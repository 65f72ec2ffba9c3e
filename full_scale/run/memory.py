"""What a training process needs of a GPU's memory, by formula: each preset's table in docs/scale.md.

python -m full_scale.run.memory

Four things take nearly all of it. With ``P`` parameters of ``b`` bytes, ``n`` GPUs and a micro-batch of ``T`` tokens,
``R`` of them responses':

- states: weights ``P b``, gradients ``P b``, AdamW's two moments ``2 P b``, each shared out over the GPUs or not;
- one gathered layer, where weights are shared out: twice ``P / layers`` in the type of the computation;
- activations with checkpointing: what enters each layer, ``T width layers`` numbers, and one layer's own while it is
  recomputed, ``T (8 width + 3 inner)``;
- logits: ``R vocabulary`` numbers, three times in float32 (the logits, those at the temperature, their gradient).

A colocated vLLM takes the share that it is given. What is left out: the CUDA context (about 0.5 GiB), fragments, the
vision tower's activations, attention's workspace.
"""

from dataclasses import dataclass
from typing import Literal

from full_scale.run.command_line import read_preset
from full_scale.run.settings import Settings

GIB = 2**30
BYTES = {"float32": 4, "bfloat16": 2}
LOGIT_BYTES = 3 * 4
GPU_GIB = 80
PROMPT_TOKENS = 1024
"""A question with one picture of about 800 x 800 pixels; the presets' max_prompt_length is the longest that is kept."""

Sharing = Literal["none", "zero2", "full"]
"""What is shared out over the GPUs: nothing (DDP), gradients and moments (ZeRO-2), weights too (ZeRO-3, FSDP2)."""


@dataclass(frozen=True, kw_only=True)
class Size:
    """Of a model, by its configuration.

    Attributes:
        parameters: All, vision tower included.
        layers: Of the text model.
        width: Its hidden size.
        inner: Its feed-forward layers' size.
        key_value: Size of keys, and of values: heads times head width.
        vocabulary: Rows of the output matrix.
    """

    parameters: int
    layers: int
    width: int
    inner: int
    key_value: int
    vocabulary: int

    def adapters(self, rank: int) -> int:
        """Parameters of low-rank adapters at all seven matrices of each layer."""
        return self.layers * rank * (9 * self.width + 2 * self.key_value + 3 * self.inner)


SIZES = {
    "Qwen/Qwen2.5-VL-3B-Instruct": Size(
        parameters=3_754_622_976, layers=36, width=2048, inner=11_008, key_value=256, vocabulary=151_936
    ),
    "Qwen/Qwen2.5-VL-7B-Instruct": Size(
        parameters=8_292_166_656, layers=28, width=3584, inner=18_944, key_value=512, vocabulary=152_064
    ),
    "OpenGVLab/InternVL3-8B-hf": Size(
        parameters=7_944_373_760, layers=28, width=3584, inner=18_944, key_value=512, vocabulary=151_674
    ),
}
"""Model of a preset -> its size, from its configuration and checkpoint on the hub."""


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Bytes on each GPU.

    Attributes:
        states: Weights, gradients, moments.
        gathered: A layer's whole weights, where they are shared out.
        activations: Kept for the backward pass.
        logits: Theirs.
        sampler: A colocated vLLM's share.
    """

    states: float
    gathered: float
    activations: float
    logits: float
    sampler: float

    @property
    def total(self) -> float:
        """All of it."""
        return self.states + self.gathered + self.activations + self.logits + self.sampler


def states(parameters: int, trained: int, *, bytes_each: int, trained_bytes: int, gpus: int, sharing: Sharing) -> float:
    """Weights, gradients and moments on each GPU.

    Args:
        parameters: All of the model's.
        trained: Of these, or beside them (adapters), those that are trained.
        bytes_each: Of a weight.
        trained_bytes: Of a trained weight, its gradient and each of its moments.
        gpus: Their number.
        sharing: What is shared out over them.

    Returns:
        Bytes.

    Example:
        >>> states(8_000, 8_000, bytes_each=4, trained_bytes=4, gpus=8, sharing="zero2")
        44000.0
    """
    weights = parameters * bytes_each / (gpus if sharing == "full" else 1)
    return weights + 3 * trained * trained_bytes / (1 if sharing == "none" else gpus)


def memory(
    settings: Settings, size: Size, *, gpus: int, sharing: Sharing, prompt_tokens: int = PROMPT_TOKENS
) -> Memory:
    """What a run needs of each GPU.

    Args:
        settings: Of the run.
        size: Of its model.
        gpus: Their number.
        sharing: What is shared out over them.
        prompt_tokens: Of a prompt, image tokens included; responses have their greatest length.

    Returns:
        Bytes, by what takes them.
    """
    adapters, held = size.adapters(settings.lora_rank), BYTES[settings.dtype]
    computed = 2 if settings.mixed_precision == "bfloat16" else held
    responses = settings.micro_batch_rows * settings.max_response_length
    tokens = responses + settings.micro_batch_rows * prompt_tokens
    return Memory(
        states=states(
            size.parameters,
            adapters or size.parameters,
            bytes_each=held,
            trained_bytes=4 if adapters else held,
            gpus=gpus,
            sharing=sharing,
        ),
        gathered=2 * computed * size.parameters / size.layers if sharing == "full" else 0.0,
        activations=float(computed * tokens * (size.width * (size.layers + 8) + 3 * size.inner)),
        logits=float(LOGIT_BYTES * responses * size.vocabulary),
        sampler=settings.vllm_memory * GPU_GIB * GIB if settings.vllm == "colocate" else 0.0,
    )


def table() -> str:
    """The presets' memory on GPUs of :data:`GPU_GIB` GiB, as a Markdown table; weights are shared out over several."""
    lines = [
        "| preset | GPUs | rows at once | states | gathered | activations | logits | vLLM | GiB of 80 |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for preset in ("qwen2.5-vl-3b-lora", "qwen2.5-vl-3b", "qwen2.5-vl-7b", "internvl3-8b"):
        values = read_preset(preset)
        for gpus in (1, 8, 16):
            rows = (int(values["micro_batch_rows"]), 1)
            lines += [_line(preset, Settings(**values | {"micro_batch_rows": count}), gpus) for count in rows]
    return "\n".join(lines)


def _line(preset: str, settings: Settings, gpus: int) -> str:
    need = memory(settings, SIZES[settings.model], gpus=gpus, sharing="full" if gpus > 1 else "none")
    parts = [need.states, need.gathered, need.activations, need.logits, need.sampler, need.total]
    return (
        f"| {preset} | {gpus} | {settings.micro_batch_rows} | "
        + " | ".join(f"{part / GIB:.1f}" for part in parts)
        + " |"
    )


if __name__ == "__main__":
    print(table())
