"""Scores a checkpoint on benchmarks: accuracy by the training reward and by official scoring, pass@k, entropy, ECE.

python full_scale/evaluate.py --model runs/full_scale --samples 8
python full_scale/evaluate.py --model runs/full_scale --dataset rendered tests/data/geometry3k --out runs/evaluation
python full_scale/evaluate.py --compare runs/evaluation_before runs/evaluation
"""

import argparse
import dataclasses
import platform
import sys
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

if __package__ in (None, ""):  # run as a script: make the repository importable
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from rich.console import Console
from transformers.modeling_utils import PreTrainedModel
from transformers.utils import logging as transformers_logging

from full_scale.evaluation.answer_log import PAGE_FILE, AnswerLog, Record, check_folder
from full_scale.evaluation.answering import Options, answer_all, blanked
from full_scale.evaluation.benchmarks import Benchmark, check_pass_at, check_pictures, load_benchmarks
from full_scale.evaluation.comparison import compare
from full_scale.evaluation.summary import category_table, disagreement_table, overview, summarise
from full_scale.model.checkpoint import load_checkpoint, model_fingerprint
from full_scale.pages.answers_page import write_answers_page
from full_scale.pages.tables import PageTable, rich_table

PACKAGES = ("torch", "transformers", "tokenizers", "math-verify", "sympy", "pillow")
"""Their versions decide answers and verdicts."""

DEFAULT_OUT = Path("runs/evaluation")


TOGETHER = 3
"""Benchmarks side by side in one table: more are unreadable in a terminal."""


def main(arguments: Sequence[str] | None = None, *, console: Console | None = None) -> dict[str, Any]:
    """Evaluate a checkpoint, or compare two finished evaluations.

    Args:
        arguments: Command line; None reads ``sys.argv``.
        console: Where progress and tables go; None for the terminal.

    Returns:
        What results.json holds, or the comparison.

    Raises:
        ValueError: If an option, the data, the model or the output folder does not fit.
    """
    parsed, console = _parser().parse_args(arguments), console or Console()
    if parsed.compare:
        result, table = compare(*parsed.compare)
        console.print(rich_table(table))
        return result
    transformers_logging.disable_progress_bar()
    return run(parsed, console)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--model", default="tiny", help="folder or hub id of a checkpoint; shipped: tiny, tiny-text")
    add(
        "--dataset",
        nargs="+",
        default=["rendered"],
        help="'rendered', 'word_problems', a folder or file, or '<layout>:<path>'; several",
    )
    add("--split", default=None, help="split of every data set (default: the one that each is scored on)")
    add("--limit", type=int, default=None, help="at most so many problems of each (rendered: 2000 without)")
    add("--skip-broken", action="store_true", help="leave out unusable records, with a count")
    add("--samples", type=int, default=0, help="sampled responses per problem, besides the greedy one")
    add("--pass-at", type=int, nargs="+", default=None, help="which k of pass@k (default: the number of samples)")
    add("--blank-pictures", action="store_true", help="show white pictures of the same size instead")
    add("--instruct", action="store_true", help="append the paper's instruction to each question")
    add("--max-response-length", type=int, default=48, help="tokens")
    add("--batch-size", type=int, default=64, help="problems at once; memory grows with it and with --samples")
    add("--seed", type=int, default=0, help="of rendered problems and of the sampling")
    add("--out", type=Path, default=DEFAULT_OUT, help="output folder; an interrupted evaluation in it goes on")
    add("--overwrite", action="store_true", help="replace the evaluation in the output folder")
    add("--compare", type=Path, nargs=2, metavar=("A", "B"), help="compare two finished evaluations by paired tests")
    return parser


def run(arguments: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Answer, judge and report.

    Args:
        arguments: Of the command line.
        console: Where progress and tables go.

    Returns:
        What results.json holds.

    Raises:
        ValueError: As :func:`main`.
    """
    start = time.monotonic()
    options = Options(**{item.name: getattr(arguments, item.name) for item in dataclasses.fields(Options)})
    pass_at = check_pass_at(arguments.pass_at, options.samples)
    check_folder(arguments.out, overwrite=arguments.overwrite)
    benchmarks = load_benchmarks(arguments)
    model, processor = load_checkpoint(arguments.model)
    check_pictures(processor, benchmarks)
    settings = describe(arguments.model, model, options, benchmarks)
    log = AnswerLog(arguments.out, settings, overwrite=arguments.overwrite)
    records = answer_all(model, processor, benchmarks, log, options, console)
    by_name = {item.name: [record for record in records if record.benchmark == item.name] for item in benchmarks}
    summaries = {item.name: summarise(item.problems, by_name[item.name], pass_at=pass_at) for item in benchmarks}
    tables = _tables(benchmarks, summaries)
    _write_page(arguments, benchmarks, by_name, tables)
    seconds = round(time.monotonic() - start, 1)
    answers = [record.as_json() for record in records]
    results = settings | {"seconds": seconds, "benchmarks": summaries, "records": answers}
    log.finish(results)
    for table in tables:
        console.print(rich_table(table))
    console.print(f"results and page of answers: {arguments.out / PAGE_FILE}")
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
    arguments: argparse.Namespace,
    benchmarks: Sequence[Benchmark],
    records: dict[str, list[Record]],
    tables: Sequence[PageTable],
) -> None:
    problems = [problem for item in benchmarks for problem in item.problems]
    ordered = [group for item in benchmarks for group in _answers_of(item, records[item.name])]
    blank, samples = ", pictures blanked" if arguments.blank_pictures else "", arguments.samples
    write_answers_page(
        arguments.out / PAGE_FILE,
        f"Answers of {Path(arguments.model).name}",
        [blanked(problem) for problem in problems] if arguments.blank_pictures else problems,
        [[record.answer for record in group] for group in ordered],
        labels=["greedy", *(f"sample {number}" for number in range(1, samples + 1))],
        verdicts=[[record.verdict for record in group] for group in ordered],
        introduction=f"{len(problems)} problems, {1 + samples} answers to each, seed {arguments.seed}{blank}.",
        tables=tables,
    )


def _answers_of(benchmark: Benchmark, records: Sequence[Record]) -> list[list[Record]]:
    """For each problem its greedy answer, then its sampled ones."""
    count = len(benchmark.problems)
    samples = len(records) // count - 1
    return [
        [records[index], *records[count + index * samples : count + (index + 1) * samples]] for index in range(count)
    ]


if __name__ == "__main__":
    try:
        main()
    except ValueError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("interrupted; the same command goes on")
