"""The machine that a run is on: its processes, its device, and what it lacks."""

import os

import torch

from full_scale.run.engines import check_engines
from full_scale.run.settings import Settings


def processes() -> int:
    """Number of processes of this run, as ``accelerate launch`` and ``torchrun`` say it."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_main_process() -> bool:
    """Whether this process writes files and prints."""
    return os.environ.get("RANK", "0") == "0"


def device() -> torch.device:
    """This process's GPU, or the CPU where there is none."""
    return (
        torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        if torch.cuda.is_available()
        else torch.device("cpu")
    )


def weights_dtype(settings: Settings) -> torch.dtype:
    """The type of a run's weights on this machine.

    Args:
        settings: All options.

    Returns:
        What ``dtype`` says; for "auto" bfloat16 where the GPU or the CPU (avx512_bf16, amx) multiplies it itself, else
        float32: elsewhere a CPU takes several times as long for bfloat16.
    """
    if settings.dtype == "auto":
        return torch.bfloat16 if _multiplies_bfloat16() else torch.float32
    return torch.bfloat16 if settings.dtype == "bfloat16" else torch.float32


def _multiplies_bfloat16() -> bool:
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    asked = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")  # torch has no public question for it
    return any(getattr(torch.cpu, name, lambda: False)() for name in asked)


def check_machine(settings: Settings) -> None:
    """Refuse a run that this machine cannot do, before anything is loaded or downloaded.

    Args:
        settings: All options.

    Raises:
        ValueError: Naming what is missing, and what to do.
    """
    if settings.needs_gpu and not torch.cuda.is_available():
        raise ValueError(
            "these settings need a GPU, and torch finds none. On a machine with one, check nvidia-smi and that torch "
            "was installed with CUDA; elsewhere train the tiny model (--preset tiny), or only look (--print-config)."
        )
    check_engines(settings)
    check_shares(settings, processes())


def check_shares(settings: Settings, count: int) -> None:
    """Refuse an update that processes cannot share out in whole micro-batches.

    Args:
        settings: All options.
        count: Of the processes.

    Raises:
        ValueError: With the numbers.
    """
    rows, each = settings.prompts_per_step * settings.group_size, settings.micro_batch_rows
    if rows % (each * count):
        raise ValueError(
            f"micro_batch_rows={each}: expected a divisor of each process's part of an update, {rows} responses over "
            f"{count} processes. Fix: change --prompts-per-step, --micro-batch-rows or the number of processes."
        )
