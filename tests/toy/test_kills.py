"""A study is killed, again and again, and goes on: its results are the uninterrupted one's, bit by bit.

`python tests/toy/test_kills.py --kills 200` tries more points than the tests do, and prints how many. A study is killed

* at a moment: SIGKILL at a random time;
* at an operation: SIGKILL just before a random one of the files that it opens, renames or removes;
* inside a write: when a file that it writes has reached a random size;
* in order: SIGTERM or SIGINT at a random time, after which it must save, and exit with 143 or 130.
"""

import argparse
import io
import json
import os
import random
import resource
import signal
import sys
import tempfile
import time
from contextlib import redirect_stdout
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

STUDY = ("mechanism", "--method", "grpo", "calibrl", "dapo", "--seeds", "2", "--steps", "40", "--workers", "1")
KINDS = ("moment", "operation", "write", "order")
OPERATIONS = ("open", "os.rename", "os.remove", "os.mkdir")


def run(out: Path, *flags: str) -> int:
    """Run the study in this process, without its output."""
    from toy.__main__ import main

    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
        return main([*STUDY, "--out", str(out), *flags])


def warm_up(out: Path) -> None:
    """Run a short study in this process, so that no copy of it has to import anything."""
    import torch

    from toy.__main__ import main

    torch.set_num_threads(1)
    with redirect_stdout(io.StringIO()):
        main([*STUDY, "--steps", "2", "--out", str(out)])


def in_child(out: Path, *flags: str, prepare=lambda: None, while_it_runs=lambda _pid: None) -> int:
    """Run the study in a copy of this process; its exit status, or minus the signal that killed it."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            prepare()
            status = run(out, *flags)
        finally:
            os._exit(status)
    while_it_runs(pid)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def ends_within(pid: int, seconds: float) -> bool:
    """Whether a child ends by itself before so many seconds are over; its status can still be asked for."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
            return True
        time.sleep(0.01)
    return False


def operations_of(out: Path, before):
    """Call ``before(name)`` before each operation on the files of a folder, from now on in this process."""

    def hook(event: str, arguments: tuple) -> None:
        if event in OPERATIONS and str(out) in str(arguments[0]):
            before(event)

    sys.addaudithook(hook)


def kill(kind: str, out: Path, chance: random.Random, seconds: float, operations: int, largest: int) -> int:
    """Start the study, or go on with it, and end it too early; its status."""
    moment, nth, size = chance.uniform(0.0, seconds), chance.randrange(1, operations + 1), chance.randrange(largest)
    number = {"order": chance.choice([signal.SIGTERM, signal.SIGINT])}.get(kind, signal.SIGKILL)

    def strike(pid: int) -> None:
        if kind in ("moment", "order") and not ends_within(pid, moment):
            os.kill(pid, number)

    def prepare() -> None:
        left = iter(range(nth, 0, -1))
        if kind == "order":
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # also before the program listens
        if kind == "operation":
            operations_of(out, lambda _: os.kill(os.getpid(), signal.SIGKILL) if next(left) == 1 else None)
        if kind == "write":
            signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # Python ignores it, and would see an OSError
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return in_child(out, "--resume", prepare=prepare, while_it_runs=strike)


def contents(out: Path):
    """What a finished study found: each arm's bytes, and results.json without the time that it took."""
    results = json.loads((out / "results.json").read_text())
    del results["made"], results["seconds"]
    files = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    return files, results, {path.name: path.read_bytes() for path in (out / "arms").iterdir()}


def measure(folder: Path):
    """The uninterrupted study: what it found, its seconds, operations on files, and largest file."""
    out, counted = folder / "whole", folder / "count"

    def count() -> None:
        operations_of(out, lambda _: os.write(descriptor, b"."))

    descriptor = os.open(counted, os.O_WRONLY | os.O_CREAT)
    start = time.monotonic()
    assert in_child(out, prepare=count) == 0
    seconds = time.monotonic() - start
    os.close(descriptor)
    largest = max(path.stat().st_size for path in out.rglob("*"))
    return contents(out), seconds, counted.stat().st_size, largest


def try_kills(folder: Path, kills: int, seed: int) -> dict[str, int]:
    """Kill at random points, at most three times a study, and compare each study's results; how often by kind."""
    warm_up(folder / "warm")
    chance = random.Random(seed)
    expected, *scale = measure(folder)
    done, study = dict.fromkeys(KINDS, 0), 0
    while sum(done.values()) < kills:
        out, study = folder / f"run{study}", study + 1
        for _ in range(chance.randint(1, 3)):
            kind = chance.choice(KINDS)
            status = kill(kind, out, chance, *scale)
            if status == 0:  # it was finished before
                break
            allowed = {"order": (-signal.SIGTERM, -signal.SIGINT, 143, 130), "write": (-signal.SIGXFSZ,)}
            assert status in allowed.get(kind, (-signal.SIGKILL,)), f"{kind}: status {status} in {out}"
            done[kind] += 1
        assert in_child(out, "--resume") == 0, f"the study in {out} does not go on"
        assert contents(out) == expected, f"the study in {out} found something else"
    return done


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are copied by fork")
@pytest.mark.parametrize("seed", [0])
def test_a_killed_study_goes_on_to_the_same_bits(tmp_path, seed, capsys):
    done = try_kills(tmp_path, 12, seed)
    with capsys.disabled():
        print(f"\n{sum(done.values())} kills, all studies bit-identical: {done}")
    assert sum(done.values()) >= 12


def main() -> None:
    """Try as many kills as asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200, help="default: 200")
    parser.add_argument("--seed", type=int, default=0, help="of the points; default: 0")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        done = try_kills(Path(folder), options.kills, options.seed)
    print(f"{sum(done.values())} kills, all studies bit-identical: {done}")


if __name__ == "__main__":
    main()
