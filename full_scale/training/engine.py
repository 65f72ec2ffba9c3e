"""What TRL's trainer is told: its arguments and adapters, made from the settings."""

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from trl import GRPOConfig

from full_scale.run.machine import processes
from full_scale.run.settings import Settings

if TYPE_CHECKING:
    from peft import LoraConfig


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
        target_modules=settings.lora_targets,
        task_type="CAUSAL_LM",
    )
