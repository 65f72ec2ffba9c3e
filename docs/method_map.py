"""The map of methods: ``python docs/method_map.py`` measures the methods that ``method_map.json`` lacks, and draws all.

Where a method stands is read off its recipe (``docs/methods.py``): with what a response is compared, and into which
rows a gradient flows. Its colour is measured on the toy: the first-order change of entropy (minus the covariance of
log-probability and update), summed over the first steps of training, in nats per decision.
"""

import json
import re
import textwrap
from collections import defaultdict
from pathlib import Path

from matplotlib import colormaps
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from methods import compared, gradient_flows

from calibrl_ref import RECIPES
from toy.learning.methods import parse_method
from toy.learning.settings import Training
from toy.learning.trainer import train
from toy.studies.statistics import mean_interval
from toy.world import World

MEASURED = Path(__file__).with_suffix(".json")
FIGURE = Path(__file__).with_suffix(".png")
PAGE = Path(__file__).parents[1] / "tutorials" / "map.md"
EVERY = 4  # steps from one point to the next
METHODS = tuple(name for name in RECIPES if not name.endswith("_released") or name == "calibrl_released")
FLOWS = {
    "right, wrong": "own answers",
    "right, wrong, expert": "own answers and the expert's",
    "expert": "the expert's",
}
LOWEST, HIGHEST = -0.5, 0.25  # of the colours, nats per decision

Place = tuple[str, str]


def measure(method: str, *, seeds: range = range(16), steps: int = 300) -> list[float]:
    """Change of entropy over the steps, to first order: mean over seeds and its 95 % interval, nats per decision."""
    training = Training(steps=steps, points=steps // EVERY + 1, learning_rate=1.0)
    curves = train(parse_method(method), World(), training, seeds)
    return [round(float(value), 4) for value in mean_interval(EVERY * curves["predicted_entropy_change"][:-1].sum(0))]


def place(method: str) -> Place:
    """What a method compares, and into which rows its gradient flows."""
    objective = RECIPES[method]()
    return compared(objective).removeprefix("an answer with its group; "), FLOWS[gradient_flows(objective)]


def grid() -> dict[Place, list[str]]:
    """Place -> its methods."""
    found = defaultdict(list)
    for method in METHODS:
        found[place(method)].append(method)
    return found


def draw(change: dict[str, list[float]]) -> None:
    """Draw the grid: a box a method, in the colour of its change of entropy."""
    cells, columns = grid(), list(FLOWS.values())
    rows = list(dict.fromkeys(compared for compared, _ in cells))
    labels = {row: textwrap.fill(row, 24) for row in rows}
    heights = [
        max(labels[row].count("\n") + 1, *(len(cells.get((row, column), [])) for column in columns)) for row in rows
    ]
    figure, axes = plt.subplots(figsize=(8.4, 0.26 * (sum(heights) + len(rows)) + 1.0), dpi=130)
    top = 0.0
    for row, height in zip(rows, heights, strict=True):
        axes.text(-0.05, top + height / 2, labels[row], ha="right", va="center", fontsize=8)
        for column, name in enumerate(columns):
            for line, method in enumerate(cells.get((row, name), [])):
                _box(axes, column, top + line, method, change[method][0])
        top += height + 1
        axes.axhline(top - 0.5, color="0.8", linewidth=0.7)
    axes.set(xlim=(0, len(columns)), ylim=(top - 0.5, -1.2), xticks=[], yticks=[])
    for column, name in enumerate(columns):
        axes.text(column + 0.5, -0.6, name, ha="center", va="center", fontsize=9, weight="bold")
    axes.spines[:].set_visible(False)
    figure.savefig(FIGURE, bbox_inches="tight", metadata={"Software": None})


def _box(axes: Axes, column: int, line: float, method: str, change: float) -> None:
    share = (change - LOWEST) / (HIGHEST - LOWEST)
    axes.add_patch(Rectangle((column + 0.02, line), 0.96, 0.92, color=colormaps["viridis"](share)))
    ink = "white" if share < 0.55 else "black"
    axes.text(column + 0.06, line + 0.48, method, va="center", fontsize=8, color=ink)
    axes.text(column + 0.94, line + 0.48, f"{change:+.2f}", va="center", ha="right", fontsize=8, color=ink)


def write(change: dict[str, list[float]]) -> None:
    """Put the table into the page, between its two marks."""
    rows = ["| compared | gradient into | method | change of entropy |", "|---|---|---|---|"]
    for (what, where), methods in grid().items():
        for method in sorted(methods, key=lambda name: change[name][0]):
            mean, low, high = change[method]
            rows.append(f"| {what} | {where} | `{method}` | {mean:+.2f} [{low:+.2f}, {high:+.2f}] |")
    table = "\n".join(rows)
    text = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(re.sub(r"(?s)(<!-- table -->\n\n).*?(\n\n<!-- end -->)", rf"\1{table}\2", text), encoding="utf-8")


if __name__ == "__main__":
    known = json.loads(MEASURED.read_text(encoding="utf-8")) if MEASURED.exists() else {}
    changes = {name: known.get(name) or measure(name) for name in METHODS}
    MEASURED.write_text(json.dumps(changes, indent=1) + "\n", encoding="utf-8")
    draw(changes)
    write(changes)
