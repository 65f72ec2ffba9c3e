"""Trains a vision-language model on geometry with a method of ``calibrl_ref``.

python full_scale/train.py                                     # the tiny model on rendered geometry, on a CPU
python full_scale/train.py --preset tiny-text                  # a tiny text model on word problems
python full_scale/train.py --dataset FOLDER --experts answer_only --method calibrl --slope 0.3
python full_scale/train.py --preset qwen2.5-vl-7b --print-config   # all values, and where each comes from
"""

import dataclasses
import json
import os
import sys
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

if __package__ in (None, ""):  # run as a script: make the repository importable
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")  # TRL reports every trainer that is built, unless told not to

import torch
from datasets import Dataset
from rich.console import Console
from transformers import PrinterCallback
from transformers.modeling_utils import PreTrainedModel
from transformers.tokenization_utils_base import PreTrainedTokenizerBase
from transformers.utils import logging as transformers_logging

from full_scale.data import load_problems
from full_scale.evaluation.held_out import HeldOut, Outcome, answer_held_out, blank_accuracy, held_out_problems
from full_scale.model.checkpoint import load_model
from full_scale.model.processor import Processor, load_processor
from full_scale.pages.curves import save_curves
from full_scale.problems.problem import Problem
from full_scale.run.command_line import describe, read_command_line
from full_scale.run.folder import BEFORE_FILE, forget_later_metrics, prepare_folder, versions
from full_scale.run.machine import check_machine, device, is_main_process, processes
from full_scale.run.settings import Settings
from full_scale.training.engine import adapters, trainer_arguments
from full_scale.training.reporter import Reporter
from full_scale.training.rows import training_rows
from full_scale.training.trainer import HybridPolicyTrainer
from full_scale.verifier.rewards import accuracy, formatted

EXPERTS = {
    "dataset": "the data set's own solutions",
    "answer_only": "a bare statement of the right answer (NOT a chain of thought)",
    "none": "none",
}

"""What a run writes before its first update; a folder with no more than these is not in use."""


def main(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    """Train, and write checkpoint, metrics, curves, sample answers and results.json to the output folder.

    Args:
        arguments: Command line; None reads ``sys.argv``.

    Returns:
        What results.json holds; empty after ``--print-config``.

    Raises:
        ValueError: If a setting, the machine, the data, the model or the output folder does not fit.
    """
    run = read_command_line(sys.argv[1:] if arguments is None else arguments)
    if run.print_config:
        print(describe(run))
        return {}
    check_machine(run.settings)
    transformers_logging.disable_progress_bar()  # the progress line is the reporter's
    warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)  # read by TRL 1.16
    checkpoint = prepare_folder(run.out, run.settings, resume=run.resume, overwrite=run.overwrite)
    return train(run.settings, run.out, checkpoint=checkpoint)


def train(settings: Settings, out: Path, *, checkpoint: str | None = None) -> dict[str, Any]:
    """One training run.

    Args:
        settings: All options.
        out: Output folder.
        checkpoint: Folder of the checkpoint to go on from; None starts anew.

    Returns:
        What results.json holds.
    """
    started = time.monotonic()
    console = Console(quiet=not is_main_process(), soft_wrap=True)
    processor = load_processor(settings.model_folder)
    rows = load_rows(settings, processor, console)
    problems = held_out_problems(settings)
    model = load_model(settings.model_folder, dtype=getattr(torch, settings.dtype))
    before = answers_before(model, processor, problems, settings, out, console, resumed=checkpoint is not None)
    trainer, reporter = build_trainer(settings, out, model, processor, rows, console)
    if checkpoint is not None and is_main_process():
        forget_later_metrics(reporter.file, int(checkpoint.rpartition("-")[2]))
    with reporter:
        trainer.train(resume_from_checkpoint=checkpoint)
    trainer.save_model(str(out))
    outcome = None
    if problems and not reporter.interrupted:
        console.print(f"answering {len(problems)} held-out problems after training ...")
        after = answer_held_out(trainer.model, processor, problems, settings)
        outcome = Outcome(problems, before, after, blank_accuracy(trainer.model, processor, problems, settings))
    results = {"method": settings.method, "steps": trainer.state.global_step, "processes": processes()}
    results |= outcome.as_json() if outcome else {}
    results |= {"seconds": round(time.monotonic() - started, 1), "versions": versions()}
    results |= {"settings": dataclasses.asdict(settings) | {"recipe": settings.hyper_parameters()}}
    if is_main_process():
        processor.save_pretrained(out)
        write_outcome(out, settings, results, outcome, console)
    return results


