"""A run's settings as TRL, PEFT and vLLM know them; and what this machine lacks for them."""

import os
from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING

import torch

from full_scale.run.settings import Settings

if TYPE_CHECKING:
    pass

EXTRAS = {
    "peft": ("lora", "low-rank adapters (lora_rank)"),
    "vllm": ("vllm", "sampling with vLLM (vllm)"),
    "deepspeed": ("deepspeed", "the accelerate configuration for DeepSpeed"),
}
"""Optional package -> the extra of this project that installs it, and what needs it."""


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


def check_machine(
    settings: Settings, *, is_installed: Callable[[str], bool] = lambda name: find_spec(name) is not None
) -> None:
    """Refuse a run that this machine cannot do, before anything is loaded or downloaded.

    Args:
        settings: All options.
        is_installed: Whether a package can be imported.

    Raises:
        ValueError: Naming what is missing, and what to do.
    """
    if settings.needs_gpu and not torch.cuda.is_available():
        raise ValueError(
            "these settings need a GPU, and torch finds none. On a machine with one, check nvidia-smi and that torch "
            "was installed with CUDA; elsewhere train the tiny model (--preset tiny), or only look (--print-config)."
        )
    needed = {
        "peft": settings.lora_rank > 0,
        "vllm": settings.vllm != "none",
        "deepspeed": os.environ.get("ACCELERATE_USE_DEEPSPEED") == "true",
    }
    for package, (extra, purpose) in EXTRAS.items():
        if needed[package] and not is_installed(package):
            raise ValueError(f"{purpose} needs {package}, which is not installed: pip install '.[{extra}]'")
    rows = settings.prompts_per_step * settings.group_size
    if rows % (settings.micro_batch_rows * processes()):
        raise ValueError(
            f"an update's {rows} responses cannot be dealt to {processes()} processes in micro-batches of "
            f"{settings.micro_batch_rows}; change --prompts-per-step or --micro-batch-rows."
        )
