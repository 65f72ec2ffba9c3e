"""Exit statuses and the one line that is printed."""

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cli.program import PATIENCE, Interrupted, disk_is_full, ending_signals, run

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


def test_beside_the_main_process_an_interruption_is_not_told_and_a_mistake_after_a_while(capsys, monkeypatch):
    waited = []
    monkeypatch.setattr("cli.program.time.sleep", waited.append)
    mistake = raising(ValueError("steps=0"))
    for rank, times in (("0", []), ("3", [PATIENCE])):
        monkeypatch.setenv("RANK", rank)
        assert ended(capsys, mistake) == (2, "error: steps=0\n")
        assert waited == times
    assert ended(capsys, raising(Interrupted(signal.SIGTERM))) == (143, "")
    assert waited == [PATIENCE]


SHARING = """
from cli.program import run
def main():
    raise ValueError("rows=5: expected a divisor of the processes.")
run(main)
"""


@pytest.mark.slow
def test_what_all_processes_of_a_launcher_find_is_told_once(tmp_path):
    (script := tmp_path / "sharing.py").write_text(SHARING)
    launcher = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=3")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    started = time.monotonic()
    done = subprocess.run([*launcher, script], capture_output=True, text=True, env=environment)
    assert done.returncode != 0
    assert done.stderr.count("error: rows=5: expected a divisor of the processes.\n") == 1
    assert done.stderr.count("rows=5") == 1
    assert time.monotonic() - started < 60


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
        before, ctrl_c = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
        with ending_signals():
            assert signal.getsignal(signal.SIGTERM) != before
            assert signal.getsignal(signal.SIGINT) == ctrl_c  # Python's own, which raises KeyboardInterrupt
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


@pytest.mark.parametrize(
    ("number", "status", "told"),
    [
        (signal.SIGINT, 130, "interrupted\n"),
        (signal.SIGTERM, 143, "ended by SIGTERM\n"),
        (signal.SIGHUP, 129, "ended by SIGHUP\n"),
    ],
)
def test_a_real_signal_ends_a_real_process(number, status, told):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", SLEEPING]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout.readline() == "on\n"
        time.sleep(0.05)
        process.send_signal(number)
        _, text = process.communicate(timeout=20)
    assert (process.returncode, text) == (status, told)
