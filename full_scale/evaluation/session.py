"""An evaluation from its request to its results: what ``full_scale/evaluate.py`` does."""

import dataclasses
import platform
import shutil
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console
from transformers.modeling_utils import PreTrainedModel
from transformers.utils import logging as transformers_logging

from cli.folder import Output, RunFolder
from cli.program import Interrupted
from full_scale.data import Quarantine
from full_scale.evaluation.answer_log import (
    PAGE_FILE,
    AnswerLog,
    Answers,
    check_folder,
    evaluation_folder,
)
from full_scale.evaluation.answering import answer_all, shown
from full_scale.evaluation.benchmarks import Benchmark, load_benchmarks, readable_benchmarks
from full_scale.evaluation.comparison import compare
from full_scale.evaluation.held_out import decisions
from full_scale.evaluation.request import Options, Request
from full_scale.evaluation.summary import category_table, disagreement_table, overview, summarise
from full_scale.model.checkpoint import load_checkpoint, model_fingerprint, save_checkpoint
from full_scale.model.place import check_adapters, check_weights
from full_scale.model.prompting import opening
from full_scale.model.shipped import SHIPPED_MODELS
from full_scale.pages.answers_page import write_answers_page
from full_scale.pages.tables import PageTable, rich_table
from full_scale.problems.quarantine import QUARANTINE_FILE
from full_scale.run.folder import model_folder

PACKAGES = ("torch", "transformers", "tokenizers", "math-verify", "sympy", "pillow")
"""Their versions decide answers and verdicts."""

TOGETHER = 3
"""Benchmarks side by side in one table: more are unreadable in a terminal."""


def run(request: Request, output: Output, console: Console) -> dict[str, Any]:
    """Do what was asked for: merge adapters, compare two evaluations, or evaluate.

    Args:
        request: What is evaluated.
        output: Where it writes, and what it may do there.
        console: Where progress and tables go.

    Returns:
        What results.json holds, or the comparison; empty after merging.

    Raises:
        ValueError: The data, the model or the output folder does not fit.
        Interrupted: After a signal; the answers so far are kept.
    """
    transformers_logging.disable_progress_bar()
    if request.compare:
        result, table = compare(*request.compare)
        console.print(rich_table(table))
        return result
    if request.merge is not None:
        merge(request, request.merge, console)
        return {}
    folder = evaluation_folder(output.out)
    check_folder(folder, output)
    with folder:
        try:
            return evaluate(request, folder, output, console)
        except KeyboardInterrupt as interruption:
            number = getattr(interruption, "number", Interrupted().number)
            raise Interrupted(number, "interrupted; the same command with --resume goes on") from None


def merge(request: Request, target: Path, console: Console) -> None:
    """Save a model with its adapters merged into its weights, and its processor.

    Args:
        request: Names the model.
        target: The new folder.
        console: Where it says so.

    Raises:
        ValueError: The folder is not empty, or the model cannot be read, or has no adapters.
    """
    check_adapters(SHIPPED_MODELS.get(request.model, request.model))
    with model_folder(target) as folder:
        folder.check(Output(out=target))
        model, processor = load_checkpoint(request.model, remote_code=request.remote_code)
        save_checkpoint(target, model, processor)
    console.print(f"{request.model}, its adapters merged into its weights, is in {target}")


