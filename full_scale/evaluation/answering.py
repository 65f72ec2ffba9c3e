"""Answers to whole benchmarks: batch by batch, judged, logged at once, and resumable."""

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import PIL.Image
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from transformers.modeling_utils import PreTrainedModel

from full_scale.data.verdicts import judge
from full_scale.evaluation.answer_log import AnswerLog, Record
from full_scale.evaluation.benchmarks import Benchmark
from full_scale.evaluation.request import Options
from full_scale.model.answers import answer_batch, batch_seed
from full_scale.model.processor import Processor
from full_scale.problems.problem import Problem


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Answers that are generated in one call: some problems of a benchmark, greedily or sampled."""

    benchmark: Benchmark
    samples: int
    greedy: bool
    start: int
    problems: Sequence[Problem]

    @property
    def size(self) -> int:
        """How many answers."""
        return len(self.problems) * self.samples


def answer_all(
    model: PreTrainedModel,
    processor: Processor,
    benchmarks: Sequence[Benchmark],
    log: AnswerLog,
    options: Options,
    console: Console,
) -> list[Record]:
    """Answer and judge what the log does not hold yet.

    Args:
        model: The model.
        processor: Its processor.
        benchmarks: What to answer.
        log: Where answers are appended, batch by batch.
        options: How to answer.
        console: For the progress bar; a quiet one shows none.

    Returns:
        All records, in the order of :func:`plan`.
    """
    batches, records = list(plan(benchmarks, options.samples, options.batch_size)), log.records()
    done = 0
    while batches and done + batches[0].size <= len(records):
        done += batches.pop(0).size
    records = records[:done]
    log.keep(records)
    if done:
        console.print(f"going on after {done} answers")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), "left")
    with Progress(*columns, TimeRemainingColumn(), console=console, disable=console.quiet) as progress:
        task = progress.add_task("answers", total=done + sum(batch.size for batch in batches), completed=done)
        for batch in batches:
            progress.update(task, description=f"{batch.benchmark.name}, {'greedy' if batch.greedy else 'sampled'}")
            new = answer_and_judge(model, processor, batch, options)
            log.append(new)
            records += new
            progress.advance(task, len(new))
    return records


def plan(benchmarks: Sequence[Benchmark], samples: int, batch_size: int) -> Iterator[Batch]:
    """All batches in order: benchmark by benchmark, the greedy answers before the sampled ones.

    Args:
        benchmarks: What to answer.
        samples: Sampled responses per problem.
        batch_size: Problems at once.

    Yields:
        The batches.
    """
    for benchmark in benchmarks:
        for greedy, count in ((True, 1), (False, samples)):
            for start in range(0, len(benchmark.problems) if count else 0, batch_size):
                problems = benchmark.problems[start : start + batch_size]
                yield Batch(benchmark=benchmark, samples=count, greedy=greedy, start=start, problems=problems)


def answer_and_judge(
    model: PreTrainedModel,
    processor: Processor,
    batch: Batch,
    options: Options,
) -> list[Record]:
    """One batch of records.

    Args:
        model: The model.
        processor: Its processor.
        batch: What to answer, and how.
        options: How to answer.

    Returns:
        The records, problem by problem.
    """
    given = answer_batch(
        model,
        processor,
        shown(batch.problems, blank=options.blank_pictures),
        samples=batch.samples,
        greedy=batch.greedy,
        max_new_tokens=options.max_response_length,
        instruct=options.instruct,
        seed=batch_seed(options.seed, batch.start),
    )
    return [
        Record(
            benchmark=batch.benchmark.name,
            id=problem.id,
            kind="greedy" if batch.greedy else "sampled",
            sample=sample,
            answer=answer,
            verdict=judge(answer.text, problem),
        )
        for problem, answers in zip(batch.problems, given, strict=True)
        for sample, answer in enumerate(answers)
    ]


def shown(problems: Sequence[Problem], *, blank: bool) -> Sequence[Problem]:
    """Problems as the model sees them: with blanked pictures, or as they are."""
    return [blanked(problem) for problem in problems] if blank else problems


def blanked(problem: Problem) -> Problem:
    """The problem with white pictures of the same sizes.

    Args:
        problem: A problem.

    Returns:
        The same problem; what it can be answered by is its text only.
    """
    return dataclasses.replace(problem, images=tuple(_white(picture.size) for picture in problem.rgb_images()))


@cache
def _white(size: tuple[int, int]) -> PIL.Image.Image:
    return PIL.Image.new("RGB", size, "white")
