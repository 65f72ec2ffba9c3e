"""A data set and a reward of your own in the vision-language trainer.

``python examples/own_reward_and_data.py [FOLDER]`` makes twenty problems with pictures, as a table that anybody could
have, and trains the tiny model on them for two updates (seconds on a CPU). Nobody learns rectangles from that; put your
data and your model in.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw
from trl import GRPOConfig

from calibrl_ref import Schedule
from full_scale.data import load_problems
from full_scale.model.checkpoint import load_model
from full_scale.model.processor import load_processor
from full_scale.model.shipped import SHIPPED_MODELS
from full_scale.problems.problem import Problem
from full_scale.training.rows import training_rows
from full_scale.training.trainer import HybridPolicyTrainer
from full_scale.verifier.answer import is_correct


def write_data(folder: Path, count: int = 20) -> Path:
    """Pictures of rectangles, and a table of questions, answers and solutions beside them."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "train.jsonl").open("w", encoding="utf-8") as table:
        for number in range(count):
            width, height = 3 + number % 7, 2 + number % 5
            picture = Image.new("RGB", (112, 112), "white")
            ImageDraw.Draw(picture).rectangle((10, 10, 10 + 10 * width, 10 + 10 * height), outline="black", width=2)
            picture.save(folder / f"{number}.png")
            record = {"image": f"{number}.png", "question": f"a={width} b={height} find the area"}
            record |= {"answer": str(width * height), "solution": f"area: {width}*{height}={width * height}"}
            table.write(json.dumps(record) + "\n")
    return folder


def right(completions: Sequence[Any], problem: Sequence[Problem], **_: object) -> list[float | None]:
    """1 where the answer is right: the first reward decides what the objective calls correct."""
    return [float(is_correct(turn[0]["content"], each)) for turn, each in zip(completions, problem, strict=True)]


def short(completions: Sequence[Any], **_: object) -> list[float | None]:
    """A reward of your own: 1 for an empty response, 0 from a hundred characters on."""
    return [max(0.0, 1.0 - len(turn[0]["content"]) / 100) for turn in completions]


def main(out: Path, steps: int = 2) -> HybridPolicyTrainer:
    """Train, and return the trainer."""
    folder = str(SHIPPED_MODELS["tiny"])  # or a path, or a hub id
    processor = load_processor(folder)
    problems = load_problems(str(write_data(out / "data")), split="train")
    rows, dropped = training_rows(
        problems, processor, instruct=False, format_weight=0.1, max_prompt_length=512, max_response_length=48
    )
    print(f"{len(rows)} problems; {dropped}")
    trainer = HybridPolicyTrainer(
        schedule=Schedule.named("calibrl", slope=0.5, exploration_weight=0.1),
        model=load_model(folder),
        processing_class=processor,
        train_dataset=rows,
        reward_funcs=[right, short],
        args=GRPOConfig(
            output_dir=str(out),
            max_steps=steps,
            num_generations=4,  # responses to a prompt
            per_device_train_batch_size=16,  # responses in an update: whole groups
            max_completion_length=48,
            reward_weights=[1.0, 0.1],
            learning_rate=1e-4,
            beta=0.0,
            bf16=False,  # from here: a small run on a CPU that keeps no checkpoints
            use_cpu=True,
            activation_checkpointing=False,
            dataloader_pin_memory=False,
            save_strategy="no",
            report_to="none",
            logging_steps=1,
        ),
    )
    trainer.train()
    trainer.save_model(str(out))
    return trainer


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("runs/own_data"))
