"""Cost of a training step beside stock TRL: prints one table and writes runs/bench/full_scale.json.

python -m benchmarks.full_scale                # pictures of 112 pixels: about four minutes on one idle core
python -m benchmarks.full_scale --pixels 448   # sixteen times the image tokens

All train the shipped tiny model on the same rendered problems, in turns and repeatedly, with a learning rate so small
that they keep sampling the same responses. Time is the process's CPU time on one thread, so that other programs hardly
matter; memory is the peak of a process of its own, and what of it came after loading the model.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import torch
from datasets import Dataset
from transformers import PrinterCallback, TrainerCallback
from transformers.modeling_utils import PreTrainedModel
from trl import GRPOConfig, GRPOTrainer

from calibrl_ref import Schedule
from full_scale.data.rendered import rendered_problems
from full_scale.model.checkpoint import TINY_MODEL, load_model
from full_scale.model.processor import Processor, load_processor
from full_scale.training.rows import training_rows
from full_scale.training.trainer import HybridPolicyTrainer
from full_scale.verifier.rewards import total_reward

OUT = Path("runs/bench/full_scale.json")
STOCK = "stock TRL GRPO"
METHODS = {
    "grpo": ("grpo", {}),
    "calibrl": ("calibrl", {}),
    "calibrl_released": ("calibrl_released", {}),
    "luffy": ("luffy", {}),
    "cppo, all kept": ("cppo", {"keep_fraction": 1.0, "kl_weight": 0.0}),  # stock has no reference model either
    "cppo, half kept": ("cppo", {"keep_fraction": 0.5, "kl_weight": 0.0}),
}
BARS = {112: 0.50, 448: 0.30}
"""Side of the pictures, pixels -> the most that a step of calibrl may cost, of stock TRL's."""
GROUP_SIZE, PROMPTS, LONGEST = 8, 4, 48


class StepTimes(TrainerCallback):
    """Seconds of each step, by the given clock."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock, self.seconds, self.start = clock, list[float](), 0.0

    def on_step_begin(self, *_: object, **__: object) -> None:
        """Start the clock; generation is part of the step."""
        self.start = self.clock()

    def on_step_end(self, *_: object, **__: object) -> None:
        """Stop it."""
        self.seconds.append(self.clock() - self.start)


def build_trainer(
    name: str,
    model: PreTrainedModel,
    processor: Processor,
    rows: Dataset,
    args: GRPOConfig,
    reward: Callable[..., Sequence[float | None]],
) -> GRPOTrainer:
    """Stock TRL's trainer, or this project's with one of :data:`METHODS`.

    Args:
        name: Which.
        model: Changed in place.
        processor: Its processor.
        rows: Training data.
        args: TRL's options.
        reward: Reward function.

    Returns:
        A trainer that prints nothing.
    """
    options = {
        "model": model,
        "reward_funcs": reward,
        "args": args,
        "train_dataset": rows,
        "processing_class": processor,
    }
    if name == STOCK:
        trainer = GRPOTrainer(**options)
    else:
        recipe, hyper_parameters = METHODS[name]
        trainer = HybridPolicyTrainer(schedule=Schedule.named(recipe, **hyper_parameters), method=recipe, **options)
    trainer.remove_callback(PrinterCallback)
    return trainer


def tiny_trainer(name: str, folder: str, steps: int, pixels: int) -> GRPOTrainer:
    """A trainer of the shipped model on rendered problems with pictures of this side."""
    processor = load_processor(TINY_MODEL)
    processor.image_processor.size["longest_edge"] = pixels**2
    rows, _ = training_rows(
        rendered_problems(64, seed=0, size=pixels),
        processor,
        instruct=False,
        format_weight=0.1,
        max_prompt_length=512,
        max_response_length=LONGEST,
    )
    args = GRPOConfig(
        output_dir=folder,
        max_steps=steps,
        per_device_train_batch_size=PROMPTS * GROUP_SIZE,
        num_generations=GROUP_SIZE,
        max_completion_length=LONGEST,
        learning_rate=1e-7,
        bf16=False,
        activation_checkpointing=False,
        use_cpu=True,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=False,
    )
    return build_trainer(name, load_model(TINY_MODEL), processor, rows, args, partial(total_reward, format_weight=0.1))


def step_seconds(name: str, steps: int, pixels: int) -> float:
    """CPU seconds of a step, the median over all but the first."""
    times = StepTimes(time.process_time)
    with tempfile.TemporaryDirectory() as folder:
        trainer = tiny_trainer(name, folder, steps + 1, pixels)
        trainer.add_callback(times)
        trainer.train()
    return statistics.median(times.seconds[1:])


def peak_mib(name: str, pixels: int) -> tuple[float, float]:
    """Peak memory of a process that trains three steps, and its growth since the model was loaded, in MiB."""
    command = [sys.executable, "-m", "benchmarks.full_scale", "--memory-of", name, "--pixels", str(pixels)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    before, peak = json.loads(done.stdout.splitlines()[-1])
    return peak, peak - before


def print_memory(name: str, pixels: int) -> None:
    """Train three steps, and print the peak memory before and after as JSON."""
    with tempfile.TemporaryDirectory() as folder:
        trainer = tiny_trainer(name, folder, 3, pixels)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        trainer.train()
    print(json.dumps([before / 1024, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print and save."""
    parser = argparse.ArgumentParser(description="Cost of a training step beside stock TRL.")
    parser.add_argument("--rounds", type=int, default=7, help="turns of each method")
    parser.add_argument("--steps", type=int, default=4, help="steps in a turn")
    parser.add_argument("--pixels", type=int, default=112, help="side of the pictures, a multiple of 28")
    parser.add_argument("--memory-of", help="only train this method and print its peak memory")
    given = parser.parse_args(arguments)
    warnings.filterwarnings("ignore", category=FutureWarning)
    torch.set_num_threads(1)
    if given.memory_of:
        print_memory(given.memory_of, given.pixels)
        return
    names = [STOCK, *METHODS]
    memory = {name: peak_mib(name, given.pixels) for name in names}  # first: a child's peak starts at its parent's size
    turns = [{name: step_seconds(name, given.steps, given.pixels) for name in names} for _ in range(given.rounds)]
    figures = {name: summary(name, turns, memory) for name in names}
    for name, row in figures.items():
        bar = f"  (bar {BARS[given.pixels]})" if name == "calibrl" and given.pixels in BARS else ""
        print(f"{name:18}" + "".join(f"  {key} {value:8.3f}" for key, value in row.items()) + bar)
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps(figures | {"pixels": given.pixels, "torch": torch.__version__}, indent=1))


def summary(name: str, turns: Sequence[dict[str, float]], memory: dict[str, tuple[float, float]]) -> dict[str, float]:
    """Medians of one method, and its ratios to stock TRL within the same turn.

    Args:
        name: The method.
        turns: Seconds of each method, turn by turn.
        memory: Peak and growth of each method, MiB.

    Returns:
        Name of the figure -> value.
    """
    (peak, growth), (stock_peak, stock_growth) = memory[name], memory[STOCK]
    return {
        "seconds": statistics.median(turn[name] for turn in turns),
        "ratio": statistics.median(turn[name] / turn[STOCK] for turn in turns),
        "MiB": peak,
        "ratio of MiB": peak / stock_peak,
        "ratio of growth": growth / stock_growth,
    }


if __name__ == "__main__":
    main()
