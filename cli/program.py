"""How a program ends: one line for a mistake, 128 + signal for an interruption, a report for a crash."""

import errno
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from cli.interruption import SIGNALS, exit_status

MISTAKE, CRASH = 2, 1
"""Exit statuses: what was asked for cannot be done; the program itself failed."""

PATIENCE = 10.0
"""Seconds that a process beside the main one waits to be ended, before it tells a mistake itself."""

ENDING = tuple(number for number in SIGNALS if number != signal.SIGINT)
"""Signals, besides Ctrl-C's, that end a program."""


class Interrupted(KeyboardInterrupt):
    """A signal ended the program.

    Args:
        number: Of the signal.
        message: What remains, and how to go on.
    """

    def __init__(self, number: int = signal.SIGINT, message: str = "interrupted") -> None:
        super().__init__(message)
        self.number = int(number)


@contextmanager
def ending_signals() -> Iterator[None]:
    """Within it SIGTERM and SIGHUP raise :class:`Interrupted`, unless they are ignored, as under nohup."""
    former = {number: signal.getsignal(number) for number in ENDING}
    for number, handler in former.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, _raise)
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def _raise(number: int, _frame: FrameType | None) -> NoReturn:
    raise Interrupted(number, f"ended by {signal.Signals(number).name}")


def run(main: Callable[[], object]) -> NoReturn:
    """Call a program's ``main`` and exit.

    Where a launcher started several processes, the main one alone tells a mistake or an interruption that all of them
    meet; a mistake of another one's own is told by that one.

    Args:
        main: The program. Its ``ValueError`` is a mistake of the user's, told in one line.

    Raises:
        SystemExit: Status 0; 2 after a mistake; 130, 143 or 129 after SIGINT, SIGTERM or SIGHUP; 1 after a full disk
            or, with its traceback, after any other error.
    """
    try:
        with ending_signals():
            main()
    except ValueError as error:
        if not _is_main_process():
            time.sleep(PATIENCE)  # a launcher ends it as soon as the main process has told the same
        _exit(MISTAKE, f"error: {error}")
    except KeyboardInterrupt as interruption:
        number = getattr(interruption, "number", int(signal.SIGINT))
        if not _is_main_process():
            sys.exit(exit_status(number))
        _exit(exit_status(number), str(interruption) or "interrupted")
    except OSError as error:
        if not disk_is_full(error):
            raise
        _exit(
            CRASH, f"error: {error.filename or 'output'}: the disk is full. Fix: make room, then go on with --resume."
        )
    sys.exit(0)


def _is_main_process() -> bool:
    """Whether no launcher started this process, or it is the launcher's first."""
    return os.environ.get("RANK", "0") == "0"


def disk_is_full(error: BaseException) -> bool:
    """Whether an error says that there is no room left; libraries in other languages say it by text only."""
    number = getattr(error, "errno", None)
    return number in (errno.ENOSPC, errno.EDQUOT) or "No space left on device" in str(error)


def _exit(status: int, message: str) -> NoReturn:
    print(" ".join(message.split()), file=sys.stderr, flush=True)
    sys.exit(status)
