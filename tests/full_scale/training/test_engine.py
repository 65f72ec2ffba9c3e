"""What TRL, PEFT and vLLM are told."""

import pytest

from full_scale.run.command_line import read_command_line
from full_scale.training.engine import adapters, trainer_arguments

pytestmark = pytest.mark.filterwarnings("ignore:`gradient_checkpointing` is deprecated:FutureWarning")  # TRL 1.16


def settings_of(*flags):
    return read_command_line(flags).settings


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ([], {"use_vllm": False}),
        (
            ["--vllm", "colocate", "--vllm-memory", "0.4"],
            {
                "use_vllm": True,
                "vllm_mode": "colocate",
                "vllm_gpu_memory_utilization": 0.4,
                "vllm_max_model_length": 560,
            },
        ),
        (
            ["--vllm", "server", "--vllm-url", "http://host:8000"],
            {"use_vllm": True, "vllm_mode": "server", "vllm_server_base_url": "http://host:8000"},
        ),
    ],
)
def test_vllm_settings_reach_trl(tmp_path, flags, expected):
    args = trainer_arguments(settings_of(*flags), tmp_path, needs_reference=False)
    assert {name: getattr(args, name) for name in expected} == expected
    assert args.vllm_importance_sampling_correction is False


FLAGS = (
    *("--steps", "7", "--seed", "3", "--prompts-per-step", "16", "--group-size", "8", "--micro-batch-rows", "32"),
    *("--updates-per-sampling", "2", "--max-response-length", "50", "--temperature", "0.7", "--format-weight", "0.2"),
    *("--learning-rate", "1e-5", "--learning-rate-schedule", "linear", "--weight-decay", "0.02"),
    *("--max-grad-norm", "0.5", "--save-every", "9", "--gradient-checkpointing"),
)
TOLD = {
    "max_steps": 7,
    "seed": 3,
    "num_generations": 8,
    "per_device_train_batch_size": 32,
    "gradient_accumulation_steps": 4,
    "steps_per_generation": 8,
    "max_completion_length": 50,
    "temperature": 0.7,
    "learning_rate": 1e-5,
    "lr_scheduler_type": "linear",
    "weight_decay": 0.02,
    "max_grad_norm": 0.5,
    "save_steps": 9,
    "save_strategy": "steps",
    "logging_steps": 1,
    "activation_checkpointing": True,
    "bf16": False,
    "use_cpu": True,
    "dataloader_pin_memory": False,
    "report_to": ["tensorboard"],
    "disable_tqdm": True,
    "use_vllm": False,
    "num_iterations": 1,
    "beta": 1e-3,
}


def test_training_settings_reach_trl(tmp_path, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    args = trainer_arguments(settings_of(*FLAGS), tmp_path / "out", needs_reference=True)
    assert {name: getattr(args, name) for name in TOLD} == TOLD
    assert args.output_dir == str(tmp_path / "out")
    assert trainer_arguments(settings_of(), tmp_path, needs_reference=False).beta == 0.0


def test_of_several_processes_each_takes_its_part(tmp_path, monkeypatch):
    monkeypatch.setattr("full_scale.training.engine.processes", lambda: 2)
    args = trainer_arguments(settings_of(*FLAGS), tmp_path, needs_reference=False)
    assert (args.gradient_accumulation_steps, args.steps_per_generation) == (2, 4)


def test_adapters_only_where_they_are_asked_for():
    assert adapters(settings_of()) is None
    flags = ["--lora-rank", "4", "--lora-alpha", "8", "--lora-targets", "q_proj"]
    config = adapters(settings_of(*flags))
    assert (config.r, config.lora_alpha, config.target_modules) == (4, 8, "q_proj")
    assert (config.lora_dropout, config.task_type) == (0.0, "CAUSAL_LM")
