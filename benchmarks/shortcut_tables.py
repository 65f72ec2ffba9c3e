"""The results of the shortcut's runs as tables: ``python -m benchmarks.shortcut --tables``."""

import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scipy.stats import t as student

RESULTS = Path("results/vlm_shortcut")
"""What ``python -m benchmarks.shortcut`` writes: a file for each part."""

COLUMNS = {
    "greedy": "greedy_accuracy",
    "sampled": "sampled_accuracy",
    "sampled, no triangle": "minority_accuracy",
    "look": "sound_share",
    "guess": "shortcut_share",
    "neither": "neither_share",
    "entropy, nats": "decision_entropy",
    "pass@8": "pass_at_k",
    "greedy, blank": "blank_pictures",
}
"""Title -> measure: a share, in per cent, but for the entropy."""

COMPARED = {"greedy": "greedy_accuracy", "sampled": "sampled_accuracy", "look": "sound_share", "pass@8": "pass_at_k"}
"""What is compared with GRPO's with the same seed."""


def table(part: str, folder: Path = RESULTS) -> list[str]:
    """The measures of a part's cells after training, mean over seeds with its interval, as lines of Markdown."""
    lines = _head(["method", "seeds", *COLUMNS])
    for name, cell in _results(part, folder)["cells"].items():
        values = [cell[measure].get("after", cell[measure]) for measure in COLUMNS.values()]
        shown = [_shown(value, percent="entropy" not in title) for title, value in zip(COLUMNS, values, strict=True)]
        lines.append(_line([name, str(len(cell["seeds"])), *shown]))
    return lines


def paired_table(parts: Sequence[str], folder: Path = RESULTS) -> list[str]:
    """Differences to GRPO with the same seed, in points, as lines of Markdown."""
    everything = [run for part in parts for run in _results(part, folder)["runs"]]
    plain = {run["seed"]: run["after"] for run in _results("first", folder)["runs"] if run["cell"] == "grpo"}
    lines = _head(["method", "seeds", *(f"{title}, points" for title in COMPARED)])
    for name in dict.fromkeys(run["cell"] for run in everything if run["cell"] != "grpo"):
        pairs = [(run["after"], plain[run["seed"]]) for run in everything if run["cell"] == name]
        found = [interval([own[measure] - other[measure] for own, other in pairs]) for measure in COMPARED.values()]
        lines.append(_line([name, str(len(pairs)), *(_shown(value, percent=True, signed=True) for value in found)]))
    return lines


def _results(part: str, folder: Path) -> dict[str, Any]:
    file = folder / f"{part}.json"
    found: dict[str, Any] = json.loads(file.read_text()) if file.is_file() else {"cells": {}, "runs": []}
    return found


def _head(titles: Sequence[str]) -> list[str]:
    return [_line(titles), _line(["---"] * len(titles))]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _shown(value: Mapping[str, float], *, percent: bool, signed: bool = False) -> str:
    """A mean with its interval; a share's is cut at 0 and 1.

    Example:
        >>> _shown({"mean": 0.5, "low": -0.1, "high": 1.1}, percent=True)
        '50.0 [0.0, 100.0]'
    """
    numbers = [value[name] for name in ("mean", "low", "high") if name in value]
    if percent:
        numbers = [100.0 * (number if signed else min(max(number, 0.0), 1.0)) for number in numbers]
    mean, *ends = (f"{number:{'+' if signed else ''}.{1 if percent else 2}f}" for number in numbers)
    return f"{mean} [{', '.join(ends)}]" if ends else mean


def interval(values: Sequence[float]) -> dict[str, float]:
    """Mean over seeds with its 95 % t interval; of one seed the mean alone.

    Example:
        >>> interval([0.5, 0.7])
        {'mean': 0.6, 'low': -0.6706, 'high': 1.8706}
    """
    mean = statistics.fmean(values)
    if len(values) == 1:
        return {"mean": round(mean, 4)}
    half = float(student.ppf(0.975, len(values) - 1)) * statistics.stdev(values) / len(values) ** 0.5
    return {"mean": round(mean, 4), "low": round(mean - half, 4), "high": round(mean + half, 4)}
