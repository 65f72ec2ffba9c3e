"""Two finished evaluations on the same problems, compared by paired tests."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from full_scale.evaluation.answer_log import Answers, read_results
from full_scale.evaluation.intervals import Estimate, bootstrap, mcnemar_p
from full_scale.pages.tables import PageTable

Json: TypeAlias = dict[str, Any]

NOTE = (
    "Differences are B minus A, with 95 % intervals by a bootstrap over problems. p: McNemar's exact two-sided test of "
    "the problems whose greedy answer only one of them has right. One evaluation of one training run: neither says "
    "anything about other seeds of the training."
)
"""What the comparison can show."""


def compare(first: Path, second: Path) -> tuple[Json, PageTable]:
    """Paired tests of two finished evaluations, by the training reward and by official scoring.

    Args:
        first: Folder of evaluation A.
        second: Folder of evaluation B.

    Returns:
        The figures by benchmark, and a table of them.

    Raises:
        ValueError: One is not finished, or their problems differ.
    """
    (a, answers_a), (b, answers_b) = read_results(first), read_results(second)
    mine, other = a["settings"], b["settings"]
    _check_same_problems(mine["data"], other["data"])
    differing = [name for name in mine if name != "data" and mine[name] != other.get(name)]
    result: Json = {"a": str(first), "b": str(second), "differing_settings": differing, "benchmarks": {}}
    rows = []
    for name in mine["data"]:
        figures = {
            scoring: figure
            for scoring in ("correct", "official")
            if (figure := _compare_scoring(_rights(answers_a[name], scoring), _rights(answers_b[name], scoring)))
        }
        result["benchmarks"][name] = figures
        rows += [row for scoring, figure in figures.items() for row in _rows(name, scoring, figure)]
    columns = ["benchmark", "answers", "A", "B", "difference", "only A / B right", "p"]
    settings = f"A is {first}, B is {second}; they differ in: {', '.join(differing) or 'nothing'}. "
    return result, PageTable("Comparison of two evaluations", columns, rows, settings + NOTE)


def _check_same_problems(a: Mapping[str, Json], b: Mapping[str, Json]) -> None:
    if list(a) != list(b):
        raise ValueError(f"benchmarks differ: {', '.join(a)} against {', '.join(b)}; evaluate both on the same ones.")
    for name in a:
        mine, other = a[name]["problems"], b[name]["problems"]
        if mine != other:
            different = sum(x != y for x, y in zip(mine, other, strict=False)) + abs(len(mine) - len(other))
            raise ValueError(
                f"{name}: {different} of {max(len(mine), len(other))} problems differ; "
                "evaluate both with the same --dataset, --split, --limit and --seed."
            )


def _rights(answers: Answers, scoring: str) -> dict[str, NDArray[np.float64]]:
    """Kind of answer -> share of right answers per problem, ``[problems]``; empty where there is no such scoring."""
    groups = {"greedy": [[record] for record in answers.greedy], "sampled": answers.sampled}
    return {
        kind: np.array([np.mean([getattr(record.verdict, scoring) for record in records]) for records in given])
        for kind, given in groups.items()
        if given[0] and getattr(given[0][0].verdict, scoring) is not None
    }


def _compare_scoring(a: Mapping[str, NDArray[np.float64]], b: Mapping[str, NDArray[np.float64]]) -> Json:
    return {kind: _paired(a[kind], b[kind], greedy=kind == "greedy") for kind in a if kind in b}


def _paired(a: NDArray[np.float64], b: NDArray[np.float64], *, greedy: bool) -> Json:
    difference = b - a
    estimate = bootstrap(lambda draw: float(difference[draw].mean()), len(difference))
    figures: Json = {"a": float(a.mean()), "b": float(b.mean()), "difference": estimate.as_json()}
    if greedy:
        only_a, only_b = int((difference < 0).sum()), int((difference > 0).sum())
        figures |= {"only_a": only_a, "only_b": only_b, "p": mcnemar_p(only_a, only_b)}
    return figures


def _rows(name: str, scoring: str, figures: Mapping[str, Json]) -> list[Sequence[str]]:
    label = {"correct": "training reward", "official": "official scoring"}[scoring]
    return [
        (
            name,
            f"{kind}, {label}",
            f"{figure['a']:.1%}",
            f"{figure['b']:.1%}",
            Estimate(**figure["difference"]).as_text(percent=True),
            f"{figure['only_a']} / {figure['only_b']}" if "only_a" in figure else "",
            f"{figure['p']:.3g}" if "p" in figure else "",
        )
        for kind, figure in figures.items()
    ]
