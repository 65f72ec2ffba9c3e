"""Cost of a training step of Qwen2.5-VL-3B's architecture on one GPU, prompts apart and shared, beside stock TRL.

python -m benchmarks.gpu                   # one GPU with 80 GB; weights are random, nothing is downloaded
python -m benchmarks.gpu --tiny            # a model of a few thousand parameters on a CPU, to try the script

Random weights hardly ever end a response, so all have the greatest length; the reward depends on their tokens only, so
that the groups have two outcomes. Each method starts from the same weights. The first step is not counted.
"""

import argparse
import gc
import json
import resource
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import Qwen2_5_VLConfig
from transformers.modeling_utils import PreTrainedModel
from transformers.processing_utils import ProcessorMixin
from trl import GRPOConfig

from benchmarks.full_scale import STOCK, StepTimes, build_trainer
from full_scale.data.rendered import rendered_problems
from full_scale.model.checkpoint import TINY_MODEL
from full_scale.model.processor import load_processor
from full_scale.model.tiny import build_model, build_processor, tiny_config
from full_scale.training.rows import Expert

OUT = Path("runs/bench/gpu.json")
CONTENDERS = {
    STOCK: (STOCK, "off"),
    "calibrl, prompts apart": ("calibrl", "off"),
    "calibrl, prompts shared": ("calibrl", "on"),
}
"""Name -> method, and whether it reads a group's prompt once."""


def config_3b(processor: ProcessorMixin) -> Qwen2_5_VLConfig:
    """Qwen2.5-VL-3B's sizes (its config.json on the hub) with the special tokens of the shipped tokenizer."""
    config = tiny_config(processor.tokenizer)
    text = {
        "vocab_size": 151_936,
        "hidden_size": 2048,
        "intermediate_size": 11_008,
        "num_hidden_layers": 36,
        "num_attention_heads": 16,
        "num_key_value_heads": 2,
        "max_position_embeddings": 128_000,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [16, 24, 24]},
    }
    vision = {
        "depth": 32,
        "hidden_size": 1280,
        "intermediate_size": 3420,
        "num_heads": 16,
        "out_hidden_size": 2048,
        "window_size": 112,
        "fullatt_block_indexes": [7, 15, 23, 31],
    }
    same = config.to_dict()
    del same["text_config"]["layer_types"]  # one entry per layer; made anew
    return Qwen2_5_VLConfig(
        **same | {"text_config": same["text_config"] | text, "vision_config": same["vision_config"] | vision}
    )


def build(processor: ProcessorMixin, *, tiny: bool) -> PreTrainedModel:
    """The model with random weights: 3B in bfloat16 on the GPU, or a tiny one in float32 on the CPU."""
    if tiny:
        return build_model(tiny_config(processor.tokenizer, layers=1, width=32, heads=2), seed=0)
    with torch.device("cuda"):
        return build_model(config_3b(processor), seed=0).to(torch.bfloat16)


