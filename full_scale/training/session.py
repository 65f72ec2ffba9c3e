"""A training run from its settings to its results: what ``full_scale/train.py`` does."""

import dataclasses
import shutil
import signal
import time
import warnings
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console
from transformers import PrinterCallback
from transformers.modeling_utils import PreTrainedModel
from transformers.utils import logging as transformers_logging

from cli.folder import Output, RunFolder, write_json
from cli.program import Interrupted
from full_scale.data import Quarantine
from full_scale.evaluation.held_out import HeldOut, Outcome, answer_held_out, blank_accuracy, decisions
from full_scale.pages.curves import save_curves
from full_scale.problems.quarantine import QUARANTINE_FILE
from full_scale.run.crash import crash_report
from full_scale.run.folder import (
    BEFORE_FILE,
    METRICS_FILE,
    RESULTS_FILE,
    begin,
    check_same_settings,
    checkpoint_to_resume,
    fingerprint,
    finished_results,
    forget_later_metrics,
    go_on,
    run_folder,
    set_aside_later,
)
from full_scale.run.machine import check_machine, device, is_main_process, processes
from full_scale.run.manifest import update_of
from full_scale.run.settings import Settings
from full_scale.training.engine import adapters, trainer_arguments
from full_scale.training.parts import Parts, load
from full_scale.training.reporter import Probe, Reporter
from full_scale.training.rows import Dropped
from full_scale.training.trainer import HybridPolicyTrainer
from full_scale.verifier.rewards import total_reward


def train(settings: Settings, output: Output, *, checkpoint: str | None = None) -> dict[str, Any]:
    """One training run.

    Args:
        settings: All options.
        output: Where it writes, and what it may do there.
        checkpoint: Name of an earlier checkpoint to go on from; None for the last one.

    Returns:
        What results.json holds.

    Raises:
        ValueError: If a setting, the machine, the data, the model or the output folder does not fit; then nothing was
            changed.
        Interrupted: After a signal, with a checkpoint in the folder.
    """
    check_machine(settings)
    transformers_logging.disable_progress_bar()  # the progress line is the reporter's
    warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)  # read by TRL 1.16
    console = Console(quiet=not is_main_process(), soft_wrap=True)
    folder = run_folder(output.out)
    if is_main_process():
        folder.check(output)
    if output.resume:
        check_same_settings(output.out, settings)
        if finished := finished_results(output.out, settings):
            console.print(f"the run in {output.out} is finished: {finished['steps']} updates; more with --steps")
            return finished
    with folder if is_main_process() else nullcontext():
        with TemporaryDirectory() as place:  # the folder is not touched before all is loaded and checked
            quarantine = Quarantine(Path(place, QUARANTINE_FILE)) if settings.skip_broken else None
            parts = load(settings, console, quarantine)
            start = _start(folder, settings, output, parts, checkpoint, console)
            if quarantine and quarantine.count and is_main_process():
                shutil.copy(str(quarantine.file), folder.path)
        with crash_report(output.out, settings, parts.versions, private=parts.texts):
            return _run(settings, output.out, parts, start, console)


def _start(
    folder: RunFolder, settings: Settings, output: Output, parts: Parts, name: str | None, console: Console
) -> Path | None:
    """Begin the run in its folder, or go on with it from the checkpoint that is returned."""
    checkpoint = checkpoint_to_resume(folder.path, name) if output.resume else None
    if not is_main_process():
        return checkpoint
    data = fingerprint(f"{item.id}\0{item.question}\0{item.answer}\0{item.solution}" for item in parts.problems)
    if not output.resume:
        begin(folder, settings, data=data, versions=parts.versions)
        return None
    changed = go_on(folder, settings, data=data, versions=parts.versions)
    step = update_of(checkpoint) if checkpoint else 0
    if checkpoint:
        changed += [f"later checkpoint kept as {later}" for later in set_aside_later(checkpoint)]
    forget_later_metrics(folder.path / METRICS_FILE, step)
    console.print("; ".join([f"going on after update {step}", *changed]))
    return checkpoint


def _run(settings: Settings, out: Path, parts: Parts, checkpoint: Path | None, console: Console) -> dict[str, Any]:
    """Train, answer the held-out problems before and after, and write what came out."""
    started = time.monotonic()
    before = answers_before(parts, settings, out, console, resumed=checkpoint is not None)
    trainer, reporter = build_trainer(settings, out, parts, console)
    with reporter:
        trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
    trainer.save_model(str(out))
    results: dict[str, Any] = {"finished": False, "method": settings.method, "steps": trainer.state.global_step}
    results |= {"skipped_updates": trainer.progress.skipped}
    results |= {"processes": processes(), "versions": parts.versions}
    results |= {"problems": len(parts.rows), "dropped": dataclasses.asdict(parts.dropped)}
    results |= {"settings": dataclasses.asdict(settings) | {"recipe": settings.hyper_parameters()}}
    if is_main_process():
        parts.processor.save_pretrained(out)
        write_json(out / RESULTS_FILE, results)  # unfinished, should the closing evaluation be cut off
    if reporter.interrupted is not None:
        _end_early(settings, out, results, reporter.interrupted)
    outcome = answers_after(trainer.model, parts, settings, before, console) if parts.held_out else None
    results |= outcome.as_json() if outcome else {}
    results |= {"finished": True, "seconds": round(time.monotonic() - started, 1)}
    if is_main_process():
        write_outcome(out, settings, results, outcome, console)
    return results


