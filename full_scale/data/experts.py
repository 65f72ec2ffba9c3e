"""Expert solutions: where they come from, the response they make, and whether the verifier accepts it."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from full_scale.data.records import Cell, Record, column, did_you_mean, names_of, read_jsonl
from full_scale.problems.problem import Problem


class Experts:
    """A source of expert solutions.

    Args:
        source: "dataset", "column:<name>", "file:<path>", "answer_only" or "none", as in `load_problems`.

    Raises:
        ValueError: `source` is not valid, or its file is missing or broken.
    """

    def __init__(self, source: str) -> None:
        self._source = source
        self._written: dict[tuple[str, str], str] = {}
        kind, _, name = source.partition(":")
        if source not in ("dataset", "none", "answer_only") and (kind not in ("column", "file") or not name):
            raise ValueError(
                f"experts must be dataset, column:<name>, file:<path>, answer_only or none, got {source!r}"
            )
        if kind == "file":
            self._written = read_experts(Path(name).expanduser())

    def give(self, problem: Problem, record: Record) -> Problem:
        """Give a problem its expert solution.

        Args:
            problem: A loaded problem.
            record: The record it comes from.

        Returns:
            The problem with the solution, or None where there is none.

        Raises:
            ValueError: The named column is missing.
        """
        kind, _, name = self._source.partition(":")
        if kind == "dataset":
            return problem
        return dataclasses.replace(problem, solution=self._solution(kind, name, problem, record))

    def check_use(self, problems: Sequence[Problem]) -> None:
        """Refuse a file of experts that fits none of the problems.

        Args:
            problems: The loaded problems.

        Raises:
            ValueError: No problem found its expert in the file.
        """
        if self._source.startswith("file:") and all(problem.solution is None for problem in problems):
            raise ValueError(
                f"{self._source} has no expert for any of the {len(problems)} problems of "
                f"{problems[0].source!r}; was it made for another data set or split?"
            )

    def _solution(self, kind: str, name: str, problem: Problem, record: Record) -> str | None:
        if kind == "answer_only":
            return f"The answer is {problem.answer}."
        if kind == "file":
            return self._written.get((problem.source, problem.id))
        if kind == "none":
            return None
        if name not in record:
            raise ValueError(
                f"{problem.name} has no column {name!r}; its columns are {names_of(record)}{did_you_mean(name, record)}"
            )
        return _text(record[name]) or None


def _text(cell: Cell) -> str:
    """The text of a cell: itself, or an assistant's last turn where the column holds a chat."""
    if isinstance(cell, list | tuple) and cell and isinstance(cell[-1], dict) and "content" in cell[-1]:
        return str(cell[-1]["content"])
    return "" if cell is None else str(cell)


def read_experts(path: Path) -> dict[tuple[str, str], str]:
    """What make_experts.py wrote and the verifier accepted.

    Args:
        path: A file of JSON lines with source, id, response and status.

    Returns:
        (source, id) -> response.

    Raises:
        ValueError: The file is missing, or a line is not such a record.
    """
    if not path.is_file():
        raise ValueError(f"no file of experts {path}; make one with full_scale/make_experts.py")
    rows = list(read_jsonl(path))
    for number, row in enumerate(rows, start=1):
        for name in ("source", "id", "response", "status"):
            column(row, name, f"expert {number} of {path}")
    return {(row["source"], row["id"]): row["response"] for row in rows if row["status"] == "accepted"}


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
