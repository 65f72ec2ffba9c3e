"""What a study found, as results.json holds it."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from cli.folder import beside
from toy.learning.trainer import Curves
from toy.studies.arms import Arm, load_curves
from toy.studies.folder import RESULTS, versions
from toy.studies.statistics import mean_interval, share_interval

SOLVED_ABOVE = 0.85
"""A seed whose accuracy is above this has solved its world: shortcuts do not reach it."""


def summarise(study: str, arms: Sequence[Arm], out: Path, *, complete: bool, seconds: float) -> dict[str, Any]:
    """Collect the finished arms into what results.json holds, and write it.

    Args:
        study: its name, for the report.
        arms: the study.
        out: its folder.
        complete: whether all arms are finished.
        seconds: how long the training took.

    Returns:
        Settings, versions, and one entry for each cell of each finished arm: its place in the grid (``at``), the
        curves' means with their intervals (beside those of the training the mass on unsound paths, and the share of
        seeds that have solved their world, with Wilson's interval), and the final values of each seed.
    """
    entries = [
        _entry(arm, cell, curves)
        for arm in arms
        for cell, curves in zip(arm.cells or ({},), load_curves(arm, out) or (), strict=False)
    ]
    made = time.strftime("%Y-%m-%d %H:%M:%S")
    results = {"study": study, "complete": complete, "made": made, "seconds": seconds, "versions": versions()}
    results["arms"] = entries
    with beside(out / RESULTS) as partial:
        partial.write_text(json.dumps(results))
    return results


def _entry(arm: Arm, cell: Mapping[str, float], curves: Curves) -> dict[str, Any]:
    settings = {name: value for name, value in asdict(arm).items() if name not in ("cells", "place")}
    unsound = 1.0 - curves["sound_mass"] - curves["shortcut_mass"] - curves["flawed_mass"]
    intervals = {name: _interval(values) for name, values in (curves | {"unsound_mass": unsound}).items()}
    intervals["solved"] = _share(curves["accuracy"] > SOLVED_ABOVE)
    final = {name: curves[name][-1].tolist() for name in ("entropy", "accuracy", "coverage")}
    measured = {"steps": arm.training.recorded_steps, "curves": intervals, "final": final}
    return settings | {"at": {**cell, **arm.place}} | measured


def _interval(values: "np.ndarray[Any, np.dtype[np.float64]]") -> dict[str, list[float]]:
    bounds = zip(("mean", "low", "high"), mean_interval(values), strict=True)
    return {name: part.round(6).tolist() for name, part in bounds}


def _share(solved: "np.ndarray[Any, np.dtype[np.bool_]]") -> dict[str, list[float]]:
    seeds = solved.shape[-1]
    found = solved.sum(-1).tolist()
    bounds = [share_interval(count, seeds) for count in found]
    return {
        "mean": [round(count / seeds, 6) for count in found],
        "low": [round(low, 6) for low, _ in bounds],
        "high": [round(high, 6) for _, high in bounds],
    }
