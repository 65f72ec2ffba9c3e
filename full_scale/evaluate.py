"""Scores a checkpoint: greedy accuracy with its interval, and with ``--samples`` pass@k and the policy's entropy.

python full_scale/evaluate.py --model runs/full_scale --dataset rendered
python full_scale/evaluate.py --model runs/full_scale --dataset tests/data/geometry3k
"""

import argparse
import json
import math
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

if __package__ in (None, ""):  # run as a script: make the repository importable
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from transformers.modeling_utils import PreTrainedModel
from transformers.processing_utils import ProcessorMixin
from transformers.utils import logging as transformers_logging

from full_scale.data import load_problems
from full_scale.model import TINY_MODEL, load_model
from full_scale.problem import Problem
from full_scale.processor import load_processor
from full_scale.rewards import is_correct
from full_scale.sampling import Answer, answer_problems

Z_95 = 1.959963984540054  # the normal distribution's 97.5 % quantile


def wilson_interval(correct: int, count: int) -> tuple[float, float]:
    """The 95 % Wilson interval of a share.

    Args:
        correct: Successes.
        count: Trials, at least 1.

    Returns:
        Lower and upper end, in [0, 1].
    """
    share, z2 = correct / count, Z_95**2
    middle = (share + z2 / (2 * count)) / (1 + z2 / count)
    half = Z_95 * math.sqrt(share * (1 - share) / count + z2 / (4 * count**2)) / (1 + z2 / count)
    return (middle - half if correct else 0.0), (middle + half if correct < count else 1.0)


def evaluate(
    model: PreTrainedModel, processor: ProcessorMixin, problems: Sequence[Problem], *, samples: int, **options: object
) -> dict[str, Any]:
    """Answer every problem greedily, and ``samples`` times at temperature 1.

    Args:
        model: The model.
        processor: Its processor.
        problems: What to answer.
        samples: Sampled responses per problem; 0 for none.
        options: Further options of :func:`~full_scale.sampling.answer_problems`.

    Returns:
        What results.json holds.
    """
    greedy = [given for (given,) in answer_problems(model, processor, problems, greedy=True, **options)]
    verdicts = [is_correct(given.text, problem) for given, problem in zip(greedy, problems, strict=True)]
    results: dict[str, Any] = {
        "problems": len(problems),
        "greedy_accuracy": sum(verdicts) / len(problems),
        "interval_95": wilson_interval(sum(verdicts), len(problems)),
        "categories": _by_category(problems, verdicts),
        "answers": [
            {"id": problem.id, "answer": problem.answer, "response": given.text, "correct": verdict}
            for problem, given, verdict in zip(problems, greedy, verdicts, strict=True)
        ],
    }
    if samples:
        results |= _sampled(problems, answer_problems(model, processor, problems, samples=samples, **options))
    return results


def _by_category(problems: Sequence[Problem], verdicts: Sequence[bool]) -> dict[str, Any]:
    groups = defaultdict(list)
    for problem, verdict in zip(problems, verdicts, strict=True):
        groups[problem.category or "all"].append(verdict)
    return {
        name: {"problems": len(group), "accuracy": sum(group) / len(group)} for name, group in sorted(groups.items())
    }


def _sampled(problems: Sequence[Problem], answers: Sequence[Sequence[Answer]]) -> dict[str, float]:
    verdicts = [
        [is_correct(answer.text, problem) for answer in given] for given, problem in zip(answers, problems, strict=True)
    ]
    flat = [answer for given in answers for answer in given]
    samples, tokens = len(verdicts[0]), sum(answer.length for answer in flat)
    return {
        "sampled_accuracy": sum(map(sum, verdicts)) / len(flat),
        f"pass_at_{samples}": sum(map(any, verdicts)) / len(verdicts),
        "entropy": sum(answer.entropy * answer.length for answer in flat) / tokens,
        "mean_length": tokens / len(flat),
    }


def main(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    """Evaluate a checkpoint and write results.json.

    Args:
        arguments: Command line; None reads ``sys.argv``.

    Returns:
        What results.json holds.

    Raises:
        ValueError: If the results file exists, or the data or the model does not fit.
    """
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=str(TINY_MODEL), help="folder or hub id of a checkpoint")
    parser.add_argument("--dataset", default="rendered", help="'rendered', a folder or file, or '<layout>:<path>'")
    parser.add_argument("--split", default="test", help="split of the data set")
    parser.add_argument("--limit", type=int, default=None, help="at most so many problems (rendered: 2000 without)")
    parser.add_argument("--samples", type=int, default=0, help="sampled responses per problem, for pass@k and entropy")
    parser.add_argument("--instruct", action="store_true", help="append the paper's instruction to each question")
    parser.add_argument("--max-response-length", type=int, default=48, help="tokens")
    parser.add_argument("--batch-size", type=int, default=64, help="prompts at once")
    parser.add_argument("--seed", type=int, default=0, help="of the problems and the sampling")
    parser.add_argument("--out", type=Path, default=Path("runs/evaluation.json"), help="where the results go")
    parser.add_argument("--overwrite", action="store_true", help="replace a former result")
    options = parser.parse_args(arguments)
    if options.out.exists() and not options.overwrite:
        raise ValueError(f"results file {options.out} exists; choose another --out, or --overwrite.")
    transformers_logging.disable_progress_bar()
    problems = load_problems(options.dataset, split=options.split, limit=options.limit, seed=options.seed)
    results = {"model": options.model, "dataset": options.dataset, "split": options.split, "seed": options.seed}
    results |= evaluate(
        load_model(options.model),
        load_processor(options.model),
        problems,
        samples=options.samples,
        instruct=options.instruct,
        max_new_tokens=options.max_response_length,
        batch_size=options.batch_size,
        seed=options.seed,
    )
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(results, indent=2) + "\n")
    low, high = results["interval_95"]
    print(f"accuracy {results['greedy_accuracy']:.1%} [{low:.1%}, {high:.1%}] on {results['problems']} problems")
    for name in sorted(set(results) & {"sampled_accuracy", f"pass_at_{options.samples}", "entropy", "mean_length"}):
        print(f"{name} {results[name]:.3f}")
    print(f"results in {options.out}")
    return results


if __name__ == "__main__":
    try:
        main()
    except ValueError as error:
        sys.exit(f"error: {error}")