def load_rows(settings: Settings, processor: Processor, console: Console) -> Dataset:
    """The training rows of a run's settings.

    Args:
        settings: All options.
        processor: Of the model.
        console: Where it says what was dropped.

    Returns:
        The rows.

    Raises:
        ValueError: If the data does not fit the model or the method.
    """
    problems = load_problems(
        settings.dataset, split="train", limit=settings.limit, seed=settings.seed, experts=settings.experts
    )
    if isinstance(processor, PreTrainedTokenizerBase) and any(problem.images for problem in problems):
        raise ValueError(
            f"{settings.dataset} has pictures, but {settings.model} reads text only; "
            "choose another --model or --dataset."
        )
    if settings.schedule().uses_expert and all(problem.solution is None for problem in problems):
        raise ValueError(
            f"method {settings.method} reads experts, but no problem of {settings.dataset} has one; give --experts "
            "column:<name>, file:<path> (full_scale/make_experts.py makes one) or answer_only, or choose --method grpo."
        )
    lengths = {name: getattr(settings, name) for name in ("max_prompt_length", "max_response_length")}
    rows, dropped = training_rows(
        problems, processor, instruct=settings.instruct, format_weight=settings.format_weight, **lengths
    )
    missing = sum(problem.solution is None for problem in problems)
    console.print(f"{settings.method} on {settings.dataset}: {len(rows)} problems; {dropped}; {missing} without expert")
    console.print(f"expert: {EXPERTS.get(settings.experts, settings.experts)}")
    return rows


def answers_before(
    model: PreTrainedModel,
    processor: Processor,
    problems: Sequence[Problem],
    settings: Settings,
    out: Path,
    console: Console,
    *,
    resumed: bool,
) -> HeldOut | None:
    """The answers before training, made now, or kept from the start of a resumed run; None where there are none.

    Args:
        model: The initial model; it is moved to the GPU if there is one.
        processor: Its processor.
        problems: The held-out problems.
        settings: All options.
        out: Output folder, where they are kept.
        console: Where it says what takes the time.
        resumed: Whether the run goes on from a checkpoint.

    Returns:
        The answers.
    """
    file = out / BEFORE_FILE
    if resumed:
        kept = HeldOut.load(file) if file.is_file() else None
        return kept if kept and len(kept.greedy) == len(problems) else None
    if not problems:
        return None
    console.print(f"answering {len(problems)} held-out problems before training ...")
    model.to(device())  # type: ignore[arg-type]  # transformers wraps it so that mypy takes the device for self
    answers = answer_held_out(model, processor, problems, settings)
    if is_main_process():
        answers.save(file)
    return answers


def build_trainer(
    settings: Settings, out: Path, model: PreTrainedModel, processor: Processor, rows: Dataset, console: Console
) -> tuple[HybridPolicyTrainer, Reporter]:
    """The trainer of a run and its reporter.

    Args:
        settings: All options.
        out: Output folder.
        model: The model, changed in place.
        processor: Its processor.
        rows: From :func:`load_rows`.
        console: Of the reporter.

    Returns:
        Both.
    """
    reporter = Reporter(out / "metrics.jsonl", settings.steps, console)
    schedule = settings.schedule()
    needs_reference = any(objective.needs_reference for objective, _ in schedule.stages)
    trainer = HybridPolicyTrainer(
        schedule=schedule,
        method=settings.method,
        generation_rounds=settings.generation_rounds,
        model=model,
        reward_funcs=[accuracy, formatted],
        args=trainer_arguments(settings, out, needs_reference=needs_reference),
        train_dataset=rows,
        processing_class=processor,
        peft_config=adapters(settings),
        callbacks=[reporter],
    )
    trainer.remove_callback(PrinterCallback)  # the reporter prints
    return trainer, reporter


def write_outcome(
    out: Path, settings: Settings, results: dict[str, Any], outcome: Outcome | None, console: Console
) -> None:
    """Write results.json, the curves and the page of sample answers, and print what came out.

    Args:
        out: Output folder.
        settings: All options.
        results: For results.json.
        outcome: Of the held-out problems; without it there is no page.
        console: Where the table goes.
    """
    (out / "results.json").write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    title = f"{settings.method} on {settings.dataset}, seed {settings.seed}"
    save_curves(out, title)
    if outcome:
        outcome.write_page(out / "answers.html", title)
        console.print(outcome.table())
    files = ["results.json", "metrics.jsonl", "curves.png", *(["answers.html"] if outcome else [])]
    console.print(f"{results['seconds']:.0f} s; checkpoint, {', '.join(files)} in {out}")
    console.print(f"curves of all metrics: tensorboard --logdir {out}")


if __name__ == "__main__":
    try:
        main()
    except ValueError as error:
        sys.exit(f"error: {error}")
