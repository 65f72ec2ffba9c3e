"""From judged answers to the figures of an evaluation, each with its 95 % interval, and the tables that show them."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from calibrl_ref import expected_calibration_error
from full_scale.data.verdicts import BY_SOURCE, scoring_of, why_different
from full_scale.evaluation.answer_log import Answers, Record
from full_scale.evaluation.intervals import Draw, Estimate, bootstrap, pass_at_k, share
from full_scale.pages.tables import PageTable
from full_scale.problems.problem import Problem
from full_scale.problems.ways import Ways
from full_scale.verifier.answer import judgement

Json: TypeAlias = dict[str, Any]

IMAGE_VERSIONS = ("Text Dominant", "Text Lite", "Vision Intensive", "Vision Dominant", "Vision Only")
"""MathVerse's versions with a picture: its authors report the mean over them, and Text Only apart."""

EXAMPLES = 5
"""Problems named for each reason of a disagreement."""

METRICS: dict[str, tuple[str, bool]] = {
    "accuracy": ("accuracy by the training reward", True),
    "official_accuracy": ("accuracy by the official scoring", True),
    "well_formed": ("format kept", True),
    "finished": ("ended by itself", True),
    "sound_share": ("take the sound way", True),
    "shortcut_share": ("take the shortcut", True),
    "neither_share": ("take neither", True),
    "entropy": ("entropy, nats per token", False),
    "length": ("length, tokens", False),
    "ece": ("ECE", False),
}
"""Metric of a kind of answer -> its name in a table, and whether it is shown in per cent."""

DECISIONS: dict[str, tuple[str, bool]] = {
    "sound_probability": ("probability of the sound way", True),
    "shortcut_probability": ("probability of the shortcut", True),
    "decision_entropy": ("entropy, nats", False),
}
"""Measure of the first decision, exact -> as in :data:`METRICS`."""

NOTE = (
    "Brackets: 95 % intervals, Wilson's for shares of greedy answers and where all answers are alike, otherwise "
    "bootstrap percentiles over problems. "
    "Entropy is the policy's, mean over all tokens of the answers; a token's log-probability and entropy are those at "
    "temperature 1. ECE: expected calibration error in 10 bins of correctness (by the training reward) against the "
    "confidence exp(mean log-probability of the answer's tokens). pass@k: chance that one of k samples is right, "
    "unbiased estimate (Chen et al. 2021). The first decision is exact, from the logits."
)
"""How the figures are defined."""


def summarise(
    problems: Sequence[Problem],
    answers: Answers,
    *,
    pass_at: Sequence[int],
    decision: Mapping[str, Sequence[float]] | None = None,
) -> Json:
    """All figures of one benchmark.

    Args:
        problems: The benchmark's problems.
        answers: To them.
        pass_at: Which k of pass@k; each at most the samples per problem.
        decision: Where the problems tell ways apart: what :func:`full_scale.evaluation.held_out.decisions` gives.

    Returns:
        What results.json holds for the benchmark, estimates as ``{"value", "low", "high"}``.
    """
    greedy = [[record] for record in answers.greedy]
    sampled = answers.sampled if any(answers.sampled) else []
    summary: Json = {"problems": len(problems), "greedy": response_metrics(greedy)}
    summary["sampled"] = response_metrics(sampled) | {"pass_at": _pass_at(sampled, pass_at)} if sampled else None
    if problems[0].ways is not None:
        summary["greedy"] |= _ways(problems[0].ways, greedy)
        summary["sampled"] = summary["sampled"] and summary["sampled"] | _ways(problems[0].ways, sampled)
    if decision:
        summary["first_decision"] = {
            name: _bootstrap_mean(np.array(values)).as_json() for name, values in decision.items()
        }
    summary["categories"] = _categories(problems, answers)
    if problems[0].source == "mathverse":
        summary["image_versions"] = _image_versions(problems, answers.greedy)
    if problems[0].task is not None:
        summary["unknown_programs"] = _unknown(problems, [*greedy, *sampled])
    summary["disagreements"] = disagreements(problems, [*greedy, *sampled])
    if (official := scoring_of(problems[0].source)) and official.warning:
        summary["warning"] = official.warning
    return summary


def _unknown(problems: Sequence[Problem], groups: Sequence[Sequence[Record]]) -> int:
    """How many answers are programs that cannot be run on this machine: they count as wrong."""
    by_id = {problem.id: problem for problem in problems}
    verdicts = [judgement(record.answer.text, by_id[record.id]) for group in groups for record in group]
    return sum(verdict is not None and verdict.outcome == "unknown" for verdict in verdicts)


