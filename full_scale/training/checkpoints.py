"""Checkpoints that a run goes on from exactly: written beside and renamed, verified, and complete.

Besides what transformers saves (weights, optimiser, schedule, random states, the trainer's state) a checkpoint holds
:class:`Progress`, and within a sampling that several updates share the sampled rows that are left. The manifest says
what wrote it.
"""

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import nn
from trl import GRPOConfig

from cli.folder import read_json, write_json
from full_scale.run.manifest import checkpoints, update_of, verify, write_manifest
from full_scale.training.batching import Batch
from full_scale.training.update import MicroBatch

PROGRESS_FILE = "progress.json"
STAGE = "saving-checkpoint"
"""Folder in which a checkpoint is written before it gets its name."""

ORDER = (
    "seed",
    "num_generations",
    "num_iterations",
    "steps_per_generation",
    "gradient_accumulation_steps",
    "per_device_train_batch_size",
)
"""Options that decide which rows come when; a run goes on exactly with the same ones only."""


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where a checkpoint comes from.

    Attributes:
        method: Name of the method; None if the trainer was not told.
        model: Class of the model.
        parameters: Their number, adapters included.
        order: Options that decide which rows come when, and the number of processes.
    """

    method: str | None
    model: str
    parameters: int
    order: dict[str, int]

    @classmethod
    def of(cls, model: nn.Module, method: str | None, args: GRPOConfig) -> "Origin":
        """That of a run: the model, unwrapped, the method's name and the trainer's options."""
        base = getattr(model, "get_base_model", lambda: model)()  # PEFT wraps the model
        order = {name: getattr(args, name) for name in ORDER} | {"processes": args.world_size}
        parameters = sum(part.numel() for part in model.parameters())
        return cls(method=method, model=type(base).__name__, parameters=parameters, order=order)

    def check(self, manifest: Mapping[str, Any], folder: Path) -> None:
        """Refuse a checkpoint of another run.

        Args:
            manifest: Of the checkpoint.
            folder: The checkpoint.

        Raises:
            ValueError: Naming what differs.
        """
        former = manifest.get("origin", {})
        pairs = {name: (former.get(name), mine) for name, mine in asdict(self).items() if name != "order"}
        pairs |= {name: (former.get("order", {}).get(name), mine) for name, mine in self.order.items()}
        for name, (theirs, mine) in pairs.items():
            if theirs != mine:
                raise ValueError(
                    f"{folder} was written with {name} {theirs!r}, this run has {mine!r}. "
                    "Fix: resume with the checkpoint's settings, or start anew in another folder."
                )


@dataclass(kw_only=True)
class Progress:
    """What a run knows beyond its weights, optimiser and random states.

    Attributes:
        adapted: What the method adapts, such as the slope of the exploration term, by name.
        sampled_at: Number of updates before the last sampling.
        skipped: Updates that were left out since a number was not finite.
        skipped_in_a_row: Of these, the last ones.
        equal_in_a_row: Last samplings in which every advantage was 0.
        validation_losses: Those that the plateau of the first stage was told.
        left_at: Number of updates before the plateau ended that stage; None: it did not.
        metrics: Values since the last line of the log, by name.
    """

    adapted: dict[str, float] = field(default_factory=dict)
    sampled_at: int = 0
    skipped: int = 0
    skipped_in_a_row: int = 0
    equal_in_a_row: int = 0
    validation_losses: list[float] = field(default_factory=list)
    left_at: int | None = None
    metrics: dict[str, list[float]] = field(default_factory=dict)

    def save(self, folder: Path) -> None:
        """Write it into a checkpoint."""
        write_json(folder / PROGRESS_FILE, asdict(self))

    @classmethod
    def load(cls, folder: Path) -> "Progress":
        """Read it from a checkpoint that was verified."""
        record = read_json(folder / PROGRESS_FILE)
        return cls(**{item.name: record[item.name] for item in fields(cls)})


def save_micro_batches(file: Path, parts: Sequence[MicroBatch]) -> None:
    """Write micro-batches, so that an update can be made again.

    Args:
        file: Where to.
        parts: Their derivatives are left out; they depend on the weights.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    names = [item.name for item in fields(Batch)]
    torch.save(
        [{"rows": {name: getattr(part.rows, name) for name in names}, "idle": part.idle} for part in parts], file
    )