def long_experts(processor: ProcessorMixin, *, side: int, tokens: int, count: int = 64) -> Dataset:
    """Rendered problems with pictures of the given side (pixels) and experts of about the given number of tokens."""
    problems = rendered_problems(count, seed=0)

    def expert(solution: str) -> Expert:
        """Repeat the solution up to the wanted length."""
        tokenizer = processor.tokenizer
        length = len(tokenizer(solution, add_special_tokens=False)["input_ids"])
        text = solution * max(1, tokens // length)
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        return Expert(text=text, ids=(*ids, tokenizer.eos_token_id), correct=True, reward=1.0)

    def draw(batch: dict[str, list[int]]) -> dict[str, list[Any]]:
        """Draw the problems of one batch, when they are read."""
        chosen = [problems[index] for index in batch["index"]]
        return {
            "prompt": [[{"role": "user", "content": problem.question}] for problem in chosen],
            "images": [[picture.resize((side, side)) for picture in problem.rgb_images()] for problem in chosen],
            "problem": chosen,
            "expert": [expert(problem.solution) for problem in chosen],
        }

    return Dataset.from_dict({"index": range(count)}).with_transform(draw)


def by_tokens(completion_ids: Sequence[Sequence[int]], **_: object) -> list[float]:
    """A reward that random weights get too: 1 for a third of all responses."""
    return [float(sum(ids) % 3 == 0) for ids in completion_ids]


def trainer_options(given: argparse.Namespace, folder: str) -> GRPOConfig:
    """TRL's options: one update per generation, whole groups in a micro-batch."""
    return GRPOConfig(
        output_dir=folder,
        max_steps=given.steps + 1,
        per_device_train_batch_size=given.group_size * given.micro_batch_prompts,
        gradient_accumulation_steps=given.prompts // given.micro_batch_prompts,
        num_generations=given.group_size,
        max_completion_length=given.response,
        learning_rate=1e-6,
        bf16=not given.tiny,
        activation_checkpointing=not given.tiny,
        use_cpu=given.tiny,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )


def measure(name: str, given: argparse.Namespace) -> dict[str, float]:
    """Median seconds of a step, tokens a second (prompts and sampled responses), and peak memory in GiB."""
    processor = load_processor(TINY_MODEL)
    if not given.tiny:
        processor = build_processor(processor.tokenizer, image_size=given.picture)
    rows = long_experts(processor, side=given.picture, tokens=given.response)
    times = StepTimes(time.perf_counter if given.tiny else synchronised_clock)
    with tempfile.TemporaryDirectory() as folder:
        model = build(processor, tiny=given.tiny)
        method, shared = CONTENDERS[name]
        args = trainer_options(given, folder)
        trainer = build_trainer(method, model, processor, rows, args, by_tokens, shared_prompt=shared)
        trainer.add_callback(times)
        if not given.tiny:
            torch.cuda.reset_peak_memory_stats()
        trainer.train()
    seconds = statistics.median(times.seconds[1:])
    tokens = trainer.state.num_input_tokens_seen / len(times.seconds)
    peak = (
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 if given.tiny else torch.cuda.max_memory_allocated()
    )
    return {"seconds": seconds, "tokens/s": tokens / seconds, "GiB": peak / 2**30}


def synchronised_clock() -> float:
    """The time when the GPU has finished what it was given."""
    torch.cuda.synchronize()
    return time.perf_counter()


def main(arguments: Sequence[str] | None = None) -> dict[str, dict[str, float]]:
    """Measure each method in turn, print and save.

    Args:
        arguments: Command line; None reads ``sys.argv``.

    Returns:
        Method -> figure -> value.

    Raises:
        ValueError: If there is no GPU and ``--tiny`` was not given.
    """
    parser = argparse.ArgumentParser(description="Cost of a step of Qwen2.5-VL-3B's architecture beside stock TRL.")
    parser.add_argument("--tiny", action="store_true", help="a tiny model on the CPU")
    parser.add_argument("--steps", type=int, default=5, help="counted steps of each method")
    parser.add_argument("--prompts", type=int, default=8, help="prompts in an update")
    parser.add_argument("--micro-batch-prompts", type=int, default=1, help="prompts in a forward pass")
    parser.add_argument("--group-size", type=int, default=8, help="responses per prompt")
    parser.add_argument("--response", type=int, default=512, help="tokens of a response, and of an expert")
    parser.add_argument("--picture", type=int, default=896, help="side of a picture, pixels; 896: 1,024 tokens")
    given = parser.parse_args(arguments)
    if not given.tiny and not torch.cuda.is_available():
        raise ValueError("no GPU was found; run with --tiny to try the script on a CPU.")
    figures = {}
    for name in CONTENDERS:
        figures[name] = measure(name, given)
        print(f"{name:24}" + "".join(f"  {key} {value:10.3f}" for key, value in figures[name].items()), flush=True)
        gc.collect()
        torch.cuda.empty_cache()
    for name in list(CONTENDERS)[1:]:
        print(f"{name:24}  step {figures[name]['seconds'] / figures[STOCK]['seconds']:.3f} x stock TRL")
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps(figures, indent=1))
    return figures


if __name__ == "__main__":
    main()
