"""Studies: lists of arms that run in parallel processes, each saved when it is done, so that a study can be resumed."""

import json
import multiprocessing
import os
import queue
import signal
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from toy.methods import parse_method
from toy.settings import Training
from toy.statistics import mean_interval
from toy.trainer import Curves, train
from toy.world import World

DEFAULT_RECIPES = (
    "grpo",
    "entropy_bonus",
    "dapo",
    "cppo",
    "dr_grpo",
    "clip_cov",
    "sft_grpo",
    "luffy",
    "rl_plus",
    "calibrl",
    "calibrl:slope=1",
    "calibrl_released",
)
REGIME_RECIPES = ("grpo", "sft_grpo", "calibrl")


@dataclass(frozen=True)
class Regime:
    """A change of the default setting under which the methods are compared once more.

    Attributes:
        title: for tables.
        why: what the change is for, a sentence.
        world: fields of :class:`toy.world.World` that differ.
        training: fields of :class:`toy.settings.Training` that differ.
    """

    title: str
    why: str
    world: dict[str, Any]
    training: dict[str, Any]


REGIMES: dict[str, Regime] = {
    "deterministic": Regime(
        "Deterministic outcomes",
        "Each path always or never succeeds: sound paths do, shortcuts and the rest do not.",
        {"sound_success": 1.0, "shortcut_success": 0.0, "flawed_success": 0.0, "unsound_success": 0.0},
        {},
    ),
    "executable": Regime(
        "Expert fully executable",
        "All demonstrations are sound paths that the policy can follow.",
        {"executable": 1.0},
        {},
    ),
    "unexecutable": Regime(
        "Expert not executable",
        "With every path that the expert shows the policy succeeds only as often as a flawed one.",
        {"executable": 0.0},
        {},
    ),
    "adam": Regime(
        "Adam", "Adam (rate 0.05) in place of plain gradient descent.", {}, {"optimizer": "adam", "learning_rate": 0.05}
    ),
}


@dataclass(frozen=True)
class Arm:
    """One population to train: a method in a setting.

    Attributes:
        setting: "main", or the name of a regime.
        method: as :func:`toy.methods.parse_method` reads it.
        world: the world.
        training: the run's settings.
        seeds: number of seeds, 0 to ``seeds - 1``.
    """

    setting: str
    method: str
    world: World
    training: Training
    seeds: int

    @property
    def file_name(self) -> str:
        """Name of the file that holds the finished arm's curves."""
        return f"{self.setting}__{self.method.replace(':', '__').replace(',', '_')}.npz"


def comparison(recipes: Sequence[str], world: World, training: Training, seeds: int) -> list[Arm]:
    """The arms of ``compare``: all recipes in the given setting, and the main ones in each regime."""
    arms = [Arm("main", recipe, world, training, seeds) for recipe in recipes]
    for name, regime in REGIMES.items():
        changed = replace(world, **regime.world), replace(training, **regime.training)
        arms += [Arm(name, recipe, *changed, seeds) for recipe in REGIME_RECIPES]
    return arms


def prepare_folder(out: Path, arms: Sequence[Arm], *, force: bool) -> None:
    """Make the output folder, or check that it holds the same study unfinished.

    Args:
        out: the folder.
        arms: the study.
        force: start afresh over a former study, finished or not; never over anything else.

    Raises:
        FileExistsError: the folder holds a finished or another study, or something else altogether.
    """
    settings, marker = json.loads(json.dumps([asdict(arm) for arm in arms])), out / "settings.json"
    if out.is_dir() and any(out.iterdir()):
        if not marker.exists():
            raise FileExistsError(f"out={str(out)!r}: not empty, and no study of this program. Fix: another --out.")
        results = out / "results.json"
        finished = results.exists() and json.loads(results.read_text())["complete"]
        same = json.loads(marker.read_text()) == settings
        if (finished or not same) and not force:
            state = "a finished study" if finished else "an interrupted study with other settings"
            raise FileExistsError(f"out={str(out)!r}: it holds {state}. Fix: another --out, or --force to replace it.")
        if force:
            for file in [*out.glob("arms/*.npz"), *out.glob("results.json")]:
                file.unlink()
    (out / "arms").mkdir(parents=True, exist_ok=True)
    marker.write_text(json.dumps(settings, indent=1))