def load_micro_batches(file: Path, device: torch.device | str = "cpu") -> list[MicroBatch]:
    """Read what :func:`save_micro_batches` wrote; nothing but tensors, numbers and text is read.

    Args:
        file: From where.
        device: Of the tensors.

    Returns:
        The micro-batches.
    """
    place = torch.device(device)
    place = torch.device("cpu") if place.type == "cpu" else place  # torch loads nothing to "cpu:0", a process's device
    parts = torch.load(file, map_location=place, weights_only=True)
    return [MicroBatch(rows=Batch(**part["rows"]), idle=part["idle"]) for part in parts]


def rollouts_file(folder: Path, process: int) -> Path:
    """The file of a checkpoint with the sampled rows that a process still has to learn from."""
    return folder / f"rollouts_{process}.pt"


def skipped_file(out: Path, update: int, process: int) -> Path:
    """The file with a process's rows of an update that was left out, for :func:`load_micro_batches`."""
    return out / "skipped" / f"update-{update}-{process}.pt"


def last_checkpoint(out: Path) -> Path:
    """The last whole checkpoint in a run's folder.

    Args:
        out: The folder.

    Returns:
        The checkpoint.

    Raises:
        ValueError: There is none.
    """
    found = checkpoints(out)
    if not found:
        raise ValueError(f"{out}: expected a checkpoint to go on from, there is no whole one. Fix: start anew.")
    return found[-1]


def read_checkpoint(folder: Path, origin: Origin) -> dict[str, Any]:
    """Verify a checkpoint before a run goes on from it.

    Args:
        folder: The checkpoint.
        origin: Of this run.

    Returns:
        Its manifest.

    Raises:
        ValueError: It is damaged, unfinished or of another run; an earlier whole one is named.
    """
    try:
        manifest = verify(folder)
    except ValueError as error:
        earlier = [path for path in checkpoints(folder.parent) if update_of(path) < update_of(folder)]
        fix = f"resume from {earlier[-1].name} (--checkpoint {earlier[-1].name})" if earlier else "start anew"
        raise ValueError(f"{error} Fix: {fix}.") from error
    origin.check(manifest, folder)
    return manifest


@contextmanager
def written_beside(out: Path, name: str, *, is_main: bool = True) -> Iterator[Path]:
    """Write a checkpoint in a folder of its own, from which :func:`finish` moves it to its place when it is whole.

    Args:
        out: The run's folder.
        name: Of the checkpoint. It is taken first, by an empty folder.
        is_main: Whether this process, of several, makes and removes folders.

    Yields:
        The folder in which a folder of that name is to be filled.

    Raises:
        ValueError: It could not be written, as on a full disk; the earlier checkpoints are as they were.
    """
    stage = out / STAGE
    try:
        if is_main:
            shutil.rmtree(stage, ignore_errors=True)  # what a killed run left
            stage.mkdir(parents=True)
            (out / name).mkdir(exist_ok=True)
        yield stage
    except (OSError, SafetensorError, RuntimeError) as error:  # torch reports a full disk as a RuntimeError
        if is_main:
            shutil.rmtree(stage, ignore_errors=True)
        raise ValueError(_not_written(out, name, error)) from error


def _not_written(out: Path, name: str, error: Exception) -> str:
    earlier = checkpoints(out)
    kept = f"{earlier[-1].name} is whole" if earlier else "there is no earlier one"
    reason = str(error).partition("\n")[0] or type(error).__name__
    return (
        f"{out / name}: the checkpoint could not be written ({reason}); {kept}. "
        "Fix: make room on the disk, then --resume."
    )


def finish(stage: Path, name: str, about: Mapping[str, Any], *, keep: int | None = None) -> Path:
    """Give a whole checkpoint its manifest and its name, when it is sure that it can be read.

    Args:
        stage: From :func:`written_beside`.
        name: Of the checkpoint.
        about: For the manifest.
        keep: Remove the earliest ones, so that so many remain; None keeps all.

    Returns:
        The checkpoint.
    """
    target = stage.parent / name
    write_manifest(stage / name, about)
    verify(stage / name)
    if target.exists():  # its place, or one that was damaged and is made again
        shutil.rmtree(target)
    os.replace(stage / name, target)
    stage.rmdir()
    for earlier in checkpoints(stage.parent)[: -keep if keep else 0]:
        shutil.rmtree(earlier)
    return target
