"""What a training process needs of a GPU's memory, by formula: each preset's table in docs/scale.md.

python -m full_scale.run.memory

Four things take nearly all of it. With ``P`` parameters of ``b`` bytes, ``n`` GPUs and a micro-batch of ``T`` tokens,
``R`` of them responses':

- states: weights ``P b``, gradients ``P b``, AdamW's two moments ``2 P b``, each shared out over the GPUs or not;
- one gathered layer, where weights are shared out: twice ``P / layers`` in the type of the computation;
- activations with checkpointing: what enters each layer, ``T width layers`` numbers, and one layer's own while it is
  recomputed, ``T (8 width + 3 inner)``; ``T`` holds a group's prompt once where it is shared, and an expert's response
  in each group where the method has one;
- the head: the logits of ``--head-chunk`` tokens; in float32 the gradient of what enters it, ``R width``, and where it
  is trained that of its matrix, ``vocabulary width``; and the matrix itself where weights are shared out.

A colocated vLLM takes the share that it is given. What is left out: the CUDA context (about 0.5 GiB), fragments, the
vision tower's activations, attention's workspace.
"""

import math
from dataclasses import dataclass
from typing import Literal

from full_scale.run.command_line import read_preset
from full_scale.run.settings import Settings

GIB = 2**30
BYTES = {"float32": 4, "bfloat16": 2, "auto": 2}  # these GPUs multiply bfloat16
GPU_GIB = 80
PROMPT_TOKENS = 1024
"""A question with one picture of about 800 x 800 pixels; the presets' max_prompt_length is the longest that is kept."""

PLACES = {
    "qwen2.5-vl-3b-lora": (1, 24),
    "qwen2.5-vl-3b": (8, GPU_GIB),
    "qwen2.5-vl-7b": (8, GPU_GIB),
    "internvl3-8b": (8, GPU_GIB),
    "qwen3-vl-2b": (8, GPU_GIB),
    "qwen3-vl-4b": (8, GPU_GIB),
    "qwen3-vl-8b": (8, GPU_GIB),
}
"""Preset -> the GPUs that it is made for: their number, and the GiB of each."""

Sharing = Literal["none", "zero2", "full"]
"""What is shared out over the GPUs: nothing (DDP), gradients and moments (ZeRO-2), weights too (ZeRO-3, FSDP2)."""


@dataclass(frozen=True, kw_only=True)
class Size:
    """Of a model, by its configuration.

    Attributes:
        parameters: All.
        vision: Of these, the vision tower's.
        stack: Of these, those of the text model's layers.
        layers: Of the text model.
        width: Its hidden size.
        inner: Its feed-forward layers' size.
        query: Size of queries: heads times head width.
        key_value: Size of keys, and of values.
        vocabulary: Rows of the output matrix.
    """

    parameters: int
    vision: int
    stack: int
    layers: int
    width: int
    inner: int
    query: int
    key_value: int
    vocabulary: int

    def adapters(self, rank: int) -> int:
        """Parameters of low-rank adapters at all seven matrices of each layer."""
        return self.layers * rank * (7 * self.width + 2 * self.query + 2 * self.key_value + 3 * self.inner)


SIZES = {
    "Qwen/Qwen2.5-VL-3B-Instruct": Size(
        parameters=3_754_622_976,
        vision=668_684_288,
        stack=2_774_771_712,
        layers=36,
        width=2048,
        inner=11_008,
        query=2048,
        key_value=256,
        vocabulary=151_936,
    ),
    "Qwen/Qwen2.5-VL-7B-Instruct": Size(
        parameters=8_292_166_656,
        vision=676_550_144,
        stack=6_525_618_176,
        layers=28,
        width=3584,
        inner=18_944,
        query=3584,
        key_value=512,
        vocabulary=152_064,
    ),
    "Qwen/Qwen2.5-VL-32B-Instruct": Size(
        parameters=33_452_718_336,
        vision=688_841_984,
        stack=31_206_735_872,
        layers=64,
        width=5120,
        inner=27_648,
        query=5120,
        key_value=1024,
        vocabulary=152_064,
    ),
    "OpenGVLab/InternVL3-8B-hf": Size(
        parameters=7_944_373_760,
        vision=331_552_768,
        stack=6_525_618_176,
        layers=28,
        width=3584,
        inner=18_944,
        query=3584,
        key_value=512,
        vocabulary=151_674,
    ),
    "Qwen/Qwen3-VL-2B-Instruct": Size(
        parameters=2_127_532_032,
        vision=406_957_056,
        stack=1_409_408_000,
        layers=28,
        width=2048,
        inner=6144,
        query=2048,
        key_value=1024,
        vocabulary=151_936,
    ),
    "Qwen/Qwen3-VL-4B-Instruct": Size(
        parameters=4_437_815_808,
        vision=415_347_712,
        stack=3_633_509_376,
        layers=36,
        width=2560,
        inner=9728,
        query=4096,
        key_value=1024,
        vocabulary=151_936,
    ),
    "Qwen/Qwen3-VL-8B-Instruct": Size(
        parameters=8_767_123_696,
        vision=576_388_336,
        stack=6_946_071_552,
        layers=36,
        width=4096,
        inner=12_288,
        query=4096,
        key_value=1024,
        vocabulary=151_936,
    ),
}
"""Model -> its size: its configuration on the hub, and the parameters of a model that is built of it."""


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Bytes on each GPU.

    Attributes:
        states: Weights, gradients, moments.
        gathered: A layer's whole weights, where they are shared out.
        activations: Kept for the backward pass.
        head: The output matrix's workspace.
        sampler: A colocated vLLM's share.
    """

    states: float
    gathered: float
    activations: float
    head: float
    sampler: float

    @property
    def total(self) -> float:
        """All of it."""
        return self.states + self.gathered + self.activations + self.head + self.sampler


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
    prompts, rows = rows_at_once(settings)
    responses = rows * settings.max_response_length
    tokens = responses + prompts * prompt_tokens
    matrix = size.vocabulary * size.width
    matrices = (0 if adapters else 4 * matrix) + (held * matrix if sharing == "full" else 0)
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
        head=float(computed * settings.head_chunk * size.vocabulary + 4 * responses * size.width + matrices),
        sampler=settings.vllm_memory * GPU_GIB * GIB if settings.vllm == "colocate" else 0.0,
    )


def rows_at_once(settings: Settings) -> tuple[int, int]:
    """What stands in the largest micro-batch.

    Args:
        settings: Of the run.

    Returns:
        How often a prompt, and how many responses, experts' among them.
    """
    rows, groups = settings.micro_batch_rows, math.ceil(settings.micro_batch_rows / settings.group_size)
    rows += groups if settings.schedule().uses_expert else 0
    return rows if settings.shared_prompt == "off" else groups, rows


def table() -> str:
    """The presets' memory on each GPU, as a Markdown table; weights are shared out over several."""
    lines = [
        "| preset | GPUs | rows at once | states | gathered | activations | head | vLLM | GiB |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for preset in PLACES:
        settings = Settings(**read_preset(preset))
        lines += [_line(preset, settings, gpus) for gpus in (1, 8, 64)]
    return "\n".join(lines)


def _line(preset: str, settings: Settings, gpus: int) -> str:
    need = memory(settings, SIZES[settings.model], gpus=gpus, sharing="full" if gpus > 1 else "none")
    parts = [need.states, need.gathered, need.activations, need.head, need.sampler, need.total]
    return (
        f"| {preset} | {gpus} | {settings.micro_batch_rows} | "
        + " | ".join(f"{part / GIB:.1f}" for part in parts)
        + " |"
    )


if __name__ == "__main__":
    print(table())
