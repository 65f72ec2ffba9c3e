"""Trains a vision-language model on geometry with a recipe of ``calibrl_ref``.

python full_scale/train.py                                     # the tiny model on rendered geometry, on a CPU
python full_scale/train.py --dataset FOLDER --experts answer_only --method calibrl --slope 0.3
python full_scale/train.py --print-config                      # all values, and where each comes from
"""

import json
import os
import shutil
import signal
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any

if __package__ in (None, ""):  # run as a script: make the repository importable
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")  # TRL reports every trainer that is built, unless told not to

import torch
from datasets import Dataset
from transformers import PrinterCallback, TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.modeling_utils import PreTrainedModel
from transformers.processing_utils import ProcessorMixin
from transformers.trainer_utils import get_last_checkpoint
from transformers.utils import logging as transformers_logging
from trl import GRPOConfig

from full_scale.data import load_problems
from full_scale.model import load_model
from full_scale.problem import Problem
from full_scale.processor import load_processor
from full_scale.rewards import is_correct
from full_scale.rows import accuracy, formatted, training_rows
from full_scale.sampling import answer_problems
from full_scale.settings import Settings, describe, read_settings
from full_scale.trainer import HybridPolicyTrainer

EXPERTS = {
    "dataset": "the data set's own solutions",
    "answer_only": "a bare statement of the right answer (NOT a chain of thought)",
    "none": "none",
}


class Reporter(TrainerCallback):
    """Writes metrics.jsonl and the progress line; turns the first Ctrl-C into a checkpoint and an orderly end.

    Args:
        file: metrics.jsonl.
        steps: Updates in all.
    """

    def __init__(self, file: Path, steps: int) -> None:
        self.file, self.steps, self.interrupted = file, steps, False

    def interrupt(self, _signal: int, _frame: FrameType | None) -> None:
        """Handle Ctrl-C: finish this update and save; a second Ctrl-C stops at once."""
        if self.interrupted:
            raise KeyboardInterrupt
        self.interrupted = True
        print("\nCtrl-C: finishing this update and saving a checkpoint (again to stop at once)", flush=True)

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object) -> None:
        """Save and stop after Ctrl-C."""
        if self.interrupted:
            control.should_save = control.should_training_stop = True

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **_: object,
    ) -> None:
        """Append the update's metrics."""
        if not logs or "accuracy" not in logs:
            return
        record = {"step": state.global_step, **logs}
        with self.file.open("a") as lines:
            lines.write(json.dumps(record) + "\n")
        line = f"step {state.global_step:4d}/{self.steps}  reward {logs['reward']:.3f}  accuracy {logs['accuracy']:.3f}"
        line += f"  entropy {logs.get('entropy', 0.0):.3f}  exploration {logs.get('loss/exploration', 0.0):+.4f}"
        live = sys.stdout.isatty()
        print(f"\r{line}" if live else line, end="" if live else "\n", flush=True)


def main(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    """Train, and write the checkpoint, metrics.jsonl and results.json to the output folder.

    Args:
        arguments: Command line; None reads ``sys.argv``.

    Returns:
        What results.json holds; empty after ``--print-config``.

    Raises:
        ValueError: If a setting, the data, the model or the output folder does not fit.
    """
    settings, origin, run = read_settings(sys.argv[1:] if arguments is None else arguments)
    if run.print_config:
        print(describe(settings, origin))
        return {}
    transformers_logging.disable_progress_bar()  # the progress line is the reporter's
    warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)  # read by TRL 1.16
    checkpoint = prepare_folder(run.out, resume=run.resume, overwrite=run.overwrite)
    return train(settings, run.out, checkpoint=checkpoint)


def train(settings: Settings, out: Path, *, checkpoint: str | None = None) -> dict[str, Any]:
    """One training run.

    Args:
        settings: All options.
        out: Output folder.
        checkpoint: Folder of the checkpoint to go on from; None starts anew.

    Returns:
        Held-out accuracy and entropy before and after, and the settings.
    """
    processor = load_processor(settings.model_folder)
    model = load_model(settings.model_folder, dtype=getattr(torch, settings.dtype))
    problems = load_problems(
        settings.dataset, split="train", limit=settings.limit, seed=settings.seed, experts=settings.experts
    )
    rows, dropped = training_rows(
        problems,
        processor,
        instruct=settings.instruct,
        format_weight=settings.format_weight,
        max_prompt_length=settings.max_prompt_length,
        max_response_length=settings.max_response_length,
    )
    print(f"{settings.method} on {settings.dataset}: {len(rows)} problems; {dropped}")
    print(f"expert: {EXPERTS.get(settings.experts, settings.experts)}")
    held_out = held_out_problems(settings)
    before = measure(model, processor, held_out, settings) if checkpoint is None else None
    trainer, reporter = build_trainer(settings, out, model, processor, rows)
    if checkpoint is not None:
        _forget_later_metrics(reporter.file, int(checkpoint.rpartition("-")[2]))
    previous = signal.signal(signal.SIGINT, reporter.interrupt)
    try:
        trainer.train(resume_from_checkpoint=checkpoint)
    finally:
        signal.signal(signal.SIGINT, previous)
    trainer.save_model(str(out))
    processor.save_pretrained(out)
    after = measure(model, processor, held_out, settings)
    results = {"before": before, "after": after, "steps": trainer.state.global_step, "method": settings.method}
    results |= {"seed": settings.seed, "recipe": settings.recipe, "experts": settings.experts}
    (out / "results.json").write_text(json.dumps(results, indent=2) + "\n")
    print(f"\nheld-out before {before}\nheld-out after  {after}\ncheckpoint and metrics in {out}")
    return results


