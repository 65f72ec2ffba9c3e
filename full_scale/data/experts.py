"""Expert solutions: where they come from, the response they make, and whether the verifier accepts it."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from full_scale.data.records import Record
from full_scale.problem import Problem
from full_scale.rewards import answer_matches, is_correct, unboxed


def with_expert(problem: Problem, record: Record, experts: str) -> Problem:
    """Give a problem the expert solution that was asked for.

    Args:
        problem: A loaded problem.
        record: The record it comes from.
        experts: "dataset", "column:<name>", "answer_only" or "none", as in `load_problems`.

    Returns:
        The problem with the solution, or None where there is none.

    Raises:
        ValueError: `experts` is not valid, or the named column is missing.
    """
    kind, _, name = experts.partition(":")
    if experts == "dataset":
        return problem
    if experts == "none":
        return dataclasses.replace(problem, solution=None)
    if experts == "answer_only":
        return dataclasses.replace(problem, solution=f"The answer is {problem.answer}.")
    if kind != "column" or not name:
        raise ValueError(f"experts must be dataset, column:<name>, answer_only or none, got {experts!r}")
    if name not in record:
        raise ValueError(f"{problem.name} has no column {name!r}; its columns are {', '.join(record) or 'none'}")
    return dataclasses.replace(problem, solution=str(record[name]) if record[name] else None)


def expert_response(problem: Problem) -> str | None:
    """The expert's whole response, in the format that the rewards ask for.

    Args:
        problem: A problem.

    Returns:
        "<think>...</think><answer>...</answer>", or None where the problem has no expert. A solution that has its own
        <answer> is the response as it is.
    """
    if problem.solution is None or "<answer>" in problem.solution:
        return problem.solution
    return f"<think>{problem.solution}</think><answer>{problem.answer}</answer>"


@dataclass(frozen=True, kw_only=True)
class ExpertReport:
    """How many experts were kept; `rejected` holds the ids of those that the verifier refused."""

    kept: int
    missing: int
    rejected: tuple[str, ...]

    def __str__(self) -> str:
        """One line for the log."""
        return f"experts: {self.kept} kept, {self.missing} problems without one, {len(self.rejected)} rejected" + (
            f" ({', '.join(self.rejected[:5])}{' ...' if len(self.rejected) > 5 else ''})" if self.rejected else ""
        )


def verified_experts(problems: Sequence[Problem]) -> tuple[list[Problem], ExpertReport]:
    r"""Drop the experts whose final answer the verifier rejects; their problems stay, without an expert.

    A solution's own final answer is its <answer> or its last \boxed{...}; one that states none cannot be refuted.

    Args:
        problems: Loaded problems.

    Returns:
        The problems in their order, and the counts.
    """
    rejected = tuple(problem.id for problem in problems if _refuted(problem))
    kept = [dataclasses.replace(problem, solution=None) if _refuted(problem) else problem for problem in problems]
    experts = sum(problem.solution is not None for problem in kept)
    return kept, ExpertReport(kept=experts, missing=len(kept) - experts - len(rejected), rejected=rejected)


def _refuted(problem: Problem) -> bool:
    solution = problem.solution or ""
    if "<answer>" in solution:
        return not is_correct(solution, problem)
    return "\\boxed{" in solution and not answer_matches(unboxed(solution), problem)
