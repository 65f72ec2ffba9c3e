"""Scores a checkpoint on benchmarks: accuracy by the training reward and by official scoring, pass@k, entropy, ECE.

python full_scale/evaluate.py --model runs/full_scale --samples 8
python full_scale/evaluate.py --model runs/full_scale --dataset rendered tests/data/geometry3k --out runs/evaluation
python full_scale/evaluate.py --compare runs/evaluation_before runs/evaluation
"""

import argparse
import dataclasses
import hashlib
import platform
import sys
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

if __package__ in (None, ""):  # run as a script: make the repository importable
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch
from rich.console import Console
from rich.table import Table
from transformers.modeling_utils import PreTrainedModel
from transformers.tokenization_utils_base import PreTrainedTokenizerBase
from transformers.utils import logging as transformers_logging

from full_scale.answer_log import PAGE_FILE, AnswerLog, Record, check_folder
from full_scale.answering import Benchmark, Options, answer_all, blanked
from full_scale.answers_page import PageTable, write_answers_page
from full_scale.comparison import compare
from full_scale.data import find_schema, load_problems
from full_scale.model import SHIPPED_MODELS, load_model
from full_scale.processor import Processor, load_processor
from full_scale.summary import category_table, disagreement_table, overview, summarise

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


def check_pass_at(pass_at: Sequence[int] | None, samples: int) -> list[int]:
    """Which k of pass@k can be estimated.

    Args:
        pass_at: As asked for; None for the number of samples.
        samples: Sampled responses per problem.

    Returns:
        The k.

    Raises:
        ValueError: One is below 1 or above the samples.
    """
    if pass_at is None:
        return [samples] if samples else []
    for k in pass_at:
        if not 1 <= k <= samples:
            raise ValueError(f"--pass-at {k}: k must be 1 to the number of samples, {samples}; raise --samples.")
    return list(pass_at)


def load_benchmarks(arguments: argparse.Namespace) -> list[Benchmark]:
    """The problems of every data set.

    Args:
        arguments: Of the command line.

    Returns:
        One benchmark per data set; a second one of the same source is numbered.

    Raises:
        ValueError: An unknown data set or split, no problems, or a broken record.
    """
    benchmarks: list[Benchmark] = []
    for dataset in arguments.dataset:
        split = arguments.split or scored_split(dataset)
        problems = load_problems(
            dataset, split=split, limit=arguments.limit, seed=arguments.seed, skip_broken=arguments.skip_broken
        )
        source = problems[0].source
        same = sum(item.name.split(" #")[0] == source for item in benchmarks)
        name = f"{source} #{same + 1}" if same else source
        benchmarks.append(Benchmark(name=name, dataset=dataset, split=split, problems=problems))
    return benchmarks


def scored_split(dataset: str) -> str:
    """The split that a data set is scored on: its first one that is not for training or validation.

    Args:
        dataset: As in :func:`~full_scale.data.load_problems`.

    Returns:
        "test" for most, "testmini" for MathVista and MathVerse, "train" where there is no other.

    Raises:
        ValueError: Unknown data set.
    """
    if dataset == "rendered":
        return "test"
    splits = find_schema(dataset)[0].splits
    return next((name for name in splits if not name.startswith(("train", "val"))), splits[0])


def load_checkpoint(name: str) -> tuple[PreTrainedModel, Processor]:
    """A model and its processor, on the GPU where there is one.

    Args:
        name: Folder or hub id, or "tiny" or "tiny-text" for a shipped model.

    Returns:
        Both.

    Raises:
        ValueError: There is no such checkpoint.
    """
    folder = SHIPPED_MODELS.get(name, name)
    try:
        model, processor = load_model(folder), load_processor(folder)
    except OSError as error:
        reason = str(error).partition("\n")[0]
        raise ValueError(f"--model {name!r} is neither a folder with a checkpoint nor a hub id: {reason}") from error
    model.to("cuda" if torch.cuda.is_available() else "cpu")  # type: ignore[arg-type]  # mypy takes the name for self
    return model, processor


def check_pictures(processor: Processor, benchmarks: Sequence[Benchmark]) -> None:
    """Refuse problems with pictures for a model that reads text only.

    Args:
        processor: Of the model.
        benchmarks: What it shall answer.

    Raises:
        ValueError: A benchmark has pictures that the model cannot see.
    """
    for benchmark in benchmarks:
        if isinstance(processor, PreTrainedTokenizerBase) and any(problem.images for problem in benchmark.problems):
            raise ValueError(f"{benchmark.name} has pictures, but the model reads text only; choose another --dataset.")


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


def model_fingerprint(model: PreTrainedModel) -> str:
    """A short digest of names, shapes and a sample of the weights, to notice that a checkpoint has changed.

    Args:
        model: The model.

    Returns:
        Twelve hexadecimal digits.
    """
    digest = hashlib.sha256()
    for name, weight in model.named_parameters():
        flat = weight.detach().flatten()
        sample = flat[:: max(1, len(flat) // 16)].float().cpu().numpy()
        digest.update(f"{name} {tuple(weight.shape)}".encode() + sample.tobytes())
    return digest.hexdigest()[:12]


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


def rich_table(table: PageTable) -> Table:
    """A page's table for the terminal."""
    shown = Table(title=table.title, title_justify="left", caption=table.note or None, caption_justify="left")
    for index, column in enumerate(table.columns):
        shown.add_column(column, justify="right" if index else "left", overflow="fold")
    for row in table.rows:
        shown.add_row(*row)
    return shown


if __name__ == "__main__":
    try:
        main()
    except ValueError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("interrupted; the same command goes on")
