"""What a run shows while it trains and leaves behind: the progress line, metrics.jsonl and the curves."""

import json
import math
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, TypeAlias

from accelerate.utils import gather_object
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.modeling_utils import PreTrainedModel

from cli.interruption import Interruption

Probe: TypeAlias = Callable[[PreTrainedModel], dict[str, float]]
"""Gives a model's measures by name."""


class Reporter(TrainerCallback):
    """Writes metrics.jsonl and the progress line; within ``with``, a signal means a checkpoint and an orderly end.

    A second one stops at once.

    Args:
        file: metrics.jsonl.
        steps: Updates in all.
        console: Where the progress goes; on a terminal one live line, elsewhere a line for each update.
        probe: Measures the model after every update; its numbers join the update's metrics.

    Attributes:
        interrupted: The signal's number; None where none came.
    """

    def __init__(self, file: Path, steps: int, console: Console, probe: Probe | None = None) -> None:
        self.file, self.steps, self._probe = file, steps, probe
        self.interrupted: int | None = None
        self._interruption = Interruption(self.interrupt)
        self._message: threading.Thread | None = None
        self._console = console
        columns = (TextColumn("{task.description}"), BarColumn(20), MofNCompleteColumn(), TimeRemainingColumn())
        hidden = console.quiet or not console.is_terminal
        self._progress = Progress(*columns, console=console, disable=hidden, speed_estimate_period=3600)
        self._task = self._progress.add_task("training", total=steps)

    def __enter__(self) -> "Reporter":
        self._interruption.__enter__()
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._message is not None:
            self._message.join()
        self._progress.stop()
        self._interruption.__exit__(kind, error, traceback)

    def interrupt(self, number: int) -> None:
        """Finish this update and save, after a signal.

        Args:
            number: The signal's.
        """
        self.interrupted = number
        name = "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name
        message = f"{name}: finishing this update and saving a checkpoint for --resume (again: stop at once)"
        # In a thread of its own: the signal may have cut a print of this thread, and the console would repeat it.
        self._message = threading.Thread(target=self._console.print, args=(message,))
        self._message.start()

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
    ) -> None:
        """Start the clock: a resumed run does not count the updates that it did not make."""
        self._progress.reset(self._task, completed=state.global_step, total=self.steps)

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object) -> None:
        """Save and stop after a signal to any of several processes."""
        came = [number for number in gather_object([self.interrupted]) if number is not None]
        if came:
            self.interrupted = came[0]
            control.should_save = control.should_training_stop = True

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        model: PreTrainedModel | None = None,
        **_: object,
    ) -> None:
        """Append the update's metrics, in the first of several processes; a number that is not finite is null."""
        if not logs or "train_runtime" in logs or not state.is_world_process_zero:
            return
        if self._probe and model is not None:
            logs = {**logs, **self._probe(model)}
        finite = {name: None if _is_odd(value) else value for name, value in logs.items()}
        try:
            with self.file.open("a", encoding="utf-8") as lines:
                lines.write(json.dumps({"step": state.global_step, **finite}) + "\n")
        except OSError as error:
            raise ValueError(
                f"{self.file}: cannot be written ({error.strerror}). Fix: make room on the disk, then --resume."
            ) from error
        shown = {"reward": "reward", "accuracy": "accuracy", "entropy": "entropy", "exploration": "loss/exploration"}
        text = "  ".join(f"{name} {logs[key]:.3f}" for name, key in shown.items() if finite.get(key) is not None)
        self._progress.update(self._task, completed=state.global_step, description=text)
        if not self._console.is_terminal:
            self._console.print(
                f"update {state.global_step}/{self.steps}  {text}  {self._time_left()}", highlight=False
            )

    def _time_left(self) -> str:
        left = self._progress.tasks[0].time_remaining
        return "" if left is None else minutes_left(left)


def minutes_left(seconds: float) -> str:
    """A time in words.

    Example:
        >>> minutes_left(125.2)
        '2 min 5 s left'
    """
    return f"{seconds // 60:.0f} min {seconds % 60:.0f} s left"


def _is_odd(value: object) -> bool:
    return isinstance(value, float) and not math.isfinite(value)