def run_arms(arms: Sequence[Arm], out: Path, *, workers: int, on_point: Callable[[], None]) -> bool:
    """Train the arms that are not finished yet, in parallel.

    Args:
        arms: the study.
        out: its folder, prepared.
        workers: processes.
        on_point: called for each recorded point, in this process.

    Returns:
        Whether all arms are finished: False after an interruption (Ctrl-C).
    """
    context = multiprocessing.get_context("spawn")
    stop, points = context.Event(), context.Queue()
    pool = ProcessPoolExecutor(workers, context, _start_worker, (stop, points))
    waiting = [pool.submit(_run_arm, arm, str(out)) for arm in arms if not (out / "arms" / arm.file_name).exists()]
    try:
        _follow(waiting, points, on_point)
    except KeyboardInterrupt:
        stop.set()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    return not stop.is_set()


def _follow(
    waiting: Sequence["Future[None]"], points: "multiprocessing.Queue[int]", on_point: Callable[[], None]
) -> None:
    while not all(future.done() for future in waiting):
        try:
            points.get(timeout=0.1)
        except queue.Empty:
            continue
        on_point()
    for future in waiting:
        future.result()


_worker: dict[str, Any] = {}


def _start_worker(stop: Any, points: Any) -> None:  # noqa: ANN401  # multiprocessing's proxies have no public type
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which sets `stop`
    torch.set_num_threads(1)
    _worker.update(stop=stop, points=points)


def _run_arm(arm: Arm, out: str) -> None:
    def report(_step: int, _population: object) -> None:
        """Count a recorded point, or stop."""
        if _worker["stop"].is_set():
            raise InterruptedError("stopped by the user")
        _worker["points"].put(1)

    curves = train(parse_method(arm.method), arm.world, arm.training, range(arm.seeds), on_point=report)
    target = Path(out) / "arms" / arm.file_name
    partial = target.with_suffix(".partial")
    with partial.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **curves)
    os.replace(partial, target)


def load_curves(arm: Arm, out: Path) -> Curves | None:
    """The curves of a finished arm, ``[points, seeds]`` each, or None if it is not finished."""
    path = out / "arms" / arm.file_name
    if not path.exists():
        return None
    with np.load(path) as stored:
        return {name: stored[name] for name in stored.files}


def summarise(arms: Sequence[Arm], out: Path, *, complete: bool, seconds: float) -> dict[str, Any]:
    """Collect the finished arms into what results.json holds, and write it.

    Args:
        arms: the study.
        out: its folder.
        complete: whether all arms are finished.
        seconds: how long the training took.
    """
    entries = []
    for arm in arms:
        if (curves := load_curves(arm, out)) is not None:
            intervals = {name: _interval(values) for name, values in curves.items()}
            final = {name: curves[name][-1].tolist() for name in ("entropy", "accuracy")}
            entries.append(asdict(arm) | {"steps": arm.training.recorded_steps, "curves": intervals, "final": final})
    versions = {name: version(name) for name in ("torch", "numpy", "gymnasium")}
    made = time.strftime("%Y-%m-%d %H:%M:%S")
    results = {"complete": complete, "made": made, "seconds": seconds, "versions": versions, "arms": entries}
    partial = out / "results.json.partial"
    partial.write_text(json.dumps(results))
    os.replace(partial, out / "results.json")
    return results


def _interval(values: "np.ndarray[Any, np.dtype[np.float64]]") -> dict[str, list[float]]:
    bounds = zip(("mean", "low", "high"), mean_interval(values), strict=True)
    return {name: part.round(6).tolist() for name, part in bounds}