def _end_early(settings: Settings, out: Path, results: dict[str, Any], number: int) -> None:
    name = signal.Signals(number).name
    if is_main_process():
        write_json(out / RESULTS_FILE, results | {"interrupted_by": name})
    message = f"{name} after update {results['steps']} of {settings.steps}; the same command with --resume goes on"
    raise Interrupted(number, message)


def answers_before(parts: Parts, settings: Settings, out: Path, console: Console, *, resumed: bool) -> HeldOut | None:
    """The answers before training, made now, or kept from the start of a resumed run; None where there are none.

    Args:
        parts: Of the run; the model is moved to the GPU if there is one.
        settings: All options.
        out: Output folder, where they are kept.
        console: Where it says what takes the time.
        resumed: Whether the run goes on from a checkpoint.

    Returns:
        The answers.
    """
    file = out / BEFORE_FILE
    if not parts.held_out:
        return None
    if resumed:
        return HeldOut.load(file) if file.is_file() else None
    console.print(f"answering {len(parts.held_out)} held-out problems before training ...")
    parts.model.to(device())  # type: ignore[arg-type]  # transformers wraps it so that mypy takes the device for self
    answers = answer_held_out(parts.model, parts.processor, parts.held_out, settings)
    if is_main_process():
        answers.save(file)
    return answers


def answers_after(
    model: PreTrainedModel, parts: Parts, settings: Settings, before: HeldOut | None, console: Console
) -> Outcome:
    """Answer the held-out problems with the trained model, and again with blank pictures.

    Args:
        model: The trained one.
        parts: Of the run.
        settings: All options.
        before: The answers before training.
        console: Where it says what takes the time.

    Returns:
        What training did to the answers.
    """
    problems = parts.held_out
    console.print(f"answering {len(problems)} held-out problems after training ...")
    after = answer_held_out(model, parts.processor, problems, settings)
    return Outcome(problems, before, after, blank_accuracy(model, parts.processor, problems, settings))


def build_trainer(
    settings: Settings, out: Path, parts: Parts, console: Console
) -> tuple[HybridPolicyTrainer, Reporter]:
    """The trainer of a run and its reporter.

    Args:
        settings: All options.
        out: Output folder.
        parts: Of the run; the model is changed in place.
        console: Of the reporter.

    Returns:
        Both.
    """
    ways = parts.problems[0].ways
    reporter = Reporter(out / METRICS_FILE, settings.steps, console, decision_probe(settings, parts) if ways else None)
    schedule = settings.schedule()
    needs_reference = any(objective.needs_reference for objective, _ in schedule.stages)
    trainer = HybridPolicyTrainer(
        schedule=schedule,
        method=settings.method,
        generation_rounds=settings.generation_rounds,
        skip_limit=settings.skip_limit,
        shared_prompt=settings.shared_prompt,
        head_chunk=settings.head_chunk,
        model=parts.model,
        reward_funcs=partial(total_reward, format_weight=settings.format_weight),
        args=trainer_arguments(settings, out, needs_reference=needs_reference),
        train_dataset=parts.rows,
        eval_dataset=parts.kept_back,
        processing_class=parts.processor,
        peft_config=adapters(settings),
        callbacks=[reporter],
    )
    trainer.remove_callback(PrinterCallback)  # the reporter prints
    return trainer, reporter


PROBES = 32
"""Problems whose first decision is measured after every update."""


def decision_probe(settings: Settings, parts: Parts) -> Probe:
    """Measures the first decision before the first held-out problems (training problems where none are held out)."""
    problems = (parts.held_out or parts.problems)[:PROBES]

    def probe(model: PreTrainedModel) -> dict[str, float]:
        """The means over the problems."""
        found = decisions(model, parts.processor, problems, instruct=settings.instruct)
        return {name: sum(values) / len(values) for name, values in found.items()}

    return probe


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
    title = f"{settings.method} on {settings.dataset}, seed {settings.seed}"
    save_curves(out, title)
    if outcome:
        outcome.write_page(out / "answers.html", title)
        console.print(outcome.table())
    write_json(out / RESULTS_FILE, results)  # last: with it the run counts as finished
    files = ["results.json", "metrics.jsonl", "curves.png", *(["answers.html"] if outcome else [])]
    files = [name for name in files if (out / name).is_file()]
    dropped = Dropped(**results["dropped"])
    if dropped.long_prompts or dropped.share:
        console.print(str(dropped))
    console.print(f"{results['seconds']:.0f} s; checkpoint, {', '.join(files)} in {out}")
    console.print(f"curves of all metrics: tensorboard --logdir {out}")
