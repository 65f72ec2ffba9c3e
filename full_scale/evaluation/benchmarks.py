"""The benchmarks of an evaluation: their problems, and what must hold before they are answered."""

import dataclasses
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from full_scale.data import Quarantine, find_schema, load_problems
from full_scale.data.readable import readable_problems
from full_scale.data.shots import with_shots
from full_scale.evaluation.request import Request
from full_scale.model.processor import Processor
from full_scale.problems.problem import Problem


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """Problems under a name that is the same on every machine."""

    name: str
    dataset: str
    split: str
    problems: list[Problem]

    @property
    def fingerprints(self) -> list[str]:
        """What identifies each problem: its text and answer, not its picture, so that blanked ones can be compared."""
        texts = (f"{item.id}\0{item.question}\0{item.choices}\0{item.answer}" for item in self.problems)
        return [hashlib.sha256(text.encode()).hexdigest()[:12] for text in texts]


def load_benchmarks(request: Request, quarantine: Quarantine | None) -> list[Benchmark]:
    """The problems of every data set.

    Args:
        request: What is evaluated.
        quarantine: Takes broken records; without one the first ends the program.

    Returns:
        One benchmark per data set; a second one of the same source is numbered.

    Raises:
        ValueError: An unknown data set or split, no problems, or a broken record.
    """
    benchmarks: list[Benchmark] = []
    for dataset in request.dataset:
        split = request.split or scored_split(dataset, request.columns)
        problems = load_problems(
            dataset,
            split=split,
            limit=request.limit,
            seed=request.seed,
            columns=request.columns,
            quarantine=quarantine,
        )
        problems = with_shots(problems, dataset, shots=request.examples, columns=request.columns, seed=request.seed)
        source = problems[0].source
        same = sum(item.name.split(" #")[0] == source for item in benchmarks)
        name = f"{source} #{same + 1}" if same else source
        benchmarks.append(Benchmark(name=name, dataset=dataset, split=split, problems=problems))
    return benchmarks


def scored_split(dataset: str, columns: str | None = None) -> str:
    """The split that a data set is scored on: its first one that is not for training or validation.

    Args:
        dataset: As in :func:`~full_scale.data.load_problems`.
        columns: As there.

    Returns:
        "test" for most, "testmini" for MathVista and MathVerse, "train" where there is no other.

    Raises:
        ValueError: Unknown data set.
    """
    return find_schema(dataset, columns)[0].scored_split


def readable_benchmarks(
    processor: Processor, benchmarks: Sequence[Benchmark], quarantine: Quarantine | None = None
) -> list[Benchmark]:
    """The benchmarks as the model can read them.

    Args:
        processor: Of the model.
        benchmarks: What it shall answer.
        quarantine: Takes problems with a special token of the model; without one the first ends the program.

    Returns:
        The benchmarks, without these problems.

    Raises:
        ValueError: A benchmark has pictures and the model reads text only, or a special token, which is named.
    """
    for benchmark in benchmarks:
        if isinstance(processor, PreTrainedTokenizerBase) and any(problem.images for problem in benchmark.problems):
            raise ValueError(
                f"{benchmark.name} has pictures, but the model reads text only. Fix: choose another --dataset."
            )
    return [
        dataclasses.replace(item, problems=readable_problems(item.problems, processor, quarantine))
        for item in benchmarks
    ]
