"""Arms train in parallel processes; each is saved when it is done, so that a study can be resumed."""

import multiprocessing
import os
import queue
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch

from toy.learning.methods import parse_method
from toy.learning.trainer import train, train_grid
from toy.studies.arms import Arm


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
