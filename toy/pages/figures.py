"""Figures of a study, in PNG and SVG. A method has the same colour and dash everywhere."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cli.folder import beside
from toy.pages.names import name_of
from toy.pages.palette import style_of
from toy.pages.sections import Column, Line, Section, axis_label

__all__ = ["RAMP", "SYMLOG_FROM", "save_figure", "section_figure", "style_of"]

RAMP = "cividis"
"""Colour map of the maps."""

SYMLOG_FROM = 0.005
"""Where a logarithmic axis turns linear: imitation pushes a hundred times harder than the rest."""


def section_figure(section: Section, steps: Sequence[int]) -> Figure:
    """The figure of a section: a map if it has axes, else a panel for each of its columns.

    Args:
        section: what to draw.
        steps: the recorded steps.
    """
    return _map_figure(section) if section.axes else _curves_figure(section, steps)


def _curves_figure(section: Section, steps: Sequence[int]) -> Figure:
    columns = [column for column in section.columns if column.panel]
    figure = Figure(figsize=(max(12.0, 3.2 * len(columns)), 4.6), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(columns), sharey=columns[0].symlog, squeeze=False)[0]
    for axes, column in zip(panels, columns, strict=True):
        for place, line in enumerate(section.lines):
            _draw_line(axes, line, column, steps, place)
        axes.set(title=column.title, xlabel="training step", ylabel=column.unit)
        if column.symlog:
            axes.set_yscale("symlog", linthresh=SYMLOG_FROM)
            axes.axhline(0.0, color="black", linewidth=0.6)
        else:
            axes.set_ylim(0.0, column.top)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.25)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(6, len(labels)), frameon=False)
    return figure


def _draw_line(axes: Axes, line: Line, column: Column, steps: Sequence[int], place: int) -> None:
    """Draw one curve with its 95 % interval; dots of several lines stand side by side."""
    curve = line.curves[column.key]
    axes.plot(steps, curve["mean"], line.dash, color=line.colour, label=line.name, linewidth=1.8)
    axes.fill_between(steps, curve["low"], curve["high"], color=line.colour, alpha=0.12, linewidth=0)
    if column.dots:
        final = line.final[column.key]
        axes.plot(
            [(1.02 + 0.02 * (place % 4)) * steps[-1]] * len(final),
            final,
            "o",
            color=line.colour,
            alpha=0.35,
            markersize=4,
            mew=0,
        )


def _map_figure(section: Section) -> Figure:
    """Final accuracy, coverage and entropy over the axes, the numbers in the cells; a row of maps for each method."""
    methods = list(dict.fromkeys(line.label for line in section.lines if line.at))
    members = {method: [line for line in section.lines if line.label == method and line.at] for method in methods}
    heights = [1.0 + 0.45 * _table(section, lines, "accuracy").shape[0] for lines in members.values()]
    first, *others = (column for column in section.columns if column.panel)
    columns = [*others, first]  # the entropy, which says how, after what was reached
    figure = Figure(figsize=(5.5 * len(columns), 0.4 + 1.05 * sum(heights)), layout="constrained")
    FigureCanvasAgg(figure)
    rows = figure.subplots(len(methods), len(columns), squeeze=False, height_ratios=heights)
    for row, method in zip(rows, methods, strict=True):
        for axes, column in zip(row, columns, strict=True):
            table = _table(section, members[method], column.key)
            _draw_map(axes, section, table, top=column.top or _largest(section, column.key))
            axes.set_title(f"{name_of(method)}: {column.title[0].lower()}{column.title[1:]} at the end")
    return figure


def _table(section: Section, lines: Sequence[Line], key: str) -> NDArray[np.float64]:
    """Final means over the first axis (columns) and the second (rows; one for a method without it)."""
    (across, columns), (down, rows) = section.axes.items()
    used: list[float | None] = [value for value in rows if any(line.at.get(down) == value for line in lines)] or [None]
    table = np.full((len(used), len(columns)), np.nan)
    for line in lines:
        table[used.index(line.at.get(down)), columns.index(line.at[across])] = line.curves[key]["mean"][-1]
    return table


def _largest(section: Section, key: str) -> float:
    return max(max(line.curves[key]["mean"][-1] for line in section.lines), 1e-6)


def _draw_map(axes: Axes, section: Section, table: NDArray[np.float64], *, top: float) -> None:
    (across, columns), (down, rows) = section.axes.items()
    axes.imshow(table, origin="lower", aspect="auto", cmap=RAMP, vmin=0.0, vmax=top)
    for (y, x), value in np.ndenumerate(table):
        axes.text(x, y, f"{value:.2f}", ha="center", va="center", color="black" if value > 0.55 * top else "white")
    axes.set_xticks(range(len(columns)), [f"{value:g}" for value in columns])
    axes.set_xlabel(axis_label(across))
    if len(table) == len(rows):
        axes.set_yticks(range(len(rows)), [f"{value:g}" for value in rows])
        axes.set_ylabel(axis_label(down))
    else:
        axes.set_yticks([])


def save_figure(figure: Figure, stem: Path) -> Path:
    """Write ``stem.png`` and ``stem.svg``; the path of the second is returned."""
    with beside(stem.with_suffix(".png")) as picture:
        figure.savefig(picture, format="png", dpi=150)
    with beside(stem.with_suffix(".svg")) as drawing:
        figure.savefig(drawing, format="svg", metadata={"Date": None})
    return stem.with_suffix(".svg")
