"""Speed of the toy: `make bench` prints one line for each figure and writes runs/bench/toy.json.

- the wall time of the default comparison (13 methods x 32 seeds x 600 steps x 16 prompts x 8 rollouts, all cores);
- rollouts a second of the training loop, the update included: all cores, one process each;
- environment steps a second at 64 environments: the native vector environment, and gymnasium's SyncVectorEnv.
"""

import json
import os
import platform
import statistics
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import gymnasium
import numpy as np
import torch

import toy  # noqa: F401  # registers the environment
from cli.folder import Output
from cli.interruption import Interruption
from toy.learning.methods import parse_method
from toy.learning.settings import Training
from toy.learning.trainer import train
from toy.studies.folder import study_folder
from toy.studies.plans import comparison
from toy.studies.questions import DEFAULT_METHODS
from toy.studies.running import run_arms
from toy.world import World

ENVIRONMENT = "calibrl/ReasoningPaths-v0"
OUT = Path("runs/bench/toy.json")


def comparison_seconds(workers: int) -> float:
    """Seconds that the thirteen methods of ``compare`` take in the default world."""
    arms = [arm for arm in comparison(DEFAULT_METHODS, World(), Training(), 32) if arm.part == "main"]
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        with study_folder(Output(out=out), arms), Interruption() as interruption:
            start = time.perf_counter()
            run_arms(arms, out, workers=workers, interruption=interruption, on_point=lambda: None)
            return time.perf_counter() - start


def _train_once(recipe: str) -> float:
    torch.set_num_threads(1)
    training = Training(steps=300, points=2)
    train(parse_method(recipe), World(), Training(steps=5, points=2), range(32))
    start = time.perf_counter()
    train(parse_method(recipe), World(), training, range(32))
    return training.steps * training.prompts * training.rollouts * 32 / (time.perf_counter() - start)


def rollouts_per_second(recipe: str, workers: int) -> float:
    """Rollouts a second of all processes together, the update included; the median of three runs."""
    with ProcessPoolExecutor(workers) as pool:
        runs = [sum(pool.map(_train_once, [recipe] * workers)) for _ in range(3)]
    return statistics.median(runs)


def steps_per_second(mode: str, environments: int = 64, seconds: float = 3.0) -> float:
    """Environment steps a second of ``make_vec`` in one mode, with actions drawn beforehand."""
    vector = gymnasium.make_vec(ENVIRONMENT, num_envs=environments, vectorization_mode=mode)
    vector.reset(seed=0)
    actions = np.random.default_rng(0).integers(0, World().branching, size=(256, environments))
    steps, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        for action in actions:
            vector.step(action)
        steps += len(actions) * environments
    return steps / (time.perf_counter() - start)


def main() -> None:
    """Measure, print and save."""
    workers = os.cpu_count() or 1
    native, sync = steps_per_second("vector_entry_point"), steps_per_second("sync")
    figures = {
        "compare_seconds": comparison_seconds(workers),
        "grpo_rollouts_per_second": rollouts_per_second("grpo", workers),
        "calibrl_rollouts_per_second": rollouts_per_second("calibrl", workers),
        "native_steps_per_second": native,
        "sync_steps_per_second": sync,
        "native_to_sync": native / sync,
    }
    for name, value in figures.items():
        print(f"{name:30} {value:14,.1f}")
    machine = {"cores": workers, "machine": platform.machine(), "torch": torch.__version__}
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps(figures | machine, indent=1))


if __name__ == "__main__":
    main()
