"""The curves of a training run as a figure."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from full_scale.run.folder import read_metrics

PANELS = {
    "loss": ("Loss", "of the objective"),
    "reward": ("Reward", "mean reward"),
    "accuracy": ("Accuracy of the rollouts", "share correct"),
    "entropy": ("Entropy of the policy", "nats per token"),
    "sound_probability": ("The sound way", "probability"),
    "decision_entropy": ("Entropy of the first decision", "nats"),
    "loss/exploration": ("Exploration term", "its share of the loss"),
}
"""Key in metrics.jsonl -> title and unit of its panel."""

WINDOW = 10
"""Updates in the curves' running mean."""


def curves_figure(records: Sequence[Mapping[str, Any]], title: str) -> Figure:
    """Reward, accuracy, entropy and the exploration term's share, against the update.

    Args:
        records: From :func:`read_metrics`, at least one.
        title: Of the figure.

    Returns:
        One panel for each of :data:`PANELS` that the run has: each update, and the mean of the last :data:`WINDOW`.
        An update without the number, or with one that is not finite, has no point.
    """
    panels = {key: labels for key, labels in PANELS.items() if any(record.get(key) is not None for record in records)}
    figure = Figure(figsize=(3.6 * len(panels), 3.4), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title)
    for axes, (key, (heading, unit)) in zip(
        figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True
    ):
        points = [(record["step"], record[key]) for record in records if record.get(key) is not None]
        steps, values = np.array(points).T
        means = [values[max(0, end - WINDOW) : end].mean() for end in range(1, len(values) + 1)]
        axes.plot(steps, values, color="#0072B2", alpha=0.35, linewidth=1, label="each update")
        axes.plot(steps, means, color="#0072B2", linewidth=2, label=f"mean of the last {WINDOW}")
        axes.set(title=heading, xlabel="update", ylabel=unit)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.25)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False)
    return figure


def save_curves(out: Path, title: str) -> None:
    """Write curves.png and curves.svg from metrics.jsonl; nothing where it has nothing that a panel shows.

    Args:
        out: The run's folder.
        title: Of the figure.
    """
    records = read_metrics(out / "metrics.jsonl")
    if any(record.get(key) is not None for record in records for key in PANELS):
        figure = curves_figure(records, title)
        figure.savefig(out / "curves.png", dpi=150)
        figure.savefig(out / "curves.svg", metadata={"Date": None})
