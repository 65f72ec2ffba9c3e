"""Ctrl-C and `kill`, remembered instead of raised, so that a run can save what it has."""

import signal
import threading
import time
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
"""Ctrl-C; what `kill`, `timeout`, docker and SLURM send; a closed terminal (Windows has none)."""


def exit_status(number: int) -> int:
    """The exit status that shells give to a process which a signal ended.

    Example:
        >>> exit_status(signal.SIGINT)
        130
    """
    return 128 + number


class Interruption:
    """A context in which the first signal is remembered; the second one acts as it did before.

    A signal that was ignored stays ignored: a job in the background does not get the terminal's Ctrl-C, nor one under
    nohup the end of its terminal. Outside the main thread (Ray Train, a notebook's thread) Python lets nobody handle
    signals, and they are left alone.

    Args:
        on_signal: Called with the first signal's number.

    Attributes:
        signal: The first signal's number, or None.

    Example:
        >>> with Interruption() as interruption:
        ...     signal.raise_signal(signal.SIGTERM)
        ...     interruption.happened, interruption.status
        (True, 143)
    """

    def __init__(self, on_signal: Callable[[int], object] = lambda number: None) -> None:
        self._on_signal = on_signal
        self.signal: int | None = None
        self._former: dict[int, Any] = {}

    def __enter__(self) -> "Interruption":
        in_main_thread = threading.current_thread() is threading.main_thread()
        for number in SIGNALS if in_main_thread else ():
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._former[number] = signal.signal(number, self._remember)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._restore()

    @property
    def happened(self) -> bool:
        """Whether there was a signal."""
        return self.signal is not None

    @property
    def status(self) -> int:
        """The program's: 0 without a signal, else 130 for Ctrl-C, 143 for `kill`, 129 for a closed terminal."""
        return 0 if self.signal is None else exit_status(self.signal)

    def wait(self, seconds: float) -> None:
        """Sleep, but not on after a signal.

        Args:
            seconds: How long.
        """
        end = time.monotonic() + seconds
        while not self.happened and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, 0.05))

    def _remember(self, number: int, _frame: FrameType | None) -> None:
        self.signal = number
        self._restore()
        self._on_signal(number)

    def _restore(self) -> None:
        while self._former:
            number, former = self._former.popitem()
            signal.signal(number, former)