def build_trainer(
    settings: Settings, out: Path, model: PreTrainedModel, processor: ProcessorMixin, rows: Dataset
) -> tuple[HybridPolicyTrainer, Reporter]:
    """The trainer of a run and its reporter.

    Args:
        settings: All options.
        out: Output folder.
        model: The model, changed in place.
        processor: Its processor.
        rows: From :func:`~full_scale.rows.training_rows`.

    Returns:
        Both.
    """
    reporter = Reporter(out / "metrics.jsonl", settings.steps)
    schedule = settings.schedule()
    trainer = HybridPolicyTrainer(
        schedule=schedule,
        method=settings.method,
        model=model,
        reward_funcs=[accuracy, formatted],
        args=trainer_arguments(
            settings, out, needs_reference=any(objective.needs_reference for objective, _ in schedule.stages)
        ),
        train_dataset=rows,
        processing_class=processor,
        callbacks=[reporter],
    )
    trainer.remove_callback(PrinterCallback)  # the reporter prints
    return trainer, reporter


def trainer_arguments(settings: Settings, out: Path, *, needs_reference: bool) -> GRPOConfig:
    """TRL's options for a run.

    Args:
        settings: All options.
        out: Output folder.
        needs_reference: Keep a copy of the initial model.

    Returns:
        The options.
    """
    return GRPOConfig(
        output_dir=str(out),
        max_steps=settings.steps,
        seed=settings.seed,
        per_device_train_batch_size=settings.micro_batch_prompts * settings.group_size,
        gradient_accumulation_steps=settings.prompts_per_step // settings.micro_batch_prompts,
        num_generations=settings.group_size,
        max_completion_length=settings.max_response_length,
        temperature=settings.temperature,
        learning_rate=settings.learning_rate,
        lr_scheduler_type="constant",
        weight_decay=settings.weight_decay,
        max_grad_norm=settings.max_grad_norm,
        reward_weights=[1.0, settings.format_weight],
        beta=1e-3 if needs_reference else 0.0,  # above 0 TRL keeps a reference model; its weight is the recipe's
        bf16=settings.dtype == "bfloat16",
        activation_checkpointing=settings.dtype == "bfloat16",  # the tiny model needs no memory saved
        use_cpu=not torch.cuda.is_available(),
        logging_steps=1,
        save_steps=settings.save_every,
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=False,
    )


def held_out_problems(settings: Settings) -> list[Problem]:
    """The problems for the accuracy before and after: the test split of the same data."""
    if settings.evaluate_problems == 0:
        return []
    return load_problems(settings.dataset, split="test", limit=settings.evaluate_problems, seed=settings.seed)


def measure(
    model: PreTrainedModel, processor: ProcessorMixin, problems: Sequence[Problem], settings: Settings
) -> dict[str, float] | None:
    """Greedy and sampled accuracy, and the policy's entropy in nats per token; None without problems."""
    if not problems:
        return None
    options = {"max_new_tokens": settings.max_response_length, "instruct": settings.instruct}
    greedy = answer_problems(model, processor, problems, greedy=True, **options)
    sampled = answer_problems(model, processor, problems, seed=settings.seed, **options)
    right = [
        sum(is_correct(given.text, problem) for (given,), problem in zip(answers, problems, strict=True))
        for answers in (greedy, sampled)
    ]
    tokens = sum(answer.length for (answer,) in sampled)
    entropy = sum(answer.entropy * answer.length for (answer,) in sampled) / tokens
    count = len(problems)
    return {"greedy_accuracy": right[0] / count, "sampled_accuracy": right[1] / count, "entropy": round(entropy, 4)}


def prepare_folder(out: Path, *, resume: bool, overwrite: bool) -> str | None:
    """Make the output folder; never overwrite one silently.

    Args:
        out: The folder.
        resume: Go on from its last checkpoint.
        overwrite: Empty it first.

    Returns:
        The checkpoint to resume from, or None.

    Raises:
        ValueError: If the folder is in use, or has nothing to resume from.
    """
    if resume:
        checkpoint = get_last_checkpoint(str(out)) if out.is_dir() else None
        if checkpoint is None:
            raise ValueError(f"--resume: {out} has no checkpoint; start without --resume.")
        return checkpoint
    if out.is_dir() and any(out.iterdir()):
        if not overwrite:
            raise ValueError(f"output folder {out} is not empty; choose another --out, or --resume, or --overwrite.")
        shutil.rmtree(out)
    out.mkdir(parents=True, exist_ok=True)
    return None


def _forget_later_metrics(file: Path, step: int) -> None:
    """Drop the metrics of updates that will be done again."""
    if file.is_file():
        lines = [line for line in file.read_text().splitlines(keepends=True) if json.loads(line)["step"] <= step]
        file.write_text("".join(lines))


if __name__ == "__main__":
    try:
        main()
    except ValueError as error:
        sys.exit(f"error: {error}")
