"""The toy's prediction beside the vision-language model's curves: ``python docs/shortcut.py`` writes docs/shortcut.png.

The model's curves are those of results/vlm_shortcut/first.json (``python -m benchmarks.shortcut --part first``); the
toy's are trained here, in its world ``vlm-like``, with the same methods, prompts, group size and updates. Where the
toy's curves end is written to results/vlm_shortcut/toy.json.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from benchmarks.shortcut import PARTS
from benchmarks.shortcut_tables import RESULTS
from cli.flags import read_flags
from cli.folder import read_json, write_json
from toy.__main__ import parse
from toy.learning.methods import parse_method
from toy.learning.settings import Training
from toy.learning.trainer import Curves, train
from toy.pages.palette import styles_of
from toy.studies.statistics import mean_interval
from toy.world import World
from toy.world.named import WORLDS

PICTURE = Path(__file__).with_suffix(".png")
PANELS = {
    "sound_probability": ("Probability of the sound way", "sound_mass", 1.0),
    "decision_entropy": ("Entropy of the first decision, nats", "entropy", 3.5),
    "accuracy": ("Accuracy", "accuracy", 1.0),
}
"""Metric of the model -> title, the toy's quantity, upper end of the axis."""

TOY_SEEDS = 32
RATES = (0.25, 0.5, 1.0, 4.0)
"""Learning rates of the toy, plain gradient descent; the last is its default."""

SHOWN_RATE = 0.5
"""In the figure."""

UPDATES = int(WORLDS["vlm-like"]["steps"])

WINDOW = 5
"""Updates in the running mean of the sampled accuracy."""


@cache
def toy_curves(method: str, rate: float) -> Curves:
    """The toy's curves in the world ``vlm-like``, one point per update."""
    options, _, _ = parse(
        ["compare", "--world", "vlm-like", "--learning-rate", str(rate), "--points", str(UPDATES + 1)]
    )
    return train(parse_method(method), read_flags(options, World), read_flags(options, Training), range(TOY_SEEDS))


def toy_results(methods: Mapping[str, str]) -> dict[str, Any]:
    """Last values of the toy's curves, for every method and learning rate."""
    cells = {}
    for name, method in methods.items():
        for rate in RATES:
            last = {key: values[-1] for key, values in toy_curves(method, rate).items()}
            kept = {toy: _interval(last[toy]) for _, toy, _ in PANELS.values()}
            cells[f"{name}, rate {rate:g}"] = kept
    return {"command": "python docs/shortcut.py", "seeds": TOY_SEEDS, "cells": cells}


def _interval(values: NDArray[np.float64]) -> dict[str, float]:
    """Mean over seeds and its 95 % interval."""
    return {
        name: round(float(value), 4) for name, value in zip(("mean", "low", "high"), mean_interval(values), strict=True)
    }


def figure(runs: Sequence[Mapping[str, Any]], methods: Mapping[str, str]) -> Figure:
    """Two rows of panels: the model above, the toy below."""
    drawn = Figure(figsize=(12, 7), layout="constrained")
    FigureCanvasAgg(drawn)
    rows = drawn.subplots(2, len(PANELS), sharex=True, squeeze=False)
    for (name, method), (colour, dash) in zip(methods.items(), styles_of([*methods.values()]), strict=True):
        style = {"color": colour, "linestyle": dash}
        found, toy = [run["course"] for run in runs if run["cell"] == name], toy_curves(method, SHOWN_RATE)
        for column, (metric, (_, quantity, _)) in enumerate(PANELS.items()):
            _draw(rows[0, column], np.array([run[metric] for run in found], dtype=float), metric, style, name)
            _draw(rows[1, column], toy[quantity].T, quantity, style, name)
    for row, who in zip(rows, ("vision-language model", "toy, the same numbers"), strict=True):
        for axes, (title, _, top) in zip(row, PANELS.values(), strict=True):
            axes.set(title=f"{title}\n({who})", xlabel="update", ylim=(0, top))
            axes.spines[["top", "right"]].set_visible(False)
            axes.grid(alpha=0.25)
    handles, labels = rows[0, 0].get_legend_handles_labels()
    drawn.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False)
    return drawn


def _draw(axes: Axes, values: NDArray[np.float64], name: str, style: Mapping[str, Any], label: str) -> None:
    """The mean over seeds, and each of a few seeds faintly; the sampled accuracy as a running mean."""
    if name == "accuracy" and len(values) <= 5:
        values = np.array(
            [[row[max(0, end - WINDOW) : end].mean() for end in range(1, len(row) + 1)] for row in values]
        )
    axes.plot(np.ma.masked_invalid(values).mean(axis=0).filled(np.nan), label=label, linewidth=2, **style)
    if len(values) <= 5:
        axes.plot(values.T, linewidth=0.6, alpha=0.4, **style)


def main() -> None:
    """Write the figure and the toy's numbers."""
    runs = read_json(RESULTS / "first.json")["runs"]
    named = {cell.name: cell.flags[cell.flags.index("--method") + 1] for cell in PARTS["first"]}
    methods = {name: method for name, method in named.items() if any(run["cell"] == name for run in runs)}
    write_json(RESULTS / "toy.json", toy_results(methods))
    figure(runs, methods).savefig(PICTURE, dpi=110)


if __name__ == "__main__":
    main()
