"""Few-shot prompts: solved training problems in front of each question, where a model does not know the format."""

import dataclasses
from collections.abc import Sequence

from full_scale.data.experts import expert_response
from full_scale.data.loading import load_problems
from full_scale.problems.problem import Problem

_LOOKED_AT = 10
"""So many times as many training problems are read as examples are wanted: some have no expert."""


def with_shots(
    problems: Sequence[Problem],
    dataset: str,
    *,
    shots: int,
    experts: str = "dataset",
    columns: str | None = None,
    seed: int = 0,
) -> list[Problem]:
    """Put worked examples in front of every question; the same ones, but never the problem itself.

    Args:
        problems: What is asked.
        dataset: Whose training split has the examples, as in `load_problems`.
        shots: Examples in front of each question; 0 changes nothing.
        experts: Where the examples' solutions come from, as in `load_problems`.
        columns: As there.
        seed: As there.

    Returns:
        The problems, with longer questions.

    Raises:
        ValueError: There are too few solved training problems, or the problems have pictures.
    """
    if shots == 0:
        return list(problems)
    if any(problem.images for problem in problems):
        raise ValueError(f"shots={shots}: expected questions without pictures, {dataset} has some. Fix: --shots 0.")
    pool = load_problems(
        dataset, split="train", limit=_LOOKED_AT * (shots + 1), experts=experts, columns=columns, seed=seed
    )
    solved = [problem for problem in pool if problem.solution is not None]
    if len(solved) <= shots:
        raise ValueError(
            f"shots={shots}: expected more solved training problems than that, found {len(solved)} among the first "
            f"{len(pool)} of {dataset}. Fix: --shots {max(len(solved) - 1, 0)}, or other --experts."
        )
    return [_after(problem, [one for one in solved if one.id != problem.id][:shots]) for problem in problems]


def _after(problem: Problem, examples: Sequence[Problem]) -> Problem:
    worked = [f"{one.question}\n{expert_response(one)}\n\n" for one in examples]
    return dataclasses.replace(problem, question="".join(worked) + problem.question)
