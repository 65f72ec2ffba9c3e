"""What several tests of the toy look at is made once, also where pytest runs in several processes.

The toy is imported inside the fixtures: pytest reads this file before the hook that checks shape types is in place.
"""

import os
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

FLAGS = {
    "compare": "--method grpo calibrl:slope=0.8 --seeds 3 --steps 12 --points 5",
    "ablate": "--seeds 2 --steps 2 --points 2 --prompts 4",
    "phase": "--seeds 2 --steps 30 --points 2",
    "mechanism": "--seeds 2 --steps 2 --points 2 --method grpo calibrl sft_grpo",
}


@pytest.fixture(scope="session")
def shared(tmp_path_factory):
    """A folder of this run of pytest, the same one in all its processes."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(scope="session")
def study(shared):
    """``study(command)``: the folder of a small finished study."""
    from toy.__main__ import main

    def folder(command: str) -> Path:
        out = shared / f"toy-{command}"
        with FileLock(f"{out}.lock"):
            if not out.exists():
                assert main([command, "--out", str(out), "--workers", "1", *FLAGS[command].split()]) == 0
        return out

    return folder


@pytest.fixture(scope="session")
def trained(shared):
    """``trained(setting, method)``: curves of the default training with 32 seeds; start, half-way and end."""
    from toy.learning.methods import parse_method
    from toy.learning.settings import Training
    from toy.learning.trainer import train
    from toy.studies.questions import PARTS
    from toy.world import World

    def curves(setting: str, method: str, **training) -> dict[str, np.ndarray]:
        file = shared / f"toy-{setting}-{method}.npz"
        with FileLock(f"{file}.lock"):
            if not file.exists():
                place = PARTS[setting]
                run = World(**place.world), Training(**{"points": 3, **place.training, **training})
                np.savez(file, **train(parse_method(method), *run, range(32)))
        with np.load(file) as stored:
            return dict(stored)

    return curves
