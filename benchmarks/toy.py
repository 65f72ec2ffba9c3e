"""Speed of the toy: ``python -m benchmarks toy``.

- the wall time of the default comparison (13 methods x 32 seeds x 600 steps x 16 prompts x 8 rollouts, all cores);
- rollouts a second of the training loop, the update included: all cores, one process each; and in one thread beside a
  loop that trains seed after seed;
- environment steps a second at 64 environments: the native vector environment beside gymnasium's SyncVectorEnv.
"""

import os
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import gymnasium
import numpy as np
import torch

import toy  # noqa: F401  # registers the environment
from benchmarks.rows import Row, in_turns
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


def comparison_seconds(workers: int) -> float:
    """Seconds that the thirteen methods of ``compare`` take in the default world."""
    arms = [arm for arm in comparison(DEFAULT_METHODS, World(), Training(), 32) if arm.part == "main"]
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        with study_folder(Output(out=out), arms), Interruption() as interruption:
            start = time.perf_counter()
            run_arms(arms, out, workers=workers, interruption=interruption, on_point=lambda: None)
            return time.perf_counter() - start


def train_rate(recipe: str, seeds: Sequence[int] = range(32), steps: int = 200) -> float:
    """Rollouts a second of one thread, the update included."""
    torch.set_num_threads(1)
    training = Training(steps=steps, points=2)
    train(parse_method(recipe), World(), Training(steps=5, points=2), seeds)
    start = time.perf_counter()
    train(parse_method(recipe), World(), training, seeds)
    return training.steps * training.prompts * training.rollouts * len(seeds) / (time.perf_counter() - start)


def seed_by_seed_rate(recipe: str, steps: int = 50) -> float:
    """The same of a loop over seeds; what one seed takes, every seed takes."""
    return train_rate(recipe, range(1), steps)


def rollouts_per_second(recipe: str, workers: int) -> list[float]:
    """Rollouts a second of all processes together, the update included, of three runs."""
    with ProcessPoolExecutor(workers) as pool:
        return [sum(pool.map(train_rate, [recipe] * workers)) for _ in range(3)]


def steps_per_second(mode: str, environments: int = 64, seconds: float = 1.0) -> float:
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


def rows() -> list[Row]:
    """Measure."""
    workers = os.cpu_count() or 1
    native, sync = in_turns(lambda: steps_per_second("vector_entry_point"), lambda: steps_per_second("sync"), 3)
    batch, loop = in_turns(lambda: train_rate("calibrl", steps=60), lambda: seed_by_seed_rate("calibrl"), 3)
    return [
        Row.of("environment, 64 at once", "steps/s", native, peer="SyncVectorEnv", theirs=sync, rate=True),
        Row.of("calibrl, 32 seeds, one thread", "rollouts/s", batch, peer="seed by seed", theirs=loop, rate=True),
        *(
            Row.of(f"{name}, all cores", "rollouts/s", rollouts_per_second(name, workers), rate=True, bar=1.5e6)
            for name in ("grpo", "calibrl")
        ),
        Row.of("compare", "s", [comparison_seconds(workers)], bar=60.0),
    ]
