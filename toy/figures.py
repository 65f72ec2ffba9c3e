"""Figures of a study, in PNG and SVG. A method has the same colour and dash everywhere (Okabe and Ito's palette)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from toy.palette import style_of

Entry = Mapping[str, Any]


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
    figure, panels = _panels(3)
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


def ablation_figure(entries: Sequence[Entry]) -> Figure:
    """Entropy and accuracy of one setting's arms, drawn in a row of colours, since most arms have no fixed style."""
    figure, panels = _panels(2)
    colours = colormaps["viridis"](np.linspace(0.0, 0.9, len(entries)))
    for axes, (metric, title) in zip(
        panels, (("entropy", "Exact entropy"), ("accuracy", "Exact accuracy")), strict=True
    ):
        for colour, entry in zip(colours, entries, strict=True):
            curve = entry["curves"][metric]
            axes.plot(entry["steps"], curve["mean"], color=colour, label=label_of(entry), linewidth=1.8)
            axes.fill_between(entry["steps"], curve["low"], curve["high"], color=colour, alpha=0.12, linewidth=0)
        axes.set(title=title, xlabel="training step", ylabel="nats per decision" if metric == "entropy" else None)
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.25)
    _legend_below(figure, panels[0])
    return figure


def map_figure(entries: Sequence[Entry]) -> Figure:
    """Final accuracy and entropy over a grid of two axes, the numbers in the cells; one row for each method."""
    methods = list(dict.fromkeys(entry["method"] for entry in entries))
    figure = Figure(figsize=(11, 3.4 * len(methods)), layout="constrained")
    FigureCanvasAgg(figure)
    rows = figure.subplots(len(methods), 2, squeeze=False)
    for row, method in zip(rows, methods, strict=True):
        members = [entry for entry in entries if entry["method"] == method]
        for axes, metric in zip(row, ("accuracy", "entropy"), strict=True):
            _draw_map(axes, members, metric)
            axes.set_title(f"{method}: exact {metric} at the end")
    return figure


def _draw_map(axes: Axes, entries: Sequence[Entry], metric: str) -> None:
    across, down = (sorted({entry["at"][axis] for entry in entries}) for axis in entries[0]["at"])
    table = np.full((len(down), len(across)), np.nan)
    names = list(entries[0]["at"])
    for entry in entries:
        place = down.index(entry["at"][names[1]]), across.index(entry["at"][names[0]])
        table[place] = entry["curves"][metric]["mean"][-1]
    top = 1.0 if metric == "accuracy" else max(float(np.nanmax(table)), 1e-6)
    axes.imshow(table, origin="lower", aspect="auto", cmap="cividis", vmin=0.0, vmax=top)
    for (y, x), value in np.ndenumerate(table):
        axes.text(x, y, f"{value:.2f}", ha="center", va="center", color="black" if value > 0.55 * top else "white")
    axes.set_xticks(range(len(across)), [f"{value:g}" for value in across])
    axes.set_yticks(range(len(down)), [f"{value:g}" for value in down])
    axes.set(xlabel=names[0].replace("_", " "), ylabel=names[1].replace("_", " "))


def mechanism_figure(entries: Sequence[Entry]) -> Figure:
    """Whom each method pushes over time (above), and its predicted and measured change of entropy (below)."""
    figure = Figure(figsize=(3.2 * len(entries), 6), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(2, len(entries), sharex=True, sharey="row", squeeze=False)
    pushes = {"push_sound": "sound paths", "push_shortcut": "shortcuts", "push_expert": "the expert's paths"}
    changes = {"entropy_change": "measured", "predicted_entropy_change": "predicted, first order"}
    for column, entry in enumerate(entries):
        for row, lines in enumerate((pushes, changes)):
            axes = panels[row, column]
            for (metric, label), (colour, dash) in zip(lines.items(), _LINES[row], strict=True):
                axes.plot(entry["steps"], entry["curves"][metric]["mean"], dash, color=colour, label=label)
            axes.set_yscale("symlog", linthresh=0.005)  # imitation pushes a hundred times harder than the rest
            axes.axhline(0.0, color="black", linewidth=0.6)
            axes.grid(alpha=0.25)
        panels[0, column].set_title(entry["method"])
        panels[1, column].set_xlabel("training step")
    panels[0, 0].set_ylabel("push on log-probability")
    panels[1, 0].set_ylabel("change of entropy\n(nats per decision, each update)")
    panels[0, 0].legend(frameon=False)
    panels[1, 0].legend(frameon=False)
    return figure


_LINES = (
    (("#009E73", "-"), ("#000000", "-"), ("#D55E00", "-")),
    (("#000000", "-"), ("#56B4E9", "--")),
)


def label_of(entry: Entry) -> str:
    """The method, and where on a grid it stands."""
    place = ", ".join(f"{axis.replace('_', ' ')} {value:g}" for axis, value in entry["at"].items())
    return f"{entry['method']} ({place})" if place else str(entry["method"])


def _panels(count: int) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(12, 4.6), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, list(figure.subplots(1, count))


def _legend_below(figure: Figure, axes: Axes) -> None:
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False)


def save_figure(figure: Figure, stem: Path) -> None:
    """Write ``stem.png`` and ``stem.svg``."""
    figure.savefig(stem.with_suffix(".png"), dpi=150)
    figure.savefig(stem.with_suffix(".svg"), metadata={"Date": None})
