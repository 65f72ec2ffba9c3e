"""Studies: lists of arms that run in parallel processes, each saved when it is done, so that a study can be resumed."""

import json
import multiprocessing
import os
import queue
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from toy.methods import parse_method
from toy.settings import Training
from toy.statistics import mean_interval
from toy.trainer import Curves, train, train_grid
from toy.world import World

SOLVED_ABOVE = 0.85
"""A seed whose accuracy is above this has solved its world: shortcuts do not reach it."""


@dataclass(frozen=True)
class Arm:
    """One population to train: a method in a setting.

    Attributes:
        setting: "main", or the name of a regime.
        method: as :func:`toy.methods.parse_method` reads it.
        world: the world.
        training: the run's settings.
        seeds: number of seeds, 0 to ``seeds - 1``.
        cells: for a grid of hyper-parameters: the cells as :func:`toy.trainer.train_grid` takes them.
        place: where the arm stands on axes that its cells do not have.
    """

    setting: str
    method: str
    world: World
    training: Training
    seeds: int
    cells: tuple[Mapping[str, float], ...] = ()
    place: Mapping[str, float] = field(default_factory=dict)

    @property
    def file_name(self) -> str:
        """Name of the file that holds the finished arm's curves."""
        where = (f"{axis}={value}" for axis, value in self.place.items())
        parts = (text.translate(str.maketrans(": ,", "___")) for text in (self.setting, self.method, *where))
        return "__".join(parts) + ".npz"


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

    settings = (parse_method(arm.method), arm.world, arm.training, range(arm.seeds))
    cells = train_grid(*settings, arm.cells, on_point=report) if arm.cells else [train(*settings, on_point=report)]
    curves = {name: np.stack([cell[name] for cell in cells]) for name in cells[0]}
    target = Path(out) / "arms" / arm.file_name
    partial = target.with_suffix(".partial")
    with partial.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **curves)
    os.replace(partial, target)


def load_curves(arm: Arm, out: Path) -> list[Curves] | None:
    """The curves of a finished arm, ``[points, seeds]`` each, for each of its cells (one without a grid), or None."""
    path = out / "arms" / arm.file_name
    if not path.exists():
        return None
    with np.load(path) as stored:
        curves = {name: stored[name] for name in stored.files}
    return [{name: values[cell] for name, values in curves.items()} for cell in range(max(1, len(arm.cells)))]


def summarise(study: str, arms: Sequence[Arm], out: Path, *, complete: bool, seconds: float) -> dict[str, Any]:
    """Collect the finished arms into what results.json holds, and write it.

    Args:
        study: its name, for the report.
        arms: the study.
        out: its folder.
        complete: whether all arms are finished.
        seconds: how long the training took.

    Returns:
        Settings, versions, and one entry for each cell of each finished arm: its place in the grid (``at``), the
        curves' means with their intervals (beside those of the training the mass on unsound paths, and the share of
        seeds that have solved their world), and the final values of each seed.
    """
    entries = [
        _entry(arm, cell, curves)
        for arm in arms
        for cell, curves in zip(arm.cells or ({},), load_curves(arm, out) or (), strict=False)
    ]
    versions = {name: version(name) for name in ("torch", "numpy", "gymnasium")}
    made = time.strftime("%Y-%m-%d %H:%M:%S")
    results = {"study": study, "complete": complete, "made": made, "seconds": seconds, "versions": versions}
    results["arms"] = entries
    partial = out / "results.json.partial"
    partial.write_text(json.dumps(results))
    os.replace(partial, out / "results.json")
    return results


def _entry(arm: Arm, cell: Mapping[str, float], curves: Curves) -> dict[str, Any]:
    settings = {name: value for name, value in asdict(arm).items() if name not in ("cells", "place")}
    unsound = 1.0 - curves["sound_mass"] - curves["shortcut_mass"] - curves["flawed_mass"]
    derived = {"unsound_mass": unsound, "solved": (curves["accuracy"] > SOLVED_ABOVE).astype(np.float64)}
    intervals = {name: _interval(values) for name, values in (curves | derived).items()}
    final = {name: curves[name][-1].tolist() for name in ("entropy", "accuracy")}
    measured = {"steps": arm.training.recorded_steps, "curves": intervals, "final": final}
    return settings | {"at": {**arm.place, **cell}} | measured


def _interval(values: "np.ndarray[Any, np.dtype[np.float64]]") -> dict[str, list[float]]:
    bounds = zip(("mean", "low", "high"), mean_interval(values), strict=True)
    return {name: part.round(6).tolist() for name, part in bounds}
