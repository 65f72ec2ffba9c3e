"""Arms train in parallel processes; each is saved when it is done, so that a study can be resumed."""

import multiprocessing
import os
import queue
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch

from cli.folder import beside
from cli.interruption import Interruption
from toy.learning.methods import parse_method
from toy.learning.trainer import train, train_grid
from toy.studies.arms import Arm, save_curves


def run_arms(
    arms: Sequence[Arm], out: Path, *, workers: int, interruption: Interruption, on_point: Callable[[], None]
) -> bool:
    """Train arms and save their curves.

    Args:
        arms: those to train.
        out: the study's folder, prepared.
        workers: processes; with one, this process trains.
        interruption: where a signal is remembered; it ends the training, and the finished arms are kept.
        on_point: called for each recorded point, in this process.

    Returns:
        Whether all arms are finished: False after an interruption.

    Raises:
        ValueError: a worker process was killed.
    """
    if workers == 1:
        return _run_here(arms, out, interruption, on_point)
    return _run_in_pool(arms, out, workers, interruption, on_point)


def _run_here(arms: Sequence[Arm], out: Path, interruption: Interruption, on_point: Callable[[], None]) -> bool:
    def report() -> None:
        """Count a recorded point, or stop."""
        if interruption.happened:
            raise InterruptedError
        on_point()

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as a worker has it: the order of a sum, and so its last bit, depends on it
    try:
        for arm in arms:
            _run_arm(arm, out, report)
    except InterruptedError:
        return False
    finally:
        torch.set_num_threads(threads)
    return not interruption.happened


def _run_in_pool(
    arms: Sequence[Arm], out: Path, workers: int, interruption: Interruption, on_point: Callable[[], None]
) -> bool:
    context = multiprocessing.get_context("spawn")
    points = context.Queue()
    ours, theirs = context.Pipe()
    pool = ProcessPoolExecutor(workers, context, _start_worker, (theirs, points))
    try:
        with _without_signals():
            waiting = [pool.submit(_run_in_worker, arm, out) for arm in arms]
        _follow(waiting, points, interruption, on_point)
    except BrokenProcessPool:
        if not interruption.happened:  # a signal to all processes of a group ends the workers too
            raise ValueError(
                "a worker process was killed, perhaps for memory. Fix: --resume with fewer --workers."
            ) from None
    finally:
        if interruption.happened:
            ours.close()  # ends the workers: an unfinished arm has nothing to save
        pool.shutdown(wait=True, cancel_futures=True)
    return not interruption.happened


@contextmanager
def _without_signals() -> Iterator[None]:
    """Hold Ctrl-C back: a process that is started meanwhile never gets it, this one afterwards."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    former = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, former)


def _follow(
    waiting: Sequence["Future[None]"],
    points: "multiprocessing.Queue[int]",
    interruption: Interruption,
    on_point: Callable[[], None],
) -> None:
    while not interruption.happened and not all(future.done() for future in waiting):
        try:
            points.get(timeout=0.1)
        except queue.Empty:
            continue
        on_point()
    for future in waiting:
        if not interruption.happened:
            future.result()


_worker: dict[str, Any] = {}


def _start_worker(parent: Connection, points: Any) -> None:  # noqa: ANN401  # the queue's proxy has no public type
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    torch.set_num_threads(1)
    _worker.update(points=points)


def _end_with(parent: Connection) -> None:
    """End this process when the other end of a pipe is closed: by the parent on purpose, or because it has died."""
    try:
        parent.poll(None)
    finally:
        os._exit(1)


def _run_in_worker(arm: Arm, out: Path) -> None:
    _run_arm(arm, out, lambda: _worker["points"].put(1))


def _run_arm(arm: Arm, out: Path, report: Callable[[], None]) -> None:
    settings = (parse_method(arm.method), arm.world, arm.training, range(arm.seeds))

    def on_point(_step: int, _population: object) -> None:
        """Say that there is one more."""
        report()

    cells = train_grid(*settings, arm.cells, on_point=on_point) if arm.cells else [train(*settings, on_point=on_point)]
    with beside(out / "arms" / arm.file_name) as partial:
        save_curves(cells, partial)
