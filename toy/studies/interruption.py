"""Ctrl-C and `kill`, remembered instead of raised, so that a study can save what it has."""

import signal
import time
from types import FrameType, TracebackType
from typing import Any

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
"""Ctrl-C; what `kill`, `timeout`, docker and SLURM send; a closed terminal (Windows has none)."""


class Interruption:
    """A context in which the first signal is remembered; the second one acts as it did before.

    A signal that was ignored stays ignored: a job in the background does not get the terminal's Ctrl-C.

    Attributes:
        signal: the first signal's number, or None.

    Example:
        >>> with Interruption() as interruption:
        ...     signal.raise_signal(signal.SIGTERM)
        ...     interruption.happened, interruption.status
        (True, 143)
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self._former: dict[int, Any] = {}

    def __enter__(self) -> "Interruption":
        for number in SIGNALS:
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
        """The exit status that shells give to a process which the signal ended: 130 for Ctrl-C, 143 for `kill`."""
        return 0 if self.signal is None else 128 + self.signal

    def wait(self, seconds: float) -> None:
        """Sleep, but not on after a signal."""
        end = time.monotonic() + seconds
        while not self.happened and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, 0.05))

    def _remember(self, number: int, _frame: FrameType | None) -> None:
        self.signal = number
        self._restore()

    def _restore(self) -> None:
        while self._former:
            number, former = self._former.popitem()
            signal.signal(number, former)
