"""The look of the figures: readable at a phone's width, colours that colour-blind readers can tell apart."""

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import Markdown, display
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from toy.pages.palette import style_of
from toy.studies.statistics import mean_interval

PALETTE = {
    "black": "#000000",
    "orange": "#E69F00",
    "sky": "#56B4E9",
    "green": "#009E73",
    "blue": "#0072B2",
    "red": "#D55E00",
    "pink": "#CC79A7",
}
"""Okabe and Ito's colours, by name. The colour of a method is that of ``toy.pages.palette.style_of``."""

_STYLE: dict[str, Any] = {
    "figure.dpi": 150,
    "figure.constrained_layout.use": True,
    "font.size": 11,
    "axes.titlesize": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "legend.frameon": False,
    "legend.fontsize": 10,
    "lines.linewidth": 1.8,
}


def use_style() -> None:
    """Set matplotlib's defaults for the rest of the notebook."""
    plt.style.use(_STYLE)


def panels(columns: int = 1, rows: int = 1, *, height: float = 3.0, **options: Any) -> tuple[Figure, list[Axes]]:  # noqa: ANN401  # what plt.subplots takes
    """Make a figure of 6.4 inches, so that its letters stay readable on a phone, with a row-major list of axes.

    Args:
        columns: panels side by side; two at most stay readable.
        rows: panels one above the other.
        height: of each row, in inches.
        options: for ``plt.subplots``, as ``sharey=True``.
    """
    figure, axes = plt.subplots(rows, columns, figsize=(6.4, height * rows), squeeze=False, **options)
    return figure, list(axes.flat)


def draw_curve(
    axes: Axes,
    steps: Sequence[int],
    values: NDArray[np.float64],
    method: str,
    *,
    label: str | None = None,
    style: tuple[str, str] | None = None,
) -> None:
    """Draw the mean over seeds with its shaded 95 % bootstrap interval, in the method's colour.

    Args:
        axes: where.
        steps: training steps, ``[points]``.
        values: a quantity, ``[points, seeds]``.
        method: as ``toy.pages.palette.style_of`` knows it.
        label: for the legend; the method's name if None.
        style: colour and dash, where the method's own would not tell curves apart.
    """
    colour, dash = style or style_of(method)
    mean, low, high = mean_interval(values)
    axes.plot(steps, mean, dash, color=colour, label=label or method)
    axes.fill_between(steps, low, high, color=colour, alpha=0.15, linewidth=0)
    axes.set_xlabel("training step")


def show(figure: Figure, caption: str) -> None:
    """Display a figure with its caption below, which is also the text for those who cannot see it, and close it.

    Args:
        figure: the figure.
        caption: what it shows, one or two sentences.
    """
    display(figure, metadata={"image/png": {"alt": caption}})
    display(Markdown(f"*{caption}*"))
    plt.close(figure)
