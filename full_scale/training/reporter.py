"""What a run shows while it trains and leaves behind: the progress line, metrics.jsonl and the curves."""

import json
import signal
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments


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