def evaluate(request: Request, folder: RunFolder, output: Output, console: Console) -> dict[str, Any]:
    """Answer, judge and report.

    Args:
        request: What is evaluated.
        folder: The output folder, locked.
        output: Whether it goes on with the evaluation in it.
        console: Where progress and tables go.

    Returns:
        What results.json holds: settings, figures by benchmark, seconds.

    Raises:
        ValueError: As :func:`run`.
    """
    start, options = time.monotonic(), request.options()
    check_weights(SHIPPED_MODELS.get(request.model, request.model))
    with TemporaryDirectory() as place:  # the folder is not touched before all is loaded and checked
        quarantine = Quarantine(Path(place, QUARANTINE_FILE)) if request.skip_broken else None
        benchmarks = load_benchmarks(request, quarantine)
        model, processor = load_checkpoint(request.model, remote_code=request.remote_code)
        benchmarks = readable_benchmarks(processor, benchmarks, quarantine)
        settings = describe(request.model, model, options, benchmarks)
        log = AnswerLog(folder, settings, resume=output.resume)
        if quarantine and quarantine.count:
            shutil.copy(str(quarantine.file), folder.path)
    instruction, opened = "with" if options.instruct else "without", opening(processor).strip()
    console.print(
        f"up to {options.max_response_length} tokens, {instruction} instruction"
        + (f", behind the {opened} that the chat template writes" if opened else "")
    )
    decided = {
        item.name: decisions(
            model, processor, shown(item.problems, blank=options.blank_pictures), instruct=options.instruct
        )
        for item in benchmarks
    }
    records = answer_all(model, processor, benchmarks, log, options, console)
    answers = {
        item.name: Answers.grouped([record for record in records if record.benchmark == item.name])
        for item in benchmarks
    }
    figures = {
        item.name: summarise(item.problems, answers[item.name], pass_at=request.ks, decision=decided[item.name])
        for item in benchmarks
    }
    tables = _tables(benchmarks, figures)
    _write_page(folder.path / PAGE_FILE, request, benchmarks, answers, tables)
    results = {"settings": settings, "figures": figures, "seconds": round(time.monotonic() - start, 1)}
    log.finish(results)
    for table in tables:
        console.print(rich_table(table))
    console.print(f"results and page of answers: {folder.path / PAGE_FILE}")
    return results


def describe(name: str, model: PreTrainedModel, options: Options, benchmarks: Sequence[Benchmark]) -> dict[str, Any]:
    """Everything that decides the answers; an interrupted evaluation goes on only where all of it is the same.

    Args:
        name: As the model was called.
        model: The model.
        options: How it answers.
        benchmarks: What it answers.

    Returns:
        The settings, for evaluation.json and results.json.
    """
    data = {
        item.name: {"dataset": item.dataset, "split": item.split, "problems": item.fingerprints} for item in benchmarks
    }
    return {
        "model": name,
        "model_fingerprint": model_fingerprint(model),
        "device": model.device.type,
        **dataclasses.asdict(options),
        "data": data,
        "versions": {"python": platform.python_version()} | {package: version(package) for package in PACKAGES},
    }


def _tables(benchmarks: Sequence[Benchmark], summaries: dict[str, dict[str, Any]]) -> list[PageTable]:
    names = list(summaries)
    parts = [names[start : start + TOGETHER] for start in range(0, len(names), TOGETHER)]
    tables = [overview({name: summaries[name] for name in part}) for part in parts]
    for item in benchmarks:
        summary = summaries[item.name]
        tables.append(category_table(item.name, summary))
        if differing := disagreement_table(item.name, item.problems[0].source, summary):
            tables.append(differing)
    return tables


def _write_page(
    file: Path,
    request: Request,
    benchmarks: Sequence[Benchmark],
    answers: Mapping[str, Answers],
    tables: Sequence[PageTable],
) -> None:
    problems = [problem for item in benchmarks for problem in item.problems]
    given = [answers[item.name].of(place) for item in benchmarks for place in range(len(item.problems))]
    blank, samples = ", pictures blanked" if request.blank_pictures else "", request.samples
    write_answers_page(
        file,
        f"Answers of {Path(request.model).name}",
        shown(problems, blank=request.blank_pictures),
        [[record.answer for record in group] for group in given],
        labels=["greedy", *(f"sample {number}" for number in range(1, samples + 1))],
        verdicts=[[record.verdict for record in group] for group in given],
        introduction=f"{len(problems)} problems, {1 + samples} answers to each, seed {request.seed}{blank}.",
        tables=tables,
    )
