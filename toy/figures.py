"""Figures of a study, in PNG and SVG. A method has the same colour and dash everywhere (Okabe and Ito's palette)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

STYLES: dict[str, tuple[str, str]] = {
    "grpo": ("#000000", "-"),
    "calibrl": ("#D55E00", "-"),
    "calibrl:slope=1": ("#D55E00", ":"),
    "calibrl_released": ("#CC79A7", "-"),
    "entropy_bonus": ("#56B4E9", "-"),
    "sft_grpo": ("#009E73", "-"),
    "luffy": ("#0072B2", "-"),
    "rl_plus": ("#0072B2", "--"),
    "dapo": ("#E69F00", "-"),
    "dr_grpo": ("#E69F00", "--"),
    "cppo": ("#E69F00", ":"),
    "clip_cov": ("#56B4E9", "--"),
}
_SPARE = ("#CC79A7", "#009E73", "#0072B2", "#D55E00", "#E69F00", "#56B4E9", "#000000")

Entry = Mapping[str, Any]


def style_of(method: str) -> tuple[str, str]:
    """Colour and dash of a method; one without a fixed style gets one that depends on its name only."""
    return STYLES.get(method, (_SPARE[sum(method.encode()) % len(_SPARE)], "-."))


def draw_curves(axes: Axes, entries: Sequence[Entry], metric: str, title: str) -> None:
    """Draw one metric of several arms against the training step, with shaded 95 % intervals."""
    for entry in entries:
        colour, dash = style_of(entry["method"])
        curve = entry["curves"][metric]
        axes.plot(entry["steps"], curve["mean"], dash, color=colour, label=entry["method"], linewidth=1.8)
        axes.fill_between(entry["steps"], curve["low"], curve["high"], color=colour, alpha=0.12, linewidth=0)
    axes.set(title=title, xlabel="training step")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)


def comparison_figure(entries: Sequence[Entry]) -> Figure:
    """Entropy, accuracy and mass on sound paths of all methods, side by side, the legend below."""
    figure = Figure(figsize=(12, 4.6), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, 3)
    titles = {
        "entropy": "Exact entropy (nats per decision)",
        "accuracy": "Exact accuracy",
        "sound_mass": "Probability of a sound path",
    }
    for axes, (metric, title) in zip(panels, titles.items(), strict=True):
        draw_curves(axes, entries, metric, title)
        axes.set_ylim(bottom=0)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=6, frameon=False)
    return figure


def regime_figure(entries: Sequence[Entry], titles: Mapping[str, str]) -> Figure:
    """Accuracy of the main methods in each regime, one panel each."""
    settings = [name for name in titles if any(entry["setting"] == name for entry in entries)]
    figure = Figure(figsize=(3 * max(len(settings), 1), 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, max(len(settings), 1), sharey=True, squeeze=False)[0]
    for axes, name in zip(panels, settings, strict=False):
        draw_curves(axes, [entry for entry in entries if entry["setting"] == name], "accuracy", titles[name])
        axes.set_ylim(0, 1)
    panels[0].set_ylabel("exact accuracy")
    handles, labels = panels[0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside lower center", ncols=6, frameon=False)
    return figure


def save_figure(figure: Figure, stem: Path) -> None:
    """Write ``stem.png`` and ``stem.svg``."""
    figure.savefig(stem.with_suffix(".png"), dpi=150)
    figure.savefig(stem.with_suffix(".svg"), metadata={"Date": None})
