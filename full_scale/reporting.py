"""What a run shows while it trains and leaves behind: the progress line, metrics.jsonl and the curves."""

import json
import signal
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

PANELS = {
    "reward": ("Reward", "mean reward"),
    "accuracy": ("Accuracy of the rollouts", "share correct"),
    "entropy": ("Entropy of the policy", "nats per token"),
    "loss/exploration": ("Exploration term", "its share of the loss"),
}
"""Key in metrics.jsonl -> title and unit of its panel."""

WINDOW = 10
"""Updates in the curves' running mean."""


class Reporter(TrainerCallback):
    """Writes metrics.jsonl and the progress line; within ``with``, the first Ctrl-C is a checkpoint and an orderly end.

    Args:
        file: metrics.jsonl.
        steps: Updates in all.
        console: Where the progress goes; on a terminal one live line, elsewhere a line for each update.
    """

    def __init__(self, file: Path, steps: int, console: Console) -> None:
        self.file, self.steps, self.interrupted = file, steps, False
        self._console = console
        columns = (TextColumn("{task.description}"), BarColumn(20), MofNCompleteColumn(), TimeRemainingColumn())
        hidden = console.quiet or not console.is_terminal
        self._progress = Progress(*columns, console=console, disable=hidden, speed_estimate_period=3600)
        self._task = self._progress.add_task("training", total=steps)

    def __enter__(self) -> "Reporter":
        self._former = signal.signal(signal.SIGINT, self.interrupt)
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._progress.stop()
        signal.signal(signal.SIGINT, self._former)

    def interrupt(self, _signal: int, _frame: FrameType | None) -> None:
        """Handle Ctrl-C: finish this update and save; a second Ctrl-C stops at once."""
        if self.interrupted:
            raise KeyboardInterrupt
        self.interrupted = True
        self._console.print("Ctrl-C: finishing this update and saving a checkpoint for --resume (again: stop at once)")

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
    ) -> None:
        """Start the clock: a resumed run does not count the updates that it did not make."""
        self._progress.reset(self._task, completed=state.global_step, total=self.steps)

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object) -> None:
        """Save and stop after Ctrl-C."""
        if self.interrupted:
            control.should_save = control.should_training_stop = True

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **_: object,
    ) -> None:
        """Append the update's metrics, in the first of several processes."""
        if not logs or "train_runtime" in logs or not state.is_world_process_zero:
            return
        with self.file.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps({"step": state.global_step, **logs}) + "\n")
        shown = {"reward": "reward", "accuracy": "accuracy", "entropy": "entropy", "exploration": "loss/exploration"}
        text = "  ".join(f"{name} {logs[key]:.3f}" for name, key in shown.items() if key in logs)
        self._progress.update(self._task, completed=state.global_step, description=text)
        if not self._console.is_terminal:
            self._console.print(
                f"update {state.global_step}/{self.steps}  {text}  {self._time_left()}", highlight=False
            )

    def _time_left(self) -> str:
        left = self._progress.tasks[0].time_remaining
        return "" if left is None else f"{left // 60:.0f} min {left % 60:.0f} s left"


def read_metrics(file: Path) -> list[dict[str, Any]]:
    """The updates' metrics, in order.

    Args:
        file: metrics.jsonl.

    Returns:
        One record per update; none where the file does not exist.
    """
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.is_file() else []


def forget_later_metrics(file: Path, step: int) -> None:
    """Drop the metrics of updates that will be done again.

    Args:
        file: metrics.jsonl.
        step: The last update that stays.
    """
    kept = [json.dumps(record) + "\n" for record in read_metrics(file) if record["step"] <= step]
    file.write_text("".join(kept), encoding="utf-8")


def curves_figure(records: Sequence[Mapping[str, Any]], title: str) -> Figure:
    """Reward, accuracy, entropy and the exploration term's share, against the update.

    Args:
        records: From :func:`read_metrics`, at least one.
        title: Of the figure.

    Returns:
        One panel for each of :data:`PANELS` that the run has: each update, and the mean of the last :data:`WINDOW`.
    """
    panels = {key: labels for key, labels in PANELS.items() if any(key in record for record in records)}
    figure = Figure(figsize=(3.6 * len(panels), 3.4), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title)
    for axes, (key, (heading, unit)) in zip(
        figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True
    ):
        points = [(record["step"], record[key]) for record in records if key in record]
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
    """Write curves.png and curves.svg from metrics.jsonl; nothing where no update was logged.

    Args:
        out: The run's folder.
        title: Of the figure.
    """
    records = read_metrics(out / "metrics.jsonl")
    if records:
        figure = curves_figure(records, title)
        figure.savefig(out / "curves.png", dpi=150)
        figure.savefig(out / "curves.svg", metadata={"Date": None})


def versions() -> dict[str, str]:
    """The versions of this project and of what a run's numbers depend on."""
    return {name: version(name) for name in ("calibrl-ref", "torch", "transformers", "trl", "accelerate", "numpy")}
