"""A run's settings as TRL, PEFT and vLLM know them; and what this machine lacks for them."""

import os
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from trl import GRPOConfig

from full_scale.settings import Settings

if TYPE_CHECKING:
    from peft import LoraConfig

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


def trainer_arguments(settings: Settings, out: Path, *, needs_reference: bool) -> GRPOConfig:
    """TRL's options for a run.

    Args:
        settings: All options.
        out: Output folder.
        needs_reference: Keep a copy of the initial model.

    Returns:
        The options.
    """
    on_gpu = torch.cuda.is_available()
    rows = settings.prompts_per_step * settings.group_size
    accumulation = rows // (settings.micro_batch_rows * processes())
    return GRPOConfig(
        output_dir=str(out),
        max_steps=settings.steps,
        seed=settings.seed,
        per_device_train_batch_size=settings.micro_batch_rows,
        gradient_accumulation_steps=accumulation,
        steps_per_generation=accumulation * settings.updates_per_sampling,
        num_generations=settings.group_size,
        max_completion_length=settings.max_response_length,
        temperature=settings.temperature,
        learning_rate=settings.learning_rate,
        lr_scheduler_type=settings.learning_rate_schedule,
        weight_decay=settings.weight_decay,
        max_grad_norm=settings.max_grad_norm,
        reward_weights=[1.0, settings.format_weight],
        beta=1e-3 if needs_reference else 0.0,  # above 0 TRL keeps a reference model; its weight is the recipe's
        bf16=settings.mixed_precision == "bfloat16",
        activation_checkpointing=settings.gradient_checkpointing,
        use_cpu=not on_gpu,
        use_vllm=settings.vllm != "none",
        vllm_mode="server" if settings.vllm == "server" else "colocate",
        vllm_server_base_url=settings.vllm_url,
        vllm_gpu_memory_utilization=settings.vllm_memory,
        vllm_max_model_length=settings.max_prompt_length + settings.max_response_length,
        vllm_importance_sampling_correction=False,  # TRL's own loss applies it, calibrl_ref's does not
        logging_steps=1,
        save_steps=settings.save_every,
        report_to="tensorboard",
        disable_tqdm=True,
        dataloader_pin_memory=on_gpu,
    )


def adapters(settings: Settings) -> "LoraConfig | None":
    """The low-rank adapters of a run, None where all weights are trained."""
    if settings.lora_rank == 0:
        return None
    from peft import LoraConfig  # an extra

    return LoraConfig(
        r=settings.lora_rank,
        lora_alpha=settings.lora_alpha,
        lora_dropout=settings.lora_dropout,
        target_modules=settings.lora_targets,
        task_type="CAUSAL_LM",
    )
