"""Exit statuses and the one line that is printed."""

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cli.program import Interrupted, disk_is_full, ending_signals, run

ROOT = Path(__file__).parents[2]


def ended(capsys, main):
    with pytest.raises(SystemExit) as ending:
        run(main)
    return ending.value.code, capsys.readouterr().err


def raising(error):
    def main():
        raise error

    return main


@pytest.mark.parametrize(
    ("error", "status", "text"),
    [
        (ValueError("steps=0: expected\n more."), 2, "error: steps=0: expected more.\n"),
        (KeyboardInterrupt(), 130, "interrupted\n"),
        (Interrupted(message="go on"), 130, "go on\n"),
        (Interrupted(signal.SIGTERM), 143, "interrupted\n"),
        (Interrupted(signal.SIGHUP), 129, "interrupted\n"),
        (OSError(errno.ENOSPC, "No space", "a/b"), 1, "error: a/b: the disk is full. Fix: make room, then go on"),
        (OSError(errno.EDQUOT, "quota"), 1, "error: output: the disk is full."),
    ],
)
def test_the_status_and_line_of_each_ending(capsys, error, status, text):
    found = ended(capsys, raising(error))
    assert found[0] == status
    assert found[1].startswith(text)
    assert found[1].count("\n") == 1


def test_success_and_crashes(capsys):
    assert ended(capsys, lambda: {"a": 1}) == (0, "")
    with pytest.raises(KeyError):
        run(raising(KeyError("a")))
    with pytest.raises(FileNotFoundError):
        run(raising(FileNotFoundError(errno.ENOENT, "no")))


def test_a_full_disk_is_known_by_number_or_text():
    assert disk_is_full(RuntimeError("I/O error: No space left on device (os error 28)"))
    assert not disk_is_full(RuntimeError("out of memory"))
    assert not disk_is_full(OSError(errno.EACCES, "denied"))


def test_handlers_are_put_back_and_ignored_signals_stay_ignored():
    former = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        before = signal.getsignal(signal.SIGTERM)
        with ending_signals():
            assert signal.getsignal(signal.SIGTERM) != before
            assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
        assert signal.getsignal(signal.SIGTERM) == before
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, former)


SLEEPING = """
import signal, time
from cli.program import run
signal.signal(signal.SIGINT, signal.default_int_handler)  # it may be inherited ignored
def main():
    print("on", flush=True)
    time.sleep(60)
run(main)
"""


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_real_signal_ends_a_real_process(number, status):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", SLEEPING]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout.readline() == "on\n"
        time.sleep(0.05)
        process.send_signal(number)
        _, text = process.communicate(timeout=20)
    assert process.returncode == status
    assert text.count("\n") == 1
    assert "Traceback" not in text