def response_metrics(groups: Sequence[Sequence[Record]]) -> Json:
    """The figures of one kind of answers.

    Args:
        groups: For each problem its answers, equally many.

    Returns:
        Metric of :data:`METRICS` -> estimate; None for an official accuracy where the source has no scoring.
    """
    official = groups[0][0].verdict.official is not None
    length, log_prob = _table(groups, "length"), _table(groups, "log_prob")
    entropy = (_table(groups, "entropy") * length).sum(axis=1)
    tokens = length.sum(axis=1)
    estimates = {
        "accuracy": _mean(_table(groups, "correct")),
        "official_accuracy": _mean(_table(groups, "official")) if official else None,
        "well_formed": _mean(_table(groups, "well_formed")),
        "finished": _mean(_table(groups, "finished")),
        "entropy": bootstrap(lambda draw: entropy[draw].sum() / tokens[draw].sum(), len(groups)),
        "length": _bootstrap_mean(length.mean(axis=1)),
        "ece": _calibration(np.exp(log_prob / length), _table(groups, "correct")),
    }
    return {name: estimate and estimate.as_json() for name, estimate in estimates.items()}


def _table(groups: Sequence[Sequence[Record]], name: str) -> NDArray[np.float64]:
    """A field of answer or verdict, ``[problems, samples]``."""
    rows = [[{**vars(record.answer), **vars(record.verdict)}[name] for record in group] for group in groups]
    return np.array(rows, dtype=np.float64)


def _mean(verdicts: NDArray[np.float64]) -> Estimate:
    one_each = verdicts.shape[1] == 1
    return share(verdicts[:, 0].astype(bool).tolist()) if one_each else _chance(verdicts.mean(axis=1))


def _chance(values: NDArray[np.float64]) -> Estimate:
    """The mean of chances; where all are 0 or all 1, as if each problem had one answer: a bootstrap sees no spread."""
    if values.min() == values.max() and values[0] in (0.0, 1.0):
        return share((values == 1.0).tolist())
    return _bootstrap_mean(values)


def _bootstrap_mean(values: NDArray[np.float64]) -> Estimate:
    """The mean over problems, ``[problems]``."""
    return bootstrap(lambda draw: float(values[draw].mean()), len(values))


def _calibration(confidence: NDArray[np.float64], correct: NDArray[np.float64]) -> Estimate:
    confident, right = torch.from_numpy(confidence).clamp(0.0, 1.0), torch.from_numpy(correct).bool()

    def error(draw: Draw) -> float:
        """Calibration error of the drawn problems."""
        return float(expected_calibration_error(confident[draw].flatten(), right[draw].flatten()))

    return bootstrap(error, len(confidence))


def _ways(ways: Ways, groups: Sequence[Sequence[Record]]) -> Json:
    taken = [ways.shares([record.answer.text for record in group]) for group in groups]
    return {name: _chance(np.array([one[name] for one in taken])).as_json() for name in taken[0]}


def _pass_at(sampled: Sequence[Sequence[Record]], pass_at: Sequence[int]) -> Json:
    right = _table(sampled, "correct").sum(axis=1).astype(np.int64)
    return {str(k): _chance(pass_at_k(right, len(sampled[0]), k)).as_json() for k in pass_at}


def _categories(problems: Sequence[Problem], answers: Answers) -> Json:
    members = defaultdict(list)
    for index, problem in enumerate(problems):
        members[problem.category or "all"].append(index)
    categories: Json = {}
    for name, indices in sorted(members.items()):
        first = [answers.greedy[index].verdict for index in indices]
        drawn = [answers.sampled[index] for index in indices]
        several = _table(drawn, "correct") if any(drawn) else None
        categories[name] = {
            "problems": len(indices),
            "accuracy": share([verdict.correct for verdict in first]).as_json(),
            "official_accuracy": None
            if first[0].official is None
            else share([bool(verdict.official) for verdict in first]).as_json(),
            "sampled_accuracy": None if several is None else _mean(several).as_json(),
        }
    return categories


def _image_versions(problems: Sequence[Problem], greedy: Sequence[Record]) -> Json:
    """The mean over MathVerse's versions with a picture; versions are weighted equally, as its authors do."""
    pictured = [index for index, problem in enumerate(problems) if problem.category in IMAGE_VERSIONS]
    version = np.array([problems[index].category for index in pictured])
    present = [name for name in IMAGE_VERSIONS if name in version]
    result: Json = {"versions": present, "problems": len(pictured), "accuracy": None, "official_accuracy": None}
    for metric, field in (("accuracy", "correct"), ("official_accuracy", "official")) if pictured else ():
        right = _table([[greedy[index]] for index in pictured], field)[:, 0]

        def mean(draw: Draw, right: NDArray[np.float64] = right) -> float:
            """Mean over the versions of the accuracy on the drawn problems."""
            drawn = [right[draw][version[draw] == name] for name in present]
            return float(np.mean([values.mean() for values in drawn if len(values)]))

        alike = right.min() == right.max()
        result[metric] = (_chance(right) if alike else bootstrap(mean, len(pictured))).as_json()
    return result


