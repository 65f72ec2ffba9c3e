"""Arms in this process and in a pool: the same bits; signals, broken workers, workers without a parent."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from cli.interruption import Interruption
from toy.learning.methods import parse_method
from toy.learning.settings import Training
from toy.learning.trainer import train, train_grid
from toy.studies import running
from toy.studies.arms import Arm, load_curves
from toy.studies.running import run_arms
from toy.world import World

TRAINING = Training(steps=4, points=3, prompts=4, rollouts=4)
CELLS = ({"slope": 0.0}, {"slope": 1.0})
ARMS = [
    Arm("main", "grpo", World(depth=3), TRAINING, 3),
    Arm("slope x weight", "calibrl", World(depth=3), TRAINING, 2, CELLS),
    Arm("main", "calibrl", World(depth=3), TRAINING, 3),
]


@pytest.fixture
def out(tmp_path):
    (tmp_path / "arms").mkdir()
    return tmp_path


def run(out, workers=1, arms=ARMS, on_point=lambda: None):
    with Interruption() as interruption:
        return run_arms(arms, out, workers=workers, interruption=interruption, on_point=on_point)


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_arms_are_trained_counted_and_saved(out, workers):
    points = []
    assert run(out, workers, on_point=lambda: points.append(1)) is True
    assert len(points) <= 9  # the last points of a pool may come after its arms
    assert len(points) == 9 or workers == 2
    assert len(list(out.rglob("*.npz"))) == len(list(out.rglob("*.*"))) == 3
    expected = [
        [train(parse_method("grpo"), World(depth=3), TRAINING, range(3))],
        train_grid(parse_method("calibrl"), World(depth=3), TRAINING, range(2), CELLS),
        [train(parse_method("calibrl"), World(depth=3), TRAINING, range(3))],
    ]
    for arm, cells in zip(ARMS, expected, strict=True):
        for found, wanted in zip(load_curves(arm, out), cells, strict=True):
            assert all(np.array_equal(found[name], values) for name, values in wanted.items())


def test_this_process_trains_with_one_thread_and_then_has_its_own_number_again(out):
    before, seen = torch.get_num_threads(), []
    torch.set_num_threads(2)
    try:
        run(out, arms=ARMS[:1], on_point=lambda: seen.append(torch.get_num_threads()))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert set(seen) == {1}


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_a_signal_ends_the_training_and_keeps_what_is_finished(out, workers):
    points = []

    def on_point():
        points.append(1)
        if len(points) == 4:
            signal.raise_signal(signal.SIGTERM)

    long = [ARMS[0], Arm("main", "dapo", World(), Training(steps=20_000, points=2001), 8)]
    start = time.monotonic()
    assert run(out, workers, long, on_point) is False
    assert time.monotonic() - start < 60
    assert {path.name for path in out.rglob("*.*")} <= {ARMS[0].file_name}
    assert load_curves(ARMS[0], out) is not None or workers == 2


def test_a_signal_after_the_last_point_is_still_one(out):
    with Interruption() as interruption:
        arms = ARMS[:1]
        count = iter(range(3))
        on_point = lambda: signal.raise_signal(signal.SIGTERM) if next(count) == 2 else None  # noqa: E731
        assert run_arms(arms, out, workers=1, interruption=interruption, on_point=on_point) is False
    assert load_curves(ARMS[0], out) is not None


@pytest.mark.slow
def test_an_arm_that_cannot_be_trained_says_why(out):
    with pytest.raises(ValueError, match="'grop'"):
        run(out, 2, [Arm("main", "grop", World(), TRAINING, 1)])


@pytest.mark.slow
def test_a_killed_worker_is_said_in_a_line(out, monkeypatch):
    monkeypatch.setattr(running, "_run_in_worker", _die)
    with pytest.raises(ValueError, match=r"a worker process was killed, perhaps for memory\. Fix: --resume with fewer"):
        run(out, 2)


def _die(_arm, _out):
    os._exit(9)


PARENT = """
from pathlib import Path
from toy.learning.settings import Training
from toy.studies.arms import Arm
from cli.interruption import Interruption
from toy.studies.running import run_arms
from toy.world import World
if __name__ == "__main__":
    out = Path({out!r})
    arms = [Arm("main", name, World(), Training(steps=200_000, points=20_001), 4) for name in ("grpo", "dapo")]
    run_arms(arms, out, workers=2, interruption=Interruption(), on_point=lambda: print("point", flush=True))
"""


def children(pid):
    """Processes whose parent is this one."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if int(parent) == pid and state != "Z":
            found.append(int(folder.name))
    return found


def alive(pid):
    try:
        return (Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]) != "Z"
    except OSError:
        return False


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="no /proc: processes cannot be listed")
def test_workers_do_not_outlive_their_parent(out, tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(PARENT.format(out=str(out)))
    process = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "point\n"  # the workers train
    workers = children(process.pid)
    assert len(workers) >= 2
    process.kill()
    process.communicate()
    deadline = time.monotonic() + 30
    while any(map(alive, workers)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not list(filter(alive, workers))