def disagreements(problems: Sequence[Problem], groups: Sequence[Sequence[Record]]) -> list[Json]:
    """Where reward and official scoring judge differently, counted by cause.

    Args:
        problems: The benchmark's problems.
        groups: Answers of any kind.

    Returns:
        One entry per cause and direction, the most frequent first: count, reason, which one says right, examples.
    """
    by_id = {problem.id: problem for problem in problems}
    found = defaultdict(list)
    for record in (record for group in groups for record in group if record.verdict.differs):
        reason = why_different(record.answer.text, by_id[record.id])
        found["reward" if record.verdict.correct else "official", reason].append(record.id)
    return [
        {"count": len(ids), "right_by": side, "reason": reason, "examples": list(dict.fromkeys(ids))[:EXAMPLES]}
        for (side, reason), ids in sorted(found.items(), key=lambda item: -len(item[1]))
    ]


def overview(benchmarks: Mapping[str, Json]) -> PageTable:
    """The figures of all benchmarks, one column each; below them what must be said of an official score."""
    summaries = benchmarks.values()
    rows = [["problems", *(str(summary["problems"]) for summary in summaries)]]
    for kind, metrics in (("greedy", METRICS), ("sampled", METRICS), ("first_decision", DECISIONS)):
        figures = [summary.get(kind) or {} for summary in summaries]
        rows += [
            [f"{kind.replace('_', ' ')}: {label}", *(_cell(figure.get(name), percent) for figure in figures)]
            for name, (label, percent) in metrics.items()
        ]
    passes = [(summary["sampled"] or {}).get("pass_at", {}) for summary in summaries]
    for k in sorted({k for chances in passes for k in chances}, key=int):
        rows.append([f"pass@{k}", *(_cell(chances.get(k), True) for chances in passes)])
    unknown = [summary.get("unknown_programs") for summary in summaries]
    rows.append(["programs not runnable here", *("-" if count is None else str(count) for count in unknown)])
    warnings = [f"{name}: {summary['warning']}" for name, summary in benchmarks.items() if "warning" in summary]
    shown = [row for row in rows if set(row[1:]) != {"-"}]
    return PageTable("Figures", ["", *benchmarks], shown, " ".join([*warnings, NOTE]))


def category_table(name: str, summary: Json) -> PageTable:
    """One benchmark by category; for MathVerse with the mean over its versions with a picture."""
    columns = ["category", "problems", "greedy accuracy", "official scoring", "sampled accuracy"]
    entries = dict(summary["categories"])
    note = ""
    versions = summary.get("image_versions")
    if versions and versions["problems"]:
        entries |= {f"mean over {len(versions['versions'])} versions with a picture": versions}
        note = "MathVerse's authors report the mean over five versions with a picture, and Text Only apart."
    metrics = ("accuracy", "official_accuracy", "sampled_accuracy")
    rows = [
        [category, str(entry["problems"]), *(_cell(entry.get(metric), True) for metric in metrics)]
        for category, entry in entries.items()
    ]
    keep = [column for column in range(len(columns)) if any(row[column] != "-" for row in rows)]
    return PageTable(
        f"{name} by category",
        [columns[column] for column in keep],
        [[row[column] for column in keep] for row in rows],
        note,
    )


def disagreement_table(name: str, source: str, summary: Json) -> PageTable | None:
    """Where reward and official scoring differ on one benchmark; None where it has no official scoring.

    Args:
        name: The benchmark.
        source: Of its problems.
        summary: From :func:`summarise`.

    Returns:
        The table.
    """
    official = scoring_of(source)
    if official is None:
        return None
    rows = [
        [entry["reason"], str(entry["count"]), entry["right_by"], ", ".join(entry["examples"])]
        for entry in summary["disagreements"]
    ]
    note = f"Reward: {BY_SOURCE[source].reward_rule}. Official scoring: {official.rule}. {official.warning}".rstrip()
    columns = ["reason", "answers", "right by", "problems, for example"]
    return PageTable(
        f"{name}: where reward and official scoring differ", columns, rows or [["nowhere", "0", "-", "-"]], note
    )


def _cell(estimate: Mapping[str, float] | None, percent: bool) -> str:
    return "-" if estimate is None else Estimate(**estimate).as_text(percent=percent)
